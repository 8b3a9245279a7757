//! An application over any transport, stepped through a sequence, and what it has published.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless::codec::read;
use driftless::config::Config;
use driftless::data::{Header, InputIndex, Item, Prediction, Record, Timestamp};
use driftless::runtime::{App, AppSetup, RoleError, Roles};
use driftless::transport::{News, Outgoing, Position, TopicPartition, TopicSpec, Transport};

use super::disordered;

const PARTITIONS: i32 = 2;
const STEP_MS: i64 = 600_000;
const LIMIT: Duration = Duration::from_secs(60);

/// An application with its topics and store.
pub(crate) struct Bench {
    pub transport: Arc<dyn Transport>,
    pub config: Arc<Config>,
    pub store: tempfile::TempDir,
    pub trust_journal: bool,
    /// How records of the sequence, events and follow-ups, are written.
    pub encode: fn(InputIndex, &[u8]) -> Vec<u8>,
    /// Headers of the records of an input, by number.
    pub headers: fn(InputIndex, i64) -> Vec<Header>,
    /// The configuration that ran before.
    pub previous: Option<Arc<Config>>,
}

/// What is published for good, partition by partition.
#[derive(Debug, PartialEq)]
pub(crate) struct Published {
    pub predictions: Vec<Vec<Vec<u8>>>,
    pub outcomes: Vec<Vec<Vec<u8>>>,
    pub dead_letters: Vec<Vec<Vec<u8>>>,
    pub performance: Vec<Vec<Vec<u8>>>,
    pub alerts: Vec<Vec<Vec<u8>>>,
}

impl Bench {
    /// Creates the topics of `config` with a store of their own.
    pub(crate) fn new(transport: Arc<dyn Transport>, config: Config) -> Self {
        Bench::with_partitions(transport, config, PARTITIONS)
    }

    /// The same with so many partitions.
    pub(crate) fn with_partitions(transport: Arc<dyn Transport>, mut config: Config, partitions: i32) -> Self {
        let store = tempfile::tempdir().unwrap();
        config.store.path = store.path().to_owned();
        let specs: Vec<TopicSpec> = config
            .topics
            .named()
            .into_iter()
            .map(|topic| TopicSpec {
                name: topic.name.to_owned(),
                partitions: match topic.key.rsplit('.').next() {
                    Some(
                        "drift-alerts" | "performance" | "summaries" | "models" | "monitor-journal" | "monitor-state",
                    ) => 1,
                    _ => partitions,
                },
                replication: -1,
                config: Vec::new(),
            })
            .collect();
        transport.create(&specs).unwrap();
        Bench {
            transport,
            config: Arc::new(config),
            store,
            trust_journal: false,
            encode: |_, value| value.to_vec(),
            headers: |_, _| Vec::new(),
            previous: None,
        }
    }

    /// The same application under another configuration, which takes over what this one holds.
    pub(crate) fn changed(&self, mut config: Config) -> Self {
        config.store.path.clone_from(&self.config.store.path);
        let (transport, previous) = (self.transport.clone(), Some(self.config.clone()));
        Bench {
            transport,
            config: Arc::new(config),
            store: tempfile::tempdir().unwrap(),
            trust_journal: false,
            encode: self.encode,
            headers: self.headers,
            previous,
        }
    }

    pub(crate) fn start(&self) -> App {
        self.start_as("a", Roles::ALL, true)
    }

    /// The score role as it runs in production, on the machine's clock.
    pub(crate) fn start_live(&self, instance: &str) -> App {
        self.start_as(instance, Roles { score: true, monitor: false, retrain: false }, false)
    }

    /// Starts roles on the machine's clock, if they can be started.
    pub(crate) fn try_start(&self, instance: &str, roles: Roles) -> Result<App, RoleError> {
        App::start(self.setup(instance, roles, false))
    }

    pub(crate) fn start_as(&self, instance: &str, roles: Roles, stepped: bool) -> App {
        App::start(self.setup(instance, roles, stepped)).unwrap()
    }

    fn setup(&self, instance: &str, roles: Roles, stepped: bool) -> AppSetup {
        AppSetup {
            config: self.config.clone(),
            previous: self.previous.clone(),
            transport: self.transport.clone(),
            roles,
            instance: instance.into(),
            stepped,
            trust_journal: self.trust_journal,
        }
    }

    /// Publishes `n` events from number `from` on, a millisecond or more apart.
    pub(crate) fn publish_slowly(&self, from: usize, n: usize) {
        let mut publisher = self.transport.publisher().unwrap();
        for number in from..from + n {
            let shop = ["north", "south", "east", "west"][number % 4];
            let value = format!("{{\"id\":\"e{number}\",\"at\":{},\"amount\":1,\"card\":\"c\"}}", number * 1_000);
            publisher
                .send(&Outgoing {
                    topic: &self.config.topics.events,
                    partition: None,
                    key: Some(shop.as_bytes()),
                    value: Some(value.as_bytes()),
                    headers: &[],
                    timestamp: Some(Timestamp::from_millis(number as i64 * 1_000)),
                })
                .unwrap();
            let sent = Instant::now();
            while sent.elapsed() < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
        }
        publisher.flush().unwrap();
    }

