//! Bringing a shard up to date: its journal is read, the recorded runs are read again and handled with outputs muted, and
//! the digests are compared.
//!
//! It goes in slices between the worker's polls, never inside a rebalance callback, and no transaction is open for the
//! shard meanwhile.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::control::Models;
use super::shard::{Shard, Start};
use super::stage::Stage;
use crate::codec::{JournalRecord, JournalStep};
use crate::data::{ControlItem, InputIndex, Item, Machine, ModelCommand, Outbox, Record};
use crate::model::Model;
use crate::rollout::Ledger;
use crate::transport::{News, Position, Reader, TopicPartition, Transport, TransportError};

/// How long the journal's last transaction may stay undecided.
const PATIENCE: Duration = Duration::from_secs(60);
/// How far before the end of a journal its last record is looked for.
const LAST_RECORDS: i64 = 100;

/// Why a shard cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestoreError {
    /// The cluster.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What is found does not fit together; an operator has to look.
    #[error("shard {shard} cannot be restored: {why}")]
    Refused {
        /// The shard.
        shard: i32,
        /// What does not fit, and what to do.
        why: String,
    },
}

/// What a restore works with.
pub(super) struct Context<'a, S> {
    pub stage: &'a S,
    pub transport: &'a dyn Transport,
    pub models: &'a Models,
}

/// A shard on its way.
pub(super) struct Restore<M> {
    shard: i32,
    machine: M,
    committed: Vec<Option<i64>>,
    journal: JournalReading,
    replay: Option<Replay>,
    ledger: Ledger,
    since: Instant,
}

struct JournalReading {
    reader: Box<dyn Reader>,
    records: VecDeque<JournalRecord>,
    high: i64,
    done: bool,
}

/// The inputs, read again.
struct Replay {
    reader: Box<dyn Reader>,
    queues: Vec<VecDeque<Record>>,
    last: Option<JournalRecord>,
    replayed: u64,
}

impl Replay {
    /// Fetches until the queues hold what `record` took; false if more has to come.
    fn gather(&mut self, record: &JournalRecord) -> Result<bool, TransportError> {
        let mut wanted = vec![0u64; self.queues.len()];
        for step in &record.steps {
            if let JournalStep::Run { input, records, .. } = step
                && let Some(count) = wanted.get_mut(usize::from(input.0))
            {
                *count += records;
            }
        }
        let lacking = |replay: &Replay| replay.queues.iter().zip(&wanted).any(|(queue, n)| (queue.len() as u64) < *n);
        if !lacking(self) {
            return Ok(true);
        }
        let mut news = Vec::new();
        self.reader.poll(Duration::from_millis(20), 10_000, &mut news)?;
        for news in news {
            if let News::Record { input, record, .. } = news
                && let Some(queue) = self.queues.get_mut(input)
            {
                queue.push_back(record);
            }
        }
        Ok(!lacking(self))
    }
}

impl<M: Machine<Model = Model>> Restore<M> {
    /// Begins; `committed` is what the group has committed for each input.
    pub(super) fn begin<S: Stage<Machine = M>>(
        context: &Context<'_, S>,
        shard: i32,
        committed: Vec<Option<i64>>,
    ) -> Result<Self, RestoreError> {
        let topic = context.stage.journal();
        let bounds = context.transport.bounds(topic)?.and_then(|all| all.get(shard as usize).copied());
        let bounds = bounds.ok_or_else(|| {
            let why = format!("topic `{topic}` has no partition {shard}; `driftless topics create` makes it");
            TransportError::Configuration(why)
        })?;
        if bounds.start > 0 {
            let why = format!("the journal in `{topic}` begins at offset {}: its first records are gone", bounds.start);
            return Err(RestoreError::Refused { shard, why });
        }
        let mut reader = context.transport.reader(&[topic.to_owned()])?;
        reader.start(&[Position { at: TopicPartition::new(topic, shard), next: bounds.start }])?;
        let journal = JournalReading { reader, records: VecDeque::new(), high: bounds.high, done: false };
        let machine = context.stage.machine(shard);
        Ok(Restore {
            shard,
            machine,
            committed,
            journal,
            replay: None,
            ledger: Ledger::default(),
            since: Instant::now(),
        })
    }

