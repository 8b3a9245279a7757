//! Bringing a shard up to date: its last checkpoint is read, then its journal from there; the recorded runs are read
//! again and handled with outputs muted, and the digests are compared.
//!
//! It goes in slices between the worker's polls, never inside a rebalance callback, and no transaction is open for the
//! shard meanwhile.

mod checks;
mod journal;
mod log;
mod offsets;
mod replay;
mod state;
mod takeover;

use std::collections::btree_map;
use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoints, Found};
use super::clock::Clock;
use super::control::{ControlTail, Models};
use super::guards::Guards;
use super::shard::{Shard, Start};
use super::stage::Stage;
use crate::codec::{ChunkKey, StoredChunk};
use crate::data::{Frames, Machine};
use crate::model::Model;
use crate::rollout::Ledger;
use crate::schema_registry::Lookups;
use crate::transport::failpoint::{self, Mutation};
use crate::transport::{Transport, TransportError};

pub(super) use journal::last_writer;

use journal::Journal;
use offsets::Settling;
use replay::Replay;
use state::StateLog;
use takeover::Of;

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
    pub control: &'a ControlTail,
    pub clock: &'a Clock,
    /// Consumer group of the stage.
    pub group: &'a str,
    pub guards: Guards,
    /// What stands before outputs.
    pub frames: Frames,
    /// Where writer schemas are looked up.
    pub lookups: Option<&'a Lookups>,
}

/// A shard on its way.
pub(super) struct Restore<M> {
    shard: i32,
    committed: Vec<Option<i64>>,
    phase: Phase<M>,
}

enum Phase<M> {
    Reading(StateLog),
    /// The checkpoint is read, and the control log it rests on may not be.
    Read(Box<state::State>),
    Loading(Box<Base<M>>, btree_map::IntoIter<ChunkKey, Vec<u8>>),
    Journal(Box<Base<M>>, Box<Journal>),
    Replaying(Box<Replaying<M>>),
}

/// A machine that takes in what the journal names.
struct Replaying<M> {
    replay: Replay<M>,
    of: Of,
    /// The machine was taken over from the configuration before.
    is_taken_over: bool,
    found: Found,
    journal: Journal,
    settling: Settling,
}

/// A machine as of the last checkpoint.
struct Base<M> {
    machine: M,
    of: Of,
    found: Found,
    ledger: Ledger,
}

/// Where a restore stands.
pub(super) enum Progress<M> {
    /// More to do.
    Restoring(Box<Restore<M>>),
    /// Nothing to do until something else has come.
    Waiting(Box<Restore<M>>),
    /// The shard.
    Restored(Box<Restored<M>>),
}

/// A shard that is up to date.
pub(super) struct Restored<M> {
    pub shard: Shard<M>,
    /// Chunks of the checkpoint it began from; none without one.
    pub chunks: usize,
    /// Transactions that were replayed for it.
    pub transactions: u64,
}

/// One step of a restore.
enum Step<M> {
    On(Phase<M>),
    /// Something has to come first.
    Wait(Phase<M>),
    Done(Box<Restored<M>>),
}

impl<M: Machine<Model = Model>> Restore<M> {
    /// Begins; `committed` is what the group has committed for each input.
    pub(super) fn begin<S: Stage<Machine = M>>(
        context: &Context<'_, S>,
        shard: i32,
        committed: Vec<Option<i64>>,
    ) -> Result<Self, RestoreError> {
        Ok(Restore { shard, committed, phase: Phase::Reading(StateLog::open(context, shard)?) })
    }

    /// Goes on for about `budget`; the shard once it is up to date.
    pub(super) fn advance<S: Stage<Machine = M>>(
        self,
        context: &Context<'_, S>,
        budget: Duration,
    ) -> Result<Progress<M>, RestoreError> {
        let until = context.clock.instant() + budget;
        let Restore { shard, committed, mut phase } = self;
        let at = Place { shard, committed: &committed, until, wait: budget };
        loop {
            phase = match at.step(context, phase)? {
                Step::Done(restored) => return Ok(Progress::Restored(restored)),
                Step::On(phase) if context.clock.instant() < until => phase,
                Step::On(phase) => return Ok(Progress::Restoring(Box::new(Restore { shard, committed, phase }))),
                Step::Wait(phase) => return Ok(Progress::Waiting(Box::new(Restore { shard, committed, phase }))),
            };
        }
    }
}

/// What is restored, and for how long at a time.
struct Place<'a> {
    shard: i32,
    committed: &'a [Option<i64>],
    until: Instant,
    wait: Duration,
}

