//! One sitting at a broker: events loaded beforehand, a model for them, and score roles as `driftless run` starts them.
//!
//! Topics, groups and stores are its own, so that sittings do not meet.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use driftless::config::Config;
use driftless::data::params::Delivery;
use driftless::data::{Columns, Item, Machine, Outbox, Sink, Timestamp};
use driftless::features::{EventRow, Features};
use driftless::model::Model;
use driftless::pipeline::Pipeline;
use driftless::registry::Store;
use driftless::runtime::{App, AppSetup, Roles, pipeline_params};
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::{Outgoing, TopicSpec, Transport};

use super::flights::{self, Sent};
use super::machine;
use super::models::{self, Rows};

/// Partitions of every topic that has more than one.
pub(crate) const PARTITIONS: i32 = 4;
/// How often transactions are committed: the default of `score.transaction`.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
const RUN_LIMIT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(10);
/// Records loaded before the broker is waited for: on a busy machine it could not keep up.
const FLUSH_EVERY: usize = 20_000;
/// Events on which profile, model and size of a prediction are measured.
const SAMPLE: usize = 20_000;

pub(crate) struct Sitting {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) config: Config,
    pub(crate) name: String,
    pub(crate) n_events: usize,
    pub(crate) prediction_bytes: usize,
    model: Arc<Model>,
}

/// A score role to be started.
pub(crate) struct Role<'a> {
    /// Names its topics and its group.
    pub(crate) label: &'a str,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) delivery: Delivery,
    /// Reads empty topics of its own instead of the loaded ones.
    pub(crate) live: bool,
}

/// A score role at work.
pub(crate) struct Running {
    pub(crate) app: App,
    pub(crate) config: Arc<Config>,
    /// Goes with it.
    _store: tempfile::TempDir,
}

/// One run through the loaded events.
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) cpu_us: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>8.0} /s, {:>5.2} us CPU", self.per_second, self.cpu_us)
    }
}

