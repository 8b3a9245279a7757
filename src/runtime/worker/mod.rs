//! One worker: a thread with its group membership, its transactional producer, and the shards it was given.
//!
//! One pass of the loop polls, brings shards up to date or lets them take what has come, and commits when the
//! transaction is old enough: outputs, journal and offsets together. A transaction is opened when there is something to
//! write and never while a shard of it restores. What cannot be committed is taken back and done again; a producer that
//! is finished is replaced, and the shards restore.

mod checkpointing;
mod inputs;
mod panics;
mod post;
mod restoring;
mod traced;
mod transaction;
mod waited;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::alignment::Alignment;
use super::behind::Behind;
use super::board::{Board, Phase};
use super::breaker::Breaker;
use super::clock::Clock;
use super::control::{ControlTail, Models};
use super::decisions::Decisions;
use super::guards::Guards;
use super::pace::Pace;
use super::restore::{Context, Restore, RestoreError};
use super::shard::Shard;
use super::stage::Stage;
use super::traces::Traces;
use super::watch::{self, Cause};
use crate::codec::JournalError;
use crate::config::params::Topics;
use crate::data::Frames;
use crate::data::params::{BreakerParams, Delivery};
use crate::schema_registry::Lookups;
use crate::transport::{Member, MemberSpec, News, Transport, TransportError, failpoint};

use panics::Suspects;
#[cfg(test)]
pub(super) use post::Post;
pub(super) use post::run;
use traced::TracedRecords;
use transaction::Open;
use waited::Waited;

/// How long a poll may block when there is nothing to do.
const IDLE_POLL: Duration = Duration::from_millis(5);
/// How often the control log is looked at.
const CONTROL_PACE: Duration = Duration::from_millis(10);
/// Wait after a transaction was taken back.
const BACKOFF: Duration = Duration::from_millis(100);

/// What a worker works with; shared by all workers of a stage.
pub(super) struct Shop<S> {
    pub stage: S,
    pub transport: Arc<dyn Transport>,
    pub topics: Topics,
    pub group: String,
    pub models: Arc<Models>,
    pub pace: Arc<Pace>,
    pub board: Arc<Board>,
    pub stop: Arc<AtomicBool>,
    pub guards: Guards,
    /// How far shards are, and how far apart they may be.
    pub alignment: Alignment,
    /// Age at which a transaction is committed.
    pub interval: Duration,
    /// Whether predictions wait for that.
    pub delivery: Delivery,
    /// How often a shard's state is written out.
    pub checkpoint: Duration,
    pub max_batch: usize,
    pub breaker: BreakerParams,
    /// What stands before outputs.
    pub frames: Frames,
    /// Where writer schemas are looked up.
    pub lookups: Option<Lookups>,
    /// Where sampled traces are told, where they are.
    pub traces: Option<Traces>,
}

impl<S> Shop<S> {
    /// What a restore works with.
    fn context<'a>(&'a self, control: &'a ControlTail) -> Context<'a, S> {
        let Shop { stage, transport, models, pace, group, guards, frames, lookups, .. } = self;
        let (guards, frames, lookups) = (*guards, *frames, lookups.as_ref());
        Context { stage, transport: &**transport, models, control, clock: pace.clock(), group, guards, frames, lookups }
    }
}

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Restore(RestoreError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What was found cannot be right; an operator has to look.
    #[error("{0}")]
    Refused(String),
}

impl WorkerError {
    /// Another process runs under the same name.
    pub(super) fn twin(transactional_id: &str) -> Self {
        WorkerError::Refused(format!(
            "another process takes the transactional id `{transactional_id}` over again and again: two instances have the \
             same name; start each with an `--instance` of its own"
        ))
    }
}

impl From<RestoreError> for WorkerError {
    /// A cluster that does not answer is no different while a shard restores: the worker joins anew.
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Transport(error) => WorkerError::Transport(error),
            refused @ RestoreError::Refused { .. } => WorkerError::Restore(refused),
        }
    }
}

/// A worker between joining and leaving.
pub(super) struct Worker<S: Stage> {
    shop: Arc<Shop<S>>,
    id: String,
    member: Box<dyn Member>,
    control: ControlTail,
    control_at: Instant,
    shards: BTreeMap<i32, State<S::Machine>>,
    open: Option<Open>,
    /// When the last commit began.
    committing: Option<Instant>,
    /// Since when shards wait for the end of a former owner's transaction.
    left_open: BTreeMap<i32, Instant>,
    decisions: Decisions,
    waited: Waited,
    traced: TracedRecords,
    looked: Instant,
    stalls: inputs::Stalls,
    /// Since when shards have been behind the end of their first input.
    behind: BTreeMap<i32, Behind>,
    news: Vec<News>,
    /// Something moved in the last turn, so that the next one does not wait.
    busy: bool,
    /// What was fetched by the last poll is fetched again: a transaction was taken back since.
    stale: bool,
    /// Why shards could not be restored, as far as tried once.
    doubts: BTreeMap<i32, String>,
    /// Shards that wait for something that is no record, as shown.
    waiting: BTreeMap<i32, String>,
    /// Which shards are held back.
    breakers: BTreeMap<i32, Breaker>,
    /// What is known of records that made the program panic.
    suspects: BTreeMap<i32, Suspects>,
    /// No turn before this.
    due: Instant,
}

enum State<M> {
    /// Given by the group, nothing known yet.
    Given,
    Restoring(Box<Restore<M>>, Instant),
    Running(Box<Shard<M>>),
}

