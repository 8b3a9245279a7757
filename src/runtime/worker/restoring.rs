//! A worker bringing the shards it was given up to date.
//!
//! Offsets first, then the journal, then the replay, one slice per shard between two polls. Nothing is open meanwhile, so
//! that a transaction does not grow old. Shards that are up to date go on working between the slices.

use std::time::Duration;

use super::{BACKOFF, State, Worker, WorkerError};
use crate::data::Machine;
use crate::runtime::breaker::Breaker;
use crate::runtime::restore::{Progress, Restore, RestoreError, Restored, last_writer};
use crate::runtime::stage::Stage;
use crate::runtime::watch;
use crate::transport::{Position, TransportError, failpoint};

/// How long the markers of a transaction that a former owner has committed may take to reach all partitions.
const MARKER_LIMIT: Duration = Duration::from_millis(300);
/// How long a restore may keep the worker from polling.
const RESTORE_SLICE: Duration = Duration::from_millis(50);

impl<S: Stage> Worker<S> {
    /// Brings shards up to date, one slice at a time.
    pub(super) fn restore(&mut self) -> Result<(), WorkerError> {
        if self.shards.values().all(|state| matches!(state, State::Running(_))) {
            return Ok(());
        }
        // The open transaction must not grow old while a shard restores.
        self.commit_or_take_back()?;
        let numbers: Vec<i32> = self.shards.keys().copied().collect();
        for number in numbers {
            let Some(state) = self.shards.remove(&number) else { continue };
            let state = match self.restore_one(number, state) {
                Err(WorkerError::Restore(refused)) => self.doubt(number, refused)?,
                restored => restored?,
            };
            self.shards.insert(number, state);
        }
        self.show();
        Ok(())
    }

    /// A refusal counts when it is repeated. A worker that was stopped for a while may have lost the shard to another
    /// one and finds what that one has done since; one of the next polls tells it so.
    fn doubt(&mut self, number: i32, refused: RestoreError) -> Result<State<S::Machine>, WorkerError> {
        let why = refused.to_string();
        if self.doubts.get(&number) == Some(&why) {
            return Err(WorkerError::Restore(refused));
        }
        tracing::warn!(worker = self.id, shard = number, why, "restore_doubted");
        self.doubts.insert(number, why);
        self.due = self.clock().instant() + BACKOFF;
        Ok(State::Given)
    }

    fn restore_one(&mut self, number: i32, state: State<S::Machine>) -> Result<State<S::Machine>, WorkerError> {
        let shop = self.shop.clone();
        let clock = shop.pace.clock();
        let (restore, since) = match state {
            State::Running(shard) => return Ok(State::Running(shard)),
            State::Restoring(restore, since) => (*restore, since),
            State::Given => match self.member.committed(&[number]) {
                Ok(committed) => {
                    if !self.is_decided(number)? {
                        return Ok(State::Given);
                    }
                    let offsets = (0..shop.stage.inputs().len()).map(|input| {
                        committed.iter().find(|offset| offset.input == input).and_then(|offset| offset.next)
                    });
                    let context = shop.context(&self.control);
                    (Restore::begin(&context, number, offsets.collect())?, clock.instant())
                }
                Err(TransportError::Retriable(why)) => {
                    tracing::warn!(worker = self.id, shard = number, why, "offsets_undecided");
                    self.fence_last_writer(number)?;
                    return Ok(State::Given);
                }
                Err(error) => return Err(error.into()),
            },
        };
        failpoint::at("at_restore");
        match restore.advance(&shop.context(&self.control), RESTORE_SLICE)? {
            Progress::Restoring(restore) => {
                self.busy = true;
                Ok(State::Restoring(restore, since))
            }
            Progress::Waiting(restore) => Ok(State::Restoring(restore, since)),
            Progress::Restored(restored) => {
                let Restored { mut shard, chunks, transactions } = *restored;
                tracing::info!(
                    worker = self.id,
                    shard = number,
                    chunks,
                    transactions,
                    seconds = clock.since(since).as_secs_f64(),
                    "restored"
                );
                watch::restored(clock.since(since));
                shop.stage.restored(number, &shard.machine);
                let positions: Vec<Position> = shard.positions().collect();
                self.member.start(&positions)?;
                shard.machine.commit();
                if let Some(suspects) = self.suspects.get(&number) {
                    shard.refusals.clone_from(suspects.refusals());
                }
                if let Some(counted) = shop.stage.counted(&shard.machine) {
                    self.breakers.entry(number).or_insert_with(|| Breaker::new(shop.breaker, counted)).resume(counted);
                }
                self.doubts.remove(&number);
                Ok(State::Running(Box::new(shard)))
            }
        }
    }

    /// Whether nothing of a former owner is open any more in what this shard alone writes. A dead owner may have left a
    /// transaction that holds no offsets yet: nothing keeps the shard from going on, but readers of committed records would
    /// see nothing of it until that transaction's time-out, so its writer is shut out.
    fn is_decided(&mut self, number: i32) -> Result<bool, WorkerError> {
        let clock = self.shop.pace.clock();
        if self.is_left_open(number)? {
            let since = *self.left_open.entry(number).or_insert_with(|| clock.instant());
            if clock.since(since) < MARKER_LIMIT {
                return Ok(false);
            }
            self.fence_last_writer(number)?;
        }
        self.left_open.remove(&number);
        Ok(true)
    }

    fn is_left_open(&self, number: i32) -> Result<bool, WorkerError> {
        for topic in self.shop.stage.own() {
            let bounds = self.shop.transport.bounds_at(topic, number)?;
            if bounds.is_some_and(|bounds| bounds.end < bounds.high) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A dead owner has left a transaction open that holds offsets of this shard: end it instead of waiting for it.
    fn fence_last_writer(&mut self, number: i32) -> Result<(), WorkerError> {
        let writer = last_writer(&self.shop.context(&self.control), number)?;
        if let Some(writer) = writer.filter(|writer| *writer != self.id) {
            tracing::warn!(worker = self.id, shard = number, writer, "fenced");
            self.shop.transport.fence(&writer)?;
        }
        Ok(())
    }
}
