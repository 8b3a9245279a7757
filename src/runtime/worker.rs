//! One worker: a thread with its group membership, its transactional producer, and the shards it was given.
//!
//! One pass of the loop polls, brings shards up to date or lets them take what has come, and commits when the
//! transaction is old enough: outputs, journal and offsets together. A transaction is opened when there is something to
//! write and never while a shard of it restores. What cannot be committed is taken back and done again; a producer that
//! is finished is replaced, and the shards restore.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::board::{Board, Phase};
use super::control::{ControlTail, Models};
use super::pace::{Pace, Step};
use super::restore::{Context, Progress, Restore, RestoreError};
use super::shard::{Shard, Stamp};
use super::stage::{Stage, target};
use super::watch;
use crate::codec::JournalError;
use crate::config::params::Topics;
use crate::data::Machine;
use crate::model::Model;
use crate::transport::{Member, MemberSpec, News, Outgoing, Position, Transport, TransportError};

/// How long a poll may block when there is nothing to do.
const IDLE_POLL: Duration = Duration::from_millis(5);
/// How long a restore may keep the worker from polling.
const RESTORE_SLICE: Duration = Duration::from_millis(50);
/// How often the control log is looked at.
const CONTROL_PACE: Duration = Duration::from_millis(10);
/// How often lag is measured.
const LAG_PACE: Duration = Duration::from_secs(5);
/// Waits between tries, doubling from the first to the last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

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
    /// Age at which a transaction is committed.
    pub interval: Duration,
    pub max_batch: usize,
}

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A worker between joining and leaving.
pub(super) struct Worker<'a, S: Stage> {
    shop: &'a Shop<S>,
    id: String,
    member: Box<dyn Member>,
    control: ControlTail,
    control_at: Instant,
    shards: BTreeMap<i32, State<S::Machine>>,
    open: Option<Instant>,
    lag_at: Instant,
}

enum State<M> {
    /// Given by the group, nothing known yet.
    Given,
    Restoring(Box<Restore<M>>, Instant),
    Running(Box<Shard<M>>),
}

/// Runs until told to stop or until something needs an operator; joins anew whenever the client is finished.
pub(super) fn run<S: Stage>(shop: &Shop<S>, transactional_id: &str) -> Result<(), WorkerError> {
    let mut backoff = BACKOFF[0];
    while !shop.stop.load(Ordering::Relaxed) {
        shop.board.worker(transactional_id, Phase::Joining);
        let joined = Instant::now();
        let worked = Worker::join(shop, transactional_id).and_then(|mut worker| {
            worker.work()?;
            worker.member.close();
            Ok(())
        });
        let error = match worked {
            Ok(()) => return Ok(()),
            Err(WorkerError::Transport(error)) if !matches!(error, TransportError::Configuration(_)) => error,
            Err(error) => return Err(error),
        };
        tracing::warn!(worker = transactional_id, %error, "worker_rejoins");
        if joined.elapsed() > Duration::from_secs(60) {
            backoff = BACKOFF[0];
        }
        std::thread::sleep(backoff);
        backoff = (backoff * 2).min(BACKOFF[1]);
    }
    Ok(())
}

impl<'a, S: Stage> Worker<'a, S> {
    fn join(shop: &'a Shop<S>, transactional_id: &str) -> Result<Self, WorkerError> {
        let control = ControlTail::open(&*shop.transport, &shop.topics.models, shop.models.clone())?;
        let spec = MemberSpec {
            group: shop.group.clone(),
            transactional_id: transactional_id.to_owned(),
            inputs: shop.stage.inputs(),
        };
        Ok(Worker {
            shop,
            id: transactional_id.to_owned(),
            member: shop.transport.join(&spec)?,
            control,
            control_at: Instant::now(),
            shards: BTreeMap::new(),
            open: None,
            lag_at: Instant::now(),
        })
    }

    fn work(&mut self) -> Result<(), WorkerError> {
        let mut news = Vec::new();
        let mut busy = false;
        while !self.shop.stop.load(Ordering::Relaxed) {
            let wait = if busy { Duration::ZERO } else { IDLE_POLL };
            let polled = self.member.poll(wait, self.shop.max_batch, &mut news);
            for news in news.drain(..) {
                self.take_in(news)?;
            }
            polled?;
            self.follow_control()?;
            busy = self.restore()?;
            self.show_lag()?;
            match self.handle_and_commit() {
                Ok(moved) => busy |= moved,
                Err(WorkerError::Transport(TransportError::Aborted(why))) => self.take_back(&why)?,
                Err(error) => return Err(error),
            }
            if self.open.is_none() && self.shop.pace.step().is_some() {
                self.show_positions();
            }
        }
        self.commit()
    }

