//! Since when a shard has been behind the end of its input, by the clock on the wall.
//!
//! Timestamps of records cannot tell: they are the producer's, and of a replay years old. So the end of the input is
//! looked at every few seconds, and where the shard has not come to an end that was seen, it has been behind since then.
//! What was waiting when the first look was taken counts from that look on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Ends kept; with more, every second one is dropped, and the figure errs towards longer.
const MOST: usize = 256;

/// The ends of one input that its shard has not come to yet.
#[derive(Debug, Default)]
pub(super) struct Behind {
    ends: VecDeque<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    end: i64,
    at: Instant,
}

/// One look at an input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// When.
    pub at: Instant,
    /// Where the input ends.
    pub end: i64,
    /// Up to where its shard has read and committed it.
    pub settled: i64,
}

impl Behind {
    /// Takes a look in; returns for how long the shard has been behind.
    pub(super) fn look(&mut self, look: Look) -> Duration {
        while self.ends.front().is_some_and(|seen| seen.end <= look.settled) {
            self.ends.pop_front();
        }
        if look.end > look.settled && self.ends.back().is_none_or(|last| last.end < look.end) {
            self.ends.push_back(Seen { end: look.end, at: look.at });
        }
        if self.ends.len() > MOST {
            self.thin_out();
        }
        self.ends.front().map_or(Duration::ZERO, |oldest| look.at.saturating_duration_since(oldest.at))
    }

    /// Of two neighbours keeps the earlier time with the later end.
    fn thin_out(&mut self) {
        let ends = std::mem::take(&mut self.ends);
        let mut ends = ends.into_iter();
        while let Some(first) = ends.next() {
            let end = ends.next().map_or(first.end, |second| second.end);
            self.ends.push_back(Seen { end, at: first.at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(looks: &[(u64, i64, i64)]) -> Vec<u64> {
        let start = Instant::now();
        let mut behind = Behind::default();
        let look =
            |&(at, end, settled)| behind.look(Look { at: start + Duration::from_secs(at), end, settled }).as_secs();
        looks.iter().map(look).collect()
    }

    #[test]
    fn a_shard_that_keeps_up_is_not_behind() {
        assert_eq!(seconds(&[(0, 10, 10), (5, 20, 20), (10, 20, 20)]), [0, 0, 0]);
    }

    #[test]
    fn one_that_stands_still_falls_behind_by_the_clock() {
        assert_eq!(seconds(&[(0, 10, 10), (5, 12, 10), (10, 15, 10), (15, 15, 10)]), [0, 0, 5, 10]);
    }

    #[test]
    fn one_that_moves_is_behind_since_the_end_it_has_not_come_to() {
        assert_eq!(seconds(&[(0, 10, 0), (5, 20, 5), (10, 30, 12), (15, 30, 30)]), [0, 5, 5, 0]);
    }

    #[test]
    fn of_many_ends_few_are_kept_and_the_figure_is_never_too_short() {
        let start = Instant::now();
        let mut behind = Behind::default();
        for at in 0..10_000_u32 {
            let look = Look { at: start + Duration::from_secs(at.into()), end: i64::from(at) + 1, settled: 0 };
            assert_eq!(behind.look(look).as_secs(), u64::from(at));
            assert!(behind.ends.len() <= MOST);
        }
        let half = Look { at: start + Duration::from_secs(10_000), end: 10_000, settled: 5_000 };
        assert!(behind.look(half).as_secs() >= 5_000);
    }
}
