//! One input of a shard: what has been fetched of it and waits for its turn.

use std::collections::VecDeque;

use crate::data::{Record, Timestamp};
use crate::runtime::pace::Step;
use crate::transport::{Position, TopicPartition};

/// One input of a shard.
pub(in crate::runtime) struct Input {
    pub at: TopicPartition,
    pub(super) queue: VecDeque<Queued>,
    /// Next offset to fetch.
    pub(super) fetched: i64,
    /// Next offset to take.
    pub(super) next: i64,
    pub(super) committed: i64,
    /// The broker said so after the last record fetched.
    pub(super) at_end: bool,
    pub paused: bool,
}

pub(super) struct Queued {
    pub record: Record,
    /// Filled in when the record becomes the first of its queue.
    pub time: Option<Timestamp>,
}

impl Input {
    /// Nothing of it has been fetched.
    pub(super) fn new(Position { at, next }: Position) -> Self {
        Input { at, queue: VecDeque::new(), fetched: next, next, committed: next, at_end: false, paused: false }
    }

    /// Its records are held back, or flow again. The end that was told counts no longer: more may have come since.
    pub(in crate::runtime) fn hold_back(&mut self, paused: bool) {
        self.paused = paused;
        self.at_end = false;
    }

    /// In stepped mode, where this input ends for now.
    fn end(&self, step: Option<&Step>) -> i64 {
        step.map_or(i64::MAX, |step| step.ends.get(&self.at).copied().unwrap_or(0))
    }

    pub(super) fn is_read_out(&self, step: Option<&Step>) -> bool {
        if step.is_some() { self.fetched >= self.end(step) } else { self.at_end }
    }

    /// Whether a record may be taken now.
    pub(super) fn has_record(&self, step: Option<&Step>) -> bool {
        self.queue.front().is_some_and(|head| head.record.offset < self.end(step))
    }

    /// Everything before this has been taken and committed; past control records of the log where it is read out.
    pub(in crate::runtime) fn settled(&self) -> i64 {
        if self.queue.is_empty() && self.at_end && self.committed == self.next { self.fetched } else { self.committed }
    }

    /// Whether the broker said so after the last record fetched.
    pub(in crate::runtime) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Next offset to fetch, past control records of the log where it is read out.
    pub(in crate::runtime) fn fetched(&self) -> i64 {
        self.fetched
    }

    /// Records waiting to be taken.
    pub(in crate::runtime) fn waiting(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_told_before_a_pause_counts_no_longer_as_more_may_have_come_since() {
        let mut input = Input::new(Position { at: TopicPartition::new("events", 0), next: 0 });
        for paused in [true, false] {
            input.at_end = true;
            assert!(input.is_read_out(None));
            input.hold_back(paused);
            assert!(!input.is_read_out(None) && input.paused == paused);
        }
    }
}
