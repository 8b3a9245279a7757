//! What share of raw pass-through the score role reaches on a real Kafka, and what an event costs the client.
//!
//! Both sides read the same preloaded topic with one worker through the same transport: same client settings, same
//! transactions of 100 ms with offsets. Pass-through consumes, copies to an output as large as a prediction and
//! produces; the role decodes, computes windows, counts drift, scores with the linear model, and writes predictions and
//! its journal. They take turns, so that a busy machine disturbs both alike; the ratio of each round counts.
//!
//! A run is timed from the first output that a reader of committed records can see to the last; joining the group is not
//! in it. Processor time is that of the whole process, the client's own threads and the watching included.
//!
//! `DRIFTLESS_BENCH_BROKERS=HOST:PORT cargo bench --bench runtime`; `DRIFTLESS_BENCH_EVENTS` (500000),
//! `DRIFTLESS_BENCH_ROUNDS` (5).

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use common::flights::{self, Sent};
use common::models::{self, Rows};
use common::{Spread, count_from_env, machine};
use driftless::config::Config;
use driftless::data::{Columns, Item, Machine, Outbox, Sink, Timestamp};
use driftless::features::{EventRow, Features};
use driftless::model::Model;
use driftless::pipeline::Pipeline;
use driftless::registry::Store;
use driftless::runtime::{App, AppSetup, Roles, pipeline_params};
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::{Member, MemberSpec, News, Outgoing, Position, TopicPartition, TopicSpec, Transport};

const PARTITIONS: i32 = 4;
const INTERVAL: Duration = Duration::from_millis(100);
const RUN_LIMIT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(10);
/// Events on which profile, model and size of a prediction are measured.
const SAMPLE: usize = 20_000;

fn main() -> Result<()> {
    let Ok(brokers) = std::env::var("DRIFTLESS_BENCH_BROKERS") else {
        println!(
            "skipped: no Kafka given; `scripts/kafka start` starts one and prints its address, then\n\
             DRIFTLESS_BENCH_BROKERS=HOST:PORT cargo bench --bench runtime"
        );
        return Ok(());
    };
    let rounds = count_from_env("DRIFTLESS_BENCH_ROUNDS", 5).max(1);
    let bench = Bench::prepare(&brokers, count_from_env("DRIFTLESS_BENCH_EVENTS", 500_000))?;
    println!("machine: {}; broker on {brokers}", machine::describe());
    println!(
        "{} events in {PARTITIONS} partitions, predictions of {} bytes, linear model, 1 worker, transactions of {} ms\n",
        bench.n_events,
        bench.prediction_bytes,
        INTERVAL.as_millis()
    );
    println!("round   pass-through               score role                 ratio");
    let mut ratios = Vec::new();
    let mut costs = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        let passed = bench.pass_through(round)?;
        let scored = bench.score(round)?;
        let ratio = scored.per_second / passed.per_second;
        println!("{round:>5}   {passed}   {scored}   {ratio:.3}");
        ratios.push(ratio);
        costs[0].push(passed.cpu_us);
        costs[1].push(scored.cpu_us);
    }
    let [passed, scored] = costs.map(|cost| Spread::of(cost).median);
    println!(
        "\nmedian ratio {:.3}; client processor time per event: pass-through {passed:.2} us, score {scored:.2} us",
        Spread::of(ratios).median
    );
    Ok(())
}

struct Bench {
    transport: Arc<dyn Transport>,
    config: Config,
    model: Arc<Model>,
    /// Makes topics and groups of this sitting its own.
    name: String,
    n_events: usize,
    prediction_bytes: usize,
}

/// One run.
struct Measured {
    per_second: f64,
    cpu_us: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>8.0} /s, {:>5.2} us CPU", self.per_second, self.cpu_us)
    }
}

