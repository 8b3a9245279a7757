//! A worker's post: it joins, works, and joins anew whenever its client is finished.
//!
//! One turn after the other, each not before its time: a thread waits between them, a simulation calls when it sees fit.
//! What only an operator can mend ends the post.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Shop, Worker, WorkerError};
use crate::runtime::board::Phase;
use crate::runtime::stage::Stage;
use crate::runtime::twin::Fencings;
use crate::runtime::watch::{self, Cause};
use crate::transport::TransportError;

/// Waits between joins, doubling from the first to the last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// A membership that held this long was a good one.
const GOOD: Duration = Duration::from_secs(60);

/// A worker through all its memberships.
pub(in crate::runtime) struct Post<S: Stage> {
    shop: Arc<Shop<S>>,
    id: String,
    worker: Option<Worker<S>>,
    joined: Instant,
    backoff: Duration,
    fencings: Fencings,
    due: Instant,
}

/// Runs until told to stop or until something needs an operator.
pub(in crate::runtime) fn run<S: Stage>(shop: &Arc<Shop<S>>, transactional_id: &str) -> Result<(), WorkerError> {
    let mut post = Post::new(shop, transactional_id);
    while shop.pace.clock().wait_until(post.due(), &shop.stop) {
        post.turn()?;
    }
    post.leave()
}

impl<S: Stage> Post<S> {
    pub(in crate::runtime) fn new(shop: &Arc<Shop<S>>, transactional_id: &str) -> Self {
        let now = shop.pace.clock().instant();
        Post {
            shop: shop.clone(),
            id: transactional_id.to_owned(),
            worker: None,
            joined: now,
            backoff: BACKOFF[0],
            fencings: Fencings::default(),
            due: now,
        }
    }

    /// When the next turn is due.
    pub(in crate::runtime) fn due(&self) -> Instant {
        self.worker.as_ref().map_or(self.due, |worker| worker.due)
    }

    /// Joins, or lets the member work through one pass.
    pub(in crate::runtime) fn turn(&mut self) -> Result<(), WorkerError> {
        let done = match &mut self.worker {
            Some(worker) => worker.turn(),
            None => self.join(),
        };
        done.or_else(|error| self.lose(error))
    }

    /// Commits what is open, writes the state out and leaves the group.
    pub(in crate::runtime) fn leave(mut self) -> Result<(), WorkerError> {
        let Some(mut worker) = self.worker.take() else { return Ok(()) };
        match worker.write_last_checkpoints() {
            Ok(()) => worker.member.close(),
            Err(error) => self.lose(error)?,
        }
        Ok(())
    }

    fn join(&mut self) -> Result<(), WorkerError> {
        self.shop.board.worker(&self.id, Phase::Joining);
        self.joined = self.shop.pace.clock().instant();
        self.worker = Some(Worker::join(&self.shop, &self.id)?);
        Ok(())
    }

    /// The client is finished: another one joins after a while.
    fn lose(&mut self, error: WorkerError) -> Result<(), WorkerError> {
        let worker = self.worker.take();
        let is_open = worker.as_ref().is_some_and(|worker| worker.open.is_some());
        if let (WorkerError::Transport(TransportError::Gone(_)), Some(mut worker)) = (&error, worker) {
            // What the last checkpoint lacks may be gone as well, so that nobody could replay it.
            if let Err(error) = worker.write_last_checkpoints() {
                tracing::debug!(worker = self.id, %error, "no checkpoint before the gap");
            }
        }
        let error = match error {
            WorkerError::Transport(error) if !matches!(error, TransportError::Configuration(_)) => error,
            error => return Err(error),
        };
        if is_open {
            let fenced = matches!(error, TransportError::Fenced(_));
            watch::aborted(self.shop.stage.role(), if fenced { Cause::Fenced } else { Cause::ClientLost });
        }
        let now = self.shop.pace.clock().instant();
        let held = now.saturating_duration_since(self.joined);
        if self.fencings.ended(matches!(error, TransportError::Fenced(_)), held) {
            return Err(WorkerError::twin(&self.id));
        }
        tracing::warn!(worker = self.id, %error, "worker_rejoins");
        if held > GOOD {
            self.backoff = BACKOFF[0];
        }
        self.due = now + self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF[1]);
        Ok(())
    }
}
