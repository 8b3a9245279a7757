//! A small application for tests: payments keyed by shop, with follow-ups, and a model for its layout.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

pub(crate) mod bench;
pub(crate) mod cards;
pub(crate) mod chain;
pub(crate) mod collector;
pub(crate) mod door;
pub(crate) mod kept;
pub(crate) mod models;
pub(crate) mod registry;
pub(crate) mod upgrade;

use std::sync::Arc;

use driftless::config::Config;
use driftless::data::{
    ArtifactRef, Columns, ControlItem, Evidence, Gain, Header, HoldoutScore, InputIndex, Item, ModelCommand,
    ModelRecord, Outbox, Record, SettingChange, Sink, Span, Timestamp,
};
use driftless::drift::{Profile, ProfileInputs, Sample};
use driftless::model::{Estimator, Layout, Lineage, Linear, LinearParts, Model, ModelParts, Preparation};
use driftless::pipeline::{EVENTS, LABELS, Pipeline};
use driftless::stats::SplitMix64;

pub(crate) const CONFIG: &str = r#"
app = "shops"

[events]
key = "shop"
id = "id"
time = "at"
lateness = "0s"

[events.fields.amount]
type = "number"
required = true
min = 0.0

[events.fields.card]
type = "string"

[labels]
event_id = "event_id"
time = "known_at"
kind = "kind"
wait = "1h"

[labels.kinds.settled.fields.fee]
type = "number"

[labels.kinds.checked.fields.fraud]
type = "number"
required = true

[labels.label]
kind = "checked"
field = "fraud"
positive = "fraud"
negative = "fine"
prior = 0.1

[features]
fields = ["amount"]

[[features.windows]]
of = "events"
by = ["shop"]
spans = ["5m", "20m"]
aggregates = ["count", "sum:amount", "mean:amount", "max:amount", "since_last"]
panes = 10

[[features.windows]]
of = "settled"
by = ["shop", "card"]
spans = ["10m"]
aggregates = ["count", "mean:fee"]
panes = 10

[[features.windows]]
of = "checked"
by = ["shop"]
spans = ["20m"]
aggregates = ["count", "sum:fraud", "since_last"]
panes = 10

[score]
checkpoint = "10ms"

[drift]
window = "30m"
min_n = 20

[performance]
window = "30m"
every = "10m"
min_n = 20

[retrain]
first_after = "1h"
min_labels = 50
cool_down = "1h"
schedule = "2h"
history = "4h"
holdout = "20m"
"#;

pub(crate) fn config() -> Config {
    Config::parse(CONFIG).unwrap()
}

/// The same application under another name.
pub(crate) fn config_of(app: &str) -> Config {
    Config::parse(&CONFIG.replace("\"shops\"", &format!("\"{app}\""))).unwrap()
}

pub(crate) fn pipeline(shard: i32) -> Pipeline {
    Pipeline::new(Arc::new(driftless::runtime::pipeline_params(&config()).unwrap()), shard)
}

/// The same with waits and windows so short that groups go and come back all the time.
pub(crate) fn forgetful() -> Pipeline {
    let short = [("\"1h\"", "\"1m\""), ("\"10m\"", "\"1m\""), ("\"5m\", \"20m\"", "\"30s\""), ("\"20m\"", "\"1m\"")];
    let text = short.iter().fold(CONFIG.to_owned(), |text, (from, to)| text.replace(from, to));
    let text = text.split("[retrain]").next().unwrap();
    Pipeline::new(Arc::new(driftless::runtime::pipeline_params(&Config::parse(text).unwrap()).unwrap()), 0)
}

/// The same with late events put aside and events that come twice left out.
pub(crate) fn guarded() -> Pipeline {
    let rules = "lateness = \"30s\"\non_late = \"side-output\"\ndeduplicate = \"5m\"";
    let text = CONFIG.replace("lateness = \"0s\"", rules);
    Pipeline::new(Arc::new(driftless::runtime::pipeline_params(&Config::parse(&text).unwrap()).unwrap()), 0)
}

/// The same with traces.
pub(crate) fn traced() -> Pipeline {
    let text = format!("{CONFIG}\n[traces]\nratio = 0.5\n");
    Pipeline::new(Arc::new(driftless::runtime::pipeline_params(&Config::parse(&text).unwrap()).unwrap()), 0)
}

