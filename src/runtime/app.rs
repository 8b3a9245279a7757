//! Roles running in this process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::alignment::Alignment;
use super::board::Board;
use super::change::check_change;
use super::clock::Clock;
use super::control::Models;
use super::cores;
use super::frames;
use super::guards::{Guards, check_topics};
use super::notify;
use super::pace::{Pace, Step};
use super::retrain::{self, RETRAIN, RetrainShop};
use super::roles::{RoleError, Roles};
use super::setup::{chain_params, layout, monitor_params};
use super::stage::{Plan, Stage};
use super::stages::{MONITOR, MonitorStage, SCORE, ScoreStage, Shown, chain_roles};
use super::traces::{self, Traces};
use super::watch;
use super::worker::{self, Shop, WorkerError};
use crate::config::Config;
use crate::data::{Frames, Timestamp};
use crate::registry::{ExampleLog, LogSettings, Store};
use crate::schema_registry::{Lookups, SchemaRegistry, SchemaRegistryError};
use crate::telemetry::traces::SpanExport;
use crate::transport::{Position, Transport, TransportError};

/// How long [`App::stop`] waits for a thread.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// How long a cluster may take to answer when the application starts.
const START_LIMIT: Duration = Duration::from_secs(60);
const START_PAUSE: Duration = Duration::from_millis(500);
/// Rows of a file of the training log.
const FILE_ROWS: usize = 50_000;

/// What an application is started with.
#[derive(Clone)]
pub struct AppSetup {
    /// The configuration.
    pub config: Arc<Config>,
    /// The configuration that ran until now, where it is another one: its state is taken over.
    pub previous: Option<Arc<Config>>,
    /// The cluster.
    pub transport: Arc<dyn Transport>,
    /// Which roles.
    pub roles: Roles,
    /// Name of this instance; part of its transactional ids, so it is to be the same after a restart.
    pub instance: String,
    /// Inputs are read only as far as [`App::advance`] allows, and `now` is what it says.
    pub stepped: bool,
    /// Goes on where the journals end although the groups' offsets are gone; without it that is refused.
    pub trust_journal: bool,
}

