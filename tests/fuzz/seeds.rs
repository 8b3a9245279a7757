//! What fuzzing begins with: the fixtures and examples, and what the real machines write.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use driftless::config::Config;
use driftless::data::{Extent, InputIndex, Item, Machine, Outbox, Record, Sink, Timestamp};
use driftless::model::Model;
use driftless::monitor::{Monitor, MonitorParams};
use driftless::pipeline::Pipeline;
use driftless::stats::SplitMix64;

use crate::targets::{CONFIG, SCHEMA, SEPARATOR};

/// Valid inputs of a target, and some that are known to be refused.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "event" => (0..20).map(|number| event(number, &mut SplitMix64::new(number))).collect(),
        "avro" => vec![avro(false), avro(true)],
        "avro_schema" => {
            vec![SCHEMA.into(), br#"{"type":"record","name":"R","fields":[{"name":"amount","type":"float"}]}"#.to_vec()]
        }
        "label" => (0..20).map(|number| label(number, &mut SplitMix64::new(number))).collect(),
        "fact" => (0..20).map(|number| fact(number, &mut SplitMix64::new(number))).chain([FACT.to_vec()]).collect(),
        "sequence" => (1..12).map(sequence).collect(),
        "config" => {
            let mut seeds = files("tests/fixtures/config", "");
            seeds.extend(files("examples", ".toml"));
            seeds.push(CONFIG.into());
            seeds
        }
        "journal" => files("tests/fixtures", "journal"),
        "marker" => files("tests/fixtures", "marker"),
        "chunk" => files("tests/fixtures", "chunk"),
        "shard_state" => {
            let mut seeds = written(machine(40), Extent::All);
            seeds.extend(files("tests/fixtures", "shard-head").into_iter().map(|head| tagged(0, head)));
            seeds
        }
        "monitor_state" => written(monitor(), Extent::All),
        "artifact" => files("tests/fixtures", "model-"),
        "published" => published(),
        _ => [
            "2013-01-01T10:15:00.250-05:00\n",
            "15m\n",
            "%Y-%m-%d %H:%M:%S%.f %z\n2013-01-01 10:15:00.5 +0100",
            "%s\n1357035300",
            "[A-Z]{2}|[0-9]+\nCH",
            "(a*)*b\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec(),
    }
}

/// The files of a folder whose name holds `part`.
fn files(folder: &str, part: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let wanted = |path: &&std::path::PathBuf| {
        path.is_file() && path.file_name().is_some_and(|name| name.to_string_lossy().contains(part))
    };
    paths.iter().filter(wanted).map(|path| fs::read(path).unwrap()).collect()
}

const FROM: u64 = 1_700_000_000_000;

fn event(number: u64, random: &mut SplitMix64) -> Vec<u8> {
    let at = FROM + number * 60_000;
    let more = ["", ",\"night\":true", ",\"channel\":\"web\"", ",\"country\":\"CH\"", ",\"x\":[1,{\"y\":null}]"];
    let more = more[random.below(5) as usize];
    let (amount, card) = (random.below(100_000) as f64 / 100.0, random.below(5));
    format!("{{\"id\":\"e{number}\",\"at\":{at},\"amount\":{amount},\"card\":\"c{card}\"{more}}}").into_bytes()
}

/// A framed datum of the schema, with everything that may be missing or without.
fn avro(is_full: bool) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 1];
    let text = |text: &str, bytes: &mut Vec<u8>| {
        bytes.push(text.len() as u8 * 2);
        bytes.extend_from_slice(text.as_bytes());
    };
    text("e1", &mut bytes);
    // 1700000000000000 microseconds, zigzag and 7 bits at a time.
    let mut at = 1_700_000_000_000_000u64 * 2;
    while at >= 0x80 {
        bytes.push(at as u8 | 0x80);
        at >>= 7;
    }
    bytes.push(at as u8);
    bytes.extend_from_slice(&2.5f64.to_le_bytes());
    if is_full {
        bytes.extend_from_slice(&[2, 1, 2]);
        text("c1", &mut bytes);
        // One entry `x`: an array of a null and a long, then the ends of array and map.
        bytes.push(2);
        text("x", &mut bytes);
        bytes.extend_from_slice(&[4, 0, 4, 14, 0, 0, 2, 0]);
        text("CH", &mut bytes);
    } else {
        bytes.extend_from_slice(&[0, 0, 0, 0, 2]);
    }
    bytes
}

fn label(number: u64, random: &mut SplitMix64) -> Vec<u8> {
    let known = FROM + number * 60_000 + random.below(900_000);
    let body = ["\"kind\":\"settled\",\"fee\":2.5", "\"kind\":\"checked\",\"fraud\":1"][random.below(2) as usize];
    format!("{{\"event_id\":\"e{number}\",\"known_at\":{known},{body}}}").into_bytes()
}

/// An Avro datum of the schema of facts: no rank, since 1, no chain, open.
const FACT: &[u8] = &[0, 2, 2, 1];