/// Headers of a record that is sampled, is not, has one that cannot be read, or none, by its number.
pub(crate) fn trace_headers(input: InputIndex, number: i64) -> Vec<Header> {
    let value = match number % 4 {
        0 => format!("00-{:032x}-{:016x}-01", number + 1_000_000 * (1 + i64::from(input.0)), 1 + input.0),
        1 => format!("00-{:032x}-{:016x}-00", number + 1_000_000 * (1 + i64::from(input.0)), 1 + input.0),
        2 => format!("00-{number}"),
        _ => return Vec::new(),
    };
    let state = Header { name: "tracestate".to_owned(), value: Some(b"a=b".to_vec()) };
    vec![Header { name: "traceparent".to_owned(), value: Some(value.into_bytes()) }, state]
}

pub(crate) fn record(offset: i64, at: i64, key: &str, value: impl Into<Vec<u8>>) -> Record {
    Record {
        offset,
        timestamp: Timestamp::from_millis(at),
        key: Some(key.as_bytes().into()),
        value: Some(value.into().into()),
        headers: Vec::new(),
    }
}

/// Events and follow-ups in time order, with a few that are broken, early, late, repeated or corrected.
pub(crate) fn sequence(seed: u64, n: usize) -> Vec<Item<Model>> {
    disordered(seed, n, true)
}

/// The same without late events where `late` is false.
pub(crate) fn disordered(seed: u64, n: usize, late: bool) -> Vec<Item<Model>> {
    let mut random = SplitMix64::new(seed);
    let mut timed: Vec<(i64, InputIndex, String, Vec<u8>)> = Vec::new();
    for number in 0..n {
        let at = number as i64 * 7_000 + random.below(5_000) as i64;
        let shop = ["north", "south", "east"][random.below(3) as usize];
        let card = random.below(5);
        let amount = random.below(10_000) as f64 / 100.0;
        let value = match random.below(40) {
            0 => b"{\"id\":\"broken".to_vec(),
            1 => format!("{{\"id\":\"e{number}\",\"at\":{at}}}").into_bytes(),
            2 => format!("{{\"id\":\"e{number}\",\"at\":{at},\"amount\":\"7\"}}").into_bytes(),
            _ => format!("{{\"id\":\"e{number}\",\"at\":{at},\"amount\":{amount},\"card\":\"c{card}\"}}").into_bytes(),
        };
        let late = if late && random.below(30) == 0 { 60_000 } else { 0 };
        timed.push((at + late, EVENTS, shop.to_owned(), value));
        let mut follow = |after: i64, body: String| {
            let known = at + after;
            let value = format!("{{\"event_id\":\"e{number}\",\"known_at\":{known},{body}}}");
            timed.push((known, LABELS, shop.to_owned(), value.into_bytes()));
        };
        let early = if random.below(25) == 0 { -20_000 } else { 30_000 };
        follow(early, format!("\"kind\":\"settled\",\"fee\":{}", random.below(90)));
        let fraud = u64::from(random.below(10) < 2);
        let delay = 60_000 + random.below(600_000) as i64;
        follow(delay, format!("\"kind\":\"checked\",\"fraud\":{fraud}"));
        if random.below(10) == 0 {
            follow(delay + 1_000, format!("\"kind\":\"checked\",\"fraud\":{}", 1 - fraud));
        }
        if random.below(15) == 0 {
            follow(delay + 2_000, "\"kind\":\"unheard\"".to_owned());
        }
    }
    timed.sort_by_key(|(at, input, ..)| (*at, *input));
    let mut offsets = [0i64; 2];
    let mut items = Vec::new();
    for (position, (at, input, key, value)) in timed.into_iter().enumerate() {
        let offset = &mut offsets[usize::from(input.0)];
        items.push(Item::Record { input, record: record(*offset, at, &key, value) });
        *offset += 1;
        if position % 97 == 96 {
            items.push(Item::Idle);
        }
    }
    let third = items.len() / 3;
    items.insert(2 * third, promotion(2, 1, 3));
    items.insert(2 * third, registration(2, 1, 2));
    items.insert(third, promotion(1, 0, 1));
    items.insert(third, registration(1, 0, 0));
    items
}

