//! One shard at work: the queues of its inputs, the order in which records are taken, and what the open transaction has
//! taken so far.
//!
//! Next comes the record that is earlier in time, ties by input and offset, among the inputs not read to their end; an
//! input whose next record is still on its way is waited for.

mod aligned;
mod idle;
mod input;
mod keeping;
mod refusals;
mod schemas;

use std::sync::Arc;
use std::time::Instant;

use aligned::Progress;
use idle::Idle;
use keeping::Keeping;
use schemas::Schemas;

use super::checkpoint::{Checkpoints, Origin};
use super::pace::Step;
use crate::codec::{JournalRecord, JournalStep};
use crate::data::{ControlItem, Frames, InputIndex, Item, Machine, Outbox, Record, Timestamp};
use crate::model::Model;
use crate::schema_registry::Lookups;
use crate::transport::Position;
use crate::transport::failpoint::{self, Mutation};

pub(super) use aligned::Allowed;
pub(super) use input::Input;
pub(super) use refusals::{Place, Refusals};

/// A shard whose machine is up to date.
pub(super) struct Shard<M> {
    pub number: i32,
    pub machine: M,
    pub outbox: Outbox,
    /// The open transaction holds a note of this shard.
    pub is_noted: bool,
    inputs: Vec<Input>,
    steps: Vec<JournalStep>,
    control: Control,
    sequence: u64,
    idle: Idle,
    progress: Progress,
    checkpoints: Checkpoints,
    schemas: Schemas,
    keeping: Keeping,
    /// Records that made the program panic.
    pub refusals: Refusals,
    /// The record that the machine looks at ahead of its turn.
    pub looking: Option<(u8, i64)>,
}

#[derive(Clone, Copy)]
struct Control {
    next: i64,
    committed: i64,
}

/// Where a restore or a first start leaves a shard.
pub(super) struct Start {
    pub inputs: Vec<Position>,
    pub control: i64,
    pub sequence: u64,
    /// What stands before its outputs.
    pub frames: Frames,
    /// Where writer schemas are looked up.
    pub lookups: Option<Lookups>,
}

impl<M: Machine<Model = Model>> Shard<M> {
    pub(super) fn new(number: i32, machine: M, start: Start, checkpoints: Checkpoints) -> Self {
        let inputs = start.inputs.into_iter().map(Input::new);
        Shard {
            number,
            machine,
            outbox: Outbox::framed(start.frames),
            is_noted: false,
            inputs: inputs.collect(),
            steps: Vec::new(),
            control: Control { next: start.control, committed: start.control },
            sequence: start.sequence,
            checkpoints,
            schemas: Schemas { lookups: start.lookups, ..Schemas::default() },
            keeping: Keeping::default(),
            idle: Idle::default(),
            progress: Progress::default(),
            refusals: Refusals::default(),
            looking: None,
        }
    }

    pub(super) fn inputs(&mut self) -> &mut [Input] {
        &mut self.inputs
    }

    pub(super) fn fetched(&mut self, input: usize, record: Record) {
        if let Some(input) = self.inputs.get_mut(input) {
            input.push(record);
        }
    }

    pub(super) fn ended(&mut self, input: usize, next: i64) {
        if let Some(input) = self.inputs.get_mut(input) {
            input.ended(next);
        }
    }

