//! The recorded runs, read again and handled with outputs muted.
//!
//! A journal record says which records of which input its transaction took, between which commands. The machine takes
//! them again, and what it gives out has to have the digest that was recorded: then its state is the one that was
//! committed. A difference is refused, never passed over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::journal::Journal;
use super::{Context, RestoreError};
use crate::codec::{JournalRecord, JournalStep};
use crate::data::{ControlItem, InputIndex, Item, Machine, ModelCommand, ModelRecord, Outbox, Record};
use crate::model::Model;
use crate::registry::StoreError;
use crate::rollout::Ledger;
use crate::runtime::clock::Clock;
use crate::runtime::stage::Stage;
use crate::transport::{News, Position, Reader, TopicPartition, TransportError};

/// How long a poll waits for records that are on their way.
const WAIT: Duration = Duration::from_millis(20);
/// How long records that the journal names may stay away.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine on its way through the journal.
pub(super) struct Replay<M> {
    shard: i32,
    machine: M,
    reader: Box<dyn Reader>,
    queues: Vec<VecDeque<Record>>,
    clock: Clock,
    /// When a record last came.
    moved: Instant,
    ledger: Ledger,
    last: Option<JournalRecord>,
    replayed: u64,
}

/// Where a replay ended.
pub(super) struct Replayed<M> {
    pub(super) machine: M,
    /// The last record of the journal.
    pub(super) last: JournalRecord,
    /// Transactions replayed.
    pub(super) transactions: u64,
}

/// Consecutive records of one input, as the journal names them.
#[derive(Clone, Copy)]
struct Run {
    input: InputIndex,
    first: i64,
    last: i64,
    records: u64,
}

impl<M: Machine<Model = Model>> Replay<M> {
    /// Opens the inputs where the journal first took something from them.
    pub(super) fn open<S: Stage<Machine = M>>(
        context: &Context<'_, S>,
        shard: i32,
        journal: &Journal,
    ) -> Result<Self, RestoreError> {
        let topics = context.stage.inputs();
        let mut reader = context.transport.reader(&topics)?;
        let mut starts = Vec::new();
        for (index, topic) in topics.iter().enumerate() {
            let first = journal.records.iter().flat_map(|record| &record.steps).find_map(|step| match step {
                JournalStep::Run { input, first, .. } if usize::from(input.0) == index => Some(*first),
                _ => None,
            });
            let Some(first) = first else { continue };
            let bounds = context.transport.bounds(topic)?.and_then(|all| all.get(shard as usize).copied());
            if bounds.is_none_or(|bounds| bounds.start > first) {
                let why = format!("`{topic}` no longer holds offset {first}, which the journal names");
                return Err(RestoreError::Refused { shard, why });
            }
            starts.push(Position { at: TopicPartition::new(topic.as_str(), shard), next: first });
        }
        reader.start(&starts)?;
        Ok(Replay {
            shard,
            machine: context.stage.machine(shard),
            reader,
            queues: topics.iter().map(|_| VecDeque::new()).collect(),
            clock: context.clock.clone(),
            moved: context.clock.instant(),
            ledger: Ledger::default(),
            last: None,
            replayed: 0,
        })
    }

    /// Fetches what `record` took; false if more has to come.
    pub(super) fn gather(&mut self, record: &JournalRecord) -> Result<bool, RestoreError> {
        let mut wanted = vec![0u64; self.queues.len()];
        for step in &record.steps {
            if let JournalStep::Run { input, records, .. } = step
                && let Some(count) = wanted.get_mut(usize::from(input.0))
            {
                *count += records;
            }
        }
        if self.holds(&wanted) {
            return Ok(true);
        }
        let mut news = Vec::new();
        self.reader.poll(WAIT, 10_000, &mut news)?;
        for news in news {
            if let News::Record { input, record, .. } = news
                && let Some(queue) = self.queues.get_mut(input)
            {
                queue.push_back(record);
                self.moved = self.clock.instant();
            }
        }
        if !self.holds(&wanted) && self.clock.since(self.moved) > PATIENCE {
            return self.refuse(format!(
                "the inputs end before what journal record {} took from them: a topic was made anew",
                record.sequence
            ));
        }
        Ok(self.holds(&wanted))
    }

    fn holds(&self, wanted: &[u64]) -> bool {
        self.queues.iter().zip(wanted).all(|(queue, wanted)| queue.len() as u64 >= *wanted)
    }

    /// Handles what `record` took, which [`Replay::gather`] has fetched.
    pub(super) fn replay<S: Stage<Machine = M>>(
        &mut self,
        context: &Context<'_, S>,
        record: JournalRecord,
    ) -> Result<(), RestoreError> {
        let mut batch = Vec::new();
        for step in &record.steps {
            match step {
                JournalStep::Idle => batch.push(Item::Idle),
                JournalStep::Command { offset, record, loaded } => {
                    self.ledger.apply(record);
                    let model = if *loaded { Some(self.load(context, record)?) } else { None };
                    let command = ControlItem { offset: *offset, record: (**record).clone(), model };
                    batch.push(Item::Command(Arc::new(command)));
                }
                JournalStep::Run { input, first, last, records } => {
                    self.take(Run { input: *input, first: *first, last: *last, records: *records }, &mut batch)?;
                }
            }
        }
        let mut out = Outbox::muted();
        self.machine.handle(&batch, record.now, &mut out);
        self.machine.commit();
        if out.digest() != record.digest {
            return self.refuse(format!(
                "journal record {} gives other outputs now than when it was written: this binary computes differently; \
                 go back to the one that wrote it",
                record.sequence
            ));
        }
        self.last = Some(record);
        self.replayed += 1;
        Ok(())
    }

    fn take(&mut self, run: Run, batch: &mut Vec<Item<Model>>) -> Result<(), RestoreError> {
        let Run { input, first, last, records } = run;
        let Some(queue) = self.queues.get_mut(usize::from(input.0)) else {
            return self.refuse(format!("its journal names input {}, which this stage does not have", input.0));
        };
        let taken: Vec<Record> = queue.drain(..(records as usize).min(queue.len())).collect();
        let ends = [taken.first().map(|record| record.offset), taken.last().map(|record| record.offset)];
        if ends != [Some(first), Some(last)] {
            return self.refuse(format!(
                "input {} gives other records than offsets {first} to {last}, which the journal names",
                input.0
            ));
        }
        batch.extend(taken.into_iter().map(|record| Item::Record { input, record }));
        Ok(())
    }

    fn load<S: Stage<Machine = M>>(
        &self,
        context: &Context<'_, S>,
        record: &ModelRecord,
    ) -> Result<Arc<Model>, RestoreError> {
        let artifact = match record.command {
            ModelCommand::Registered => record.artifact.as_ref(),
            _ => self.ledger.artifact(record.version),
        };
        let Some(artifact) = artifact else {
            return self.refuse(format!("its journal names v{}, of which no artifact is known", record.version));
        };
        match context.models.load(artifact) {
            Ok(model) => Ok(model),
            Err(StoreError::Unavailable(error)) => {
                Err(TransportError::Retriable(format!("v{} cannot be loaded: {error}", record.version)).into())
            }
            Err(error) => self.refuse(format!("v{} cannot be loaded: {error}", record.version)),
        }
    }

    /// The machine, once the journal is through; `None` if it was empty.
    pub(super) fn end(self) -> Option<Replayed<M>> {
        let last = self.last?;
        Some(Replayed { machine: self.machine, last, transactions: self.replayed })
    }

    fn refuse<T>(&self, why: String) -> Result<T, RestoreError> {
        Err(RestoreError::Refused { shard: self.shard, why })
    }
}
