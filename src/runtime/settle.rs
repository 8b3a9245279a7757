//! Stepped mode: waiting until nothing moves any more.

use std::time::{Duration, Instant};

use super::app::App;
use super::retrain::RETRAIN;
use super::roles::RoleError;
use super::stages::MONITOR;
use crate::transport::{TopicPartition, TransportError};

/// How often things are looked at.
const PAUSE: Duration = Duration::from_millis(1);

impl App {
    /// Waits until everything allowed has been consumed, every role's transaction is committed and no training is open,
    /// so that nothing moves any more.
    ///
    /// # Errors
    /// A role that stopped, a cluster that does not answer, or no rest within `limit`.
    pub fn settle(&self, limit: Duration) -> Result<(), RoleError> {
        let until = Instant::now() + limit;
        let mut rested = None;
        loop {
            if let Some(error) = self.failed() {
                return Err(error);
            }
            let (resting, ends) = match self.look() {
                Err(TransportError::Retriable(_)) => (false, Vec::new()),
                looked => looked.map_err(|error| RoleError::new("runtime", error))?,
            };
            // Every role consumes what the others write: at rest is when a second look finds the same ends.
            if resting && rested.as_ref() == Some(&ends) {
                return Ok(());
            }
            rested = resting.then_some(ends);
            if Instant::now() >= until {
                let why = format!("the roles did not come to rest within {} s", limit.as_secs());
                return Err(RoleError::new("runtime", why));
            }
            if rested.is_none() {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Whether every role has taken and committed everything there is, and where the topics between them end.
    fn look(&self) -> Result<(bool, Vec<i64>), TransportError> {
        let topics = &self.setup.config.topics;
        let roles = self.setup.roles;
        let step = self.pace.step().map_or(0, |step| step.number);
        if roles.score && !self.board.steps_done(self.shards, step) {
            return Ok((false, Vec::new()));
        }
        let mut ends = Vec::new();
        let mut resting = self.board.trainings_open() == 0;
        let mut check = |role: &'static str, topic: &str| -> Result<(), TransportError> {
            for (partition, bounds) in self.setup.transport.bounds(topic)?.unwrap_or_default().into_iter().enumerate() {
                let at = TopicPartition::new(topic, partition as i32);
                resting &= self.board.position_of(role, &at).unwrap_or(0) >= bounds.end;
                ends.push(bounds.end);
            }
            Ok(())
        };
        if roles.monitor {
            check(MONITOR, &topics.summaries)?;
            check(MONITOR, &topics.models)?;
        }
        if roles.retrain {
            for topic in [&topics.predictions, &topics.outcomes, &topics.drift_alerts, &topics.models] {
                check(RETRAIN, topic)?;
            }
        }
        Ok((resting, ends))
    }
}
