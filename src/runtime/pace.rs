//! What time it is, and how far inputs may be read.
//!
//! Live, both come from the world. In stepped mode the caller says them: within a step a shard takes exactly what the
//! caller had written before, and control records only between steps, so a run has one outcome. Stages that follow from
//! others take records as they come, those of the control log from before the step first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::Clock;
use crate::data::Timestamp;
use crate::transport::TopicPartition;

/// A step of stepped mode.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Counts from 1; 0 is before the first.
    pub number: u64,
    pub now: Timestamp,
    /// Where the inputs of the score role end for this step.
    pub ends: BTreeMap<TopicPartition, i64>,
    /// Where the control log ends for this step.
    pub control: i64,
}

/// Live or stepped; waits and time-outs go by the clock either way.
#[derive(Debug)]
pub(super) struct Pace {
    clock: Clock,
    step: Option<Mutex<Arc<Step>>>,
}

impl Pace {
    pub(super) fn live(clock: Clock) -> Self {
        Pace { clock, step: None }
    }

    pub(super) fn stepped() -> Self {
        Pace { clock: Clock::Machine, step: Some(Mutex::default()) }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn now(&self) -> Timestamp {
        self.step.as_ref().map_or_else(|| self.clock.now(), |step| lock(step).now)
    }

    /// The step at present; `None` when live.
    pub(super) fn step(&self) -> Option<Arc<Step>> {
        self.step.as_ref().map(|step| lock(step).clone())
    }

    /// Begins the next step.
    pub(super) fn advance(&self, next: impl FnOnce(u64) -> Step) {
        if let Some(step) = &self.step {
            let mut step = lock(step);
            *step = Arc::new(next(step.number + 1));
        }
    }
}

fn lock(step: &Mutex<Arc<Step>>) -> MutexGuard<'_, Arc<Step>> {
    // The value is replaced whole, so a panic elsewhere cannot have left it half written.
    step.lock().unwrap_or_else(PoisonError::into_inner)
}
