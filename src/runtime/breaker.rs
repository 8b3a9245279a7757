//! Holds a shard back whose events have gone bad, before it drains a topic into the dead letters.
//!
//! A mistake, in a producer or in the configuration, makes nearly every event unusable. The last so many events of a shard
//! are counted as they are committed; when too large a share of them was refused, the shard takes nothing more: what it
//! has taken is committed, what it has not stays where it is, and nothing is lost or passed over. Counting begins anew
//! with every start and every move of a shard, and has no part in what is computed.

use std::collections::VecDeque;

use crate::data::RejectCode;
use crate::data::params::BreakerParams;

/// What a shard has counted since its machine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub events: u64,
    pub refused: u64,
    /// The code that was met most often.
    pub most: Option<RejectCode>,
}

/// The last events of a shard.
#[derive(Debug)]
pub(super) struct Breaker {
    params: BreakerParams,
    /// What each of the last transactions added, the latest one last.
    parts: VecDeque<Part>,
    sum: Part,
    before: Counted,
    /// The share above which the shard is held back now.
    max_rejected: f64,
    is_open: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    events: u64,
    refused: u64,
}

impl Breaker {
    /// Counts from here on; `counted` is what the machine has counted while it was restored.
    pub(super) fn new(params: BreakerParams, counted: Counted) -> Self {
        let max_rejected = params.max_rejected;
        Breaker { params, parts: VecDeque::new(), sum: Part::default(), before: counted, max_rejected, is_open: false }
    }

    /// Goes on with a machine that was made anew and has counted this.
    pub(super) fn resume(&mut self, counted: Counted) {
        self.before = counted;
    }

    /// Whether the shard is held back.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Goes by the share that a command has set, or by the configured one; true if that lets the shard go on.
    pub(super) fn go_by(&mut self, commanded: Option<f64>) -> bool {
        self.max_rejected = commanded.unwrap_or(self.params.max_rejected);
        let was_open = self.is_open;
        self.is_open &= self.share() > self.max_rejected;
        was_open && !self.is_open
    }

    fn share(&self) -> f64 {
        self.sum.refused as f64 / self.sum.events.max(1) as f64
    }

    /// Takes in what has been counted up to a commit; why the shard is held back, if it is from now on.
    pub(super) fn committed(&mut self, now: Counted) -> Option<String> {
        let part = Part {
            events: now.events.saturating_sub(self.before.events),
            refused: now.refused.saturating_sub(self.before.refused),
        };
        self.before = now;
        if self.is_open || part.events == 0 {
            return None;
        }
        self.parts.push_back(part);
        self.sum.events += part.events;
        self.sum.refused += part.refused;
        while let Some(oldest) = self.parts.front().copied()
            && self.sum.events - oldest.events >= self.params.window
        {
            self.parts.pop_front();
            self.sum.events -= oldest.events;
            self.sum.refused -= oldest.refused;
        }
        if self.sum.events < self.params.window || self.share() <= self.max_rejected {
            return None;
        }
        self.is_open = true;
        let (Part { events, refused }, max) = (self.sum, self.max_rejected);
        let most = now.most.map_or(String::new(), |code| format!(", most of all since the start with code `{code}`"));
        Some(format!(
            "{refused} of its last {events} events were refused{most}, and `events.max_rejected` is {max}: mend what makes \
             them unusable, or let them become dead letters: `driftless set events.max_rejected 1 --why ...`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(events: u64, refused: u64) -> Counted {
        Counted { events, refused, most: Some(RejectCode::Type) }
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerParams { max_rejected: 0.5, window: 100 }, counted(40, 40))
    }

    #[test]
    fn it_opens_when_more_than_the_share_of_a_whole_window_is_refused() {
        let mut breaker = breaker();
        assert_eq!(breaker.committed(counted(139, 139)), None, "a window is not full; what came before does not count");
        let why = breaker.committed(counted(141, 140)).unwrap_or_default();
        assert!(
            why.starts_with("100 of its last 101 events were refused, most of all since the start with code `type`"),
            "{why}"
        );
        assert!(breaker.is_open() && breaker.committed(counted(300, 140)).is_none(), "it is told once and stays");
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let mut breaker = breaker();
        let (mut events, mut refused) = (40, 40);
        for part in 0..50 {
            (events, refused) = (events + 30, refused + if part < 2 { 30 } else { 14 });
            assert_eq!(breaker.committed(counted(events, refused)).is_some(), part == 3, "{part}");
            if part == 3 {
                return;
            }
        }
    }

    #[test]
    fn a_command_lets_a_shard_go_on_and_holds_it_back_sooner() {
        let mut breaker = breaker();
        assert!(!breaker.go_by(None));
        assert!(breaker.committed(counted(140, 140)).is_some());
        assert!(!breaker.go_by(Some(0.9)) && breaker.is_open(), "all were refused, which is more");
        assert!(breaker.go_by(Some(1.0)) && !breaker.is_open());
        assert_eq!(breaker.committed(counted(400, 400)), None);
        assert!(!breaker.go_by(Some(0.1)));
        assert!(breaker.committed(counted(500, 420)).is_some(), "20 of 100");
    }

    #[test]
    fn a_few_bad_ones_or_all_where_it_is_off_open_nothing() {
        let mut some = breaker();
        let mut off = Breaker::new(BreakerParams { max_rejected: 1.0, window: 1 }, Counted::default());
        for n in 1..1_000 {
            assert_eq!(some.committed(counted(40 + 10 * n, 40 + 5 * n)), None);
            assert_eq!(off.committed(counted(n, n)), None);
        }
    }
}
