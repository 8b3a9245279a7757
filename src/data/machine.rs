//! The contract between a deterministic machine and the runtime around it.

use std::sync::Arc;

use super::{
    BinaryError, ControlItem, Extent, InputIndex, Item, Outbox, Rank, Record, SchemaNeed, StateChunk, Timestamp,
};

/// A state machine that turns an input sequence into outputs, can take back what the open transaction changed, and gives
/// its state out in pieces.
///
/// Same state and same sequence of items give byte-identical outputs, wherever batches and transactions are cut.
/// `now` stamps what is published and enters no decision. The runtime calls `handle` any number of times, then either
/// `seal` and `commit`, or `rollback`.
pub trait Machine {
    /// What a model version resolves to.
    type Model;

    /// Takes `batch` in order and appends what is to be published to `out`.
    fn handle(&mut self, batch: &[Item<Self::Model>], now: Timestamp, out: &mut Outbox);

    /// Appends what is to be said once per transaction, about to be committed. It follows from the state and from where
    /// the transaction is cut, which the journal records; what `handle` does must not depend on it.
    fn seal(&mut self, _now: Timestamp, _out: &mut Outbox) {}

    /// Makes everything since the last commit final.
    fn commit(&mut self);

    /// Takes back everything since the last commit.
    fn rollback(&mut self);

    /// The time by which a record takes its place among the inputs of its shard: the earlier first, ties by input, then
    /// by offset. A function of the record alone.
    fn order_time(&mut self, _input: InputIndex, record: &Record) -> Timestamp {
        record.timestamp
    }

    /// Whether the journal has to hold the records of an input in full, as they may vanish from their topic under later
    /// ones of the same key before a restore reads them again.
    fn is_kept(&self, _input: InputIndex) -> bool {
        false
    }

    /// Whether what comes out of what the machine holds back is handled one record at a time from now on, so that
    /// [`Machine::at_hand`] tells which one it is. What is published is the same.
    fn be_careful(&mut self, _is_careful: bool) {}

    /// The record that has come out of what the machine holds back and is being handled: what a panic was about.
    fn at_hand(&self) -> Option<&Rank> {
        None
    }

    /// The writer schema that has to be looked up before `record` can be ordered and handled; `None` where nothing is
    /// missing. It is then given as an item, before the record.
    fn schema_need(&self, _input: InputIndex, _record: &Record) -> Option<SchemaNeed> {
        None
    }

    /// Fixes the state as of the last commit, which nothing may have followed, as what the next chunks hold, and returns
    /// its head. All chunks of the checkpoint before have been taken, unless this one is of everything.
    fn begin_checkpoint(&mut self, extent: Extent) -> Vec<u8>;

    /// The next chunk of the checkpoint, of about `size` bytes; `None` once all have been taken.
    fn next_chunk(&mut self, size: usize) -> Option<StateChunk>;

    /// Event time up to which chunks that are bound to a time no longer matter.
    fn horizon(&self) -> Timestamp;

    /// Takes over what the machine of the configuration before held, on a machine that has seen nothing;
    /// [`Machine::commit`] ends it. A function of the two alone. The next checkpoint has to be of everything.
    fn adopt(&mut self, old: Self)
    where
        Self: Sized;

    /// Takes the head of a checkpoint in, on a machine that has seen nothing. `control` is the control log as far as the
    /// checkpoint's machine had taken it in.
    ///
    /// # Errors
    /// Another format version, or bytes that are no head. The machine is then not to be used.
    fn restore_head(&mut self, head: &[u8], control: &[Arc<ControlItem<Self::Model>>]) -> Result<(), BinaryError>;

    /// Takes a chunk in, in the order in which they were given out; [`Machine::commit`] ends the restore.
    ///
    /// # Errors
    /// As [`Machine::restore_head`].
    fn restore_chunk(&mut self, chunk: &[u8]) -> Result<(), BinaryError>;
}
