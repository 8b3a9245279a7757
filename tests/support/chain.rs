//! Payments with a card and a terminal, and the stages of their chain as bare machines: whoever turns next, how much is
//! there to read, what is rolled back and who starts again follows from a seed.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless::config::Config;
use driftless::data::{Extent, InputIndex, Item, Machine, Outbox, Prediction, Record, Sink, Timestamp, partition_for};
use driftless::pipeline::{EVENTS, HOP, LABELS, Pipeline, PipelineParams, Tally};
use driftless::runtime::chain_params;
use driftless::stats::SplitMix64;

/// The lateness that the records keep to.
pub(crate) const LATENESS_MS: i64 = 5_000;

const CONFIG: &str = r#"
app = "payments"

[events]
key = "card"
id = "id"
time = "at"
lateness = "5s"

[events.fields.amount]
type = "number"
required = true

[events.fields.terminal]
type = "string"

[events.fields.device]
type = "string"

[labels]
event_id = "event_id"
time = "known_at"
kind = "kind"
wait = "1h"

[labels.kinds.checked.fields.fraud]
type = "number"
required = true

[labels.kinds.checked.fields.stamp]
type = "number"

[labels.kinds.seen.fields.stamp]
type = "number"

[labels.label]
kind = "checked"
field = "fraud"
prior = 0.1

[features]
fields = ["amount"]
order = "event-time"
idle_after = "0ms"

[[features.windows]]
spans = ["1m"]
aggregates = ["count", "sum:amount"]
panes = 6

[[features.windows]]
by = ["terminal"]
spans = ["1m", "10m"]
aggregates = ["count", "sum:amount", "since_last"]
panes = 6

[[features.windows]]
of = "checked"
by = ["terminal"]
spans = ["5m"]
aggregates = ["count", "sum:fraud", "max:stamp"]
panes = 5

[score]
checkpoint = "20ms"
transaction = "10ms"

[drift]
window = "30m"
min_n = 20

[performance]
window = "30m"
every = "1m"
min_n = 20
"#;

/// Windows by the device: a second hop.
const DEVICE: &str = r#"
[[features.windows]]
by = ["device"]
spans = ["10m"]
aggregates = ["count"]
panes = 10

[[features.windows]]
of = "seen"
by = ["device"]
spans = ["5m"]
aggregates = ["count", "max:stamp"]
panes = 5
"#;

/// The configuration with one hop or two.
pub(crate) fn text(n_hops: usize) -> String {
    if n_hops > 1 { CONFIG.replace("[score]", &format!("{DEVICE}\n[score]")) } else { CONFIG.to_owned() }
}

/// A record on its way, in the order in which they are appended to their topics.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub input: InputIndex,
    pub key: String,
    pub at: i64,
    pub value: String,
}

/// What an event is, for whoever computes windows another way.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub id: String,
    pub card: String,
    pub terminal: String,
    pub device: String,
    pub at: i64,
    pub amount: f64,
}

/// A follow-up.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub id: String,
    pub kind: &'static str,
    pub known_at: i64,
    pub fraud: f64,
}

/// Payments and what became known of them.
pub(crate) struct Stream {
    pub sent: Vec<Sent>,
    pub payments: Vec<Payment>,
    pub known: Vec<Known>,
}

/// Times go forward by a second or so; what is appended lies at most `disorder` behind what was before.
pub(crate) fn stream(seed: u64, n: usize, disorder: i64) -> Stream {
    let mut random = SplitMix64::new(seed);
    let mut timed: Vec<(i64, Sent)> = Vec::new();
    let (mut payments, mut known) = (Vec::new(), Vec::new());
    for number in 0..n {
        let appended = number as i64 * 1_000 - 60_000;
        let back = |random: &mut SplitMix64| if disorder == 0 { 0 } else { random.below(disorder as u64) as i64 };
        // Several events have the same time.
        let at = (appended - back(&mut random)).div_euclid(500) * 500;
        let payment = Payment {
            id: format!("e{:04}", (number * 7_919) % 10_000),
            card: format!("card{}", random.below(9)),
            terminal: format!("t{}", random.below(4)),
            device: format!("d{}", random.below(3)),
            at,
            amount: random.below(500) as f64,
        };
        let Payment { id, card, terminal, device, amount, .. } = &payment;
        let value = format!(
            "{{\"id\":\"{id}\",\"at\":{at},\"amount\":{amount},\"terminal\":\"{terminal}\",\"device\":\"{device}\"}}"
        );
        timed.push((appended, Sent { input: EVENTS, key: card.clone(), at, value }));
        for (kind, delay) in [("checked", random.below(200_000)), ("seen", random.below(60_000))] {
            let is_early = random.below(20) == 0;
            let appended = if is_early { appended - 2_000 } else { appended + delay as i64 };
            let known_at = (appended - back(&mut random)).div_euclid(500) * 500;
            let fraud = f64::from(u8::from(random.below(3) == 0));
            let fields = if kind == "checked" { format!(",\"fraud\":{fraud}") } else { String::new() };
            let value = format!(
                "{{\"event_id\":\"{id}\",\"known_at\":{known_at},\"kind\":\"{kind}\",\"stamp\":{known_at}{fields}}}"
            );
            timed.push((appended, Sent { input: LABELS, key: card.clone(), at: known_at, value }));
            known.push(Known { id: id.clone(), kind, known_at, fraud });
        }
        payments.push(payment);
    }
    timed.sort_by_key(|(appended, sent)| (*appended, sent.input));
    Stream { sent: timed.into_iter().map(|(_, sent)| sent).collect(), payments, known }
}

