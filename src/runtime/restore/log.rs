//! One partition, read from an offset to where it ended when the restore began.
//!
//! Only committed records are seen. The end is the high watermark, not the last stable offset: a commit that is decided
//! but not yet marked is waited for, and what stays open too long is an error.

use std::time::{Duration, Instant};

use super::RestoreError;
use crate::data::Record;
use crate::runtime::clock::Clock;
use crate::transport::{Bounds, News, Position, Reader, TopicPartition, Transport, TransportError};

/// How long the log may stay undecided without a further record.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Log {
    reader: Box<dyn Reader>,
    pub(super) at: TopicPartition,
    bounds: Bounds,
    is_read: bool,
    clock: Clock,
    /// When something last came.
    moved: Instant,
}

/// Bounds of one partition of an internal topic.
pub(super) fn bounds_of(transport: &dyn Transport, at: &TopicPartition) -> Result<Bounds, TransportError> {
    let bounds = transport.bounds_at(&at.topic, at.partition)?;
    bounds.ok_or_else(|| {
        TransportError::Configuration(format!(
            "topic `{}` has no partition {}; `driftless topics create` makes it",
            at.topic, at.partition
        ))
    })
}

impl Log {
    /// Opens `at` from `from`, or from its first record.
    pub(super) fn open(
        transport: &dyn Transport,
        at: TopicPartition,
        from: Option<i64>,
        clock: &Clock,
    ) -> Result<Self, RestoreError> {
        let bounds = bounds_of(transport, &at)?;
        let mut reader = transport.reader(std::slice::from_ref(&at.topic))?;
        reader.start(&[Position { at: at.clone(), next: from.unwrap_or(bounds.start) }])?;
        Ok(Log { reader, at, bounds, is_read: false, clock: clock.clone(), moved: clock.instant() })
    }

    /// Whether everything up to the end has been read.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// First offset that the partition still held.
    pub(super) fn start(&self) -> i64 {
        self.bounds.start
    }

    /// The next records, waiting at most `wait`.
    pub(super) fn read(&mut self, wait: Duration) -> Result<Vec<Record>, RestoreError> {
        let mut news = Vec::new();
        self.reader.poll(wait, 1_000, &mut news)?;
        let mut records = Vec::with_capacity(news.len());
        // Of a compacted log the last records may be gone: where nothing was open, its end is its end.
        let is_decided = self.bounds.end >= self.bounds.high;
        for news in news {
            match news {
                News::Record { record, .. } => records.push(record),
                News::End { next, .. } => self.is_read |= is_decided || next >= self.bounds.high,
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
            }
        }
        if !records.is_empty() {
            self.moved = self.clock.instant();
        }
        if !self.is_read && self.clock.since(self.moved) > PATIENCE {
            return Err(self.refused(format!(
                "`{}` cannot be read up to offset {}: a transaction of another writer is still open there, or its last \
                 records are gone",
                self.at.topic, self.bounds.high
            )));
        }
        Ok(records)
    }

    pub(super) fn refused(&self, why: String) -> RestoreError {
        RestoreError::Refused { shard: self.at.partition, why }
    }
}