    /// Goes on for about `budget`; the shard once it is up to date.
    pub(super) fn advance<S: Stage<Machine = M>>(
        mut self,
        context: &Context<'_, S>,
        budget: Duration,
    ) -> Result<Progress<M>, RestoreError> {
        let until = Instant::now() + budget;
        while !self.journal.done {
            self.read_journal(context, budget)?;
            if Instant::now() >= until {
                return Ok(Progress::Restoring(Box::new(self)));
            }
        }
        if self.replay.is_none() {
            let Some(first) = self.journal.records.front() else { return self.fresh(context) };
            self.check(context, first)?;
            self.replay = Some(self.open(context)?);
        }
        while let Some(record) = self.journal.records.front() {
            let Some(replay) = self.replay.as_mut() else { break };
            if !replay.gather(record)? {
                if Instant::now() >= until {
                    return Ok(Progress::Restoring(Box::new(self)));
                }
                continue;
            }
            if let Some(record) = self.journal.records.pop_front() {
                self.replay(context, record)?;
            }
            if Instant::now() >= until && !self.journal.records.is_empty() {
                return Ok(Progress::Restoring(Box::new(self)));
            }
        }
        self.finish(context)
    }

    fn refuse<T>(&self, why: impl Into<String>) -> Result<T, RestoreError> {
        Err(RestoreError::Refused { shard: self.shard, why: why.into() })
    }

    fn read_journal<S: Stage<Machine = M>>(
        &mut self,
        context: &Context<'_, S>,
        wait: Duration,
    ) -> Result<(), RestoreError> {
        let mut news = Vec::new();
        self.journal.reader.poll(wait, 1_000, &mut news)?;
        for news in news {
            match news {
                News::Record { record, .. } => match JournalRecord::decode(record.value.as_deref().unwrap_or_default())
                {
                    Ok(read) => self.journal.records.push_back(read),
                    Err(error) => {
                        let topic = context.stage.journal();
                        return self.refuse(format!("`{topic}` at offset {}: {error}", record.offset));
                    }
                },
                News::End { next, .. } => self.journal.done |= next >= self.journal.high,
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
            }
        }
        if !self.journal.done && self.since.elapsed() > PATIENCE {
            let topic = context.stage.journal();
            return self.refuse(format!(
                "`{topic}` cannot be read up to offset {}: a transaction of another writer is still open there, or its \
                 last records are gone",
                self.journal.high
            ));
        }
        Ok(())
    }

    fn fresh<S: Stage<Machine = M>>(self, context: &Context<'_, S>) -> Result<Progress<M>, RestoreError> {
        if let Some(next) = self.committed.iter().flatten().next() {
            return self.refuse(format!(
                "the group has committed offset {next}, but the journal `{}` is empty: it was deleted, or the group \
                 belongs to another application; choose another `app`",
                context.stage.journal()
            ));
        }
        let mut inputs = Vec::new();
        for topic in context.stage.inputs() {
            let bounds = context.transport.bounds(&topic)?.and_then(|all| all.get(self.shard as usize).copied());
            let Some(bounds) = bounds else {
                return self.refuse(format!("topic `{topic}` has no partition {}", self.shard));
            };
            inputs.push(Position { at: TopicPartition::new(topic, self.shard), next: bounds.start });
        }
        let start = Start { inputs, control: 0, sequence: 0 };
        Ok(Progress::Restored(Box::new(Shard::new(self.shard, self.machine, start)), 0))
    }

    /// What must hold before anything is replayed.
    fn check<S: Stage<Machine = M>>(
        &self,
        context: &Context<'_, S>,
        first: &JournalRecord,
    ) -> Result<(), RestoreError> {
        let Some(last) = self.journal.records.back() else { return Ok(()) };
        if first.sequence != 0 {
            return self.refuse(format!("its journal begins with record {}, not 0", first.sequence));
        }
        if let Some(other) = self.journal.records.iter().find(|record| record.config != context.stage.config()) {
            return self.refuse(format!(
                "journal record {} was written with another configuration; put that configuration back, or choose \
                 another `app`",
                other.sequence
            ));
        }
        let positions: Vec<Option<i64>> = last.positions.iter().copied().map(Some).collect();
        if positions != self.committed {
            return self.refuse(format!(
                "its journal ends at offsets {:?}, but the group has committed {:?}: somebody has changed one of the two",
                last.positions, self.committed
            ));
        }
        Ok(())
    }

    fn open<S: Stage<Machine = M>>(&self, context: &Context<'_, S>) -> Result<Replay, RestoreError> {
        let topics = context.stage.inputs();
        let mut reader = context.transport.reader(&topics)?;
        let mut starts = Vec::new();
        for (index, topic) in topics.iter().enumerate() {
            let first = self.journal.records.iter().flat_map(|record| &record.steps).find_map(|step| match step {
                JournalStep::Run { input, first, .. } if usize::from(input.0) == index => Some(*first),
                _ => None,
            });
            let Some(first) = first else { continue };
            let bounds = context.transport.bounds(topic)?.and_then(|all| all.get(self.shard as usize).copied());
            if bounds.is_none_or(|bounds| bounds.start > first) {
                return self.refuse(format!("`{topic}` no longer holds offset {first}, which the journal names"));
            }
            starts.push(Position { at: TopicPartition::new(topic.as_str(), self.shard), next: first });
        }
        reader.start(&starts)?;
        let queues = topics.iter().map(|_| VecDeque::new()).collect();
        Ok(Replay { reader, queues, last: None, replayed: 0 })
    }

