//! A worker's look at its inputs every few seconds: how far behind it is, whether partitions were added, and whether
//! what is there to read comes at all.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{State, Worker, WorkerError};
use crate::runtime::behind::Look;
use crate::runtime::guards::check_growth;
use crate::runtime::stage::Stage;
use crate::runtime::watch;
use crate::transport::{Bounds, Position, TransportError};

/// How often the inputs are looked at.
const PACE: Duration = Duration::from_secs(5);
/// An input that has more and gives nothing for this long is fetched anew from where it stands.
const STALL: Duration = Duration::from_secs(20);
/// Fetched anew so often in vain, the client is given up.
const RESTARTS: u32 = 2;

/// Inputs that had more than was fetched when they were looked at, by shard and input.
pub(super) type Stalls = BTreeMap<(i32, usize), Stall>;

/// An input that does not move.
pub(super) struct Stall {
    fetched: i64,
    since: Instant,
    restarts: u32,
}

impl<S: Stage> Worker<S> {
    /// Shows how far the shards are behind the end of their first input, refuses topics that have grown, and fetches
    /// anew what has stalled.
    pub(super) fn look_at_inputs(&mut self) -> Result<(), WorkerError> {
        if self.clock().since(self.looked) < PACE {
            return Ok(());
        }
        self.looked = self.clock().instant();
        match self.look() {
            // There is time: it is looked at again.
            Err(WorkerError::Transport(TransportError::Retriable(_))) => Ok(()),
            looked => looked,
        }
    }

    fn look(&mut self) -> Result<(), WorkerError> {
        let shop = self.shop.clone();
        let read = shop.stage.inputs();
        let split: Vec<&String> = shop.topics.inputs().collect();
        for topic in split.iter().copied().chain(read.iter().filter(|topic| !split.contains(topic))) {
            let bounds = shop.transport.bounds(topic)?.unwrap_or_default();
            if split.contains(&topic) {
                check_growth(topic, bounds.len(), shop.guards.shards).map_err(WorkerError::Refused)?;
            }
            let Some(index) = read.iter().position(|input| input == topic) else { continue };
            if index == 0 && shop.stage.is_paced() {
                self.show_lag(&bounds);
            }
            self.restart_stalled(index, &bounds)?;
        }
        Ok(())
    }

    fn show_lag(&mut self, bounds: &[Bounds]) {
        let role = self.shop.stage.role();
        let at = self.clock().instant();
        for (number, state) in &mut self.shards {
            let State::Running(shard) = state else { continue };
            if let (Some(bounds), Some(input)) = (bounds.get(*number as usize), shard.inputs().first()) {
                // To the high watermark: what lies behind an open transaction cannot be read, and its predictions are late all the same.
                let look = Look { at, end: bounds.high, settled: input.settled() };
                let behind = self.behind.entry(*number).or_default().look(look);
                watch::lag(role, *number, look.end - look.settled, behind);
            }
        }
    }

    /// Fetches an input anew that gives nothing although it has more, or does not tell that this is its end, which the
    /// others wait for: a client can lose sight of a partition while brokers come and go. If that does not help, the client
    /// is given up, and another one joins.
    fn restart_stalled(&mut self, index: usize, bounds: &[Bounds]) -> Result<(), WorkerError> {
        let now = self.clock().instant();
        let mut restarted = Vec::new();
        for (number, state) in &mut self.shards {
            let at = (*number, index);
            let input = match state {
                State::Running(shard) => shard.inputs().get(index),
                State::Given | State::Restoring(..) => None,
            };
            let Some((input, bounds)) = input.zip(bounds.get(*number as usize)) else {
                self.stalls.remove(&at);
                continue;
            };
            if input.is_held_back() || input.waiting() > 0 || (bounds.end <= input.fetched() && input.is_at_end()) {
                self.stalls.remove(&at);
                continue;
            }
            let fetched = input.fetched();
            let stall = self.stalls.entry(at).or_insert(Stall { fetched, since: now, restarts: 0 });
            if stall.fetched != fetched {
                *stall = Stall { fetched, since: now, restarts: 0 };
            }
            if now.saturating_duration_since(stall.since) < STALL {
                continue;
            }
            let topic = &input.at.topic;
            tracing::warn!(worker = self.id, shard = number, topic, next = fetched, end = bounds.end, "input_stalled");
            if stall.restarts == RESTARTS {
                let message = format!("`{topic}` partition {number} gives nothing from offset {fetched} on");
                return Err(TransportError::Fatal(message).into());
            }
            (stall.since, stall.restarts) = (now, stall.restarts + 1);
            restarted.push(Position { at: input.at.clone(), next: fetched });
        }
        Ok(self.member.start(&restarted)?)
    }

    /// Refuses a partition number that the first input did not have when the process started.
    pub(super) fn check_assigned(&self, partitions: &[i32]) -> Result<(), WorkerError> {
        let known = if self.shop.stage.is_paced() { self.shop.guards.shards } else { 1 };
        let Some(unknown) = partitions.iter().copied().filter(|partition| *partition >= known).max() else {
            return Ok(());
        };
        let inputs = self.shop.stage.inputs();
        let topic = inputs.first().map_or("", String::as_str);
        check_growth(topic, usize::try_from(unknown).map_or(0, |unknown| unknown + 1), known)
            .map_err(WorkerError::Refused)
    }
}
