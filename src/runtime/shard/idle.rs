//! The news that everything has been read, for the machine.

use std::time::{Duration, Instant};

use super::Shard;
use crate::codec::JournalStep;
use crate::data::{Item, Machine};
use crate::model::Model;
use crate::runtime::pace::Step;

/// An idle shard says so again after this time, so that nobody downstream waits for it.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// When the machine was last told that everything has been read.
#[derive(Default)]
pub(super) struct Idle {
    /// `None` once there was more to read.
    pub told: Option<Instant>,
    step: u64,
}

impl<M: Machine<Model = Model>> Shard<M> {
    /// Tells the machine when everything has been read: once, and again as a heartbeat when live. It is `at`.
    pub(in crate::runtime) fn idle(&mut self, step: Option<&Step>, at: Instant, batch: &mut Vec<Item<Model>>) {
        if !self.is_read_out(step) {
            return;
        }
        let due = match step {
            Some(step) => self.idle.step < step.number,
            None => self.idle.told.is_none_or(|told| at.saturating_duration_since(told) >= HEARTBEAT),
        };
        if due {
            self.idle = Idle { told: Some(at), step: step.map_or(0, |step| step.number) };
            self.steps.push(JournalStep::Idle);
            batch.push(Item::Idle);
        }
    }

    /// The last step that has been read whole.
    pub(in crate::runtime) fn step_done(&self) -> u64 {
        self.idle.step
    }
}
