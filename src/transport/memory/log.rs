//! The topics of the memory transport: partitions as vectors of entries, with transactions as Kafka shows them.
//!
//! Invariant: a reader sees the entries of a partition in log order, committed ones only, and nothing at or after the
//! first entry of a transaction that is still open. Ending a transaction appends a control entry to every partition it
//! wrote to, so offsets have the same gaps as on a broker. [`Partition::trim`] stands in for retention, and
//! [`Partition::compact`] for the cleaner of a compacted topic; neither happens by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::transaction::TransactionNumber;
use crate::data::{Record, Timestamp};
use crate::transport::{Bounds, TransportError};

#[derive(Debug)]
enum State {
    Committed,
    Aborted,
    Open(TransactionNumber),
    Control,
}

#[derive(Debug)]
struct Entry {
    state: State,
    record: Record,
}

/// What is found at a position.
pub(super) enum Found<'a> {
    /// The next committed record; its offset may lie beyond the position.
    Record(&'a Record),
    /// Nothing more can be read now; the position past everything that is decided.
    End(i64),
    /// The position lies before the first offset or beyond the last.
    OutOfRange,
}

#[derive(Debug, Default)]
pub(super) struct Partition {
    start: i64,
    entries: Vec<Entry>,
    /// First offset of every open transaction here.
    open: BTreeMap<TransactionNumber, i64>,
}

impl Partition {
    fn high(&self) -> i64 {
        self.start + self.entries.len() as i64
    }

    fn index(&self, offset: i64) -> Option<usize> {
        offset.checked_sub(self.start).and_then(|index| usize::try_from(index).ok())
    }

    pub(super) fn bounds(&self) -> Bounds {
        let end = self.open.values().min().copied().unwrap_or(self.high());
        Bounds { start: self.start, end, high: self.high() }
    }

    pub(super) fn at(&self, next: i64) -> Found<'_> {
        let Some(index) = self.index(next).filter(|index| *index <= self.entries.len()) else {
            return Found::OutOfRange;
        };
        for (ahead, entry) in self.entries.iter().skip(index).enumerate() {
            match entry.state {
                State::Committed => return Found::Record(&entry.record),
                State::Open(_) => return Found::End(next + ahead as i64),
                State::Aborted | State::Control => {}
            }
        }
        Found::End(self.high())
    }

    fn append(&mut self, state: State, mut record: Record) -> i64 {
        record.offset = self.high();
        let offset = record.offset;
        if let State::Open(transaction) = state {
            self.open.entry(transaction).or_insert(offset);
        }
        self.entries.push(Entry { state, record });
        offset
    }

    fn end(&mut self, transaction: TransactionNumber, commit: bool) {
        let Some(first) = self.open.remove(&transaction) else { return };
        let first = self.index(first).unwrap_or(0);
        let mut timestamp = Timestamp::default();
        for entry in self.entries.iter_mut().skip(first) {
            if matches!(entry.state, State::Open(number) if number == transaction) {
                entry.state = if commit { State::Committed } else { State::Aborted };
                timestamp = entry.record.timestamp;
            }
        }
        let record = Record { offset: 0, timestamp, key: None, value: None, headers: Vec::new() };
        self.append(State::Control, record);
    }

    /// Takes out every committed record after which there is another one of its key.
    fn compact(&mut self) {
        let mut later = BTreeSet::new();
        for entry in self.entries.iter_mut().rev() {
            let key = match (&entry.state, &entry.record.key) {
                (State::Committed, Some(key)) => key.clone(),
                _ => continue,
            };
            if !later.insert(key) {
                entry.state = State::Aborted;
            }
        }
    }

    fn trim(&mut self, start: i64) {
        let gone = self.index(start).unwrap_or(0).min(self.entries.len());
        self.entries.drain(..gone);
        self.start += gone as i64;
    }
}

/// All topics.
#[derive(Debug, Default)]
pub(super) struct Topics {
    topics: BTreeMap<String, Vec<Partition>>,
}

impl Topics {
    pub(super) fn get(&self, topic: &str) -> Option<&[Partition]> {
        self.topics.get(topic).map(Vec::as_slice)
    }

    /// Creates a topic; `false` if it exists.
    pub(super) fn create(&mut self, topic: &str, partitions: i32) -> bool {
        if self.topics.contains_key(topic) {
            return false;
        }
        self.topics.insert(topic.to_owned(), (0..partitions).map(|_| Partition::default()).collect());
        true
    }

    /// Removes a topic with all its records.
    pub(super) fn remove(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// Adds partitions to a topic until it has so many.
    pub(super) fn grow(&mut self, topic: &str, partitions: usize) {
        if let Some(found) = self.topics.get_mut(topic) {
            found.resize_with(found.len().max(partitions), Partition::default);
        }
    }

    /// A partition, or the error a missing one is.
    pub(super) fn partition(&self, topic: &str, partition: i32) -> Result<&Partition, TransportError> {
        let partitions = self.topics.get(topic).ok_or_else(|| no_topic(topic))?;
        usize::try_from(partition)
            .ok()
            .and_then(|index| partitions.get(index))
            .ok_or_else(|| no_partition(topic, partition))
    }

    fn partition_mut(&mut self, topic: &str, partition: i32) -> Result<&mut Partition, TransportError> {
        let partitions = self.topics.get_mut(topic).ok_or_else(|| no_topic(topic))?;
        usize::try_from(partition)
            .ok()
            .and_then(|index| partitions.get_mut(index))
            .ok_or_else(|| no_partition(topic, partition))
    }

    /// Appends a record, inside a transaction or visible at once; its offset is set here.
    pub(super) fn append(
        &mut self,
        topic: &str,
        partition: i32,
        record: Record,
        transaction: Option<TransactionNumber>,
    ) -> Result<i64, TransportError> {
        let state = transaction.map_or(State::Committed, State::Open);
        Ok(self.partition_mut(topic, partition)?.append(state, record))
    }

    /// Ends a transaction in a partition it wrote to.
    pub(super) fn end(&mut self, topic: &str, partition: i32, transaction: TransactionNumber, commit: bool) {
        if let Ok(partition) = self.partition_mut(topic, partition) {
            partition.end(transaction, commit);
        }
    }

    pub(super) fn compact(&mut self, topic: &str, partition: i32) -> Result<(), TransportError> {
        self.partition_mut(topic, partition)?.compact();
        Ok(())
    }

    pub(super) fn trim(&mut self, topic: &str, partition: i32, start: i64) -> Result<(), TransportError> {
        self.partition_mut(topic, partition)?.trim(start);
        Ok(())
    }
}

pub(super) fn no_topic(topic: &str) -> TransportError {
    TransportError::Configuration(format!("topic `{topic}` does not exist"))
}

fn no_partition(topic: &str, partition: i32) -> TransportError {
    TransportError::Configuration(format!("topic `{topic}` has no partition {partition}"))
}