    /// Takes commands in that have not been taken yet; true if there were any.
    pub(super) fn command<'a>(
        &mut self,
        commands: impl Iterator<Item = &'a Arc<ControlItem<Model>>>,
        batch: &mut Vec<Item<Model>>,
    ) {
        for command in commands {
            self.control.next = command.offset + 1;
            self.steps.push(JournalStep::Command {
                offset: command.offset,
                record: Box::new(command.record.clone()),
                loaded: command.model.is_some(),
            });
            batch.push(Item::Command(command.clone()));
        }
    }

    /// Next offset of the control log.
    pub(super) fn control(&self) -> i64 {
        self.control.next
    }

    /// Takes records in order, as far as it is allowed.
    pub(super) fn take(&mut self, allowed: Allowed<'_>, batch: &mut Vec<Item<Model>>) {
        let Allowed { max, step, until } = allowed;
        self.schemas.waits = None;
        while batch.len() < max {
            let Some(index) = self.first(step) else {
                // What follows is decoded with it, once the machine has taken it in.
                if let Some(fact) = self.schemas.next.take() {
                    self.schemas.taken += fact.size();
                    self.steps.push(JournalStep::Schema(fact.clone()));
                    batch.push(Item::Schema(fact));
                }
                return;
            };
            if self.has_to_wait(index, until) {
                return;
            }
            let input = InputIndex(index as u8);
            let is_kept = self.machine.is_kept(input);
            let from = &mut self.inputs[index];
            if is_kept && !from.queue.front().is_some_and(|head| self.keeping.admit(&head.record)) {
                return;
            }
            let Some(record) = from.pop() else { return };
            self.idle.told = None;
            let is_refused = self.refusals.note((input.0, record.offset), &mut self.steps, batch);
            let record = if is_kept {
                let record = keeping::cut(record);
                self.steps.push(JournalStep::Kept { input, record: Box::new(record.clone()) });
                record
            } else {
                self.journal(input, record.offset);
                record
            };
            batch.push(if is_refused { Item::Refused { input, record } } else { Item::Record { input, record } });
        }
    }

    /// The input whose first record is next; `None` if one has to be waited for, or nothing is left.
    fn first(&mut self, step: Option<&Step>) -> Option<usize> {
        if self.inputs.iter().any(|input| !input.has_record(step) && !input.is_read_out(step)) {
            return None;
        }
        let mut first: Option<(Timestamp, usize)> = None;
        for (index, input) in self.inputs.iter_mut().enumerate() {
            if !input.has_record(step) {
                continue;
            }
            let Some(head) = input.queue.front_mut() else { continue };
            let time = match head.time {
                Some(time) => time,
                None if self.refusals.has(InputIndex(index as u8), head.record.offset) => head.record.timestamp,
                None => {
                    let input_index = InputIndex(index as u8);
                    self.looking = Some((input_index.0, head.record.offset));
                    if let Some(need) = self.machine.schema_need(input_index, &head.record)
                        && !self.schemas.is_met(input_index, need, &input.at.topic)
                    {
                        self.looking = None;
                        return None;
                    }
                    self.machine.order_time(input_index, &head.record)
                }
            };
            self.looking = None;
            head.time = Some(time);
            if first.is_none_or(|(earliest, _)| time < earliest) {
                first = Some((time, index));
            }
        }
        first.map(|(_, index)| index)
    }

    fn journal(&mut self, input: InputIndex, offset: i64) {
        if let Some(JournalStep::Run { input: of, last, records, .. }) = self.steps.last_mut()
            && *of == input
        {
            *last = offset;
            *records += 1;
            return;
        }
        self.steps.push(JournalStep::Run { input, first: offset, last: offset, records: 1 });
    }

    /// Whether the open transaction can hold no more of a shard whose inputs go on: it is to be committed at once.
    pub(super) fn is_full(&self) -> bool {
        self.keeping.is_full()
    }

    /// What the shard waits for that is not a record, in words.
    pub(super) fn waits(&self) -> Option<&str> {
        self.schemas.waits.as_deref()
    }

    /// Its checkpoints.
    pub(super) fn checkpoints(&mut self) -> &mut Checkpoints {
        &mut self.checkpoints
    }

    /// Begins a checkpoint, right after a commit.
    pub(super) fn begin_checkpoint(&mut self, journal_from: i64, config: &str, now: Instant) {
        let origin = Origin {
            sequence: self.sequence.saturating_sub(1),
            journal_from,
            config: config.to_owned(),
            positions: self.inputs.iter().map(|input| input.committed).collect(),
            control: self.control.committed,
        };
        self.checkpoints.begin(&mut self.machine, origin, now);
    }

    /// Takes the next slice of an open checkpoint from the machine, right after a commit.
    pub(super) fn prepare_slice(&mut self) {
        self.checkpoints.prepare(&mut self.machine);
    }

    /// Whether it has never taken anything.
    pub(super) fn is_new(&self) -> bool {
        self.sequence == 0 && self.steps.is_empty()
    }

    /// Whether the open transaction holds anything of this shard.
    pub(super) fn is_open(&self) -> bool {
        !self.steps.is_empty()
    }

    /// The journal record of the open transaction.
    pub(super) fn record(&mut self, stamp: Stamp<'_>) -> JournalRecord {
        JournalRecord {
            sequence: self.sequence,
            now: stamp.now,
            config: stamp.config.to_owned(),
            transactional_id: stamp.transactional_id.to_owned(),
            steps: std::mem::take(&mut self.steps),
            positions: self.inputs.iter().map(|input| input.next).collect(),
            control: self.control.next,
            digest: self.outbox.digest(),
        }
    }

    /// Where the inputs stand, for the commit.
    pub(super) fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.inputs.iter().map(|input| Position { at: input.at.clone(), next: input.next })
    }

    pub(super) fn commit(&mut self) {
        self.machine.commit();
        self.outbox.clear();
        self.is_noted = false;
        self.steps.clear();
        self.schemas.taken = 0;
        self.keeping = Keeping::default();
        self.sequence += 1;
        self.control.committed = self.control.next;
        for input in &mut self.inputs {
            input.committed = input.next;
        }
    }

    /// Takes the open transaction back; returns where the inputs have to be fetched from again.
    pub(super) fn rollback(&mut self) -> Vec<Position> {
        if !failpoint::is_on(Mutation::LeakAborted) {
            self.machine.rollback();
        }
        self.outbox.clear();
        self.is_noted = false;
        self.steps.clear();
        self.schemas.taken = 0;
        self.keeping = Keeping::default();
        self.schemas.next = None;
        self.control.next = self.control.committed;
        self.idle = Idle::default();
        for input in &mut self.inputs {
            input.roll_back();
        }
        self.positions().collect()
    }
}

/// What a journal record carries beside the shard's own.
#[derive(Clone, Copy)]
pub(super) struct Stamp<'a> {
    pub now: Timestamp,
    pub config: &'a str,
    pub transactional_id: &'a str,
}
