//! The two stages that run on workers: score and monitor.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::breaker::Counted;
use super::letters::{DeadLetters, Duplicates};
use super::stage::{Plan, Stage};
use super::watch;
use crate::config::params::Topics;
use crate::data::RejectCode;
use crate::monitor::{self, Monitor, MonitorParams};
use crate::pipeline::{self, Pipeline, PipelineParams};

/// The data plane.
pub(super) struct ScoreStage {
    pub plan: Plan<PipelineParams>,
    /// The configuration before, whose shards are taken over.
    pub previous: Option<Plan<PipelineParams>>,
    pub topics: Topics,
    /// What has been shown so far.
    pub shown: Mutex<Shown>,
}

/// What has been shown of the shards of this process.
#[derive(Default)]
pub(super) struct Shown {
    shards: BTreeMap<i32, ShownShard>,
    dead_letters: DeadLetters,
    duplicates: Duplicates,
    /// The last version that was told not to answer.
    unanswered: Option<u32>,
}

impl Shown {
    /// Tells once of each version in charge that does not answer.
    fn tell_unanswered(&mut self, machine: &Pipeline) {
        let Some(version) = machine.unanswered().filter(|version| self.unanswered != Some(*version)) else { return };
        self.unanswered = Some(version);
        tracing::warn!(version, answers = machine.model_version(), "model_does_not_answer");
    }
}

#[derive(Clone, Copy, Default)]
struct ShownShard {
    tally: pipeline::Tally,
    version: u32,
}

impl ShownShard {
    fn of(machine: &Pipeline) -> Self {
        ShownShard { tally: machine.tally(), version: machine.model_version() }
    }
}

/// The name of the score role.
pub(super) const SCORE: &str = "score";
/// The name of the monitor role.
pub(super) const MONITOR: &str = "monitor";

impl Stage for ScoreStage {
    type Machine = Pipeline;

    fn role(&self) -> &'static str {
        SCORE
    }

    fn inputs(&self) -> Vec<String> {
        [Some(self.topics.events.clone()), self.topics.labels.clone()].into_iter().flatten().collect()
    }

    fn journal(&self) -> &str {
        &self.topics.journal
    }

    fn own(&self) -> Vec<&str> {
        let topics = &self.topics;
        let late = topics.late.as_deref();
        let own = [&topics.predictions, &topics.outcomes, &topics.dead_letters, &topics.journal, &topics.state];
        own.into_iter().map(String::as_str).chain(late).collect()
    }

    fn state(&self) -> &str {
        &self.topics.state
    }

    fn config(&self) -> &str {
        &self.plan.config
    }

    fn previous(&self) -> Option<&str> {
        self.previous.as_ref().map(|plan| plan.config.as_str())
    }

    fn previous_machine(&self, shard: i32) -> Option<Pipeline> {
        self.previous.as_ref().map(|plan| Pipeline::new(plan.params.clone(), shard))
    }

    fn machine(&self, shard: i32) -> Pipeline {
        Pipeline::new(self.plan.params.clone(), shard)
    }

    fn is_paced(&self) -> bool {
        true
    }

    fn tells_decisions(&self) -> bool {
        false
    }

    fn restored(&self, shard: i32, machine: &Pipeline) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.tell_unanswered(machine);
        shown.shards.insert(shard, ShownShard::of(machine));
    }

    fn counted(&self, machine: &Pipeline) -> Option<Counted> {
        let tally = machine.tally();
        let [codes, _] = tally.rejects;
        let most = RejectCode::ALL.into_iter().zip(codes).max_by_key(|(_, count)| *count);
        let most = most.filter(|(_, count)| *count > 0).map(|(code, _)| code);
        Some(Counted { events: tally.events, refused: tally.event_dead_letters, most })
    }

    fn observe(&self, shard: i32, machine: &Pipeline) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = ShownShard::of(machine);
        let before = shown.shards.insert(shard, now).unwrap_or_default();
        shown.tell_unanswered(machine);
        watch::scored(SCORE, machine, &before.tally);
        watch::identity(shown.shards.values().map(|shard| shard.tally));
        let at = Instant::now();
        shown.dead_letters.add(&now.tally, &before.tally, at);
        shown.duplicates.add(shard, &now.tally, &before.tally, at);
        if now.version != before.version {
            tracing::info!(shard, version = now.version, replaced = before.version, "model_switched");
        }
    }
}

/// Alerts, trainings, promotions.
pub(super) struct MonitorStage {
    pub plan: Plan<MonitorParams>,
    /// The configuration before, whose state is taken over.
    pub previous: Option<Plan<MonitorParams>>,
    pub topics: Topics,
    /// What has been shown so far.
    pub shown: Mutex<monitor::Tally>,
}

impl Stage for MonitorStage {
    type Machine = Monitor;

    fn role(&self) -> &'static str {
        MONITOR
    }

    fn inputs(&self) -> Vec<String> {
        vec![self.topics.summaries.clone()]
    }

    #[expect(clippy::misnamed_getters, reason = "each stage has a journal of its own")]
    fn journal(&self) -> &str {
        &self.topics.monitor_journal
    }

    fn own(&self) -> Vec<&str> {
        let topics = &self.topics;
        vec![&topics.drift_alerts, &topics.performance, &topics.monitor_journal, &topics.monitor_state]
    }

    #[expect(clippy::misnamed_getters, reason = "each stage has a state of its own")]
    fn state(&self) -> &str {
        &self.topics.monitor_state
    }

    fn config(&self) -> &str {
        &self.plan.config
    }

    fn previous(&self) -> Option<&str> {
        self.previous.as_ref().map(|plan| plan.config.as_str())
    }

    fn previous_machine(&self, _shard: i32) -> Option<Monitor> {
        self.previous.as_ref().map(|plan| Monitor::new(plan.params.clone()))
    }

    fn machine(&self, _shard: i32) -> Monitor {
        Monitor::new(self.plan.params.clone())
    }

    fn is_paced(&self) -> bool {
        false
    }

    fn tells_decisions(&self) -> bool {
        true
    }

    fn restored(&self, _shard: i32, machine: &Monitor) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = machine.tally();
    }

    fn observe(&self, _shard: i32, machine: &Monitor) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *shown, machine.tally());
        watch::monitored(MONITOR, machine, &before);
    }
}
