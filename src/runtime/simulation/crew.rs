//! What the processes of a simulation are started with, and how they take their turns.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::mutation::{Faulty, Mutation};
use super::scenario::Scenario;
use super::stock::stock;
use super::wire::Wire;
use super::world::Process;
use crate::config::params::OnGap;
use crate::data::Span;
use crate::data::params::BreakerParams;
use crate::monitor::MonitorParams;
use crate::pipeline::PipelineParams;
use crate::runtime::alignment::Alignment;
use crate::runtime::board::Board;
use crate::runtime::clock::Clock;
use crate::runtime::guards::Guards;
use crate::runtime::pace::Pace;
use crate::runtime::setup::{chain_params, monitor_params};
use crate::runtime::stage::{Plan, Stage};
use crate::runtime::stages::{MONITOR, MonitorStage, SCORE, ScoreStage, chain_roles};
use crate::runtime::worker::{Post, Shop, WorkerError};
use crate::transport::memory::Memory;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Score,
    /// The stage after it, where there is one.
    Hop,
    Monitor,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Score => SCORE,
            Role::Hop => chain_roles(&stock().config).last().copied().unwrap_or(SCORE),
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
    chain: Vec<Arc<PipelineParams>>,
    transaction: std::time::Duration,
    checkpoint: std::time::Duration,
    max_batch: usize,
    max_skew: Option<Span>,
}

impl Workplace {
    pub(super) fn new(scenario: &Scenario, memory: &Memory, clock: &Clock, mutation: Option<Mutation>) -> Self {
        Workplace {
            memory: memory.clone(),
            clock: clock.clone(),
            mutation,
            config: "the configuration of the simulation".to_owned(),
            monitor: Arc::new(monitor_params(&stock().config, scenario.shards)),
            chain: chain_params(&stock().config, scenario.shards).unwrap().into_iter().map(Arc::new).collect(),
            transaction: scenario.transaction,
            checkpoint: scenario.checkpoint,
            max_batch: scenario.max_batch,
            max_skew: scenario.max_skew,
        }
    }

    /// The stages of the chain, in order.
    pub(super) fn chain(&self) -> Vec<ScoreStage> {
        let config = &stock().config;
        let stages = chain_roles(config).into_iter().zip(&self.chain).map(|(role, params)| ScoreStage {
            role,
            plan: Plan { params: params.clone(), config: self.config.clone() },
            previous: None,
            topics: config.topics.clone(),
            shown: Arc::default(),
        });
        stages.collect()
    }

    pub(super) fn monitor(&self) -> MonitorStage {
        let plan = Plan { params: self.monitor.clone(), config: self.config.clone() };
        let topics = stock().config.topics.clone();
        MonitorStage { plan, previous: None, topics, shown: Mutex::default() }
    }

    pub(super) fn post(&self, role: Role, id: &str, process: Process) -> Box<dyn Turns> {
        let in_machines = [Mutation::StateLeaked, Mutation::FactsNotKept];
        let mutation = self.mutation.filter(|mutation| in_machines.contains(mutation));
        let mut chain = self.chain();
        let stage = match role {
            Role::Monitor => return self.of(self.monitor(), id, process),
            Role::Score => chain.swap_remove(0),
            Role::Hop => chain.swap_remove(1),
        };
        match mutation {
            Some(mutation) => self.of(Faulty { stage, mutation }, id, process),
            None => self.of(stage, id, process),
        }
    }

    fn of<S: Stage>(&self, stage: S, id: &str, process: Process) -> Box<dyn Turns> {
        let config = &stock().config;
        let hops = config.topics.hops.iter().map(|hop| &hop.journal);
        let journals = [&config.topics.journal, &config.topics.monitor_journal].into_iter().chain(hops);
        let journals = journals.cloned().collect();
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
            alignment: Alignment::new(
                self.max_skew.filter(|_| stage.is_aligned()),
                self.monitor.shards,
                self.clock.instant(),
            ),
            interval: self.transaction,
            checkpoint: self.checkpoint,
            delivery: config.score.delivery,
            guards: Guards { shards: self.monitor.shards, on_gap: OnGap::Refuse, trust_journal: false },
            max_batch: self.max_batch,
            breaker: BreakerParams { max_rejected: 1.0, window: 1 },
            traces: None,
            stage,
        });
        Box::new(Post::new(&shop, id))
    }
}
