//! A shard's state topic: the last marker, and the chunks that it counts.
//!
//! Invariant: what is handed on is exactly the state that the marker stands for, or there is an error; a chunk more or
//! less is noticed by their sum.

use std::collections::BTreeMap;
use std::time::Duration;

use super::log::Log;
use super::{Context, RestoreError};
use crate::codec::{ChunkKey, ChunkSum, MARKER_KEY, Marker, OPEN_KEY, StoredChunk};
use crate::data::Record;
use crate::runtime::checkpoint::{Found, Live};
use crate::runtime::stage::Stage;
use crate::transport::TopicPartition;

/// What is read of the state topic of one shard.
pub(super) struct StateLog {
    log: Log,
    marker: Option<Marker>,
    chunks: BTreeMap<ChunkKey, Vec<u8>>,
}

/// The last checkpoint of a shard.
pub(super) struct State {
    pub(super) found: Found,
    /// Values of the chunks that count, in order.
    pub(super) chunks: BTreeMap<ChunkKey, Vec<u8>>,
}

impl StateLog {
    pub(super) fn open<S: Stage>(context: &Context<'_, S>, shard: i32) -> Result<Self, RestoreError> {
        let at = TopicPartition::new(context.stage.state(), shard);
        let log = Log::open(context.transport, at, None, context.clock)?;
        Ok(StateLog { log, marker: None, chunks: BTreeMap::new() })
    }

    /// Reads on, waiting at most `wait`; true once everything has been read.
    pub(super) fn read(&mut self, wait: Duration) -> Result<bool, RestoreError> {
        for record in self.log.read(wait)? {
            self.take(record)?;
        }
        Ok(self.log.is_read())
    }

    fn take(&mut self, record: Record) -> Result<(), RestoreError> {
        let key = record.key.as_deref().unwrap_or_default();
        if let Some(key) = ChunkKey::decode(key) {
            match record.value {
                Some(value) => self.chunks.insert(key, value.into()),
                None => self.chunks.remove(&key),
            };
            return Ok(());
        }
        if key == OPEN_KEY {
            return Ok(());
        }
        if key != MARKER_KEY {
            return Err(self.broken(record.offset, "its key is none of a chunk or a marker"));
        }
        let marker = Marker::decode(record.value.as_deref().unwrap_or_default());
        self.marker = Some(marker.map_err(|error| self.broken(record.offset, error))?);
        Ok(())
    }

    fn broken(&self, offset: i64, why: impl std::fmt::Display) -> RestoreError {
        self.log.refused(format!("`{}` at offset {offset}: {why}", self.log.at.topic))
    }

    /// What was read, divided into what counts and what does not.
    pub(super) fn finish(mut self) -> Result<State, RestoreError> {
        let Some(marker) = self.marker.take() else {
            let stray = self.chunks.into_keys().collect();
            let found = Found { marker: None, live: BTreeMap::new(), stray };
            return Ok(State { found, chunks: BTreeMap::new() });
        };
        let mut live = BTreeMap::new();
        let mut stray = Vec::new();
        let mut sum = ChunkSum::default();
        for (key, value) in &self.chunks {
            if key.checkpoint > marker.checkpoint {
                stray.push(*key);
                continue;
            }
            let until = match StoredChunk::decode(value) {
                Ok(chunk) => chunk.until,
                Err(error) => {
                    return Err(self.log.refused(format!("`{}`, {key:?}: {error}", self.log.at.topic)));
                }
            };
            let chunk = Live::new(*key, until, value);
            sum.add(chunk.sum());
            live.insert(*key, chunk);
        }
        if sum != marker.sum {
            return Err(self.log.refused(format!(
                "`{}` holds {} chunks of the state, and checkpoint {} counted {} or other ones: the topic was truncated or \
                 changed; `driftless reset` begins anew",
                self.log.at.topic, sum.chunks, marker.checkpoint, marker.sum.chunks
            )));
        }
        self.chunks.retain(|key, _| live.contains_key(key));
        Ok(State { found: Found { marker: Some(marker), live, stray }, chunks: self.chunks })
    }
}
