//! The state of a shard in pieces: a head, and chunks of one part each.
//!
//! A pipeline that is given the head and the chunks of another goes on as that one would. The model in charge is named
//! by version; the runtime hands the control log in.

use std::sync::Arc;

use super::Pipeline;
use crate::data::{BinaryError, ControlItem, Extent, Reader, SchemaFact, StateChunk, Timestamp, Writer};
use crate::model::Model;
use crate::rollout::Settings;
use crate::score::WentBy;

/// Format of the head; 2 has the time from which on windows are whole, 3 the settings that commands have changed.
const STATE_VERSION: u64 = 3;
/// What is written where no command has changed a setting, so that a binary from before settings can go on with it.
const WITHOUT_SETTINGS: u64 = 2;

/// Parts of the state; a chunk begins with the number of its part.
const WAITING: u64 = 0;
const FEATURES: u64 = 1;
const EARLY: u64 = 2;
const DRIFT: u64 = 3;
const PERFORMANCE: u64 = 4;
const RECENT: u64 = 5;
const HELD: u64 = 6;
const UPSTREAMS: u64 = 7;
const FACTS: u64 = 8;
const SCHEMAS: u64 = 16;

impl Pipeline {
    pub(super) fn begin(&mut self, extent: Extent) -> Vec<u8> {
        let is_whole = extent != Extent::Changes;
        self.waiting.begin_checkpoint(extent);
        self.features.begin_checkpoint(is_whole);
        self.enrichment.begin_checkpoint(is_whole);
        self.early.begin_checkpoint(is_whole);
        self.recent.iter_mut().for_each(|recent| recent.begin_checkpoint(is_whole));
        self.drift.begin_checkpoint(is_whole);
        self.performance.begin_checkpoint(is_whole);
        self.schemas.begin_checkpoint(is_whole);
        self.held.begin_checkpoint(is_whole);
        if !self.params.station.is_first() {
            self.upstreams.begin_checkpoint();
        }
        self.encode_head()
    }

    fn encode_head(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let settings = self.champion.ledger().settings();
        out.unsigned(if settings.is_empty() { WITHOUT_SETTINGS } else { STATE_VERSION });
        out.slice(self.params.layout.as_bytes());
        let clocks = &self.clocks;
        out.signed(clocks.time.millis());
        out.signed(clocks.events.millis());
        out.signed(clocks.tick.millis());
        out.flag(clocks.first_event.is_some());
        out.signed(clocks.first_event.unwrap_or_default().millis());
        clocks.base_rate.counts().iter().for_each(|count| out.signed(*count));
        out.unsigned(clocks.tally.labels);
        out.unsigned(u64::from(self.champion.version()));
        out.signed(self.waiting.horizon().millis());
        out.signed(clocks.whole_from.millis());
        if !settings.is_empty() {
            out.slice(&serde_json::to_vec(settings).unwrap_or_default());
        }
        out.finish()
    }

    pub(super) fn chunk(&mut self, size: usize) -> Option<StateChunk> {
        if let Some(chunk) = self.waiting.next_chunk(size) {
            let mut out = part(WAITING);
            out.raw(&chunk.bytes);
            return Some(StateChunk { bytes: out.finish(), until: chunk.until });
        }
        unbound(FEATURES, |out| self.features.write_chunk(size, out))
            .or_else(|| unbound(FACTS, |out| self.enrichment.write_chunk(size, out)))
            .or_else(|| unbound(EARLY, |out| self.early.write_chunk(size, out)))
            .or_else(|| unbound(DRIFT, |out| self.drift.write_chunk(size, out)))
            .or_else(|| unbound(PERFORMANCE, |out| self.performance.write_chunk(size, out)))
            .or_else(|| unbound(SCHEMAS, |out| self.schemas.write_chunk(out)))
            .or_else(|| unbound(RECENT, |out| self.recent.as_mut().is_some_and(|recent| recent.write_chunk(size, out))))
            .or_else(|| unbound(HELD, |out| self.held.write_chunk(size, out)))
            .or_else(|| unbound(UPSTREAMS, |out| self.upstreams.write_chunk(out)))
    }

    pub(super) fn read_head(&mut self, head: &[u8], control: &[Arc<ControlItem<Model>>]) -> Result<(), BinaryError> {
        let mut reader = Reader::new(head);
        let version = reader.version_up_to("the state of a shard", STATE_VERSION)?;
        if reader.text()? != self.params.layout {
            return Err(BinaryError::Invalid { what: "feature layout: the state belongs to another one", at: 0 });
        }
        self.clocks.time = Timestamp::from_millis(reader.signed()?);
        self.clocks.events = Timestamp::from_millis(reader.signed()?);
        self.clocks.tick = Timestamp::from_millis(reader.signed()?);
        let has_first = reader.flag()?;
        let first = Timestamp::from_millis(reader.signed()?);
        self.clocks.first_event = has_first.then_some(first);
        let counts = [reader.signed()?, reader.signed()?];
        self.clocks.base_rate.set_counts(counts);
        self.clocks.tally.labels = reader.unsigned()?;
        let serving = reader.small()?;
        self.waiting.set_horizon(Timestamp::from_millis(reader.signed()?));
        if version > 1 {
            self.clocks.whole_from = Timestamp::from_millis(reader.signed()?);
        }
        let mut settings = Settings::default();
        if version > WITHOUT_SETTINGS {
            settings = serde_json::from_slice(reader.slice()?)
                .map_err(|_| BinaryError::Invalid { what: "settings of a shard", at: 0 })?;
        }
        reader.finish()?;
        if !self.champion.restore(control, WentBy { serving, settings }, &self.params.features.names) {
            return Err(BinaryError::Invalid { what: "version in charge: its model is not at hand", at: 0 });
        }
        Ok(())
    }

    pub(super) fn read_chunk(&mut self, chunk: &[u8]) -> Result<(), BinaryError> {
        let mut reader = Reader::new(chunk);
        match reader.unsigned()? {
            WAITING => self.waiting.read_chunk(&mut reader)?,
            FEATURES => self.features.read_chunk(&mut reader)?,
            FACTS => self.enrichment.read_chunk(&mut reader)?,
            EARLY => self.early.read_chunk(&mut reader)?,
            DRIFT => self.drift.read_chunk(&mut reader)?,
            PERFORMANCE => self.performance.read_chunk(&mut reader)?,
            SCHEMAS => self.schema(&Arc::new(SchemaFact::read(&mut reader)?)),
            RECENT => match &mut self.recent {
                Some(recent) => recent.read_chunk(&mut reader)?,
                None => {
                    return Err(BinaryError::Invalid {
                        what: "part of the state: no duplicates are looked for",
                        at: 0,
                    });
                }
            },
            HELD => self.held.read_chunk(&mut reader)?,
            UPSTREAMS => self.upstreams.read_chunk(&mut reader)?,
            _ => return Err(BinaryError::Invalid { what: "part of the state", at: 0 }),
        }
        reader.finish()
    }
}

/// A chunk of a part that is not bound to a time; `None` where `write` has nothing left.
fn unbound(number: u64, write: impl FnOnce(&mut Writer) -> bool) -> Option<StateChunk> {
    let mut out = part(number);
    write(&mut out).then(|| StateChunk { bytes: out.finish(), until: None })
}

fn part(number: u64) -> Writer {
    let mut out = Writer::default();
    out.unsigned(number);
    out
}
