//! A worker's transaction: opened by the first shard that takes something, committed when it is old enough, taken back
//! when it cannot be.
//!
//! Invariant: what a shard has taken, what came of it, its journal record and its offsets become visible together or not
//! at all. Where delivery is at-least-once predictions, and only they, go ahead of it, and its commit waits until they are
//! there. All that a transaction handles has one `now`, the one its journal records carry, so that a replay computes the
//! same.

use std::sync::Arc;
use std::time::Instant;

use super::panics::guarded;
use super::traced::Surroundings;
use super::{BACKOFF, Shop, State, Worker, WorkerError};
use crate::codec::OPEN_KEY;
use crate::config::params::Topics;
use crate::data::params::Delivery;
use crate::data::{Machine, Output, Sink, Timestamp};
use crate::model::Model;
use crate::runtime::pace::Step;
use crate::runtime::shard::{Allowed, Shard, Stamp};
use crate::runtime::stage::{Stage, target};
use crate::runtime::watch::{self, Cause};
use crate::transport::{Member, Outgoing, TransportError, failpoint};

/// The open transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    opened: Instant,
    /// What its age is counted from.
    since: Instant,
    /// What time it is for everything that is handled in it.
    now: Timestamp,
}

/// What a transaction holds of a shard.
#[derive(Clone, Copy, Debug)]
struct Taken {
    number: i32,
    /// A journal record; without it a slice of a checkpoint only.
    is_journaled: bool,
}

impl<S: Stage> Worker<S> {
    /// Lets every shard take what has come; true if anything moved.
    pub(super) fn handle_and_commit(&mut self) -> Result<bool, WorkerError> {
        let paced = self.shop.pace.step();
        let step = paced.as_ref().filter(|_| self.shop.stage.is_paced());
        // What was commanded before a step comes before whatever the step brings about, in every stage.
        let has_commands = paced.as_ref().is_none_or(|step| self.control.next() >= step.control);
        let may_take = has_commands
            && match step {
                None => self.control.is_read(),
                Some(step) => step.number > 0 && self.control.is_ready(),
            };
        let mut moved = false;
        if may_take {
            let numbers: Vec<i32> = self.shards.keys().copied().collect();
            for number in numbers {
                moved |= self.take(number, step.map(Arc::as_ref))?;
            }
        }
        if self.open.is_none() && self.has_slices() {
            self.open()?;
        }
        let due = self.open.is_some_and(|open| self.clock().since(open.since) >= self.shop.interval || self.is_full());
        let settled = paced.is_some() && !moved;
        if due || (settled && self.open.is_some()) {
            self.commit()?;
            moved = true;
        }
        Ok(moved)
    }

    fn is_full(&self) -> bool {
        self.shards.values().any(|state| matches!(state, State::Running(shard) if shard.is_full()))
    }

    /// Lets one shard take a batch and hands its outputs to the producer.
    fn take(&mut self, number: i32, step: Option<&Step>) -> Result<bool, WorkerError> {
        let is_held_back = step.is_none() && self.is_held_back(number);
        let Some(State::Running(shard)) = self.shards.get_mut(&number) else { return Ok(false) };
        // Who has taken something goes on with the model it has; who begins waits until it is known which one counts.
        if step.is_none() && shard.is_new() && !self.control.is_ready() {
            return Ok(false);
        }
        if is_held_back {
            hold_back(&mut *self.member, shard, self.shop.max_batch)?;
            return Ok(false);
        }
        let mut batch = Vec::new();
        let until = step.map(|step| step.control);
        shard.command(self.control.items(shard.control(), until), &mut batch);
        if self.shop.stage.tells_decisions() {
            self.decisions.commands(&self.control, &batch);
        }
        let max = self
            .suspects
            .get_mut(&number)
            .map_or(self.shop.max_batch, |suspects| suspects.batch(shard, self.shop.max_batch));
        let now = self.shop.pace.clock().instant();
        let until = if step.is_some() { Timestamp::MAX } else { self.shop.alignment.until(number, now) };
        if let Err(panic) = guarded(|| shard.take(Allowed { max, step, until }, &mut batch)) {
            return self.panicked(number, &[], panic);
        }
        self.shop.alignment.tell(number, shard.standing(), now);
        if shard.is_ahead() {
            look_around(&self.shop, &mut *self.member, now);
        }
        if shard.waits() != self.waiting.get(&number).map(String::as_str) {
            self.shop.board.waits(number, shard.waits());
            match shard.waits() {
                Some(what) => self.waiting.insert(number, what.to_owned()),
                None => self.waiting.remove(&number),
            };
        }
        // Also where nothing could be taken: one input waits for the other, and its queue must not grow meanwhile.
        hold_back(&mut *self.member, shard, self.shop.max_batch)?;
        if batch.is_empty() && self.shop.stage.is_paced() {
            shard.idle(step, self.shop.pace.clock().instant(), &mut batch);
        }
        if batch.is_empty() {
            return Ok(false);
        }
        let open = self.open()?;
        self.note_open(number)?;
        let Some(State::Running(shard)) = self.shards.get_mut(&number) else { return Ok(false) };
        let traced = self.shop.traces.is_some().then(|| self.shop.pace.now());
        if let Err(panic) = guarded(|| shard.machine.handle(&batch, open.now, &mut shard.outbox)) {
            return self.panicked(number, &batch, panic);
        }
        if let Some(began) = traced {
            self.traced.took(&mut shard.outbox, began);
        }
        failpoint::at("after_handle");
        if self.shop.stage.is_paced() {
            self.waited.took(&batch);
        }
        self.send_outputs(number)?;
        failpoint::at("after_send");
        watch::batch(batch.len());
        Ok(true)
    }