impl Place<'_> {
    fn step<M: Machine<Model = Model>, S: Stage<Machine = M>>(
        &self,
        context: &Context<'_, S>,
        phase: Phase<M>,
    ) -> Result<Step<M>, RestoreError> {
        Ok(match phase {
            Phase::Reading(mut log) => match log.read(self.wait)? {
                true => Step::On(Phase::Read(Box::new(log.finish()?))),
                false => Step::On(Phase::Reading(log)),
            },
            Phase::Read(state) => self.open_checkpoint(context, state)?,
            Phase::Loading(base, chunks) => self.load(context, base, chunks)?,
            Phase::Journal(base, mut journal) => match journal.read(self.wait)? {
                true => self.open_journal(context, *base, *journal)?,
                false => Step::On(Phase::Journal(base, journal)),
            },
            Phase::Replaying(replaying) => self.replay(context, replaying)?,
        })
    }

    /// Makes the machine, as of the checkpoint if there is one.
    fn open_checkpoint<M: Machine<Model = Model>, S: Stage<Machine = M>>(
        &self,
        context: &Context<'_, S>,
        state: Box<state::State>,
    ) -> Result<Step<M>, RestoreError> {
        let mut ledger = Ledger::default();
        let of = state.found.marker.as_ref().map_or(Ok(Of::Current), |marker| self.check_marker(context, marker))?;
        let mut machine = self.machine(context, of);
        if let Some(marker) = &state.found.marker {
            if !context.control.is_read() || context.control.next() < marker.control {
                return Ok(Step::Wait(Phase::Read(state)));
            }
            let control: Vec<_> = context.control.items(0, Some(marker.control)).cloned().collect();
            control.iter().for_each(|item| _ = ledger.apply(&item.record));
            machine.restore_head(&marker.head, &control).map_err(|error| {
                self.refused(format!("checkpoint {} in `{}`: {error}", marker.checkpoint, context.stage.state()))
            })?;
        }
        let state::State { found, chunks } = *state;
        Ok(Step::On(Phase::Loading(Box::new(Base { machine, of, found, ledger }), chunks.into_iter())))
    }

    fn load<M: Machine<Model = Model>, S: Stage<Machine = M>>(
        &self,
        context: &Context<'_, S>,
        mut base: Box<Base<M>>,
        mut chunks: btree_map::IntoIter<ChunkKey, Vec<u8>>,
    ) -> Result<Step<M>, RestoreError> {
        while let Some((key, value)) = chunks.next() {
            let read = StoredChunk::decode(&value).and_then(|chunk| base.machine.restore_chunk(chunk.bytes));
            read.map_err(|error| self.refused(format!("`{}`, {key:?}: {error}", context.stage.state())))?;
            if context.clock.instant() >= self.until {
                return Ok(Step::On(Phase::Loading(base, chunks)));
            }
        }
        base.machine.commit();
        let journal = Journal::open(context, self.shard, base.found.marker.as_ref())?;
        Ok(Step::On(Phase::Journal(base, Box::new(journal))))
    }

    fn open_journal<M: Machine<Model = Model>, S: Stage<Machine = M>>(
        &self,
        context: &Context<'_, S>,
        base: Base<M>,
        mut journal: Journal,
    ) -> Result<Step<M>, RestoreError> {
        let Base { mut machine, mut of, found, ledger } = base;
        if found.marker.is_none() && self.begins_before(context, &journal.records) {
            of = Of::Former;
            machine = self.machine(context, of);
        }
        // A mistake that the fault harness has to notice.
        if failpoint::is_on(Mutation::WrongEnd) && journal.records.len() > 1 {
            let _ = journal.records.pop_back();
        } else {
            self.check_journal(context, found.marker.as_ref(), &journal.records)?;
        }
        let replay = Replay::open(context, self.shard, (machine, ledger), &journal)?;
        let settling = Settling::default();
        let replaying = Replaying { replay, of, is_taken_over: false, found, journal, settling };
        Ok(Step::On(Phase::Replaying(Box::new(replaying))))
    }

    fn replay<M: Machine<Model = Model>, S: Stage<Machine = M>>(
        &self,
        context: &Context<'_, S>,
        mut replaying: Box<Replaying<M>>,
    ) -> Result<Step<M>, RestoreError> {
        while let Some(record) = replaying.journal.records.pop_front() {
            if record.config == context.stage.config() {
                self.take_over(context, &mut replaying);
            }
            if replaying.replay.gather(&record)? {
                replaying.replay.replay(context, record)?;
            } else {
                replaying.journal.records.push_front(record);
            }
            if context.clock.instant() >= self.until {
                return Ok(Step::On(Phase::Replaying(replaying)));
            }
        }
        self.take_over(context, &mut replaying);
        let last = replaying.replay.last.as_ref().map(|last| (&last.positions, last.control, last.sequence));
        let marker = replaying.found.marker.as_ref();
        let (frames, lookups) = (context.frames, context.lookups.cloned());
        let start = match last.or(marker.map(|marker| (&marker.positions, marker.control, marker.sequence))) {
            Some((positions, control, sequence)) => {
                let Some(inputs) = self.resume(context, positions, &mut replaying.settling)? else {
                    return Ok(Step::Wait(Phase::Replaying(replaying)));
                };
                Start { inputs, control, sequence: sequence + 1, frames, lookups }
            }
            None => Start { inputs: self.beginning(context)?, control: 0, sequence: 0, frames, lookups },
        };
        let Replaying { replay, is_taken_over, found, .. } = *replaying;
        let (chunks, transactions) = (found.live.len(), replay.replayed);
        let mut checkpoints = Checkpoints::new(found, transactions > 0, context.clock.instant());
        if is_taken_over {
            checkpoints.begin_with_everything();
        }
        let shard = Shard::new(self.shard, replay.machine, start, checkpoints);
        Ok(Step::Done(Box::new(Restored { shard, chunks, transactions })))
    }

    fn refused(&self, why: impl Into<String>) -> RestoreError {
        RestoreError::Refused { shard: self.shard, why: why.into() }
    }
}
