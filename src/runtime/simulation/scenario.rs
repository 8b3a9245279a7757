//! What a seed is made of: a tiny application, its inputs, and how rough the world is.
//!
//! Half of the seeds have all inputs written before the start: their order is canonical, so what comes out can be held
//! against an undisturbed run. The others get them piece by piece, out of order and doubled.

use std::time::Duration;

use super::stock::{evidence, stock};
use crate::data::{ArtifactRef, ModelCommand, ModelRecord, SettingChange, Span, Timestamp};
use crate::stats::SplitMix64;

/// A last event of every shard comes so late that all windows before it are settled.
pub(super) const CLOSING: i64 = 4 * 3_600_000;
const SHOPS: [&str; 5] = ["north", "south", "east", "west", "mid"];

/// One record on its way to a topic.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub topic: String,
    pub partition: i32,
    pub key: Option<&'static str>,
    pub value: Option<Vec<u8>>,
    pub at: i64,
}

/// An event as the checker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub id: Option<String>,
    pub key: String,
}

/// How often what happens, as shares of all steps.
#[derive(Clone, Debug)]
pub(super) struct Temper {
    pub crash: u64,
    pub freeze: u64,
    pub replace: u64,
    pub leave: u64,
    pub commit_fault: u64,
    pub late_marks: u64,
    pub stall: u64,
    /// One of so many calls is interrupted; 0 for none.
    pub interrupt: u64,
    /// One of so many calls fails by itself; 0 for none.
    pub fail: u64,
    pub long_waits: bool,
}

pub(super) struct Scenario {
    pub shards: i32,
    /// Whether inputs arrive while the application runs.
    pub live: bool,
    pub instances: usize,
    pub monitors: usize,
    pub transaction: Duration,
    /// Between the beginnings of two checkpoints.
    pub checkpoint: Duration,
    pub max_batch: usize,
    /// How far a shard may run ahead of the others.
    pub max_skew: Option<Span>,
    pub steps: usize,
    pub arrivals: Vec<Arrival>,
    pub temper: Temper,
}

impl Scenario {
    pub(super) fn new(random: &mut SplitMix64) -> Self {
        let live = random.below(2) == 0;
        let shards = 1 + random.below(3) as i32;
        let monitors = random.below(3) as usize;
        let temper = Temper::new(random);
        Scenario {
            shards,
            live,
            instances: 1 + random.below(3) as usize,
            monitors,
            transaction: Duration::from_millis([0, 1, 10, 40, 150][random.below(5) as usize]),
            checkpoint: Duration::from_millis([0, 30, 200, 1_000, 60_000][random.below(5) as usize]),
            max_batch: [1, 2, 3, 5, 9, 40][random.below(6) as usize],
            max_skew: None,
            steps: 100 + random.below(200) as usize,
            arrivals: arrivals(random, shards, live),
            temper,
        }
    }

    /// Adds commands on settings, and some that make no sense; before the first record where the order is to be canonical.
    pub(super) fn change_settings(&mut self, random: &mut SplitMix64) {
        const CHANGES: [(&str, Option<&str>); 9] = [
            ("score.threshold", Some("0.05")),
            ("score.threshold", Some("0.9")),
            ("score.threshold", None),
            ("score.threshold", Some("9")),
            ("drift.min_n", Some("1")),
            ("drift.psi_effect", Some("1000")),
            ("performance.min_n", Some("1")),
            ("retrain.min_labels", Some("1000000")),
            ("a.key.of.another.version", Some("1")),
        ];
        for _ in 0..1 + random.below(6) {
            let (key, value) = CHANGES[random.below(CHANGES.len() as u64) as usize];
            let at = if self.live { random.below(self.arrivals.len() as u64) as usize } else { 0 };
            self.arrivals.insert(at, set(key, value));
        }
    }
}

impl Temper {
    /// Every kind of trouble is there in some seeds only: where there is less of one, another comes further.
    fn new(random: &mut SplitMix64) -> Self {
        let mut share = |most: u64| if random.below(2) == 0 { 0 } else { 1 + random.below(most) };
        Temper {
            crash: share(4),
            freeze: share(4),
            replace: share(3),
            leave: share(3),
            commit_fault: share(10),
            late_marks: share(8),
            stall: share(6),
            interrupt: share(40),
            fail: if share(2) == 0 { 0 } else { 60 + share(200) },
            long_waits: share(2) > 0,
        }
    }
}