/// How the machines get on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub seed: u64,
    pub shards: i32,
    /// All is there before anybody reads, or it comes while they do.
    pub live: bool,
}

/// One shard of one stage.
struct Place {
    machine: Pipeline,
    /// Next offsets of the inputs.
    next: Vec<usize>,
    tally: Tally,
}

pub(crate) struct Chain {
    params: Vec<Arc<PipelineParams>>,
    places: Vec<Vec<Place>>,
    /// Inputs of each stage by input and partition; those of the first are all that is ever appended.
    logs: Vec<Vec<Vec<Vec<Record>>>>,
    /// How many of the first stage's are there already.
    there: Vec<Vec<usize>>,
    random: SplitMix64,
    now: i64,
    run: Run,
    appended: usize,
    /// Committed predictions with the partition they went to.
    pub predictions: Vec<(i32, Prediction)>,
    pub outcomes: usize,
    pub dead_letters: usize,
}

impl Chain {
    pub(crate) fn new(config: &Config, run: Run) -> Self {
        let params: Vec<_> = chain_params(config, run.shards).unwrap().into_iter().map(Arc::new).collect();
        let shards = || 0..run.shards;
        let place = |(stage, params): (usize, &Arc<PipelineParams>), shard| Place {
            machine: Pipeline::new(params.clone(), shard),
            next: vec![0; if stage == 0 { 2 } else { 1 }],
            tally: Tally::default(),
        };
        let places = params.iter().enumerate().map(|of| shards().map(|shard| place(of, shard)).collect()).collect();
        let logs = (0..params.len()).map(|stage| {
            let inputs = if stage == 0 { 2 } else { 1 };
            vec![vec![Vec::new(); run.shards as usize]; inputs]
        });
        Chain {
            places,
            logs: logs.collect(),
            there: vec![vec![0; run.shards as usize]; 2],
            random: SplitMix64::new(run.seed),
            now: 1_000_000,
            run,
            appended: 0,
            predictions: Vec::new(),
            outcomes: 0,
            dead_letters: 0,
            params,
        }
    }

    /// Lets everybody read all of it; the tallies of all stages.
    pub(crate) fn read(&mut self, stream: &Stream) -> Vec<Tally> {
        let mut partitions = Vec::new();
        for sent in &stream.sent {
            let partition = partition_for(sent.key.as_bytes(), self.run.shards) as usize;
            let log = &mut self.logs[0][usize::from(sent.input.0)][partition];
            log.push(Record {
                offset: log.len() as i64,
                timestamp: Timestamp::from_millis(sent.at.max(0)),
                key: Some(sent.key.as_bytes().into()),
                value: Some(sent.value.as_bytes().into()),
                headers: Vec::new(),
            });
            partitions.push((usize::from(sent.input.0), partition));
        }
        if !self.run.live {
            self.append(&partitions, usize::MAX);
        }
        while self.appended < partitions.len() {
            match self.random.below(3) {
                0 => {
                    let n = 1 + self.random.below(20) as usize;
                    self.append(&partitions, n);
                }
                _ => self.turn_of_one(),
            }
        }
        let rest = 60 * self.places.len() * self.run.shards as usize;
        for _ in 0..rest {
            self.turn_of_one();
        }
        // What is left is given out once nothing has come for a while.
        for _ in 0..40 {
            self.now += 1_000;
            for stage in 0..self.places.len() {
                for shard in 0..self.run.shards as usize {
                    self.turn(stage, shard, 100_000);
                }
            }
        }
        self.places.iter().flatten().map(|place| place.tally).collect()
    }

    fn append(&mut self, partitions: &[(usize, usize)], n: usize) {
        for (input, partition) in partitions.iter().skip(self.appended).take(n) {
            self.there[*input][*partition] += 1;
            self.appended += 1;
        }
        self.now += 60;
    }

