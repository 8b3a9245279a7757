//! What the processes of a simulation are started with, and how they take their turns.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::mutation::{Leaky, Mutation};
use super::scenario::Scenario;
use super::stock::stock;
use super::wire::Wire;
use super::world::Process;
use crate::config::params::OnGap;
use crate::data::params::BreakerParams;
use crate::monitor::MonitorParams;
use crate::runtime::board::Board;
use crate::runtime::clock::Clock;
use crate::runtime::guards::Guards;
use crate::runtime::pace::Pace;
use crate::runtime::setup::monitor_params;
use crate::runtime::stage::{Plan, Stage};
use crate::runtime::stages::{MONITOR, MonitorStage, SCORE, ScoreStage};
use crate::runtime::worker::{Post, Shop, WorkerError};
use crate::transport::memory::Memory;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Score,
    Monitor,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Score => SCORE,
            Role::Monitor => MONITOR,
        }
    }
}

/// A worker of any stage.
pub(super) trait Turns {
    fn due(&self) -> Instant;
    fn turn(&mut self) -> Result<(), WorkerError>;
    fn leave(self: Box<Self>) -> Result<(), WorkerError>;
}

impl<S: Stage> Turns for Post<S> {
    fn due(&self) -> Instant {
        Post::due(self)
    }

    fn turn(&mut self) -> Result<(), WorkerError> {
        Post::turn(self)
    }

    fn leave(self: Box<Self>) -> Result<(), WorkerError> {
        Post::leave(*self)
    }
}

/// What every process of a world is started with.
pub(super) struct Workplace {
    memory: Memory,
    clock: Clock,
    mutation: Option<Mutation>,
    config: String,
    monitor: Arc<MonitorParams>,
    transaction: std::time::Duration,
    checkpoint: std::time::Duration,
    max_batch: usize,
}

impl Workplace {
    pub(super) fn new(scenario: &Scenario, memory: &Memory, clock: &Clock, mutation: Option<Mutation>) -> Self {
        Workplace {
            memory: memory.clone(),
            clock: clock.clone(),
            mutation,
            config: "the configuration of the simulation".to_owned(),
            monitor: Arc::new(monitor_params(&stock().config, scenario.shards)),
            transaction: scenario.transaction,
            checkpoint: scenario.checkpoint,
            max_batch: scenario.max_batch,
        }
    }

    pub(super) fn score(&self) -> ScoreStage {
        let stock = stock();
        ScoreStage {
            plan: Plan { params: stock.params.clone(), config: self.config.clone() },
            previous: None,
            topics: stock.config.topics.clone(),
            shown: Mutex::default(),
        }
    }

    pub(super) fn monitor(&self) -> MonitorStage {
        let plan = Plan { params: self.monitor.clone(), config: self.config.clone() };
        let topics = stock().config.topics.clone();
        MonitorStage { plan, previous: None, topics, shown: Mutex::default() }
    }

    pub(super) fn post(&self, role: Role, id: &str, process: Process) -> Box<dyn Turns> {
        let leaks = self.mutation == Some(Mutation::StateLeaked);
        match role {
            Role::Score if leaks => self.of(Leaky(self.score()), id, process),
            Role::Score => self.of(self.score(), id, process),
            Role::Monitor => self.of(self.monitor(), id, process),
        }
    }

    fn of<S: Stage>(&self, stage: S, id: &str, process: Process) -> Box<dyn Turns> {
        let config = &stock().config;
        let journals = [config.topics.journal.clone(), config.topics.monitor_journal.clone()];
        let wire = Wire { memory: self.memory.clone(), process, mutation: self.mutation, journals };
        let shop = Arc::new(Shop {
            frames: crate::data::Frames::default(),
            lookups: None,
            group: config.group(stage.role()),
            transport: Arc::new(wire),
            topics: config.topics.clone(),
            models: stock().models.clone(),
            pace: Arc::new(Pace::live(self.clock.clone())),
            board: Arc::new(Board::default()),
            stop: Arc::default(),
            interval: self.transaction,
            checkpoint: self.checkpoint,
            delivery: config.score.delivery,
            guards: Guards { shards: self.monitor.shards, on_gap: OnGap::Refuse, trust_journal: false },
            max_batch: self.max_batch,
            breaker: BreakerParams { max_rejected: 1.0, window: 1 },
            stage,
        });
        Box::new(Post::new(&shop, id))
    }
}
