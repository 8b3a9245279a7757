//! A worker's checkpoints: begun right after a commit, written with the transactions that follow.
//!
//! A slice rides in whatever transaction comes next, so a checkpoint never stalls a batch; where nothing comes in, a
//! transaction is opened for it.

use std::time::Duration;

use super::{State, Worker, WorkerError};
use crate::runtime::stage::Stage;
use crate::runtime::watch::Cause;
use crate::transport::{Bounds, Outgoing, TransportError, failpoint};

/// How long a worker that leaves goes on writing its last checkpoints.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a worker that shards are taken from does.
const HAND_OVER: Duration = Duration::from_secs(2);

/// Which checkpoints begin.
#[derive(Clone, Copy, Debug)]
enum Occasion<'a> {
    /// Those whose time has come.
    Due,
    /// All that would hold something new, of these shards, or of all.
    Leaving(Option<&'a [i32]>),
}

impl<S: Stage> Worker<S> {
    /// Begins checkpoints whose time has come and takes the next slices of those that are open. Right after a commit.
    pub(super) fn continue_checkpoints(&mut self) -> Result<(), WorkerError> {
        self.begin_checkpoints(Occasion::Due)?;
        self.prepare_slices();
        Ok(())
    }

    fn prepare_slices(&mut self) {
        for state in self.shards.values_mut() {
            if let State::Running(shard) = state {
                shard.prepare_slice();
            }
        }
    }

    fn begin_checkpoints(&mut self, occasion: Occasion<'_>) -> Result<(), WorkerError> {
        let now = self.clock().instant();
        let interval = self.shop.checkpoint;
        let mut ends: Option<Vec<Bounds>> = None;
        for (number, state) in &mut self.shards {
            let State::Running(shard) = state else { continue };
            let checkpoints = shard.checkpoints();
            let begins = match occasion {
                Occasion::Due => checkpoints.is_due(now, interval),
                Occasion::Leaving(which) => {
                    which.is_none_or(|which| which.contains(number)) && checkpoints.is_idle() && checkpoints.is_stale()
                }
            };
            if !begins {
                continue;
            }
            if ends.is_none() {
                ends = match self.shop.transport.bounds(self.shop.stage.journal()) {
                    Ok(bounds) => bounds,
                    // There is time: it begins after another commit.
                    Err(TransportError::Retriable(_)) => return Ok(()),
                    Err(error) => return Err(error.into()),
                };
            }
            let end = ends.as_ref().and_then(|all| all.get(*number as usize));
            if let Some(end) = end {
                shard.begin_checkpoint(end.end, self.shop.stage.config(), now);
            }
        }
        Ok(())
    }

    /// Whether a slice waits for a transaction.
    pub(super) fn has_slices(&mut self) -> bool {
        self.has_slices_of(None)
    }

    fn has_slices_of(&mut self, which: Option<&[i32]>) -> bool {
        self.shards.iter_mut().any(|(number, state)| match state {
            State::Running(shard) if which.is_none_or(|which| which.contains(number)) => {
                !shard.checkpoints().outgoing().is_empty()
            }
            State::Running(_) | State::Given | State::Restoring(..) => false,
        })
    }

    /// Adds a shard's slice to the open transaction.
    pub(super) fn send_slice(&mut self, number: i32) -> Result<(), WorkerError> {
        let Some(State::Running(shard)) = self.shards.get_mut(&number) else { return Ok(()) };
        for record in shard.checkpoints().outgoing() {
            failpoint::at("in_slice");
            self.member.send(&Outgoing {
                topic: self.shop.stage.state(),
                partition: Some(number),
                key: Some(&record.key),
                value: record.value.as_deref(),
                headers: &[],
                timestamp: None,
            })?;
        }
        Ok(())
    }

    /// Commits what is open and writes the state of all shards out, within a bound: whoever comes next has nothing to
    /// replay.
    pub(super) fn write_last_checkpoints(&mut self) -> Result<(), WorkerError> {
        self.write_checkpoints(None, LAST_WORDS)
    }

    /// The same for shards that are taken away, whose next owner waits for them.
    pub(super) fn hand_over(&mut self, shards: &[i32]) -> Result<(), WorkerError> {
        match self.write_checkpoints(Some(shards), HAND_OVER) {
            Err(WorkerError::Transport(TransportError::Aborted(why))) => self.take_back(Cause::Refused, &why),
            other => other,
        }
    }

    fn write_checkpoints(&mut self, shards: Option<&[i32]>, bound: Duration) -> Result<(), WorkerError> {
        let until = self.clock().instant() + bound;
        self.commit()?;
        loop {
            self.begin_checkpoints(Occasion::Leaving(shards))?;
            self.prepare_slices();
            if !self.has_slices_of(shards) || self.clock().instant() >= until {
                return Ok(());
            }
            self.open()?;
            self.commit()?;
        }
    }
}