/// The sequence with some events that come again, at once or much later.
pub(crate) fn repeated(seed: u64, n: usize) -> Vec<Item<Model>> {
    let mut random = SplitMix64::new(seed ^ 7);
    let mut seen: Vec<Record> = Vec::new();
    let mut items = Vec::new();
    let mut offset = 0;
    let mut next = |mut record: Record| {
        record.offset = offset;
        offset += 1;
        Item::Record { input: EVENTS, record }
    };
    for item in sequence(seed, n) {
        let Item::Record { input: EVENTS, record } = item else {
            items.push(item);
            continue;
        };
        seen.push(record.clone());
        items.push(next(record));
        if random.below(4) == 0 {
            let back = random.below(60.min(seen.len() as u64)) as usize;
            items.push(next(seen[seen.len() - 1 - back].clone()));
        }
    }
    items
}

/// A linear model for the layout; versions differ in one coefficient.
pub(crate) fn model(version: u32) -> Arc<Model> {
    let names = config().features.names;
    let width = names.len();
    let mut random = SplitMix64::new(u64::from(version));
    let n = 400;
    let columns: Vec<Vec<f64>> =
        (0..width).map(|_| (0..n).map(|_| random.below(1_000) as f64 / 10.0).collect()).collect();
    let times: Vec<Timestamp> = (0..n).map(|i| Timestamp::from_millis(i * 60_000)).collect();
    let linear = Linear::new(LinearParts {
        mean: vec![20.0; width],
        scale: vec![10.0; width],
        coefficients: (0..width).map(|i| 0.1 * f64::from(version) - 0.02 * i as f64).collect(),
        intercept: -1.0,
    });
    let estimator = Estimator::Linear(linear.unwrap());
    let mut scores = Vec::new();
    estimator.score(&Columns::from_columns(columns.clone()).unwrap(), &mut scores);
    let profile = Profile::build(&ProfileInputs {
        names: &names,
        features: Sample { columns: &columns, times: &times },
        scores: Sample { columns: &[scores], times: &times },
        window: Span::from_millis(1_800_000),
        importance: &[],
    });
    let lineage = Lineage {
        cutoff: Timestamp::from_millis(0),
        seed: 1,
        examples_sha256: "00".repeat(32),
        trained_by: "test".to_owned(),
    };
    let parts = ModelParts {
        layout: Layout::new(names).unwrap(),
        preparation: Preparation::default(),
        estimator,
        threshold: 0.5,
        profile,
        lineage,
        evidence: evidence(0.1),
    };
    Arc::new(Model::new(parts).unwrap())
}

pub(crate) fn evidence(gain: f64) -> Evidence {
    let at = Timestamp::from_millis;
    let gain = Gain { mean: gain, low: gain - 0.05, high: gain + 0.05 };
    Evidence {
        trained_from: at(0),
        trained_to: at(10),
        holdout_from: at(11),
        holdout_to: at(20),
        n_train: 300,
        n_holdout: 100,
        champion: HoldoutScore { auc: Some(0.6), log_loss: 0.5 },
        candidate: HoldoutScore { auc: Some(0.7), log_loss: 0.4 },
        log_loss_gain: gain,
        auc_gain: Some(gain),
    }
}

pub(crate) fn command(command: ModelCommand, version: u32, replaces: u32) -> ModelRecord {
    ModelRecord {
        replaces,
        at: Timestamp::from_millis(0),
        by: "test".into(),
        why: "test".into(),
        ..ModelRecord::plain(command, version)
    }
}

/// A command on a setting; `None` gives it back to the configuration.
pub(crate) fn set(key: &str, value: Option<&str>) -> ModelRecord {
    let setting = SettingChange { key: key.to_owned(), value: value.map(str::to_owned), was: None };
    ModelRecord { setting: Some(setting), ..command(ModelCommand::Set, 0, 0) }
}

fn registration(version: u32, replaces: u32, offset: i64) -> Item<Model> {
    let mut record = command(ModelCommand::Registered, version, replaces);
    record.artifact = Some(ArtifactRef { sha256: "00".into(), bytes: 1 });
    Item::Command(Arc::new(ControlItem { offset, record, model: Some(model(version)) }))
}

fn promotion(version: u32, replaces: u32, offset: i64) -> Item<Model> {
    let record = command(ModelCommand::Promoted, version, replaces);
    Item::Command(Arc::new(ControlItem { offset, record, model: Some(model(version)) }))
}

/// An output as owned bytes, to be compared.
pub(crate) type Written = (Sink, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

pub(crate) fn written(out: &Outbox) -> Vec<Written> {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    out.iter()
        .map(|output| {
            let headers = output.headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
            (output.sink, owned(output.key), owned(output.value), headers)
        })
        .collect()
}
