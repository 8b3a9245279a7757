//! The stages that run on workers: score, with one more for each hop, and monitor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::breaker::Counted;
use super::letters::{DeadLetters, Duplicates};
use super::stage::{Plan, Stage};
use super::watch;
use crate::config::Config;
use crate::config::params::{HopTopics, Topics};
use crate::data::RejectCode;
use crate::monitor::{self, Monitor, MonitorParams};
use crate::pipeline::{self, Pipeline, PipelineParams};

/// The data plane, or one stage of it where events go through hops.
pub(super) struct ScoreStage {
    /// `score`, or the name of the hop.
    pub role: &'static str,
    pub plan: Plan<PipelineParams>,
    /// The configuration before, whose shards are taken over.
    pub previous: Option<Plan<PipelineParams>>,
    pub topics: Topics,
    /// What has been shown so far, of all stages of the chain.
    pub shown: Arc<Mutex<Shown>>,
}

/// What has been shown of the shards of this process.
#[derive(Default)]
pub(super) struct Shown {
    shards: BTreeMap<(&'static str, i32), ShownShard>,
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

#[derive(Clone, Default)]
struct ShownShard {
    tally: pipeline::Tally,
    unseen: Vec<u64>,
    version: u32,
}

impl ShownShard {
    fn of(machine: &Pipeline) -> Self {
        let unseen = machine.unseen().map(|(_, count)| count).collect();
        ShownShard { tally: machine.tally(), unseen, version: machine.model_version() }
    }
}

/// The name of the score role.
pub(super) const SCORE: &str = "score";
/// The name of the monitor role.
pub(super) const MONITOR: &str = "monitor";

/// The names of the stages of the chain. Those of hops are made once and live as long as the process.
pub(super) fn chain_roles(config: &Config) -> Vec<&'static str> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let hops = config.chain.hops.iter().map(Config::hop_role).map(|role| {
        let known = names.get(role.as_str()).copied();
        known.unwrap_or_else(|| {
            let role: &'static str = role.leak();
            names.insert(role);
            role
        })
    });
    std::iter::once(SCORE).chain(hops).collect()
}

impl ScoreStage {
    /// The topics of the hop that it is; `None` for the stage that reads the events.
    fn hop(&self) -> Option<&HopTopics> {
        self.topics.hops.get(self.plan.params.station.stage.checked_sub(1)?)
    }
}

impl Stage for ScoreStage {
    type Machine = Pipeline;

