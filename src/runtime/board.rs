//! What the roles of this process show of themselves: to readiness, to metrics, and to whoever waits for them to settle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{RoleError, watch};
use crate::transport::TopicPartition;

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Joining its group.
    Joining,
    /// A member, with so many shards to restore before all of its run.
    Running { restoring: usize },
}

#[derive(Debug, Default)]
struct Facts {
    workers: BTreeMap<String, Phase>,
    /// Next offset whose predecessors have been consumed and committed, by reader and partition.
    positions: BTreeMap<(&'static str, TopicPartition), i64>,
    /// The last step that a shard of the score role has committed whole.
    steps: BTreeMap<i32, u64>,
    /// What the followers of the control log lack of it.
    lacks: BTreeMap<String, String>,
    /// What shards wait for that is no record.
    waits: BTreeMap<i32, String>,
    trainings: usize,
    /// Why shards are held back.
    held: BTreeMap<i32, String>,
    failed: Option<(&'static str, String)>,
}

/// Facts that any thread may look at.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Facts>);

impl Board {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Every change is a single insertion, so a panic elsewhere cannot have left the facts half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn worker(&self, name: &str, phase: Phase) {
        self.facts().workers.insert(name.to_owned(), phase);
    }

    pub(super) fn position(&self, reader: &'static str, at: &TopicPartition, next: i64) {
        self.facts().positions.insert((reader, at.clone()), next);
    }

    pub(super) fn position_of(&self, reader: &'static str, at: &TopicPartition) -> Option<i64> {
        self.facts().positions.get(&(reader, at.clone())).copied()
    }

    pub(super) fn step_done(&self, shard: i32, step: u64) {
        self.facts().steps.insert(shard, step);
    }

    pub(super) fn steps_done(&self, shards: i32, step: u64) -> bool {
        let facts = self.facts();
        (0..shards).all(|shard| facts.steps.get(&shard).is_some_and(|done| *done >= step))
    }

    /// What a follower of the control log lacks, or nothing.
    pub(super) fn lacks(&self, follower: &str, what: Option<&str>) {
        let mut facts = self.facts();
        match what {
            Some(what) => _ = facts.lacks.insert(follower.to_owned(), what.to_owned()),
            None => _ = facts.lacks.remove(follower),
        }
    }

    /// What a shard waits for, or nothing.
    pub(super) fn waits(&self, shard: i32, what: Option<&str>) {
        let mut facts = self.facts();
        match what {
            Some(what) => _ = facts.waits.insert(shard, what.to_owned()),
            None => _ = facts.waits.remove(&shard),
        }
    }

    /// A shard of the score role is held back, or no longer; returns how many are.
    pub(super) fn hold(&self, shard: i32, why: Option<String>) -> usize {
        let mut facts = self.facts();
        match why {
            Some(why) => _ = facts.held.insert(shard, why),
            None => _ = facts.held.remove(&shard),
        }
        facts.held.len()
    }

    pub(super) fn trainings(&self, change: isize) {
        let mut facts = self.facts();
        facts.trainings = facts.trainings.saturating_add_signed(change);
        watch::trainings_open(facts.trainings);
    }

    pub(super) fn trainings_open(&self) -> usize {
        self.facts().trainings
    }

    pub(super) fn fail(&self, error: &RoleError) {
        self.facts().failed.get_or_insert_with(|| (error.role, error.why.clone()));
    }

    pub(super) fn failed(&self) -> Option<RoleError> {
        self.facts().failed.as_ref().map(|(role, why)| RoleError { role, why: why.clone() })
    }

    /// What is still missing before the process is ready, in words.
    pub(super) fn missing(&self) -> Vec<String> {
        let facts = self.facts();
        let mut missing: Vec<String> = facts
            .workers
            .iter()
            .filter_map(|(name, phase)| match phase {
                Phase::Joining => Some(format!("{name} has not joined its group")),
                Phase::Running { restoring: 0 } => None,
                Phase::Running { restoring } => Some(format!("{name} restores {restoring} shards")),
            })
            .collect();
        missing.extend(facts.lacks.values().collect::<BTreeSet<_>>().into_iter().cloned());
        missing.extend(facts.waits.iter().map(|(shard, what)| format!("shard {shard} waits: {what}")));
        missing.extend(facts.held.iter().map(|(shard, why)| format!("shard {shard} is held back: {why}")));
        missing.extend(facts.failed.iter().map(|(role, why)| format!("{role} stopped: {why}")));
        missing
    }
}