    /// Waits until a role has stopped by itself, and says why.
    pub(crate) fn stopped(&self, app: &App) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(error) = app.failed() {
                return error.why;
            }
            assert!(Instant::now() < until, "no role stopped; missing: {:?}", app.missing());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until `reached`.
    pub(crate) fn until(&self, app: &App, mut reached: impl FnMut() -> bool) {
        let until = Instant::now() + LIMIT;
        while !reached() {
            assert!(app.failed().is_none(), "{:?}", app.failed());
            assert!(Instant::now() < until, "not reached; missing: {:?}", app.missing());
            std::thread::yield_now();
        }
    }

    /// Committed predictions.
    pub(crate) fn predicted(&self) -> Vec<Prediction> {
        let values = self.values(&self.config.topics.predictions).into_iter().flatten();
        values.map(|value| read("prediction", Some(&value)).unwrap()).collect()
    }

    /// Records written to the predictions topic, those of open transactions included.
    pub(crate) fn written(&self) -> i64 {
        let bounds = self.transport.bounds(&self.config.topics.predictions).unwrap().unwrap();
        bounds.iter().map(|bounds| bounds.high).sum()
    }

    /// Publishes the records of the sequence in steps; `between` is called before every step and may restart the app.
    pub(crate) fn run(&self, seed: u64, n: usize, mut between: impl FnMut(usize, App) -> App) {
        let mut publisher = self.transport.publisher().unwrap();
        let topics = &self.config.topics;
        let names = [topics.events.clone(), topics.labels.clone().unwrap()];
        let mut app = self.start();
        let mut step = 0;
        let mut now = STEP_MS;
        // No late events: a late one changes a window whose verdict may be out, by how far the other shard is.
        for item in disordered(seed, n, false) {
            let Item::Record { input, record } = item else { continue };
            while record.timestamp.millis() >= now {
                publisher.flush().unwrap();
                app = between(step, app);
                self.step(&app, now);
                (step, now) = (step + 1, now + STEP_MS);
            }
            let value = record.value.as_deref().map(|value| (self.encode)(input, value));
            publisher
                .send(&Outgoing {
                    topic: &names[usize::from(input.0)],
                    partition: None,
                    key: record.key.as_deref(),
                    value: value.as_deref(),
                    headers: &(self.headers)(input, record.offset),
                    timestamp: Some(record.timestamp),
                })
                .unwrap();
        }
        publisher.flush().unwrap();
        self.step(&app, now);
        app.stop().unwrap();
    }

    pub(crate) fn step(&self, app: &App, now: i64) {
        let topics = &self.config.topics;
        let mut ends = Vec::new();
        for topic in topics.inputs() {
            for (partition, bounds) in self.transport.bounds(topic).unwrap().unwrap().into_iter().enumerate() {
                ends.push(Position { at: TopicPartition::new(topic.as_str(), partition as i32), next: bounds.end });
            }
        }
        app.advance(Timestamp::from_millis(now), &ends).unwrap();
        app.settle(LIMIT).unwrap();
    }

    /// All committed values of a topic, partition by partition.
    pub(crate) fn values(&self, topic: &str) -> Vec<Vec<Vec<u8>>> {
        let value = |record: Record| record.value.unwrap_or_default().into_vec();
        self.records(topic).into_iter().map(|records| records.into_iter().map(value).collect()).collect()
    }

    /// All committed records of a topic, partition by partition.
    pub(crate) fn records(&self, topic: &str) -> Vec<Vec<Record>> {
        let bounds = self.transport.bounds(topic).unwrap().unwrap();
        let mut reader = self.transport.reader(&[topic.to_owned()]).unwrap();
        let starts: Vec<Position> = bounds
            .iter()
            .enumerate()
            .map(|(partition, bounds)| Position {
                at: TopicPartition::new(topic, partition as i32),
                next: bounds.start,
            })
            .collect();
        reader.start(&starts).unwrap();
        let mut records = vec![Vec::new(); bounds.len()];
        let mut ended = BTreeSet::new();
        let until = Instant::now() + LIMIT;
        while ended.len() < bounds.len() {
            assert!(Instant::now() < until, "`{topic}` cannot be read to its end");
            let mut news = Vec::new();
            reader.poll(Duration::from_millis(100), 10_000, &mut news).unwrap();
            for news in news {
                match news {
                    News::Record { partition, record, .. } => {
                        records[partition as usize].push(record);
                    }
                    News::End { partition, .. } => {
                        ended.insert(partition);
                    }
                    _ => {}
                }
            }
        }
        records
    }

    pub(crate) fn published(&self) -> Published {
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

/// Which topics differ and where first; a comparison of whole topics would print megabytes.
pub(crate) fn differences(one: &Published, other: &Published) -> Vec<String> {
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

/// No event has two predictions, and there are results at all.
pub(crate) fn assert_whole(published: &Published) {
    let ids: Vec<String> = published
        .predictions
        .iter()
        .flatten()
        .map(|value| read::<Prediction>("prediction", Some(value)).unwrap().event_id)
        .collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "an event was predicted twice");
    assert!(ids.len() > 100 && !published.performance[0].is_empty());
}
