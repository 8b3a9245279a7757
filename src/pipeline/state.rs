//! The state of a shard as bytes, in a versioned form.
//!
//! A pipeline that is given the state of another goes on as that one would. The model in charge is named by version;
//! the runtime hands its artifact in.

use std::sync::Arc;

use super::Pipeline;
use crate::data::{BinaryError, ControlItem, Reader, Timestamp, Writer};
use crate::labels::{EarlyFollowUps, Waiting};
use crate::model::Model;

/// Format of the state of a shard.
const STATE_VERSION: u64 = 1;

impl Pipeline {
    /// The state as of now, without the control log: what a checkpoint holds.
    pub fn encode_state(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.unsigned(STATE_VERSION);
        out.slice(self.params.layout.as_bytes());
        let clocks = &self.clocks;
        out.signed(clocks.time.millis());
        out.signed(clocks.events.millis());
        out.signed(clocks.tick.millis());
        out.flag(clocks.first_event.is_some());
        out.signed(clocks.first_event.unwrap_or_default().millis());
        clocks.base_rate.counts().iter().for_each(|count| out.signed(*count));
        out.unsigned(clocks.tally.labels);
        self.features.encode(&mut out);
        self.waiting.encode(&mut out);
        self.early.encode(&mut out);
        self.drift.encode(&mut out);
        self.performance.encode(&mut out);
        out.finish()
    }

    /// Takes over an encoded state and the control log that led to it.
    ///
    /// # Errors
    /// Another format version, another feature layout, or bytes that are no state. The pipeline is then not to be used.
    pub fn restore_state(&mut self, bytes: &[u8], control: &[Arc<ControlItem<Model>>]) -> Result<(), BinaryError> {
        let mut reader = Reader::new(bytes);
        reader.version("the state of a shard", STATE_VERSION)?;
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
        self.features.decode(&mut reader)?;
        self.waiting = Waiting::decode(&mut reader)?;
        self.early = EarlyFollowUps::decode(&mut reader)?;
        self.drift.decode(&mut reader)?;
        self.performance.decode(&mut reader)?;
        reader.finish()?;
        for item in control {
            self.command(item);
        }
        self.committed = (self.clocks, self.champion.clone());
        Ok(())
    }
}