    fn replay<S: Stage<Machine = M>>(
        &mut self,
        context: &Context<'_, S>,
        record: JournalRecord,
    ) -> Result<(), RestoreError> {
        let Some(mut replay) = self.replay.take() else { return Ok(()) };
        let mut batch = Vec::new();
        for step in &record.steps {
            match step {
                JournalStep::Idle => batch.push(Item::Idle),
                JournalStep::Command { offset, record, loaded } => {
                    self.ledger.apply(record);
                    let model = if *loaded { Some(self.load(context, record)?) } else { None };
                    batch.push(Item::Command(std::sync::Arc::new(ControlItem {
                        offset: *offset,
                        record: (**record).clone(),
                        model,
                    })));
                }
                JournalStep::Run { input, first, last, records } => {
                    self.run(&mut replay, (*input, *first, *last, *records), &mut batch)?;
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
        replay.last = Some(record);
        replay.replayed += 1;
        self.replay = Some(replay);
        Ok(())
    }

    fn run(
        &self,
        replay: &mut Replay,
        (input, first, last, records): (InputIndex, i64, i64, u64),
        batch: &mut Vec<Item<Model>>,
    ) -> Result<(), RestoreError> {
        let Some(queue) = replay.queues.get_mut(usize::from(input.0)) else {
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
        record: &crate::data::ModelRecord,
    ) -> Result<std::sync::Arc<Model>, RestoreError> {
        let artifact = match record.command {
            ModelCommand::Registered => record.artifact.as_ref(),
            _ => self.ledger.artifact(record.version),
        };
        let Some(artifact) = artifact else {
            return self.refuse(format!("its journal names v{}, of which no artifact is known", record.version));
        };
        match context.models.load(artifact) {
            Ok(model) => Ok(model),
            Err(error) => self.refuse(format!("v{} cannot be loaded: {error}", record.version)),
        }
    }

    fn finish<S: Stage<Machine = M>>(self, context: &Context<'_, S>) -> Result<Progress<M>, RestoreError> {
        let Some(Replay { last: Some(last), replayed, .. }) = self.replay else {
            return Err(RestoreError::Refused { shard: self.shard, why: "its journal is empty".to_owned() });
        };
        let inputs = context
            .stage
            .inputs()
            .into_iter()
            .zip(&last.positions)
            .map(|(topic, next)| Position { at: TopicPartition::new(topic, self.shard), next: *next });
        let start = Start { inputs: inputs.collect(), control: last.control, sequence: last.sequence + 1 };
        Ok(Progress::Restored(Box::new(Shard::new(self.shard, self.machine, start)), replayed))
    }
}

/// Where a restore stands.
pub(super) enum Progress<M> {
    /// More to do.
    Restoring(Box<Restore<M>>),
    /// The shard, and how many transactions were replayed for it.
    Restored(Box<Shard<M>>, u64),
}

/// The transactional id that wrote the last committed journal record of a shard, if there is one.
pub(super) fn last_writer(
    transport: &dyn Transport,
    journal: &str,
    shard: i32,
) -> Result<Option<String>, TransportError> {
    let bounds = transport.bounds(journal)?.and_then(|all| all.get(shard as usize).copied());
    let Some(bounds) = bounds.filter(|bounds| bounds.end > bounds.start) else { return Ok(None) };
    let mut reader = transport.reader(&[journal.to_owned()])?;
    // The last records may be control records of the log: a few before the end are enough to find one of ours.
    let from = bounds.start.max(bounds.end - LAST_RECORDS);
    reader.start(&[Position { at: TopicPartition::new(journal, shard), next: from }])?;
    let mut last = None;
    let until = Instant::now() + Duration::from_secs(10);
    let mut news = Vec::new();
    while Instant::now() < until {
        reader.poll(Duration::from_millis(100), 1_000, &mut news)?;
        for news in news.drain(..) {
            match news {
                News::Record { record, .. } => {
                    if let Ok(read) = JournalRecord::decode(record.value.as_deref().unwrap_or_default()) {
                        last = Some(read.transactional_id);
                    }
                }
                News::End { .. } => return Ok(last),
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
            }
        }
    }
    Ok(last)
}
