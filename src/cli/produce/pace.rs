//! How fast records are sent.

use std::time::{Duration, Instant};

use crate::data::Timestamp;

/// Shorter waits are put off: sleeping costs about as much.
const SHORTEST: Duration = Duration::from_millis(2);

/// A rate, a speed, or no limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    started: Instant,
    rate: Option<f64>,
    speed: Option<f64>,
    first: Option<Timestamp>,
}

impl Pace {
    /// Records per second, or seconds of record time per second; neither is as fast as possible.
    pub fn new(rate: Option<f64>, speed: Option<f64>) -> Self {
        Pace { started: Instant::now(), rate, speed, first: None }
    }

    /// How long to wait before the next record, after `sent` of them.
    pub fn wait(&mut self, sent: u64, at: Option<Timestamp>) -> Duration {
        let since = self.started.elapsed();
        let wait = self.due(sent, at).saturating_sub(since);
        if wait < SHORTEST { Duration::ZERO } else { wait }
    }

    /// When the next record is due, from the start.
    fn due(&mut self, sent: u64, at: Option<Timestamp>) -> Duration {
        let seconds = match (self.rate, self.speed, at) {
            (Some(rate), _, _) => sent as f64 / rate,
            (None, Some(speed), Some(at)) => {
                let first = *self.first.get_or_insert(at);
                at.since(first) as f64 / 1_000.0 / speed
            }
            _ => 0.0,
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_records_and_a_speed_their_time() {
        let at = |ms| Some(Timestamp::from_millis(ms));
        assert_eq!(Pace::new(Some(100.0), None).due(250, at(0)), Duration::from_millis(2_500));
        let mut fast = Pace::new(None, Some(60.0));
        assert_eq!(fast.due(0, at(1_000)), Duration::ZERO);
        assert_eq!(fast.due(1, at(121_000)), Duration::from_secs(2));
        assert_eq!(Pace::new(None, None).due(9, at(7)), Duration::ZERO);
    }
}
