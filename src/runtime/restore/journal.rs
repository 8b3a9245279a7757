//! A shard's journal, read from its first record to where it ended when the restore began.
//!
//! Only committed records are seen. The end is the high watermark, not the last stable offset: a commit that is decided
//! but not yet marked is waited for. Invariant: the records are whole and in order, or there is an error.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Context, RestoreError};
use crate::codec::JournalRecord;
use crate::runtime::clock::Clock;
use crate::runtime::stage::Stage;
use crate::transport::{News, Position, Reader, TopicPartition, TransportError};

/// How long the journal may stay undecided without a further record.
const PATIENCE: Duration = Duration::from_secs(60);
/// How far before the end of a journal its last record is looked for.
const LAST_RECORDS: i64 = 100;

/// The journal of one shard.
pub(super) struct Journal {
    reader: Box<dyn Reader>,
    topic: String,
    shard: i32,
    high: i64,
    is_read: bool,
    clock: Clock,
    /// When something last came.
    moved: Instant,
    pub(super) records: VecDeque<JournalRecord>,
}

impl Journal {
    pub(super) fn open<S: Stage>(context: &Context<'_, S>, shard: i32) -> Result<Self, RestoreError> {
        let topic = context.stage.journal();
        let bounds = context.transport.bounds(topic)?.and_then(|all| all.get(shard as usize).copied());
        let bounds = bounds.ok_or_else(|| {
            let why = format!("topic `{topic}` has no partition {shard}; `driftless topics create` makes it");
            TransportError::Configuration(why)
        })?;
        if bounds.start > 0 {
            let why = format!("the journal in `{topic}` begins at offset {}: its first records are gone", bounds.start);
            return Err(RestoreError::Refused { shard, why });
        }
        let mut reader = context.transport.reader(&[topic.to_owned()])?;
        reader.start(&[Position { at: TopicPartition::new(topic, shard), next: bounds.start }])?;
        Ok(Journal {
            reader,
            topic: topic.to_owned(),
            shard,
            high: bounds.high,
            is_read: false,
            clock: context.clock.clone(),
            moved: context.clock.instant(),
            records: VecDeque::new(),
        })
    }

    /// Whether everything up to the end has been read.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// Reads on, waiting at most `wait`.
    pub(super) fn read(&mut self, wait: Duration) -> Result<(), RestoreError> {
        let mut news = Vec::new();
        self.reader.poll(wait, 1_000, &mut news)?;
        for news in news {
            match news {
                News::Record { record, .. } => {
                    self.moved = self.clock.instant();
                    let read = JournalRecord::decode(record.value.as_deref().unwrap_or_default());
                    let read = read.map_err(|error| {
                        self.refused(format!("`{}` at offset {}: {error}", self.topic, record.offset))
                    });
                    self.records.push_back(read?);
                }
                News::End { next, .. } => self.is_read |= next >= self.high,
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
            }
        }
        if !self.is_read && self.clock.since(self.moved) > PATIENCE {
            return Err(self.refused(format!(
                "`{}` cannot be read up to offset {}: a transaction of another writer is still open there, or its last \
                 records are gone",
                self.topic, self.high
            )));
        }
        Ok(())
    }

    fn refused(&self, why: String) -> RestoreError {
        RestoreError::Refused { shard: self.shard, why }
    }
}

/// The transactional id that wrote the last committed journal record of a shard, if there is one.
pub(in crate::runtime) fn last_writer<S: Stage>(
    context: &Context<'_, S>,
    shard: i32,
) -> Result<Option<String>, TransportError> {
    let journal = context.stage.journal();
    let bounds = context.transport.bounds(journal)?.and_then(|all| all.get(shard as usize).copied());
    let Some(bounds) = bounds.filter(|bounds| bounds.end > bounds.start) else { return Ok(None) };
    let mut reader = context.transport.reader(&[journal.to_owned()])?;
    // The last records may be control records of the log: a few before the end are enough to find one of ours.
    let from = bounds.start.max(bounds.end - LAST_RECORDS);
    reader.start(&[Position { at: TopicPartition::new(journal, shard), next: from }])?;
    let mut last = None;
    let until = context.clock.instant() + Duration::from_secs(10);
    let mut news = Vec::new();
    while context.clock.instant() < until {
        reader.poll(Duration::from_millis(100), 1_000, &mut news)?;
        for news in news.drain(..) {
            match news {
                News::Record { record, .. } => {
                    if let Ok(read) = JournalRecord::decode(record.value.as_deref().unwrap_or_default()) {
                        last = Some(read.transactional_id);
                    }
                }
                News::End { .. } => return Ok(last),
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
            }
        }
    }
    Ok(last)
}