impl<S: Stage> Worker<S> {
    fn join(shop: &Arc<Shop<S>>, transactional_id: &str) -> Result<Self, WorkerError> {
        let control = ControlTail::open(&*shop.transport, &shop.topics.models, shop.models.clone())?;
        let spec = MemberSpec {
            group: shop.group.clone(),
            transactional_id: transactional_id.to_owned(),
            inputs: shop.stage.inputs(),
        };
        let now = shop.pace.clock().instant();
        Ok(Worker {
            shop: shop.clone(),
            id: transactional_id.to_owned(),
            member: shop.transport.join(&spec)?,
            control,
            control_at: now,
            shards: BTreeMap::new(),
            open: None,
            committing: None,
            left_open: BTreeMap::new(),
            decisions: Decisions::default(),
            waited: Waited::default(),
            traced: TracedRecords::default(),
            looked: now,
            stalls: BTreeMap::new(),
            behind: BTreeMap::new(),
            news: Vec::new(),
            busy: false,
            stale: false,
            doubts: BTreeMap::new(),
            waiting: BTreeMap::new(),
            breakers: BTreeMap::new(),
            suspects: BTreeMap::new(),
            due: now,
        })
    }

    /// One pass: polls, brings shards up to date or lets them take what has come, commits what is old enough.
    fn turn(&mut self) -> Result<(), WorkerError> {
        let wait = if self.busy { Duration::ZERO } else { IDLE_POLL };
        let mut news = std::mem::take(&mut self.news);
        self.stale = false;
        let polled = self.member.poll(wait, self.shop.max_batch, &mut news);
        for news in news.drain(..) {
            self.take_in(news)?;
        }
        self.news = news;
        polled?;
        self.follow_control()?;
        self.busy = false;
        self.restore()?;
        self.look_at_inputs()?;
        match self.handle_and_commit() {
            Ok(moved) => self.busy |= moved,
            Err(WorkerError::Transport(TransportError::Aborted(why))) => self.take_back(Cause::Refused, &why)?,
            Err(error) => return Err(error),
        }
        if self.open.is_none() && self.shop.pace.step().is_some() {
            self.show_positions();
        }
        Ok(())
    }

    fn clock(&self) -> &Clock {
        self.shop.pace.clock()
    }

    fn take_in(&mut self, news: News) -> Result<(), WorkerError> {
        match news {
            News::Record { .. } | News::End { .. } if self.stale => {}
            News::Record { input, partition, record } => {
                if let Some(State::Running(shard)) = self.shards.get_mut(&partition) {
                    shard.fetched(input, record);
                }
            }
            News::End { input, partition, next } => {
                if let Some(State::Running(shard)) = self.shards.get_mut(&partition) {
                    shard.ended(input, next);
                }
            }
            News::Assigned(partitions) => {
                tracing::info!(worker = self.id, ?partitions, "assigned");
                self.check_assigned(&partitions)?;
                watch::rebalanced("assigned");
                failpoint::at("at_assign");
                for partition in partitions {
                    self.shards.insert(partition, State::Given);
                }
                self.show();
            }
            News::Revoked(partitions) => {
                tracing::info!(worker = self.id, ?partitions, "revoked");
                watch::rebalanced("revoked");
                failpoint::at("at_revoke");
                // Any other failure ends the worker: what is open must not outlive the shards it was made for.
                self.hand_over(&partitions)?;
                self.give_up(&partitions)?;
            }
            News::Lost(partitions) => {
                tracing::warn!(worker = self.id, ?partitions, "lost");
                watch::rebalanced("lost");
                if self.open.is_some() {
                    self.take_back(Cause::PartitionsLost, "partitions were lost")?;
                }
                self.give_up(&partitions)?;
            }
        }
        Ok(())
    }

    fn give_up(&mut self, partitions: &[i32]) -> Result<(), WorkerError> {
        for partition in partitions {
            self.shards.remove(partition);
            self.left_open.remove(partition);
            self.doubts.remove(partition);
            if self.waiting.remove(partition).is_some() {
                self.shop.board.waits(*partition, None);
            }
            if self.breakers.remove(partition).is_some_and(|breaker| breaker.is_open()) {
                watch::held(self.shop.board.hold(*partition, None));
            }
            self.behind.remove(partition);
            self.shop.stage.released(*partition);
        }
        self.show();
        Ok(self.member.release(partitions)?)
    }

    fn show(&self) {
        let restoring = self.shards.values().filter(|state| !matches!(state, State::Running(_))).count();
        self.shop.board.worker(&self.id, Phase::Running { restoring });
    }

    fn follow_control(&mut self) -> Result<(), WorkerError> {
        let now = self.clock().instant();
        if now.saturating_duration_since(self.control_at) >= CONTROL_PACE || !self.control.is_ready() {
            self.control.poll(Duration::ZERO, now)?;
            self.shop.board.lacks(&self.id, self.control.lack());
            self.control_at = now;
        }
        Ok(())
    }

    /// For whoever waits in stepped mode until nothing moves any more.
    fn show_positions(&mut self) {
        let role = self.shop.stage.role();
        for state in self.shards.values_mut() {
            let State::Running(shard) = state else { continue };
            for input in shard.inputs() {
                self.shop.board.position(role, &input.at, input.settled());
            }
            self.shop.board.position(
                role,
                self.control.at(),
                shard.control().max(self.control.settled(shard.control())),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_does_not_answer_during_a_restore_is_no_reason_to_stop_the_role() {
        let error = RestoreError::from(TransportError::Retriable("away".to_owned()));
        assert!(matches!(WorkerError::from(error), WorkerError::Transport(TransportError::Retriable(_))));
    }
}