    fn role(&self) -> &'static str {
        self.role
    }

    fn inputs(&self) -> Vec<String> {
        match self.hop() {
            Some(hop) => vec![hop.records.clone()],
            None => self.topics.inputs().cloned().collect(),
        }
    }

    fn journal(&self) -> &str {
        self.hop().map_or(&self.topics.journal, |hop| &hop.journal)
    }

    fn own(&self) -> Vec<&str> {
        let topics = &self.topics;
        if self.shares_outputs() {
            return vec![self.journal(), self.state()];
        }
        let late = topics.late.as_deref();
        let own = [&topics.predictions, &topics.outcomes, &topics.dead_letters, &topics.journal, &topics.state];
        own.into_iter().map(String::as_str).chain(late).collect()
    }

    fn state(&self) -> &str {
        self.hop().map_or(&self.topics.state, |hop| &hop.state)
    }

    fn next(&self) -> Option<&str> {
        self.topics.hops.get(self.plan.params.station.stage).map(|hop| hop.records.as_str())
    }

    fn shares_outputs(&self) -> bool {
        !self.topics.hops.is_empty()
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

    /// What a hop takes in is in order of time already.
    fn is_aligned(&self) -> bool {
        self.plan.params.station.is_first()
    }

    fn tells_decisions(&self) -> bool {
        false
    }

    fn restored(&self, shard: i32, machine: &Pipeline) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if machine.station().is_last() {
            shown.tell_unanswered(machine);
        }
        shown.shards.insert((self.role, shard), ShownShard::of(machine));
    }

    fn counted(&self, machine: &Pipeline) -> Option<Counted> {
        let tally = machine.tally();
        let [codes, ..] = tally.rejects;
        let most = RejectCode::ALL.into_iter().zip(codes).max_by_key(|(_, count)| *count);
        let most = most.filter(|(_, count)| *count > 0).map(|(code, _)| code);
        Some(Counted { events: tally.events, refused: tally.event_dead_letters, most })
    }

    fn observe(&self, shard: i32, machine: &Pipeline) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = ShownShard::of(machine);
        let before = shown.shards.insert((self.role, shard), now.clone()).unwrap_or_default();
        watch::scored(self.role, machine, &before.tally, &before.unseen);
        watch::identity(shown.shards.values().map(|shard| shard.tally));
        let at = Instant::now();
        shown.dead_letters.add(&now.tally, &before.tally, at);
        shown.duplicates.add(shard, &now.tally, &before.tally, at);
        if !machine.station().is_last() {
            return;
        }
        shown.tell_unanswered(machine);
        if now.version != before.version {
            tracing::info!(shard, version = now.version, replaced = before.version, "model_switched");
        }
    }

    fn released(&self, shard: i32) {
        watch::released(self.role, shard);
        let PipelineParams { facts, station, .. } = &*self.plan.params;
        if station.is_first() && !facts.is_empty() {
            watch::fact_keys(self.role, shard, 0);
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
    pub shown: Mutex<ShownMonitor>,
}

/// What has been shown of the monitor of this process.
#[derive(Default)]
pub(super) struct ShownMonitor {
    tally: monitor::Tally,
    signals: BTreeSet<String>,
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

    fn next(&self) -> Option<&str> {
        None
    }

    fn shares_outputs(&self) -> bool {
        false
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
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = machine.tally();
        shown.tally = tally;
        // Alerts that are open are to be seen at once, not with the next summary.
        watch::monitored(MONITOR, machine, &tally, &mut shown.signals);
    }

    fn observe(&self, _shard: i32, machine: &Monitor) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut shown.tally, machine.tally());
        watch::monitored(MONITOR, machine, &before, &mut shown.signals);
    }

    fn released(&self, _shard: i32) {
        watch::stood_by(MONITOR, &self.shown.lock().unwrap_or_else(PoisonError::into_inner).signals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Header, InputIndex, Item, Machine, Outbox, Record, Timestamp};
    use crate::runtime::setup::pipeline_params;
    use crate::telemetry::{install_metrics, render};

    #[test]
    fn keys_with_facts_are_shown_for_as_long_as_their_shard_is_here() {
        install_metrics().unwrap();
        let text =
            format!("{}\n[facts.shop.fields.rank]\ntype = \"number\"\n", include_str!("../../examples/minimal.toml"));
        let config = Config::parse(&text).unwrap();
        let stage = ScoreStage {
            role: SCORE,
            plan: Plan { params: Arc::new(pipeline_params(&config).unwrap()), config: String::new() },
            previous: None,
            topics: config.topics.clone(),
            shown: Arc::default(),
        };
        // A shard of no other test.
        let mut machine = stage.machine(7_531);
        stage.restored(7_531, &machine);
        let fact = |offset: i64| Item::Record {
            input: InputIndex(2),
            record: Record {
                offset,
                timestamp: Timestamp::from_millis(0),
                key: Some(format!("s{offset}").into_bytes().into()),
                value: Some(b"{\"rank\":1}"[..].into()),
                headers: Vec::new(),
            },
        };
        machine.handle(&[fact(0), fact(1)], Timestamp::from_millis(0), &mut Outbox::default());
        machine.commit();
        stage.observe(7_531, &machine);
        assert!(render().contains("driftless_fact_keys{shard=\"7531\"} 2\n"));
        stage.released(7_531);
        assert!(render().contains("driftless_fact_keys{shard=\"7531\"} 0\n"));
    }

    #[test]
    fn an_event_that_nothing_comes_of_is_unaccounted_for() {
        let config = Config::parse(include_str!("../../examples/minimal.toml")).unwrap();
        let params = Arc::new(pipeline_params(&config).unwrap());
        let mut machine = Pipeline::new(params, 0);
        let value = r#"{"payment_id":"e","created_at":"1970-01-01T00:00:00Z","amount":1,"foreign":true}"#;
        let event = |offset: i64, headers: Vec<Header>| Item::Record {
            input: InputIndex(0),
            record: Record {
                offset,
                timestamp: Timestamp::from_millis(0),
                key: Some(b"k"[..].into()),
                value: Some(value.as_bytes().into()),
                headers,
            },
        };
        let trapdoor = Header { name: "trapdoor".to_owned(), value: None };
        let mut out = Outbox::default();
        machine.handle(&[event(0, Vec::new())], Timestamp::from_millis(0), &mut out);
        assert_eq!((machine.tally().predictions, machine.tally().unaccounted()), (1, 0));
        machine.handle(&[event(1, vec![trapdoor])], Timestamp::from_millis(0), &mut out);
        assert_eq!((machine.tally().predictions, machine.tally().unaccounted()), (1, 1));
    }
}