    /// Whether the shard's events have gone bad, by the share that counts now.
    fn is_held_back(&mut self, number: i32) -> bool {
        let Some(breaker) = self.breakers.get_mut(&number) else { return false };
        if breaker.go_by(self.control.ledger().settings().max_rejected()) {
            tracing::info!(shard = number, "shard_goes_on");
            watch::held(self.shop.board.hold(number, None));
        }
        breaker.is_open()
    }

    /// Where others write to the same partitions of the outputs, nobody could tell from these that a dead owner of this
    /// shard has left a transaction open: the first thing of a transaction is a note where the shard alone writes.
    fn note_open(&mut self, number: i32) -> Result<(), WorkerError> {
        let Some(State::Running(shard)) = self.shards.get_mut(&number) else { return Ok(()) };
        if !self.shop.stage.shares_outputs() || std::mem::replace(&mut shard.is_noted, true) {
            return Ok(());
        }
        self.member.send(&Outgoing {
            topic: self.shop.stage.state(),
            partition: Some(number),
            key: Some(OPEN_KEY),
            value: Some(&[]),
            headers: &[],
            timestamp: None,
        })?;
        Ok(())
    }

    /// Hands the outputs of a shard to the producer.
    fn send_outputs(&mut self, number: i32) -> Result<(), WorkerError> {
        let Some(State::Running(shard)) = self.shards.get_mut(&number) else { return Ok(()) };
        shard.outbox.iter().for_each(|output| self.decisions.output(&output));
        let (topics, next) = (&self.shop.topics, self.shop.stage.next());
        let outputs = || shard.outbox.iter().map(|output| (output.sink, addressed(&output, topics, next, number)));
        match self.shop.delivery {
            Delivery::ExactlyOnce => self.member.send_all(&mut outputs().map(|(_, outgoing)| outgoing))?,
            Delivery::AtLeastOnce => {
                let ahead = |sink: Sink| sink == Sink::Predictions;
                self.member.send_all_ahead(&mut outputs().filter(|(sink, _)| ahead(*sink)).map(|(_, out)| out))?;
                self.member.send_all(&mut outputs().filter(|(sink, _)| !ahead(*sink)).map(|(_, out)| out))?;
            }
        }
        shard.outbox.drain();
        Ok(())
    }

    /// The open transaction, opened if there is none.
    pub(super) fn open(&mut self) -> Result<Open, WorkerError> {
        if let Some(open) = self.open {
            return Ok(open);
        }
        self.member.begin()?;
        failpoint::at("after_begin");
        let opened = self.shop.pace.clock().instant();
        // A commit takes its time, which is not to come on top of the interval.
        let paced = self.committing.filter(|begun| opened.saturating_duration_since(*begun) < self.shop.interval);
        Ok(*self.open.insert(Open { opened, since: paced.unwrap_or(opened), now: self.shop.pace.now() }))
    }