    fn turn_of_one(&mut self) {
        let stage = self.random.below(self.places.len() as u64) as usize;
        let shard = self.random.below(self.run.shards as u64) as usize;
        let most = 1 + self.random.below(60) as usize;
        self.now += self.random.below(3) as i64;
        if self.random.below(12) == 0 {
            self.start_again(stage, shard);
        }
        self.turn(stage, shard, most);
    }

    /// Another process goes on with the state of the last commit.
    fn start_again(&mut self, stage: usize, shard: usize) {
        let place = &mut self.places[stage][shard];
        let head = place.machine.begin_checkpoint(Extent::All);
        let mut machine = Pipeline::new(self.params[stage].clone(), shard as i32);
        machine.restore_head(&head, &[]).unwrap();
        while let Some(chunk) = place.machine.next_chunk(200) {
            machine.restore_chunk(&chunk.bytes).unwrap();
        }
        machine.commit();
        let tally = place.machine.tally();
        place.tally = sum(place.tally, tally);
        place.machine = machine;
    }

    /// One transaction of at most `most` records.
    fn turn(&mut self, stage: usize, shard: usize, most: usize) {
        let before = self.places[stage][shard].next.clone();
        let batch = self.take(stage, shard, most);
        let gives_up = self.random.below(8) == 0;
        let cut = self.random.below(batch.len() as u64 + 1) as usize;
        let place = &mut self.places[stage][shard];
        let mut out = Outbox::default();
        let now = Timestamp::from_millis(self.now);
        place.machine.handle(&batch[..cut], now, &mut out);
        place.machine.handle(&batch[cut..], now, &mut out);
        place.machine.seal(now, &mut out);
        if gives_up {
            place.machine.rollback();
            place.next = before;
            return;
        }
        place.machine.commit();
        for output in out.iter() {
            let value = output.value.unwrap();
            match output.sink {
                Sink::Hop => {
                    let log = &mut self.logs[stage + 1][0][output.partition.unwrap() as usize];
                    log.push(Record {
                        offset: log.len() as i64,
                        timestamp: now,
                        key: output.key.map(Into::into),
                        value: Some(value.into()),
                        headers: Vec::new(),
                    });
                }
                Sink::Predictions => {
                    let partition = output.partition.unwrap_or(shard as i32);
                    self.predictions.push((partition, serde_json::from_slice(value).unwrap()));
                }
                Sink::Outcomes => self.outcomes += 1,
                Sink::DeadLetters => self.dead_letters += 1,
                _ => {}
            }
        }
    }

    /// The next records of a shard as its worker would take them, and the news that nothing is left.
    fn take(&mut self, stage: usize, shard: usize, most: usize) -> Vec<Item<driftless::model::Model>> {
        let mut batch = Vec::new();
        let place = &mut self.places[stage][shard];
        loop {
            let ends: Vec<usize> = (0..place.next.len())
                .map(|input| if stage == 0 { self.there[input][shard] } else { self.logs[stage][input][shard].len() })
                .collect();
            let heads = (0..place.next.len()).filter(|input| place.next[*input] < ends[*input]);
            let first = heads.min_by_key(|input| {
                let record = &self.logs[stage][*input][shard][place.next[*input]];
                (time(stage, record), *input)
            });
            let Some(input) = first else {
                batch.push(Item::Idle);
                return batch;
            };
            if batch.len() >= most {
                return batch;
            }
            let record = self.logs[stage][input][shard][place.next[input]].clone();
            place.next[input] += 1;
            let input = if stage == 0 { InputIndex(input as u8) } else { HOP };
            batch.push(Item::Record { input, record });
        }
    }

    /// Features of each event by name.
    pub(crate) fn features(&self, config: &Config) -> BTreeMap<String, BTreeMap<String, Option<f64>>> {
        let named = |prediction: &Prediction| {
            let names = config.features.names.iter().cloned();
            (prediction.event_id.clone(), names.zip(prediction.features.iter().copied()).collect())
        };
        self.predictions.iter().map(|(_, prediction)| named(prediction)).collect()
    }
}

fn time(stage: usize, record: &Record) -> i64 {
    if stage > 0 {
        return record.offset;
    }
    let json: serde_json::Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
    json.get("at").or(json.get("known_at")).and_then(serde_json::Value::as_i64).unwrap()
}

fn sum(one: Tally, other: Tally) -> Tally {
    Tally {
        events: one.events + other.events,
        predictions: one.predictions + other.predictions,
        passed_on: one.passed_on + other.passed_on,
        held_back: one.held_back + other.held_back,
        event_dead_letters: one.event_dead_letters + other.event_dead_letters,
        late: one.late + other.late,
        labels: one.labels + other.labels,
        ..one
    }
}
