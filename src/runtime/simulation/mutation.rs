//! Deliberate faults of our own, each of which the checks have to find: they prove that the checks can fail.

use std::sync::Arc;

use crate::data::{BinaryError, ControlItem, Extent, InputIndex, Item, Machine, Outbox, Record, StateChunk, Timestamp};
use crate::model::Model;
use crate::runtime::stage::Stage;

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    /// Input offsets do not go into the transaction.
    OffsetsNotSent,
    /// Journal records are not written.
    JournalNotWritten,
    /// What an aborted batch changed stays in the state.
    StateLeaked,
    /// A restore takes the end that readers see for the end of the journal.
    RestoreToStableEnd,
    /// The group lets a member commit that it has given up.
    ZombieNotFenced,
}

impl Mutation {
    pub(super) const ALL: [Mutation; 5] = [
        Mutation::OffsetsNotSent,
        Mutation::JournalNotWritten,
        Mutation::StateLeaked,
        Mutation::RestoreToStableEnd,
        Mutation::ZombieNotFenced,
    ];
}

/// A stage whose machines forget to take back.
pub(super) struct Leaky<S>(pub S);

/// A machine that forgets to take back.
pub(super) struct LeakyMachine<M>(M);

impl<S: Stage> Stage for Leaky<S> {
    type Machine = LeakyMachine<S::Machine>;

    fn role(&self) -> &'static str {
        self.0.role()
    }

    fn inputs(&self) -> Vec<String> {
        self.0.inputs()
    }

    fn journal(&self) -> &str {
        self.0.journal()
    }

    fn state(&self) -> &str {
        self.0.state()
    }

    fn own(&self) -> Vec<&str> {
        self.0.own()
    }

    fn next(&self) -> Option<&str> {
        self.0.next()
    }

    fn shares_outputs(&self) -> bool {
        self.0.shares_outputs()
    }

    fn config(&self) -> &str {
        self.0.config()
    }

    fn previous(&self) -> Option<&str> {
        self.0.previous()
    }

    fn previous_machine(&self, shard: i32) -> Option<Self::Machine> {
        self.0.previous_machine(shard).map(LeakyMachine)
    }

    fn machine(&self, shard: i32) -> Self::Machine {
        LeakyMachine(self.0.machine(shard))
    }

    fn is_paced(&self) -> bool {
        self.0.is_paced()
    }

    fn tells_decisions(&self) -> bool {
        self.0.tells_decisions()
    }

    fn restored(&self, shard: i32, machine: &Self::Machine) {
        self.0.restored(shard, &machine.0);
    }

    fn observe(&self, shard: i32, machine: &Self::Machine) {
        self.0.observe(shard, &machine.0);
    }

    fn released(&self, shard: i32) {
        self.0.released(shard);
    }
}

impl<M: Machine<Model = Model>> Machine for LeakyMachine<M> {
    type Model = Model;

    fn handle(&mut self, batch: &[Item<Model>], now: Timestamp, out: &mut Outbox) {
        self.0.handle(batch, now, out);
    }

    fn seal(&mut self, now: Timestamp, out: &mut Outbox) {
        self.0.seal(now, out);
    }

    fn commit(&mut self) {
        self.0.commit();
    }

    fn rollback(&mut self) {
        self.0.commit();
    }

    fn begin_checkpoint(&mut self, extent: Extent) -> Vec<u8> {
        self.0.begin_checkpoint(extent)
    }

    fn next_chunk(&mut self, size: usize) -> Option<StateChunk> {
        self.0.next_chunk(size)
    }

    fn horizon(&self) -> Timestamp {
        self.0.horizon()
    }

    fn adopt(&mut self, old: Self) {
        self.0.adopt(old.0);
    }

    fn restore_head(&mut self, head: &[u8], control: &[Arc<ControlItem<Model>>]) -> Result<(), BinaryError> {
        self.0.restore_head(head, control)
    }

    fn restore_chunk(&mut self, chunk: &[u8]) -> Result<(), BinaryError> {
        self.0.restore_chunk(chunk)
    }

    fn order_time(&mut self, input: InputIndex, record: &Record) -> Timestamp {
        self.0.order_time(input, record)
    }
}