fn arrivals(random: &mut SplitMix64, shards: i32, live: bool) -> Vec<Arrival> {
    let topics = &stock().config.topics;
    let mut timed: Vec<Arrival> = Vec::new();
    let n_events = 16 + random.below(30);
    for number in 0..n_events {
        let at = number as i64 * 45_000 + random.below(20_000) as i64;
        let shop = random.below(SHOPS.len() as u64) as usize;
        let (partition, key) = (shop as i32 % shards, Some(SHOPS[shop]));
        let id = format!("e{number}");
        let value = match random.below(12) {
            0 => format!("{{\"id\":\"{id}\",\"at\":{at}}}"),
            1 => "{\"broken".to_owned(),
            _ => {
                let (amount, terminal) = (random.below(10_000) as f64 / 100.0, number % 4);
                format!("{{\"id\":\"{id}\",\"at\":{at},\"amount\":{amount},\"terminal\":\"t{terminal}\"}}")
            }
        };
        timed.push(Arrival { topic: topics.events.clone(), partition, key, value: Some(value.into_bytes()), at });
        for revision in 0..=u64::from(random.below(8) == 0) {
            let known = if random.below(12) == 0 { at - 9_000 } else { at + random.below(400_000) as i64 };
            let fraud = (random.below(3) + revision) % 2;
            let value =
                format!("{{\"event_id\":\"{id}\",\"known_at\":{known},\"kind\":\"checked\",\"fraud\":{fraud}}}");
            let topic = topics.labels.clone().unwrap();
            timed.push(Arrival { topic, partition, key, value: Some(value.into_bytes()), at: known });
        }
    }
    timed.extend(facts(random, shards, n_events));
    timed.sort_by_key(|arrival| arrival.at);
    if live {
        disturb(random, &mut timed);
    }
    for partition in 0..shards {
        let id = format!("closing{partition}");
        let value = Some(format!("{{\"id\":\"{id}\",\"at\":{CLOSING},\"amount\":1}}").into_bytes());
        let key = Some(SHOPS[partition as usize]);
        timed.push(Arrival { topic: topics.events.clone(), partition, key, value, at: CLOSING });
    }
    let with_models = random.below(3) > 0;
    if with_models {
        let place = |random: &mut SplitMix64, n: usize| if live { random.below(n as u64) as usize } else { 0 };
        let mut commands = vec![registered(1, 0)];
        if !live {
            commands.push(promoted(1, 0));
        } else if random.below(2) == 0 {
            commands.push(registered(2, 1));
        }
        let mut from = 0;
        for command in commands {
            from = (place(random, timed.len()) + usize::from(!live) * from).max(from);
            timed.insert(from, command);
            from += 1;
        }
    }
    timed
}

/// What becomes known of the shops, where there is a topic for it: some of it broken, some taken back.
fn facts(random: &mut SplitMix64, shards: i32, n_events: u64) -> Vec<Arrival> {
    let Some(topic) = stock().config.topics.facts.first() else { return Vec::new() };
    let fact = |number: u64| {
        let at = number as i64 * 30_000 + random.below(30_000) as i64;
        let shop = random.below(SHOPS.len() as u64) as usize;
        let (country, limit) = (["DE", "FR", "IT"][random.below(3) as usize], random.below(9));
        let value = match random.below(10) {
            0 => None,
            1 => Some("{\"limit\":-1}".to_owned()),
            2 => Some(format!("{{\"limit\":{limit}}}")),
            _ => Some(format!("{{\"country\":\"{country}\",\"limit\":{limit}}}")),
        };
        Arrival {
            topic: topic.name.clone(),
            partition: shop as i32 % shards,
            key: Some(SHOPS[shop]),
            value: value.map(String::into_bytes),
            at,
        }
    };
    (0..n_events).map(fact).collect()
}

/// Neighbours change places, and some records come twice.
fn disturb(random: &mut SplitMix64, arrivals: &mut Vec<Arrival>) {
    for at in 1..arrivals.len() {
        if random.below(4) == 0 {
            arrivals.swap(at, at - 1 - random.below(at.min(6) as u64) as usize);
        }
    }
    for _ in 0..arrivals.len() / 12 {
        let twice = random.below(arrivals.len() as u64) as usize;
        let later = twice + random.below((arrivals.len() - twice) as u64) as usize;
        arrivals.insert(later, arrivals[twice].clone());
    }
}

fn registered(version: u32, replaces: u32) -> Arrival {
    let artifact = stock_artifact(version);
    control(&ModelRecord { artifact: Some(artifact), ..command(ModelCommand::Registered, version, replaces) })
}

fn set(key: &str, value: Option<&str>) -> Arrival {
    let setting = SettingChange { key: key.to_owned(), value: value.map(str::to_owned), was: None };
    control(&ModelRecord { setting: Some(setting), ..command(ModelCommand::Set, 0, 0) })
}

fn promoted(version: u32, replaces: u32) -> Arrival {
    control(&command(ModelCommand::Promoted, version, replaces))
}

fn stock_artifact(version: u32) -> ArtifactRef {
    stock().artifacts[version as usize - 1].clone()
}

fn control(record: &ModelRecord) -> Arrival {
    let mut value = Vec::new();
    crate::codec::write(record, &mut value);
    Arrival { topic: stock().config.topics.models.clone(), partition: 0, key: None, value: Some(value), at: 0 }
}

fn command(command: ModelCommand, version: u32, replaces: u32) -> ModelRecord {
    ModelRecord {
        replaces,
        at: Timestamp::from_millis(0),
        by: "simulation".into(),
        why: "simulation".into(),
        evidence: (command == ModelCommand::Registered).then(evidence),
        ..ModelRecord::plain(command, version)
    }
}
