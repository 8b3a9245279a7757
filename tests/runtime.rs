//! The roles over the memory transport, step by step: faults at any commit leave the same topics as an undisturbed run.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use driftless::config::Config;
use driftless::data::{Item, Prediction, Timestamp};
use driftless::runtime::{App, AppSetup, Roles};
use driftless::transport::memory::{Cue, Fault, Memory};
use driftless::transport::{Outgoing, Position, TopicPartition, TopicSpec, Transport};
use support::{config, disordered};

const PARTITIONS: i32 = 2;
const STEP_MS: i64 = 600_000;
const LIMIT: Duration = Duration::from_secs(60);

struct Bench {
    memory: Memory,
    config: Arc<Config>,
    store: tempfile::TempDir,
}

/// What is published for good, partition by partition.
#[derive(Debug, PartialEq)]
struct Published {
    predictions: Vec<Vec<Vec<u8>>>,
    outcomes: Vec<Vec<Vec<u8>>>,
    dead_letters: Vec<Vec<Vec<u8>>>,
    performance: Vec<Vec<Vec<u8>>>,
    alerts: Vec<Vec<Vec<u8>>>,
}

impl Bench {
    fn new() -> Self {
        let store = tempfile::tempdir().unwrap();
        let mut config = config();
        config.store.path = store.path().to_owned();
        let memory = Memory::new();
        let specs: Vec<TopicSpec> = config
            .topics
            .named()
            .into_iter()
            .map(|topic| TopicSpec {
                name: topic.name.to_owned(),
                partitions: match topic.key.rsplit('.').next() {
                    Some("drift-alerts" | "performance" | "summaries" | "models" | "monitor-journal") => 1,
                    _ => PARTITIONS,
                },
                replication: -1,
                config: Vec::new(),
            })
            .collect();
        memory.create(&specs).unwrap();
        Bench { memory, config: Arc::new(config), store }
    }

    fn start(&self) -> App {
        App::start(AppSetup {
            config: self.config.clone(),
            transport: Arc::new(self.memory.clone()),
            roles: Roles::ALL,
            instance: "a".into(),
            stepped: true,
        })
        .unwrap()
    }

    /// Publishes the records of the sequence in steps; `between` is called before every step and may restart the app.
    fn run(&self, seed: u64, n: usize, mut between: impl FnMut(usize, App) -> App) {
        let mut publisher = self.memory.publisher().unwrap();
        let topics = &self.config.topics;
        let names = [topics.events.clone(), topics.labels.clone().unwrap()];
        let mut app = self.start();
        let mut step = 0;
        let mut now = STEP_MS;
        // No late events: a late one changes a window whose verdict may be out, by how far the other shard is.
        for item in disordered(seed, n, false) {
            let Item::Record { input, record } = item else { continue };
            while record.timestamp.millis() >= now {
                app = between(step, app);
                self.step(&app, now);
                (step, now) = (step + 1, now + STEP_MS);
            }
            publisher
                .send(&Outgoing {
                    topic: &names[usize::from(input.0)],
                    partition: None,
                    key: record.key.as_deref(),
                    value: record.value.as_deref(),
                    headers: &[],
                    timestamp: Some(record.timestamp),
                })
                .unwrap();
        }
        self.step(&app, now);
        app.stop().unwrap();
    }

    fn step(&self, app: &App, now: i64) {
        let topics = &self.config.topics;
        let mut ends = Vec::new();
        for topic in [&topics.events, topics.labels.as_ref().unwrap()] {
            for (partition, bounds) in self.memory.bounds(topic).unwrap().unwrap().into_iter().enumerate() {
                ends.push(Position { at: TopicPartition::new(topic.as_str(), partition as i32), next: bounds.end });
            }
        }
        app.advance(Timestamp::from_millis(now), &ends).unwrap();
        app.settle(LIMIT).unwrap();
    }

    fn values(&self, topic: &str) -> Vec<Vec<Vec<u8>>> {
        let partitions = self.memory.bounds(topic).unwrap().unwrap().len();
        (0..partitions)
            .map(|partition| {
                let records = self.memory.records(&TopicPartition::new(topic, partition as i32));
                records.into_iter().map(|record| record.value.unwrap_or_default().into_vec()).collect()
            })
            .collect()
    }

    fn published(&self) -> Published {
        let topics = &self.config.topics;
        Published {
            predictions: self.values(&topics.predictions),
            outcomes: self.values(&topics.outcomes),
            dead_letters: self.values(&topics.dead_letters),
            performance: self.values(&topics.performance),
            alerts: self.values(&topics.drift_alerts),
        }
    }
}

fn undisturbed(seed: u64, n: usize) -> Published {
    let bench = Bench::new();
    bench.run(seed, n, |_, app| app);
    bench.published()
}

/// Which topics differ and where first; a comparison of whole topics would print megabytes.
fn differences(one: &Published, other: &Published) -> Vec<String> {
    let topics = [
        ("predictions", &one.predictions, &other.predictions),
        ("outcomes", &one.outcomes, &other.outcomes),
        ("dead letters", &one.dead_letters, &other.dead_letters),
        ("performance", &one.performance, &other.performance),
        ("alerts", &one.alerts, &other.alerts),
    ];
    let mut found = Vec::new();
    for (topic, one, other) in topics {
        for (partition, (one, other)) in one.iter().zip(other).enumerate() {
            if let Some(at) = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at)) {
                let text = |values: &[Vec<u8>]| values.get(at).map(|value| String::from_utf8_lossy(value).into_owned());
                found.push(format!("{topic} {partition} at {at}: {:?} / {:?}", text(one), text(other)));
            }
        }
    }
    found
}

fn assert_whole(published: &Published) {
    let ids: Vec<String> = published
        .predictions
        .iter()
        .flatten()
        .map(|value| serde_json::from_slice::<Prediction>(value).unwrap().event_id)
        .collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "an event was predicted twice");
    assert!(ids.len() > 100 && !published.performance[0].is_empty());
}

#[test]
fn two_runs_over_the_same_input_publish_the_same_bytes() {
    let published = undisturbed(11, 400);
    assert_whole(&published);
    assert_eq!(differences(&published, &undisturbed(11, 400)), Vec::<String>::new());
}

#[test]
fn a_failed_commit_of_any_kind_leaves_no_trace_in_what_is_published() {
    let expected = undisturbed(12, 300);
    for (fault, nth) in [
        (Fault::RefuseCommit, 2),
        (Fault::RefuseCommit, 3),
        (Fault::LoseAnswer, 2),
        (Fault::LoseCommit, 3),
        (Fault::Kick, 2),
        (Fault::RefuseSend, 40),
    ] {
        for role in ["score", "monitor"] {
            let bench = Bench::new();
            bench.memory.plan(Cue { transactional_id: format!("shops.{role}.a.0"), nth, fault });
            bench.run(12, 300, |_, app| app);
            let found = differences(&bench.published(), &expected);
            assert!(found.is_empty(), "{fault:?} at {nth} of {role}: {found:#?}");
        }
    }
}

#[test]
fn a_process_that_dies_and_starts_again_goes_on_where_its_journal_ends() {
    let expected = undisturbed(13, 300);
    let bench = Bench::new();
    bench.run(13, 300, |step, app| {
        if step == 0 || step % 2 == 1 {
            return app;
        }
        for role in ["score", "monitor", "retrain"] {
            bench.memory.kill(&format!("shops.{role}.a.0"));
        }
        let _ = app.stop();
        bench.start()
    });
    let published = bench.published();
    assert_whole(&published);
    assert_eq!(differences(&published, &expected), Vec::<String>::new());
    drop(bench.store);
}
