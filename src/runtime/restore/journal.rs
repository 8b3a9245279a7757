//! A shard's journal, from after the last checkpoint, or from its first record, to its end.
//!
//! Invariant: the records are whole and in order, or there is an error.

use std::collections::VecDeque;
use std::time::Duration;

use super::log::Log;
use super::{Context, RestoreError};
use crate::codec::{JournalRecord, Marker};
use crate::runtime::stage::Stage;
use crate::transport::{News, Position, TopicPartition, TransportError};

/// How far before the end of a journal its last record is looked for.
const LAST_RECORDS: i64 = 100;

/// The journal of one shard.
pub(super) struct Journal {
    log: Log,
    /// Number of the next record.
    next: u64,
    pub(super) records: VecDeque<JournalRecord>,
}

impl Journal {
    /// Opens what follows `marker`, or the whole journal.
    pub(super) fn open<S: Stage>(
        context: &Context<'_, S>,
        shard: i32,
        marker: Option<&Marker>,
    ) -> Result<Self, RestoreError> {
        let at = TopicPartition::new(context.stage.journal(), shard);
        let log = Log::open(context.transport, at, marker.map(|marker| marker.journal_from), context.clock)?;
        let gone = log.start();
        let topic = &log.at.topic;
        match marker {
            Some(marker) if gone > marker.journal_from => Err(log.refused(format!(
                "the journal in `{topic}` begins at offset {gone}, and checkpoint {} needs it from {}: records that the \
                 state lacks are gone; `driftless reset` begins anew",
                marker.checkpoint, marker.journal_from
            ))),
            None if gone > 0 => Err(log.refused(format!(
                "the journal in `{topic}` begins at offset {gone}, and there is no checkpoint: its first records are gone; \
                 `driftless reset` begins anew"
            ))),
            _ => Ok(Journal { log, next: marker.map_or(0, |marker| marker.sequence + 1), records: VecDeque::new() }),
        }
    }

    /// Reads on, waiting at most `wait`; true once everything up to the end has been read.
    pub(super) fn read(&mut self, wait: Duration) -> Result<bool, RestoreError> {
        for record in self.log.read(wait)? {
            let read = JournalRecord::decode(record.value.as_deref().unwrap_or_default());
            let broken =
                |why: String| self.log.refused(format!("`{}` at offset {}: {why}", self.log.at.topic, record.offset));
            let read = read.map_err(|error| broken(error.to_string()))?;
            if read.sequence < self.next && self.records.is_empty() {
                // Before the checkpoint, which holds it.
                continue;
            }
            if read.sequence != self.next {
                return Err(broken(format!(
                    "it is journal record {}, where {} is due: records are gone, or another application of the same name \
                     wrote here; choose another `app`, or begin anew with `driftless reset`",
                    read.sequence, self.next
                )));
            }
            self.next += 1;
            self.records.push_back(read);
        }
        Ok(self.log.is_read())
    }
}

/// The transactional id that wrote the last committed journal record of a shard, if there is one.
pub(in crate::runtime) fn last_writer<S: Stage>(
    context: &Context<'_, S>,
    shard: i32,
) -> Result<Option<String>, TransportError> {
    let journal = context.stage.journal();
    let bounds = context.transport.bounds_at(journal, shard)?;
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