impl Sitting {
    /// Loads `n_events` into topics of its own.
    pub(crate) fn prepare(brokers: &str, n_events: usize) -> Result<Sitting> {
        let transport: Arc<dyn Transport> = Arc::new(Kafka::new(KafkaParams::new(brokers, "driftless-bench"))?);
        let name = format!("bench-{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis());
        let mut config = Config::load(&flights::project().join("examples/flights.toml"))?;
        config.kafka.set_brokers(brokers)?;
        set_inputs(&mut config, &name);
        let events = flights::events(n_events.max(SAMPLE))?;
        let sample = events.get(..SAMPLE).unwrap_or(&events);
        let model = Arc::new(linear(&config, sample)?);
        let prediction_bytes = prediction_bytes(&config, sample, &model)?;
        let sitting = Sitting { transport, config, model, name, n_events, prediction_bytes };
        sitting.preload(events.get(..n_events).unwrap_or(&events))?;
        Ok(sitting)
    }

    fn preload(&self, events: &[Sent]) -> Result<()> {
        self.create_inputs(&self.config)?;
        let mut publisher = self.transport.publisher()?;
        for (number, event) in events.iter().enumerate() {
            if number % FLUSH_EVERY == 0 {
                publisher.flush()?;
            }
            publisher.send(&Outgoing {
                topic: &self.config.topics.events,
                partition: None,
                key: Some(&event.key),
                value: Some(&event.value),
                headers: &[],
                timestamp: Some(event.at),
            })?;
        }
        Ok(publisher.flush()?)
    }

    fn create_inputs(&self, config: &Config) -> Result<()> {
        let labels = config.topics.labels.as_deref().context("the flights have labels")?;
        self.create(&[(&config.topics.events, PARTITIONS), (labels, PARTITIONS)])
    }

    pub(crate) fn create(&self, topics: &[(&str, i32)]) -> Result<()> {
        let specs: Vec<TopicSpec> = topics
            .iter()
            .map(|(name, partitions)| TopicSpec {
                name: (*name).to_owned(),
                partitions: *partitions,
                replication: -1,
                // Event times are years old, and nothing of this is to be kept for long.
                config: vec![("retention.ms".to_owned(), "-1".to_owned())],
            })
            .collect();
        self.transport.create(&specs)?;
        Ok(())
    }

    /// Starts a score role with one worker, as `driftless run --role score` does.
    pub(crate) fn start(&self, role: Role<'_>) -> Result<Running> {
        let store = tempfile::tempdir()?;
        let mut config = self.config.clone();
        config.app = format!("{}.{}", self.name, role.label);
        config.store.path = store.path().to_owned();
        config.score.workers = 1;
        config.score.transaction = driftless::data::Span::from_millis(INTERVAL.as_millis() as i64);
        config.score.delivery = role.delivery;
        if role.live {
            let inputs = config.app.clone();
            set_inputs(&mut config, &inputs);
            self.create_inputs(&config)?;
        }
        let name = |topic: &str| format!("{}.{}.{topic}", self.name, role.label);
        let topics = &mut config.topics;
        for topic in [
            &mut topics.predictions,
            &mut topics.outcomes,
            &mut topics.dead_letters,
            &mut topics.journal,
            &mut topics.state,
        ] {
            *topic = name(topic);
            self.create(&[(topic, PARTITIONS)])?;
        }
        for topic in [
            &mut topics.summaries,
            &mut topics.drift_alerts,
            &mut topics.performance,
            &mut topics.models,
            &mut topics.monitor_journal,
            &mut topics.monitor_state,
        ] {
            *topic = name(topic);
            self.create(&[(topic, 1)])?;
        }
        self.promote(&config)?;
        let config = Arc::new(config);
        let app = App::start(AppSetup {
            config: config.clone(),
            previous: None,
            transport: role.transport,
            roles: Roles { score: true, monitor: false, retrain: false },
            instance: "bench".to_owned(),
            stepped: false,
            trust_journal: false,
        })?;
        Ok(Running { app, config, _store: store })
    }

    /// Runs a score role through the loaded events.
    pub(crate) fn score(&self, role: Role<'_>) -> Result<Measured> {
        let running = self.start(role)?;
        let measured = self.watch(&running.config.topics.predictions, || running.app.failed().is_some());
        running.app.stop()?;
        measured
    }

    fn promote(&self, config: &Config) -> Result<()> {
        let artifact = Store::local(&config.store.path)?.put_model(&self.model)?;
        let mut publisher = self.transport.publisher()?;
        for record in models::promotion(&artifact) {
            let value = serde_json::to_vec(&record)?;
            publisher.send(&Outgoing {
                topic: &config.topics.models,
                partition: Some(0),
                key: None,
                value: Some(&value),
                headers: &[],
                timestamp: None,
            })?;
        }
        Ok(publisher.flush()?)
    }

    /// Looks at a topic from when a tenth of as many records as there are events can be seen there until all can: the
    /// start, which one that is seen early would have in it and one that is seen late would not, counts for nobody. The
    /// few marks of transactions that offsets count too are within a thousandth.
    pub(crate) fn watch(&self, topic: &str, has_failed: impl Fn() -> bool) -> Result<Measured> {
        let until = Instant::now() + RUN_LIMIT;
        let mut first: Option<(i64, Instant, f64)> = None;
        loop {
            let bounds = self.transport.bounds(topic)?.unwrap_or_default();
            let seen: i64 = bounds.iter().map(|bounds| bounds.end).sum();
            let (now, cpu) = (Instant::now(), machine::cpu_seconds());
            if let Some((before, since, cpu_before)) = first {
                if seen >= self.n_events as i64 {
                    let events = (seen - before) as f64;
                    let per_second = events / (now - since).as_secs_f64();
                    return Ok(Measured { per_second, cpu_us: (cpu - cpu_before) * 1e6 / events });
                }
            } else if seen >= self.n_events as i64 / 10 {
                first = Some((seen, now, cpu));
            }
            ensure!(!has_failed(), "the worker ended before its work was done");
            ensure!(now < until, "`{topic}` has {seen} records after {} s", RUN_LIMIT.as_secs());
            std::thread::sleep(LOOK);
        }
    }
}

fn set_inputs(config: &mut Config, name: &str) {
    config.topics.events = format!("{name}.events");
    config.topics.labels = Some(format!("{name}.labels"));
    config.events.topic = config.topics.events.clone();
}

fn linear(config: &Config, sample: &[Sent]) -> Result<Model> {
    let mut decoder = driftless::codec::EventDecoder::new(&config.events);
    let mut table = decoder.table();
    let mut features = Features::new(&config.features);
    let mut columns = Columns::new(features.width());
    let mut times: Vec<Timestamp> = Vec::new();
    for (row, sent) in sample.iter().enumerate() {
        decoder.decode(&sent.value, &mut table).map_err(|reject| anyhow::anyhow!(reject.message))?;
        features.event(EventRow { key: &sent.key, at: sent.at, table: &table, row }, &mut columns);
        times.push(sent.at);
    }
    models::linear(&Rows { names: &config.features.names, columns: &columns, times: &times })
}

/// Mean size of the predictions for the sample.
fn prediction_bytes(config: &Config, sample: &[Sent], model: &Arc<Model>) -> Result<usize> {
    let mut pipeline = Pipeline::new(Arc::new(pipeline_params(config)?), 0);
    let mut items: Vec<Item<Model>> = models::promotion_items(model).map(Item::Command).into();
    items.extend((0..).zip(sample).map(|(offset, sent)| sent.item(offset)));
    let mut out = Outbox::default();
    pipeline.handle(&items, Timestamp::from_millis(1), &mut out);
    let sizes: Vec<usize> = out
        .iter()
        .filter(|output| output.sink == Sink::Predictions)
        .filter_map(|output| output.value.map(<[u8]>::len))
        .collect();
    Ok(sizes.iter().sum::<usize>() / sizes.len().max(1))
}