/// Roles running in this process.
pub struct App {
    pub(super) setup: AppSetup,
    pub(super) board: Arc<Board>,
    pub(super) pace: Arc<Pace>,
    /// Partitions of the events topic.
    pub(super) shards: i32,
    /// What stands before outputs.
    frames: Frames,
    /// Where writer schemas are looked up.
    lookups: Option<Lookups>,
    /// Where spans go.
    export: Option<SpanExport>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl App {
    /// Checks the topics, starts the roles, and returns once their threads run.
    ///
    /// # Errors
    /// A cluster that cannot be reached, a missing topic, partition counts that do not match, a store that cannot be
    /// opened.
    pub fn start(setup: AppSetup) -> Result<App, RoleError> {
        watch::begin();
        let roles = setup.roles;
        let first = if roles.score {
            SCORE
        } else if roles.monitor {
            MONITOR
        } else {
            RETRAIN
        };
        if let Some(previous) = &setup.previous {
            check_change(previous, &setup.config).map_err(|why| RoleError::new(first, why))?;
        }
        let shards = patiently(|| check_topics(&*setup.transport, &setup.config))
            .map_err(|error| RoleError::new(first, error))?;
        let (frames, lookups) = formats(&setup).map_err(|error| RoleError::new(first, error))?;
        let export = traces::export(&setup.config, &setup.instance).map_err(|error| RoleError::new(first, error))?;
        let pace = if setup.stepped { Pace::stepped() } else { Pace::live(Clock::Machine) };
        let mut app = App {
            board: Arc::default(),
            pace: Arc::new(pace),
            shards,
            frames,
            lookups,
            export,
            stop: Arc::default(),
            threads: Vec::new(),
            setup,
        };
        let store = Store::local(&app.setup.config.store.path).map_err(|error| RoleError::new(first, error))?;
        let models = Arc::new(Models::new(Arc::new(store)));
        if roles.score {
            app.start_score(&models)?;
        }
        if roles.monitor {
            app.start_monitor(&models)?;
        }
        if roles.retrain {
            app.start_retrain(&models)?;
        }
        app.threads
            .extend(notify::spawn(&app.setup, &app.pace, &app.stop).map_err(|error| RoleError::new(MONITOR, error))?);
        Ok(app)
    }

    fn start_score(&mut self, models: &Arc<Models>) -> Result<(), RoleError> {
        let shards = self.shards;
        let plans = |config: &Config| {
            let params = chain_params(config, shards).map_err(|error| RoleError::new(SCORE, error))?;
            let plan = |params| Plan { params: Arc::new(params), config: config.digest() };
            Ok(params.into_iter().map(plan).collect::<Vec<_>>())
        };
        let config = self.setup.config.clone();
        if self.setup.stepped && !config.chain.hops.is_empty() {
            return Err(RoleError::new(SCORE, "events go through hops, which does not work step by step"));
        }
        let mut previous = self.setup.previous.as_deref().map(plans).transpose()?.unwrap_or_default().into_iter();
        let shown = Arc::new(Mutex::new(Shown::default()));
        for (role, plan) in chain_roles(&config).into_iter().zip(plans(&config)?) {
            let (previous, topics) = (previous.next(), config.topics.clone());
            let stage = ScoreStage { role, plan, previous, topics, shown: shown.clone() };
            let shop = Arc::new(self.shop(stage, models));
            for number in 0..config.score.workers.max(1) {
                self.spawn_worker(&shop, number, cores::turn(&config.score.cores, number))?;
            }
        }
        Ok(())
    }

    fn start_monitor(&mut self, models: &Arc<Models>) -> Result<(), RoleError> {
        let config = self.setup.config.clone();
        let plan =
            |config: &Config| Plan { params: Arc::new(monitor_params(config, self.shards)), config: config.digest() };
        let stage = MonitorStage {
            plan: plan(&config),
            previous: self.setup.previous.as_deref().map(plan),
            topics: config.topics.clone(),
            shown: Mutex::default(),
        };
        let shop = Arc::new(self.shop(stage, models));
        self.spawn_worker(&shop, 0, None)
    }

    fn start_retrain(&mut self, models: &Arc<Models>) -> Result<(), RoleError> {
        let config = self.setup.config.clone();
        let settings = LogSettings {
            topics: vec![config.topics.predictions.clone(), config.topics.outcomes.clone()],
            file_rows: FILE_ROWS,
        };
        let store = models.store();
        let mut log = ExampleLog::open(store.clone(), &settings).map_err(|error| RoleError::new(RETRAIN, error))?;
        for config in self.setup.previous.iter().chain([&config]) {
            let layout = layout(config).map_err(|error| RoleError::new(RETRAIN, error))?;
            store.put_layout(&layout).map_err(|error| RoleError::new(RETRAIN, error))?;
        }
        store.layouts().map_err(|error| RoleError::new(RETRAIN, error))?.iter().for_each(|known| log.add_layout(known));
        let shop = RetrainShop {
            layout: layout(&config).map_err(|error| RoleError::new(RETRAIN, error))?,
            transport: self.setup.transport.clone(),
            models: models.clone(),
            log: Arc::new(Mutex::new(log)),
            pace: self.pace.clone(),
            board: self.board.clone(),
            stop: self.stop.clone(),
            traces: self.traces(),
            config,
        };
        let id = self.transactional_id(RETRAIN, 0);
        self.spawn(RETRAIN, format!("{RETRAIN}-0"), move || retrain::run(&shop, &id))
    }

    fn shop<S: Stage>(&self, stage: S, models: &Arc<Models>) -> Shop<S> {
        let config = &self.setup.config;
        Shop {
            transport: self.setup.transport.clone(),
            topics: config.topics.clone(),
            group: config.group(stage.role()),
            models: models.clone(),
            pace: self.pace.clone(),
            board: self.board.clone(),
            stop: self.stop.clone(),
            guards: Guards {
                shards: self.shards,
                on_gap: config.kafka.on_gap,
                trust_journal: self.setup.trust_journal,
            },
            alignment: Alignment::new(
                config.score.max_skew.filter(|_| stage.is_aligned()),
                self.shards,
                self.pace.clock().instant(),
            ),
            interval: config.score.transaction.to_std(),
            delivery: config.score.delivery,
            checkpoint: config.score.checkpoint.to_std(),
            max_batch: config.score.max_batch,
            frames: self.frames,
            lookups: self.lookups.clone(),
            breaker: config.score.breaker,
            traces: self.traces(),
            stage,
        }
    }

    fn traces(&self) -> Option<Traces> {
        let export = self.export.as_ref()?;
        Some(Traces { app: self.setup.config.app.clone(), spans: export.spans() })
    }

    fn transactional_id(&self, role: &str, number: usize) -> String {
        format!("{}.{role}.{}.{number}", self.setup.config.app, self.setup.instance)
    }

    fn spawn_worker<S: Stage>(
        &mut self,
        shop: &Arc<Shop<S>>,
        number: usize,
        core: Option<u32>,
    ) -> Result<(), RoleError> {
        let role = shop.stage.role();
        let id = self.transactional_id(role, number);
        let shop = shop.clone();
        self.spawn(role, format!("{role}-{number}"), move || {
            cores::stay_on(core);
            worker::run(&shop, &id)
        })
    }

    fn spawn(
        &mut self,
        role: &'static str,
        name: String,
        work: impl FnOnce() -> Result<(), WorkerError> + Send + 'static,
    ) -> Result<(), RoleError> {
        watch::runs(role);
        let board = self.board.clone();
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let error = match worked {
                Ok(Ok(())) => return,
                Ok(Err(error)) => RoleError::new(role, error),
                Err(_) => RoleError::new(role, "its thread panicked; the lines above say where"),
            };
            tracing::error!(role, why = error.why, "role_failed");
            board.fail(&error);
        });
        self.threads.push(thread.map_err(|error| RoleError::new(role, error))?);
        Ok(())
    }

    /// Stepped mode: from now on inputs of the score role may be read up to these ends, and it is `now`.
    ///
    /// # Errors
    /// A control log that cannot be looked at.
    pub fn advance(&self, now: Timestamp, ends: &[Position]) -> Result<(), RoleError> {
        let control = self.control_end().map_err(|error| RoleError::new(SCORE, error))?;
        let ends = ends.iter().map(|end| (end.at.clone(), end.next)).collect();
        self.pace.advance(|number| Step { number, now, ends, control });
        Ok(())
    }

    pub(super) fn control_end(&self) -> Result<i64, TransportError> {
        let bounds = self.setup.transport.bounds(&self.setup.config.topics.models)?;
        Ok(bounds.and_then(|all| all.first().map(|bounds| bounds.end)).unwrap_or(0))
    }

    /// The first role that stopped by itself, if any.
    pub fn failed(&self) -> Option<RoleError> {
        self.board.failed()
    }

    /// What the process still lacks to be ready, in words; nothing when it is.
    pub fn missing(&self) -> Vec<String> {
        self.board.missing()
    }

    /// Looks at readiness from elsewhere.
    pub fn watcher(&self) -> impl Fn() -> Vec<String> + Send + Sync + 'static {
        let board = self.board.clone();
        move || board.missing()
    }

    /// Commits what is open, leaves the groups and waits for the threads, within a bound.
    ///
    /// # Errors
    /// A role that had stopped by itself, or a thread that does not end.
    pub fn stop(self) -> Result<(), RoleError> {
        self.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + STOP_LIMIT;
        for thread in self.threads {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if !thread.is_finished() {
                return Err(RoleError::new(
                    "runtime",
                    format!("a thread did not end within {} s", STOP_LIMIT.as_secs()),
                ));
            }
        }
        if let Some(export) = self.export {
            export.stop();
        }
        self.board.failed().map_or(Ok(()), Err)
    }
}

/// What stands before outputs, and where writer schemas are looked up.
fn formats(setup: &AppSetup) -> Result<(Frames, Option<Lookups>), SchemaRegistryError> {
    let config = &setup.config;
    let registry = config.schema_registry.as_ref().map(SchemaRegistry::new).transpose()?;
    let publishes = setup.roles.score || setup.roles.monitor;
    let frames = if publishes { frames::settle(config, registry.as_ref())? } else { Frames::default() };
    Ok((frames, registry.map(Lookups::new)))
}

/// Asks again while the cluster does not answer: it may be starting, or electing leaders of topics just made.
fn patiently<T>(mut ask: impl FnMut() -> Result<T, TransportError>) -> Result<T, TransportError> {
    let until = Instant::now() + START_LIMIT;
    loop {
        match ask() {
            Err(TransportError::Retriable(why)) if Instant::now() < until => {
                tracing::warn!(why, "cluster_not_ready");
                std::thread::sleep(START_PAUSE);
            }
            answer => return answer,
        }
    }
}
