//! The contract between a deterministic machine and the runtime around it.

use super::{Item, Outbox, Timestamp};

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
}
