//! A worker's look at its inputs every few seconds: how far behind it is, and whether partitions were added.

use std::time::Duration;

use super::{State, Worker, WorkerError};
use crate::runtime::guards::check_growth;
use crate::runtime::stage::Stage;
use crate::runtime::watch;
use crate::transport::TransportError;

/// How often the inputs are looked at.
const PACE: Duration = Duration::from_secs(5);

impl<S: Stage> Worker<S> {
    /// Shows how far the shards are behind the end of their first input; refuses topics that have grown.
    pub(super) fn look_at_inputs(&mut self) -> Result<(), WorkerError> {
        if self.clock().since(self.lag_at) < PACE {
            return Ok(());
        }
        self.lag_at = self.clock().instant();
        let shop = self.shop.clone();
        for topic in [Some(&shop.topics.events), shop.topics.labels.as_ref()].into_iter().flatten() {
            let bounds = match shop.transport.bounds(topic) {
                Ok(bounds) => bounds.unwrap_or_default(),
                // There is time: it is looked at again.
                Err(TransportError::Retriable(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            check_growth(topic, bounds.len(), shop.guards.shards).map_err(WorkerError::Refused)?;
            if !shop.stage.is_paced() || *topic != shop.topics.events {
                continue;
            }
            for (number, state) in &mut self.shards {
                let State::Running(shard) = state else { continue };
                if let (Some(bounds), Some(input)) = (bounds.get(*number as usize), shard.inputs().first()) {
                    watch::lag(*number, bounds.end - input.settled());
                }
            }
        }
        Ok(())
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