    /// Commits the open transaction, if any: journal records and slices of checkpoints, then offsets and everything.
    pub(super) fn commit(&mut self) -> Result<(), WorkerError> {
        let Some(open) = self.open else { return Ok(()) };
        self.committing = Some(self.clock().instant());
        let shop = self.shop.clone();
        let mut positions = Vec::new();
        let mut taken = Vec::new();
        let numbers: Vec<i32> = self.shards.keys().copied().collect();
        for number in numbers {
            let Some(State::Running(shard)) = self.shards.get_mut(&number) else { continue };
            let is_journaled = shard.is_open();
            if !is_journaled && shard.checkpoints().outgoing().is_empty() {
                continue;
            }
            // Also where only a slice goes: the offsets carry the membership, and a member that has lost the shard is
            // refused by them.
            positions.extend(shard.positions());
            if let Some(remark) = shop.alignment.remark(number, shard.standing(), self.shop.pace.clock().instant()) {
                self.member.remark(number, remark);
            }
            taken.push(Taken { number, is_journaled });
            if !is_journaled {
                self.send_slice(number)?;
                continue;
            }
            shard.machine.seal(open.now, &mut shard.outbox);
            self.send_outputs(number)?;
            let Some(State::Running(shard)) = self.shards.get_mut(&number) else { continue };
            let stamp = Stamp { now: open.now, config: shop.stage.config(), transactional_id: &self.id };
            let record = shard.record(stamp).encode()?;
            self.member.send(&Outgoing {
                topic: shop.stage.journal(),
                partition: Some(number),
                key: None,
                value: Some(&record),
                headers: &[],
                timestamp: None,
            })?;
            self.send_slice(number)?;
        }
        failpoint::at("after_journal");
        self.member.commit(&positions)?;
        failpoint::at("after_commit");
        self.open = None;
        watch::committed(shop.stage.role(), self.clock().since(open.opened));
        let now = shop.pace.now();
        self.decisions.committed(shop.traces.as_ref(), open.now, now);
        self.waited.committed(shop.stage.role(), now);
        if let Some(traces) = &shop.traces {
            self.traced.committed(&Surroundings { traces, topics: &shop.topics, group: &shop.group }, now);
        }
        for Taken { number, is_journaled } in taken {
            let Some(State::Running(shard)) = self.shards.get_mut(&number) else { continue };
            if let Some(written) = shard.checkpoints().committed(is_journaled) {
                watch::checkpointed(shop.stage.role(), number, &written);
            }
            if is_journaled {
                shard.commit();
                shop.stage.observe(number, &shard.machine);
                let counted = shop.stage.counted(&shard.machine).zip(self.breakers.get_mut(&number));
                if let Some(why) = counted.and_then(|(counted, breaker)| breaker.committed(counted)) {
                    tracing::error!(shard = number, why, "shard_held_back");
                    watch::held(shop.board.hold(number, Some(why)));
                }
                if shop.stage.is_paced() {
                    shop.board.step_done(number, shard.step_done());
                }
            }
        }
        self.continue_checkpoints()
    }

    pub(super) fn commit_or_take_back(&mut self) -> Result<(), WorkerError> {
        match self.commit() {
            Err(WorkerError::Transport(TransportError::Aborted(why))) => self.take_back(Cause::Refused, &why),
            other => other,
        }
    }

    /// Gives the open transaction up; its records are fetched and handled again.
    pub(super) fn take_back(&mut self, cause: Cause, why: &str) -> Result<(), WorkerError> {
        tracing::warn!(worker = self.id, why, "transaction_aborted");
        watch::aborted(self.shop.stage.role(), cause);
        self.decisions.taken_back();
        self.waited.taken_back();
        self.traced.taken_back();
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
        self.stale = true;
        self.due = self.clock().instant() + BACKOFF;
        Ok(())
    }
}

/// An output of a shard with its topic and partition; `next` is the topic of the hop behind this stage.
fn addressed<'a>(output: &Output<'a>, topics: &'a Topics, next: Option<&'a str>, shard: i32) -> Outgoing<'a> {
    let to = target(topics, output.sink, shard);
    Outgoing {
        topic: if output.sink == Sink::Hop { next.unwrap_or_default() } else { to.topic },
        partition: Some(output.partition.unwrap_or(to.partition)),
        key: output.key,
        value: output.value,
        headers: output.headers,
        timestamp: None,
    }
}

/// Asks where the shards of other processes stand.
fn look_around<S>(shop: &Shop<S>, member: &mut dyn Member, now: Instant) {
    if shop.alignment.is_due(now) {
        match member.remarks(shop.guards.shards) {
            Ok(remarks) => shop.alignment.hear(&remarks, now),
            Err(error) => tracing::debug!(%error, "others are not heard"),
        }
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
        let wanted = input.is_to_be_held_back(max_batch);
        if wanted != input.is_held_back() {
            member.pause(index, number, wanted)?;
            input.hold_back(wanted);
        }
    }
    Ok(())
}
