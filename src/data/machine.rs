//! The contract between a deterministic machine and the runtime around it.

use super::{InputIndex, Item, Outbox, Record, Timestamp};

/// A state machine that turns an input sequence into outputs and can take back what the open transaction changed.
///
/// Same state and same sequence of items give byte-identical outputs, wherever batches and transactions are cut.
/// `now` stamps what is published and enters no decision. The runtime calls `handle` any number of times, then either
/// `commit` or `rollback`.
pub trait Machine {
    /// What a model version resolves to.
    type Model;

    /// Takes `batch` in order and appends what is to be published to `out`.
    fn handle(&mut self, batch: &[Item<Self::Model>], now: Timestamp, out: &mut Outbox);

    /// Makes everything since the last commit final.
    fn commit(&mut self);

    /// Takes back everything since the last commit.
    fn rollback(&mut self);

    /// The time by which a record takes its place among the inputs of its shard: the earlier first, ties by input, then
    /// by offset. A function of the record alone.
    fn order_time(&mut self, _input: InputIndex, record: &Record) -> Timestamp {
        record.timestamp
    }
}