fn fact(number: u64, random: &mut SplitMix64) -> Vec<u8> {
    let since = FROM + number * 60_000 - random.below(900_000);
    let body = ["\"rank\":3.5", "\"open\":true,\"chain\":null", "\"chain\":\"c1\""][random.below(3) as usize];
    format!("{{\"since\":{since},{body}}}").into_bytes()
}

fn sequence(n: u64) -> Vec<u8> {
    let mut random = SplitMix64::new(n);
    let mut parts = Vec::new();
    for number in 0..n {
        if random.below(3) == 0 {
            parts.push(tagged(16, fact(number, &mut random)));
        }
        parts.push(tagged(0, event(number, &mut random)));
        if random.below(2) == 0 {
            parts.push(tagged(1, label(number, &mut random)));
        }
    }
    parts.join(&SEPARATOR)
}

fn tagged(tag: u8, mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.insert(0, tag);
    bytes
}

/// A shard that has taken some events and labels in.
fn machine(n: u64) -> Pipeline {
    let config = Config::parse(CONFIG).unwrap();
    let mut machine = Pipeline::new(Arc::new(driftless::runtime::pipeline_params(&config).unwrap()), 0);
    machine.handle(&items(n), Timestamp::from_millis(0), &mut Outbox::default());
    machine.commit();
    machine
}

fn items(n: u64) -> Vec<Item<Model>> {
    let mut random = SplitMix64::new(n);
    let item = |input: u8, number: u64, value: Vec<u8>| Item::Record {
        input: InputIndex(input),
        record: Record {
            offset: number as i64,
            timestamp: Timestamp::from_millis((FROM + number * 60_000) as i64),
            key: Some(b"north"[..].into()),
            value: Some(value.into()),
            headers: Vec::new(),
        },
    };
    (0..n)
        .flat_map(|number| {
            [
                item(2, number, fact(number, &mut random)),
                item(0, number, event(number, &mut random)),
                item(1, number, label(number + 3, &mut random)),
            ]
        })
        .collect()
}

/// A monitor that has merged a shard's summaries.
fn monitor() -> Monitor {
    let config = Config::parse(CONFIG).unwrap();
    let Config { drift, performance, retrain, promote, .. } = config.clone();
    let outputs = config.outputs.form;
    let mut monitor =
        Monitor::new(Arc::new(MonitorParams { shards: 2, drift, performance, retrain, promote, outputs }));
    let mut machine = Pipeline::new(Arc::new(driftless::runtime::pipeline_params(&config).unwrap()), 0);
    let mut out = Outbox::default();
    machine.handle(&items(200), Timestamp::from_millis(0), &mut out);
    let summaries = out.iter().filter(|output| output.sink == Sink::Summaries);
    let items: Vec<Item<Model>> = (0..)
        .zip(summaries)
        .map(|(offset, summary)| Item::Record {
            input: InputIndex(0),
            record: Record {
                offset,
                timestamp: Timestamp::from_millis(0),
                key: summary.key.map(Into::into),
                value: summary.value.map(Into::into),
                headers: Vec::new(),
            },
        })
        .collect();
    monitor.handle(&items, Timestamp::from_millis(0), &mut Outbox::default());
    monitor.commit();
    monitor
}

/// Head and chunks of a checkpoint.
fn written<M: Machine<Model = Model>>(mut machine: M, extent: Extent) -> Vec<Vec<u8>> {
    let mut written = vec![tagged(0, machine.begin_checkpoint(extent))];
    while let Some(chunk) = machine.next_chunk(2_000) {
        written.push(tagged(1, chunk.bytes));
    }
    written
}

/// Every kind of published record.
fn published() -> Vec<Vec<u8>> {
    let config = Config::parse(CONFIG).unwrap();
    let mut machine = Pipeline::new(Arc::new(driftless::runtime::pipeline_params(&config).unwrap()), 0);
    let mut out = Outbox::default();
    machine.handle(&items(200), Timestamp::from_millis(0), &mut out);
    let mut seeds = Vec::new();
    for sink in [Sink::Predictions, Sink::Outcomes, Sink::Summaries] {
        let values = out.iter().filter(|output| output.sink == sink).take(4);
        seeds.extend(values.filter_map(|output| output.value.map(<[u8]>::to_vec)));
    }
    let command = |command: &str, version: u32, replaces: u32| {
        format!(
            "{{\"command\":\"{command}\",\"version\":{version},\"replaces\":{replaces},\"at\":0,\"by\":\"x\",\"why\":\"y\",\
             \"incident_id\":null,\"family\":null,\"feature_layout\":null,\"artifact\":null,\"evidence\":null}}"
        )
        .into_bytes()
    };
    let log =
        [command("registered", 1, 0), command("promoted", 1, 0), command("frozen", 1, 1), command("rolled_back", 0, 1)];
    seeds.push(log.join(&SEPARATOR));
    seeds
}