    fn take_in(&mut self, news: News) -> Result<(), WorkerError> {
        match news {
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
                watch::rebalanced("assigned");
                for partition in partitions {
                    self.shards.insert(partition, State::Given);
                }
                self.show();
            }
            News::Revoked(partitions) => {
                tracing::info!(worker = self.id, ?partitions, "revoked");
                watch::rebalanced("revoked");
                if let Err(WorkerError::Transport(TransportError::Aborted(why))) = self.commit() {
                    self.take_back(&why)?;
                }
                self.give_up(&partitions)?;
            }
            News::Lost(partitions) => {
                tracing::warn!(worker = self.id, ?partitions, "lost");
                watch::rebalanced("lost");
                if self.open.is_some() {
                    self.take_back("partitions were lost")?;
                }
                self.give_up(&partitions)?;
            }
        }
        Ok(())
    }

    fn give_up(&mut self, partitions: &[i32]) -> Result<(), WorkerError> {
        for partition in partitions {
            self.shards.remove(partition);
        }
        self.show();
        Ok(self.member.release(partitions)?)
    }

    fn show(&self) {
        let restoring = self.shards.values().filter(|state| !matches!(state, State::Running(_))).count();
        self.shop.board.worker(&self.id, Phase::Running { restoring });
    }

    fn follow_control(&mut self) -> Result<(), WorkerError> {
        if self.control_at.elapsed() >= CONTROL_PACE || !self.control.is_ready() {
            self.control.poll(Duration::ZERO)?;
            self.control_at = Instant::now();
        }
        Ok(())
    }

    /// Brings shards up to date, one slice at a time; true if there is more to do.
    fn restore(&mut self) -> Result<bool, WorkerError> {
        if self.shards.values().all(|state| matches!(state, State::Running(_))) {
            return Ok(false);
        }
        // The open transaction must not grow old while a shard restores.
        self.commit_or_take_back()?;
        let numbers: Vec<i32> = self.shards.keys().copied().collect();
        for number in numbers {
            let Some(state) = self.shards.remove(&number) else { continue };
            let state = self.restore_one(number, state)?;
            self.shards.insert(number, state);
        }
        self.show();
        Ok(true)
    }

    fn restore_one(&mut self, number: i32, state: State<S::Machine>) -> Result<State<S::Machine>, WorkerError> {
        let shop = self.shop;
        let context = Context { stage: &shop.stage, transport: &*shop.transport, models: &shop.models };
        let (restore, since) = match state {
            State::Running(shard) => return Ok(State::Running(shard)),
            State::Restoring(restore, since) => (*restore, since),
            State::Given => match self.member.committed(&[number]) {
                Ok(committed) => {
                    let offsets = (0..shop.stage.inputs().len()).map(|input| {
                        committed.iter().find(|offset| offset.input == input).and_then(|offset| offset.next)
                    });
                    (Restore::begin(&context, number, offsets.collect())?, Instant::now())
                }
                Err(TransportError::Retriable(why)) => {
                    tracing::warn!(worker = self.id, shard = number, why, "offsets_undecided");
                    self.fence_last_writer(number)?;
                    return Ok(State::Given);
                }
                Err(error) => return Err(error.into()),
            },
        };
        match restore.advance(&context, RESTORE_SLICE)? {
            Progress::Restoring(restore) => Ok(State::Restoring(restore, since)),
            Progress::Restored(mut shard, replayed) => {
                tracing::info!(
                    worker = self.id,
                    shard = number,
                    transactions = replayed,
                    seconds = since.elapsed().as_secs_f64(),
                    "restored"
                );
                watch::restored(since.elapsed());
                shop.stage.restored(number, &shard.machine);
                let positions: Vec<Position> = shard.positions().collect();
                self.member.start(&positions)?;
                shard.machine.commit();
                Ok(State::Running(shard))
            }
        }
    }

    /// A dead owner has left a transaction open that holds offsets of this shard: end it instead of waiting for it.
    fn fence_last_writer(&mut self, number: i32) -> Result<(), WorkerError> {
        let writer = super::restore::last_writer(&*self.shop.transport, self.shop.stage.journal(), number)?;
        if let Some(writer) = writer.filter(|writer| *writer != self.id) {
            tracing::warn!(worker = self.id, shard = number, writer, "fenced");
            self.shop.transport.fence(&writer)?;
        }
        Ok(())
    }

    /// Lets every shard take what has come; true if anything moved.
    fn handle_and_commit(&mut self) -> Result<bool, WorkerError> {
        let step = if self.shop.stage.is_paced() { self.shop.pace.step() } else { None };
        let may_take = match &step {
            None => self.control.is_ready(),
            Some(step) => step.number > 0 && self.control.is_ready() && self.control.next() >= step.control,
        };
        let mut moved = false;
        if may_take {
            let numbers: Vec<i32> = self.shards.keys().copied().collect();
            for number in numbers {
                moved |= self.take(number, step.as_deref())?;
            }
        }
        let due = self.open.is_some_and(|since| since.elapsed() >= self.shop.interval);
        let settled = self.shop.pace.step().is_some() && !moved;
        if due || (settled && self.open.is_some()) {
            self.commit()?;
            moved = true;
        }
        Ok(moved)
    }

    /// Lets one shard take a batch and hands its outputs to the producer.
    fn take(&mut self, number: i32, step: Option<&Step>) -> Result<bool, WorkerError> {
        let Some(State::Running(shard)) = self.shards.get_mut(&number) else { return Ok(false) };
        let mut batch = Vec::new();
        let until = step.map(|step| step.control);
        shard.command(self.control.items(shard.control(), until), &mut batch);
        shard.take(self.shop.max_batch, step, &mut batch);
        if batch.is_empty() && self.shop.stage.is_paced() {
            shard.idle(step, &mut batch);
        }
        if batch.is_empty() {
            return Ok(false);
        }
        if self.open.is_none() {
            self.member.begin()?;
            self.open = Some(Instant::now());
        }
        shard.machine.handle(&batch, self.shop.pace.now(), &mut shard.outbox);
        for output in shard.outbox.iter() {
            let to = target(&self.shop.topics, output.sink, number);
            self.member.send(&Outgoing {
                topic: to.topic,
                partition: Some(to.partition),
                key: output.key,
                value: output.value,
                headers: output.headers,
                timestamp: None,
            })?;
        }
        shard.outbox.drain();
        watch::batch(batch.len());
        hold_back(&mut *self.member, shard, self.shop.max_batch)?;
        Ok(true)
    }

    /// Commits the open transaction, if any: journal records, then offsets and everything.
    fn commit(&mut self) -> Result<(), WorkerError> {
        let Some(since) = self.open else { return Ok(()) };
        let shop = self.shop;
        let mut positions = Vec::new();
        let mut taken = Vec::new();
        for (number, state) in &mut self.shards {
            let State::Running(shard) = state else { continue };
            if !shard.is_open() {
                continue;
            }
            let stamp = Stamp { now: shop.pace.now(), config: shop.stage.config(), transactional_id: &self.id };
            let record = shard.record(stamp).encode()?;
            self.member.send(&Outgoing {
                topic: shop.stage.journal(),
                partition: Some(*number),
                key: None,
                value: Some(&record),
                headers: &[],
                timestamp: None,
            })?;
            positions.extend(shard.positions());
            taken.push(*number);
        }
        self.member.commit(&positions)?;
        self.open = None;
        watch::committed(shop.stage.role(), since.elapsed());
        for number in taken {
            if let Some(State::Running(shard)) = self.shards.get_mut(&number) {
                shard.commit();
                shop.stage.observe(number, &shard.machine);
                if shop.stage.is_paced() {
                    shop.board.step_done(number, shard.step_done());
                }
            }
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

    /// How far the shards are behind the end of their first input.
    fn show_lag(&mut self) -> Result<(), WorkerError> {
        if !self.shop.stage.is_paced() || self.lag_at.elapsed() < LAG_PACE {
            return Ok(());
        }
        self.lag_at = Instant::now();
        let bounds = self.shop.transport.bounds(&self.shop.topics.events)?.unwrap_or_default();
        for (number, state) in &mut self.shards {
            let State::Running(shard) = state else { continue };
            if let (Some(bounds), Some(input)) = (bounds.get(*number as usize), shard.inputs().first()) {
                watch::lag(*number, bounds.end - input.settled());
            }
        }
        Ok(())
    }

    fn commit_or_take_back(&mut self) -> Result<(), WorkerError> {
        match self.commit() {
            Err(WorkerError::Transport(TransportError::Aborted(why))) => self.take_back(&why),
            other => other,
        }
    }

    /// Gives the open transaction up; its records are fetched and handled again.
    fn take_back(&mut self, why: &str) -> Result<(), WorkerError> {
        tracing::warn!(worker = self.id, why, "transaction_aborted");
        watch::aborted(self.shop.stage.role());
        if self.open.take().is_some() {
            self.member.abort()?;
        }
        let mut positions = Vec::new();
        for state in self.shards.values_mut() {
            if let State::Running(shard) = state {
                positions.extend(shard.rollback());
            }
        }
        self.member.start(&positions)?;
        std::thread::sleep(BACKOFF[0]);
        Ok(())
    }
}

/// Holds inputs back whose queues are long, and lets them flow again once they are short.
fn hold_back<M: Machine<Model = Model>>(
    member: &mut dyn Member,
    shard: &mut Shard<M>,
    max_batch: usize,
) -> Result<(), TransportError> {
    let number = shard.number;
    for (index, input) in shard.inputs().iter_mut().enumerate() {
        let wanted = if input.paused { input.waiting() > max_batch / 2 } else { input.waiting() > 4 * max_batch };
        if wanted != input.paused {
            member.pause(index, number, wanted)?;
            input.paused = wanted;
        }
    }
    Ok(())
}
