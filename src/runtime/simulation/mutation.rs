//! Deliberate faults of our own, each of which the checks have to find: they prove that the checks can fail.

use std::sync::Arc;

use super::world::WITH_FACTS;
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
    /// The journal names facts by their offsets, although their topic is compacted.
    FactsNotKept,
}

impl Mutation {
    pub(super) const ALL: [Mutation; 6] = [
        Mutation::OffsetsNotSent,
        Mutation::JournalNotWritten,
        Mutation::StateLeaked,
        Mutation::RestoreToStableEnd,
        Mutation::ZombieNotFenced,
        Mutation::FactsNotKept,
    ];

    /// The first of the seeds that can find it.
    pub(super) fn first_seed(self) -> u64 {
        if self == Mutation::FactsNotKept { WITH_FACTS } else { 0 }
    }
}

/// A stage whose machines do it.
pub(super) struct Faulty<S> {
    pub stage: S,
    pub mutation: Mutation,
}

/// A machine that forgets to take back, or takes facts for records that stay.
pub(super) struct FaultyMachine<M> {
    machine: M,
    mutation: Mutation,
}

impl<S: Stage> Faulty<S> {
    fn faulty(&self, machine: S::Machine) -> FaultyMachine<S::Machine> {
        FaultyMachine { machine, mutation: self.mutation }
    }
}

impl<S: Stage> Stage for Faulty<S> {
    type Machine = FaultyMachine<S::Machine>;

    fn role(&self) -> &'static str {
        self.stage.role()
    }

    fn inputs(&self) -> Vec<String> {
        self.stage.inputs()
    }

    fn journal(&self) -> &str {
        self.stage.journal()
    }

    fn state(&self) -> &str {
        self.stage.state()
    }

    fn own(&self) -> Vec<&str> {
        self.stage.own()
    }

    fn next(&self) -> Option<&str> {
        self.stage.next()
    }

    fn shares_outputs(&self) -> bool {
        self.stage.shares_outputs()
    }

    fn config(&self) -> &str {
        self.stage.config()
    }

    fn previous(&self) -> Option<&str> {
        self.stage.previous()
    }

    fn previous_machine(&self, shard: i32) -> Option<Self::Machine> {
        self.stage.previous_machine(shard).map(|machine| self.faulty(machine))
    }

    fn machine(&self, shard: i32) -> Self::Machine {
        self.faulty(self.stage.machine(shard))
    }

    fn is_paced(&self) -> bool {
        self.stage.is_paced()
    }

    fn tells_decisions(&self) -> bool {
        self.stage.tells_decisions()
    }

    fn restored(&self, shard: i32, machine: &Self::Machine) {
        self.stage.restored(shard, &machine.machine);
    }

    fn observe(&self, shard: i32, machine: &Self::Machine) {
        self.stage.observe(shard, &machine.machine);
    }

    fn released(&self, shard: i32) {
        self.stage.released(shard);
    }
}

impl<M: Machine<Model = Model>> Machine for FaultyMachine<M> {
    type Model = Model;

    fn handle(&mut self, batch: &[Item<Model>], now: Timestamp, out: &mut Outbox) {
        self.machine.handle(batch, now, out);
    }

    fn seal(&mut self, now: Timestamp, out: &mut Outbox) {
        self.machine.seal(now, out);
    }

    fn commit(&mut self) {
        self.machine.commit();
    }

    fn rollback(&mut self) {
        match self.mutation {
            Mutation::StateLeaked => self.machine.commit(),
            _ => self.machine.rollback(),
        }
    }

    fn is_kept(&self, input: InputIndex) -> bool {
        self.mutation != Mutation::FactsNotKept && self.machine.is_kept(input)
    }

    fn begin_checkpoint(&mut self, extent: Extent) -> Vec<u8> {
        self.machine.begin_checkpoint(extent)
    }

    fn next_chunk(&mut self, size: usize) -> Option<StateChunk> {
        self.machine.next_chunk(size)
    }

    fn horizon(&self) -> Timestamp {
        self.machine.horizon()
    }

    fn adopt(&mut self, old: Self) {
        self.machine.adopt(old.machine);
    }

    fn restore_head(&mut self, head: &[u8], control: &[Arc<ControlItem<Model>>]) -> Result<(), BinaryError> {
        self.machine.restore_head(head, control)
    }

    fn restore_chunk(&mut self, chunk: &[u8]) -> Result<(), BinaryError> {
        self.machine.restore_chunk(chunk)
    }

    fn order_time(&mut self, input: InputIndex, record: &Record) -> Timestamp {
        self.machine.order_time(input, record)
    }
}