impl Bench {
    fn prepare(brokers: &str, n_events: usize) -> Result<Bench> {
        let transport: Arc<dyn Transport> = Arc::new(Kafka::new(KafkaParams::new(brokers, "driftless-bench"))?);
        let name = format!("bench-{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis());
        let mut config = Config::load(&flights::project().join("examples/flights.toml"))?;
        config.kafka.set_brokers(brokers)?;
        config.topics.events = format!("{name}.events");
        config.topics.labels = Some(format!("{name}.labels"));
        config.events.topic = config.topics.events.clone();
        let events = flights::events(n_events.max(SAMPLE))?;
        let sample = events.get(..SAMPLE).unwrap_or(&events);
        let model = Arc::new(linear(&config, sample)?);
        let prediction_bytes = prediction_bytes(&config, sample, &model)?;
        let bench = Bench { transport, config, model, name, n_events, prediction_bytes };
        bench.preload(&events[..n_events])?;
        Ok(bench)
    }

    fn preload(&self, events: &[Sent]) -> Result<()> {
        let topics = &self.config.topics;
        let labels = topics.labels.as_deref().context("the flights have labels")?;
        self.create(&[(&topics.events, PARTITIONS), (labels, PARTITIONS)])?;
        let mut publisher = self.transport.publisher()?;
        for event in events {
            publisher.send(&Outgoing {
                topic: &topics.events,
                partition: None,
                key: Some(&event.key),
                value: Some(&event.value),
                headers: &[],
                timestamp: Some(event.at),
            })?;
        }
        Ok(publisher.flush()?)
    }

    fn create(&self, topics: &[(&str, i32)]) -> Result<()> {
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

    /// Consume, copy, produce.
    fn pass_through(&self, round: usize) -> Result<Measured> {
        let output = format!("{}.raw-{round}", self.name);
        self.create(&[(&output, PARTITIONS)])?;
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| self.pass_all(&output, &stop));
            let measured = self.watch(&output, || worker.is_finished());
            stop.store(true, Ordering::Relaxed);
            match worker.join() {
                Ok(done) => done.and(measured),
                Err(_) => bail!("the pass-through panicked"),
            }
        })
    }

    fn pass_all(&self, output: &str, stop: &AtomicBool) -> Result<()> {
        let input = self.config.topics.events.clone();
        let spec =
            MemberSpec { group: output.to_owned(), transactional_id: output.to_owned(), inputs: vec![input.clone()] };
        let mut member = self.transport.join(&spec)?;
        let mut positions: BTreeMap<i32, i64> = BTreeMap::new();
        let mut open: Option<Instant> = None;
        let mut copy = vec![b' '; self.prediction_bytes];
        let mut news = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let wait = if news.is_empty() { Duration::from_millis(5) } else { Duration::ZERO };
            news.clear();
            member.poll(wait, self.config.score.max_batch, &mut news)?;
            for item in &news {
                match item {
                    News::Record { partition, record, .. } => {
                        if open.is_none() {
                            member.begin()?;
                            open = Some(Instant::now());
                        }
                        let value = record.value.as_deref().unwrap_or_default();
                        let n = value.len().min(copy.len());
                        copy[..n].copy_from_slice(&value[..n]);
                        member.send(&Outgoing {
                            topic: output,
                            partition: Some(*partition),
                            key: record.key.as_deref(),
                            value: Some(&copy),
                            headers: &[],
                            timestamp: None,
                        })?;
                        positions.insert(*partition, record.offset + 1);
                    }
                    News::Assigned(partitions) => {
                        let at = |partition: &i32| Position { at: TopicPartition::new(&input, *partition), next: 0 };
                        member.start(&partitions.iter().map(at).collect::<Vec<_>>())?;
                    }
                    News::End { .. } => {}
                    News::Revoked(_) | News::Lost(_) => bail!("the group took partitions back"),
                }
            }
            if open.is_some_and(|since| since.elapsed() >= INTERVAL) {
                commit(&mut *member, &input, &positions)?;
                open = None;
            }
        }
        member.close();
        Ok(())
    }

    /// The score role, as `driftless run --role score` starts it.
    fn score(&self, round: usize) -> Result<Measured> {
        let directory = tempfile::tempdir()?;
        let mut config = self.config.clone();
        config.app = format!("{}.app-{round}", self.name);
        config.store.path = directory.path().to_owned();
        config.score.workers = 1;
        let topics = &mut config.topics;
        let written = [&mut topics.predictions, &mut topics.outcomes, &mut topics.dead_letters];
        for topic in written.into_iter().chain([&mut topics.journal, &mut topics.state]) {
            *topic = format!("{}.{topic}-{round}", self.name);
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
            *topic = format!("{}.{topic}-{round}", self.name);
            self.create(&[(topic, 1)])?;
        }
        self.promote(&config)?;
        let output = config.topics.predictions.clone();
        let roles = Roles { score: true, monitor: false, retrain: false };
        let setup = AppSetup {
            config: Arc::new(config),
            transport: self.transport.clone(),
            roles,
            instance: "bench".to_owned(),
            stepped: false,
            trust_journal: false,
        };
        let app = App::start(setup)?;
        let measured = self.watch(&output, || app.failed().is_some());
        app.stop()?;
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

    /// Looks at a topic until as many records as there are events can be seen there. The few marks of transactions
    /// that offsets count too are within a thousandth.
    fn watch(&self, topic: &str, has_failed: impl Fn() -> bool) -> Result<Measured> {
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
            } else if seen > 0 {
                first = Some((seen, now, cpu));
            }
            ensure!(!has_failed(), "the worker ended before its work was done");
            ensure!(now < until, "`{topic}` has {seen} records after {} s", RUN_LIMIT.as_secs());
            std::thread::sleep(LOOK);
        }
    }
}

fn commit(member: &mut dyn Member, input: &str, positions: &BTreeMap<i32, i64>) -> Result<()> {
    let positions: Vec<Position> = positions
        .iter()
        .map(|(partition, next)| Position { at: TopicPartition::new(input, *partition), next: *next })
        .collect();
    Ok(member.commit(&positions)?)
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
