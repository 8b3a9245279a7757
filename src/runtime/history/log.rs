//! One partition, read in order from where it begins to where it ended when it was opened.
//!
//! Invariant: every committed record between the two, once, or an error. It joins no group and commits nothing; what is
//! written after it was opened is not seen.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::HistoryError;
use crate::codec::JournalRecord;
use crate::data::Record;
use crate::transport::{Bounds, News, Position, Reader, TopicPartition, Transport};

/// How long a poll waits for records that are on their way.
const WAIT: Duration = Duration::from_millis(100);
/// How long the next record may stay away.
const PATIENCE: Duration = Duration::from_secs(60);

/// A partition as of now.
pub(in crate::runtime) struct PartitionLog {
    reader: Box<dyn Reader>,
    at: TopicPartition,
    bounds: Bounds,
    queue: VecDeque<Record>,
    is_read: bool,
}

impl PartitionLog {
    /// Opens a partition at its first record.
    pub(in crate::runtime) fn open(
        transport: &dyn Transport,
        topic: &str,
        partition: i32,
    ) -> Result<Self, HistoryError> {
        let bounds = bounds(transport, topic, partition)?;
        Self::open_at(transport, Position { at: TopicPartition::new(topic, partition), next: bounds.start }, bounds)
    }

    /// Opens a partition at an offset within its bounds.
    pub(in crate::runtime) fn open_at(
        transport: &dyn Transport,
        from: Position,
        bounds: Bounds,
    ) -> Result<Self, HistoryError> {
        let mut reader = transport.reader(std::slice::from_ref(&from.at.topic))?;
        let is_read = from.next >= bounds.end;
        if !is_read {
            reader.start(std::slice::from_ref(&from))?;
        }
        Ok(PartitionLog { reader, at: from.at, bounds, queue: VecDeque::new(), is_read })
    }

    /// Where it began and ended when it was opened.
    pub(in crate::runtime) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The partition.
    pub(in crate::runtime) fn at(&self) -> &TopicPartition {
        &self.at
    }

    /// The next record; `None` once all have been read.
    pub(in crate::runtime) fn next(&mut self) -> Result<Option<Record>, HistoryError> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(record) = self.queue.pop_front() {
                return Ok(Some(record));
            }
            if self.is_read {
                return Ok(None);
            }
            if Instant::now() > until {
                let TopicPartition { topic, partition } = &self.at;
                let why = format!("`{topic}` partition {partition} cannot be read to offset {}", self.bounds.end);
                return Err(HistoryError::Impossible(why));
            }
            let mut news = Vec::new();
            self.reader.poll(WAIT, 1_000, &mut news)?;
            for news in news {
                match news {
                    News::Record { record, .. } if record.offset < self.bounds.end => {
                        self.is_read |= record.offset + 1 >= self.bounds.end;
                        self.queue.push_back(record);
                    }
                    News::Record { .. } | News::End { .. } => self.is_read = true,
                    News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
                }
            }
        }
    }

    /// The next record as one of a journal.
    pub(in crate::runtime) fn next_journal(&mut self) -> Result<Option<JournalRecord>, HistoryError> {
        let Some(record) = self.next()? else { return Ok(None) };
        match JournalRecord::decode(record.value.as_deref().unwrap_or_default()) {
            Ok(read) => Ok(Some(read)),
            Err(error) => Err(HistoryError::Impossible(format!(
                "`{}` partition {} at offset {}: {error}",
                self.at.topic, self.at.partition, record.offset
            ))),
        }
    }
}

/// Bounds of one partition.
pub(in crate::runtime) fn bounds(
    transport: &dyn Transport,
    topic: &str,
    partition: i32,
) -> Result<Bounds, HistoryError> {
    let all = transport.bounds(topic)?;
    let found = all.as_ref().and_then(|all| all.get(usize::try_from(partition).ok()?).copied());
    found.ok_or_else(|| {
        HistoryError::Impossible(match all {
            None => format!("topic `{topic}` does not exist; is this the configuration of the application?"),
            Some(all) => format!("topic `{topic}` has partitions 0 to {}, not {partition}", all.len().max(1) - 1),
        })
    })
}
