//! Bringing a shard up to date: its journal is read, the recorded runs are read again and handled with outputs muted, and
//! the digests are compared.
//!
//! It goes in slices between the worker's polls, never inside a rebalance callback, and no transaction is open for the
//! shard meanwhile.

mod journal;
mod replay;

use std::time::Duration;

use super::clock::Clock;
use super::control::Models;
use super::shard::{Shard, Start};
use super::stage::Stage;
use crate::data::Machine;
use crate::model::Model;
use crate::transport::{Position, TopicPartition, Transport, TransportError};

pub(super) use journal::last_writer;

use journal::Journal;
use replay::{Replay, Replayed};

/// Why a shard cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestoreError {
    /// The cluster, or the store behind a model.
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
    pub clock: &'a Clock,
}

/// A shard on its way.
pub(super) struct Restore<M> {
    shard: i32,
    committed: Vec<Option<i64>>,
    journal: Journal,
    replay: Option<Replay<M>>,
}

/// Where a restore stands.
pub(super) enum Progress<M> {
    /// More to do.
    Restoring(Box<Restore<M>>),
    /// The shard, and how many transactions were replayed for it.
    Restored(Box<Shard<M>>, u64),
}

impl<M: Machine<Model = Model>> Restore<M> {
    /// Begins; `committed` is what the group has committed for each input.
    pub(super) fn begin<S: Stage<Machine = M>>(
        context: &Context<'_, S>,
        shard: i32,
        committed: Vec<Option<i64>>,
    ) -> Result<Self, RestoreError> {
        let journal = Journal::open(context, shard)?;
        Ok(Restore { shard, committed, journal, replay: None })
    }

    /// Goes on for about `budget`; the shard once it is up to date.
    pub(super) fn advance<S: Stage<Machine = M>>(
        mut self,
        context: &Context<'_, S>,
        budget: Duration,
    ) -> Result<Progress<M>, RestoreError> {
        let until = context.clock.instant() + budget;
        while !self.journal.is_read() {
            self.journal.read(budget)?;
            if context.clock.instant() >= until {
                return Ok(Progress::Restoring(Box::new(self)));
            }
        }
        let mut replay = match self.replay.take() {
            Some(replay) => replay,
            None if self.journal.records.is_empty() => return self.fresh(context),
            None => {
                self.check(context)?;
                Replay::open(context, self.shard, &self.journal)?
            }
        };
        while let Some(record) = self.journal.records.pop_front() {
            if replay.gather(&record)? {
                replay.replay(context, record)?;
            } else {
                self.journal.records.push_front(record);
            }
            if context.clock.instant() >= until && !self.journal.records.is_empty() {
                self.replay = Some(replay);
                return Ok(Progress::Restoring(Box::new(self)));
            }
        }
        self.finish(context, replay)
    }

    fn refuse<T>(&self, why: impl Into<String>) -> Result<T, RestoreError> {
        Err(RestoreError::Refused { shard: self.shard, why: why.into() })
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
        let machine = context.stage.machine(self.shard);
        Ok(Progress::Restored(Box::new(Shard::new(self.shard, machine, start)), 0))
    }

    /// What must hold before anything is replayed.
    fn check<S: Stage<Machine = M>>(&self, context: &Context<'_, S>) -> Result<(), RestoreError> {
        let records = &self.journal.records;
        let (Some(first), Some(last)) = (records.front(), records.back()) else { return Ok(()) };
        if first.sequence != 0 {
            return self.refuse(format!("its journal begins with record {}, not 0", first.sequence));
        }
        if let Some(other) = records.iter().find(|record| record.config != context.stage.config()) {
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

    fn finish<S: Stage<Machine = M>>(
        self,
        context: &Context<'_, S>,
        replay: Replay<M>,
    ) -> Result<Progress<M>, RestoreError> {
        let Some(Replayed { machine, last, transactions }) = replay.end() else {
            return self.refuse("its journal is empty");
        };
        let topics = context.stage.inputs().into_iter().zip(&last.positions);
        let inputs = topics.map(|(topic, next)| Position { at: TopicPartition::new(topic, self.shard), next: *next });
        let start = Start { inputs: inputs.collect(), control: last.control, sequence: last.sequence + 1 };
        Ok(Progress::Restored(Box::new(Shard::new(self.shard, machine, start)), transactions))
    }
}
