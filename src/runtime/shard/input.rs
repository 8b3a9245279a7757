//! One input of a shard: what has been fetched of it and waits for its turn.

use std::collections::VecDeque;

use crate::data::{Record, Timestamp};
use crate::runtime::pace::Step;
use crate::transport::{Position, TopicPartition};

/// Batches that wait: with more an input is held back.
const MOST_BATCHES: usize = 4;
/// Bytes that wait: with more it is as well.
const MOST_BYTES: usize = 16 << 20;
/// Once held back it flows again with this part of both, as what the client has fetched ahead is lost each time.
const FEW: usize = 8;

/// One input of a shard.
pub(in crate::runtime) struct Input {
    pub at: TopicPartition,
    pub(super) queue: VecDeque<Queued>,
    /// Of the records in the queue.
    bytes: usize,
    /// Next offset to fetch.
    fetched: i64,
    /// Next offset to take.
    pub(super) next: i64,
    pub(super) committed: i64,
    /// The broker said so after the last record fetched.
    at_end: bool,
    paused: bool,
}

pub(super) struct Queued {
    pub record: Record,
    /// Filled in when the record becomes the first of its queue.
    pub time: Option<Timestamp>,
}

impl Input {
    /// Nothing of it has been fetched.
    pub(super) fn new(Position { at, next }: Position) -> Self {
        let queue = VecDeque::new();
        Input { at, queue, bytes: 0, fetched: next, next, committed: next, at_end: false, paused: false }
    }

    /// Takes in what was fetched.
    pub(super) fn push(&mut self, record: Record) {
        self.fetched = record.offset + 1;
        self.at_end = false;
        self.bytes += record.bytes();
        self.queue.push_back(Queued { record, time: None });
    }

    /// The broker said that the next record will have this offset.
    pub(super) fn ended(&mut self, next: i64) {
        self.fetched = self.fetched.max(next);
        self.at_end = true;
    }

    /// Takes the next record out of the queue.
    pub(super) fn pop(&mut self) -> Option<Record> {
        let Queued { record, .. } = self.queue.pop_front()?;
        self.bytes -= record.bytes();
        self.next = record.offset + 1;
        Some(record)
    }

    /// Forgets everything that is not committed; it is fetched again.
    pub(super) fn roll_back(&mut self) {
        *self = Input::new(Position { at: self.at.clone(), next: self.committed });
    }

    /// Whether so much waits that it is to be held back, or little enough to flow again.
    pub(in crate::runtime) fn is_to_be_held_back(&self, max_batch: usize) -> bool {
        let part = if self.paused { FEW } else { 1 };
        self.queue.len() > MOST_BATCHES * max_batch / part || self.bytes > MOST_BYTES / part
    }

    /// Whether its records are held back.
    pub(in crate::runtime) fn is_held_back(&self) -> bool {
        self.paused
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

    fn record(offset: i64, bytes: usize) -> Record {
        let value = Some(vec![b'v'; bytes].into());
        Record { offset, timestamp: Timestamp::default(), key: None, value, headers: Vec::new() }
    }

    #[test]
    fn an_input_is_held_back_for_many_records_or_many_bytes_and_flows_again_when_few_of_both_are_left() {
        let max_batch = 8;
        for (records, bytes, left) in [(33, 1, 4), (17, 1 << 20, 2)] {
            let mut input = Input::new(Position { at: TopicPartition::new("events", 0), next: 0 });
            for offset in 0..records {
                assert!(!input.is_to_be_held_back(max_batch), "{offset} records of {bytes} bytes");
                input.push(record(offset, bytes));
            }
            assert!(input.is_to_be_held_back(max_batch));
            input.hold_back(true);
            while input.is_to_be_held_back(max_batch) {
                input.pop().unwrap();
            }
            assert_eq!((input.waiting(), input.bytes), (left, left * bytes));
            input.roll_back();
            assert_eq!((input.waiting(), input.bytes, input.is_held_back(), input.fetched()), (0, 0, false, 0));
        }
    }

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
