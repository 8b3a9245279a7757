//! Keeps a line that repeats from filling the log.

use std::time::{Duration, Instant};

/// Lets one occurrence through per interval and counts the others. The clock is an argument.
///
/// ```
/// use std::time::{Duration, Instant};
/// use driftless::telemetry::Throttle;
///
/// let mut throttle = Throttle::every(Duration::from_secs(10));
/// let start = Instant::now();
/// assert_eq!(throttle.admit(start, 1), Some(1));
/// assert_eq!(throttle.admit(start + Duration::from_secs(3), 4), None);
/// assert_eq!(throttle.admit(start + Duration::from_secs(10), 2), Some(6));
/// ```
#[derive(Clone, Debug)]
pub struct Throttle {
    interval: Duration,
    admitted: Option<Instant>,
    held_back: u64,
}

impl Throttle {
    /// At most one line per `interval`; the first occurrence is always let through.
    pub const fn every(interval: Duration) -> Self {
        Throttle { interval, admitted: None, held_back: 0 }
    }

    /// Counts `occurrences` more; when a line may be written, returns how many it stands for, those held back since the
    /// last line included. Zero occurrences are never let through.
    pub fn admit(&mut self, now: Instant, occurrences: u64) -> Option<u64> {
        if occurrences == 0 {
            return None;
        }
        self.held_back = self.held_back.saturating_add(occurrences);
        let due = self.admitted.is_none_or(|last| now.saturating_duration_since(last) >= self.interval);
        if !due {
            return None;
        }
        self.admitted = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }

    /// Occurrences that no line has told of yet.
    pub fn held_back(&self) -> u64 {
        self.held_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_tell_is_not_let_through() {
        let mut throttle = Throttle::every(Duration::from_secs(1));
        assert_eq!(throttle.admit(Instant::now(), 0), None);
    }

    #[test]
    fn what_was_held_back_is_told_with_the_next_line() {
        let mut throttle = Throttle::every(Duration::from_secs(1));
        let start = Instant::now();
        assert_eq!(throttle.admit(start, 1), Some(1));
        assert_eq!(throttle.admit(start, 5), None);
        assert_eq!(throttle.held_back(), 5);
        assert_eq!(throttle.admit(start + Duration::from_secs(2), 1), Some(6));
        assert_eq!(throttle.held_back(), 0);
    }

    #[test]
    fn a_clock_that_goes_back_holds_back() {
        let mut throttle = Throttle::every(Duration::from_secs(1));
        let start = Instant::now() + Duration::from_secs(60);
        assert_eq!(throttle.admit(start, 1), Some(1));
        assert_eq!(throttle.admit(start - Duration::from_secs(30), 1), None);
    }
}
