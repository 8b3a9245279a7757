//! Formats of inputs and outputs: whatever the bytes look like, the results are the same.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless::codec::{Published, read};
use driftless::config::Config;
use driftless::data::{DriftAlert, InputIndex, Outcome, PerformanceRecord, Prediction};
use driftless::pipeline::EVENTS;
use driftless::transport::memory::{Cue, Fault, Memory};
use serde_json::Value;
use support::CONFIG;
use support::bench::{Bench, assert_whole, differences};

const SCHEMA: u32 = 300;

fn long(value: i64, out: &mut Vec<u8>) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

/// A record of the sequence after `tests/fixtures/avro`, framed; what is not JSON is not framed either.
fn avro(input: InputIndex, json: &[u8]) -> Vec<u8> {
    let Ok(json) = serde_json::from_slice::<Value>(json) else { return b"\x01broken".to_vec() };
    let mut out = vec![0];
    let name = |name: &str| json[name].as_str().unwrap().to_owned();
    if input == EVENTS {
        out.extend_from_slice(&SCHEMA.to_be_bytes());
        text(&name("id"), &mut out);
        long(4, &mut out);
        // Two lanes, in one block with its length and one without.
        long(-1, &mut out);
        long(2, &mut out);
        text("a", &mut out);
        long(1, &mut out);
        text("b", &mut out);
        long(0, &mut out);
        long(json["at"].as_i64().unwrap() * 1_000, &mut out);
        match &json["amount"] {
            Value::Null => long(0, &mut out),
            Value::String(amount) => {
                long(2, &mut out);
                text(amount, &mut out);
            }
            amount => {
                long(1, &mut out);
                out.extend_from_slice(&amount.as_f64().unwrap().to_le_bytes());
            }
        }
        match json["card"].as_str() {
            None => long(0, &mut out),
            Some(card) => {
                long(1, &mut out);
                text(card, &mut out);
            }
        }
        return out;
    }
    out.extend_from_slice(&(SCHEMA + 1).to_be_bytes());
    text(&name("event_id"), &mut out);
    long(json["known_at"].as_i64().unwrap(), &mut out);
    text(&name("kind"), &mut out);
    match json["fee"].as_f64() {
        None => long(0, &mut out),
        Some(fee) => {
            long(1, &mut out);
            out.extend_from_slice(&(fee as f32).to_le_bytes());
        }
    }
    match json["fraud"].as_i64() {
        None => long(0, &mut out),
        Some(fraud) => {
            long(1, &mut out);
            long(fraud, &mut out);
        }
    }
    out
}

fn bench(text: &str, encode: fn(InputIndex, &[u8]) -> Vec<u8>) -> (Memory, Bench) {
    let memory = Memory::new();
    let mut bench = Bench::new(Arc::new(memory.clone()), Config::parse(text).unwrap());
    bench.encode = encode;
    (memory, bench)
}

/// The configuration with both inputs framed, and `more`.
fn framed(more: &str) -> String {
    let events = "[events]\nformat = \"confluent-avro\"\nschemas = { 300 = \"tests/fixtures/avro/event.avsc\" }";
    let labels = "[labels]\nformat = \"confluent-avro\"\nschemas = { 301 = \"tests/fixtures/avro/follow-up.avsc\" }";
    let text = CONFIG.replace("[events]", events).replace("[labels]", labels);
    format!("{text}\n{more}")
}

const IDS: &str = "[outputs]\nformat = \"confluent-avro\"\n\
                   ids = { predictions = 11, outcomes = 12, drift-alerts = 13, performance = 258 }";

fn all<T: Published>(values: &[Vec<Vec<u8>>]) -> Vec<T> {
    values.iter().flatten().map(|value| read("record", Some(value)).unwrap()).collect()
}

#[test]
fn avro_in_and_avro_out_give_what_json_gives() {
    let (_, json) = bench(CONFIG, |_, value| value.to_vec());
    json.run(21, 900, |_, app| app);
    let json = json.published();
    assert_whole(&json);
    for (outputs, frames) in [("", None), ("[outputs]\nformat = \"avro\"", None), (IDS, Some([11, 12, 13, 258_u32]))] {
        let (_, avro) = bench(&framed(outputs), avro);
        avro.run(21, 900, |_, app| app);
        let avro = avro.published();
        assert_eq!(all::<Prediction>(&avro.predictions), all::<Prediction>(&json.predictions));
        assert_eq!(all::<Outcome>(&avro.outcomes), all::<Outcome>(&json.outcomes));
        assert_eq!(all::<PerformanceRecord>(&avro.performance), all::<PerformanceRecord>(&json.performance));
        assert_eq!(all::<DriftAlert>(&avro.alerts), all::<DriftAlert>(&json.alerts));
        let count = |letters: &[Vec<Vec<u8>>]| letters.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(count(&avro.dead_letters), count(&json.dead_letters));
        assert_eq!(outputs.is_empty(), differences(&avro, &json).iter().all(|found| found.starts_with("dead letters")));
        if let Some(ids) = frames {
            let topics = [&avro.predictions, &avro.outcomes, &avro.alerts, &avro.performance];
            for (values, id) in topics.into_iter().zip(ids) {
                let [a, b, c, d] = id.to_be_bytes();
                assert!(values.iter().flatten().count() > 0, "{id}");
                assert!(values.iter().flatten().all(|value| value.starts_with(&[0, a, b, c, d])), "{id}");
            }
        }
    }
}

#[test]
fn a_restart_and_a_failed_commit_leave_no_trace_in_avro_either() {
    let (_, expected) = bench(&framed(IDS), avro);
    expected.run(22, 300, |_, app| app);
    let (memory, bench) = bench(&framed(IDS), avro);
    memory.plan(Cue { transactional_id: "shops.score.a.0".to_owned(), nth: 3, fault: Fault::LoseAnswer });
    bench.run(22, 300, |step, app| {
        if step % 3 != 1 {
            return app;
        }
        memory.kill("shops.score.a.0");
        let _ = app.stop();
        bench.start()
    });
    assert_eq!(differences(&bench.published(), &expected.published()), Vec::<String>::new());
}

/// Dead letters of the events by the code of their rejection.
fn codes(bench: &Bench) -> BTreeMap<String, usize> {
    let mut codes = BTreeMap::new();
    for record in bench.records(&bench.config.topics.dead_letters).concat() {
        let header = |name: &str| {
            let found = record.headers.iter().find(|header| header.name == name);
            String::from_utf8(found.unwrap().value.clone().unwrap()).unwrap()
        };
        if header("driftless.error.topic") == bench.config.topics.events {
            *codes.entry(header("driftless.error.code")).or_default() += 1;
        }
    }
    codes
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_with_its_code() {
    let encode = |input: InputIndex, json: &[u8]| {
        let mut value = avro(input, json);
        match json.len() % 9 {
            0 if input == EVENTS => value[4] = 99,
            1 if input == EVENTS => value.push(0),
            2 if input == EVENTS => value.truncate(9),
            3 if input == EVENTS => value.truncate(4),
            _ => {}
        }
        value
    };
    let (_, bench) = bench(&framed(""), encode);
    bench.run(23, 300, |_, app| app);
    let codes = codes(&bench);
    for code in ["unknown_schema", "trailing", "decode", "framing", "type", "missing"] {
        assert!(codes.contains_key(code), "{code}: {codes:?}");
    }
    let letters: usize = codes.values().sum();
    assert_eq!(bench.predicted().len() + letters, 300);
}
