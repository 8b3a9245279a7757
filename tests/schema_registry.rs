//! Writer schemas from a registry: looked up once, recorded, waited for; never dead letters because it is away.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless::codec::{JournalRecord, JournalStep};
use driftless::config::Config;
use driftless::data::{SchemaVerdict, Timestamp};
use driftless::schema_registry::{Lookup, Lookups, SchemaRegistry};
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::memory::Memory;
use driftless::transport::{Outgoing, TopicPartition, Transport, partition_for};
use serde_json::json;
use support::CONFIG;
use support::bench::Bench;
use support::door::Door;
use support::registry::{Manner, Registry};

/// The first schema, and one with a field more, one less and a wider number.
const FIRST: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"id","type":"string"},{"name":"at","type":"long"},{"name":"amount","type":"float"},
    {"name":"card","type":["null","string"]}]}"#;
const SECOND: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"amount","type":"double"},{"name":"id","type":"string"},
    {"name":"place","type":{"type":"map","values":"int"},"default":{}},{"name":"at","type":"long"}]}"#;
/// One that a declared number cannot be read from.
const OTHER: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"id","type":"string"},{"name":"at","type":"long"},{"name":"amount","type":"string"}]}"#;

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

/// Event number `n` after the schema of that id: 1 or 101 the first, 2 the second, 3 the other.
fn event(schema: u32, n: i64) -> Vec<u8> {
    let mut out = vec![0];
    out.extend_from_slice(&schema.to_be_bytes());
    let (id, at) = (format!("e{n}"), n * 1_000);
    if schema == 2 {
        out.extend_from_slice(&7.25_f64.to_le_bytes());
        text(&id, &mut out);
        long(1, &mut out);
        text("x", &mut out);
        long(5, &mut out);
        long(0, &mut out);
        long(at, &mut out);
        return out;
    }
    text(&id, &mut out);
    long(at, &mut out);
    if schema == 3 {
        text("7", &mut out);
    } else {
        out.extend_from_slice(&7.25_f32.to_le_bytes());
        long(0, &mut out);
    }
    out
}

struct Stand {
    memory: Memory,
    bench: Bench,
    registry: Registry,
}

impl Stand {
    fn new(more: &str) -> Self {
        let registry = Registry::start();
        registry.put(1, FIRST);
        registry.put(2, SECOND);
        registry.put(3, OTHER);
        let text = CONFIG.replace("[events]", "[events]\nformat = \"confluent-avro\"");
        let text = format!("{text}\n{more}\n[schema_registry]\nurls = [\"{}\"]\ntimeout = \"300ms\"", registry.url());
        let memory = Memory::new();
        let bench = Bench::new(Arc::new(memory.clone()), Config::parse(&text).unwrap());
        Stand { memory, bench, registry }
    }

    /// Publishes events of one shop, one second apart.
    fn send(&self, shop: &str, schema: u32, numbers: std::ops::Range<i64>) {
        let mut publisher = self.bench.transport.publisher().unwrap();
        for number in numbers {
            publisher
                .send(&Outgoing {
                    topic: &self.bench.config.topics.events,
                    partition: None,
                    key: Some(shop.as_bytes()),
                    value: Some(&event(schema, number)),
                    headers: &[],
                    timestamp: Some(Timestamp::from_millis(number * 1_000)),
                })
                .unwrap();
        }
        publisher.flush().unwrap();
    }

    fn predicted(&self) -> usize {
        self.bench.predicted().len()
    }

    /// Codes of the dead letters.
    fn letters(&self) -> Vec<String> {
        let records = self.bench.records(&self.bench.config.topics.dead_letters).concat();
        let code = |record: &driftless::data::Record| {
            let header = record.headers.iter().find(|header| header.name == "driftless.error.code").unwrap();
            String::from_utf8(header.value.clone().unwrap()).unwrap()
        };
        records.iter().map(code).collect()
    }

    /// What the journals say was looked up.
    fn recorded(&self) -> Vec<(u32, SchemaVerdict)> {
        let values = self.bench.values(&self.bench.config.topics.journal).concat();
        let steps = values.iter().flat_map(|value| JournalRecord::decode(value).unwrap().steps);
        let fact =
            |step| if let JournalStep::Schema(fact) = step { Some((fact.id, fact.verdict.clone())) } else { None };
        steps.filter_map(fact).collect()
    }
}

/// Two shops of different shards.
fn shops() -> [String; 2] {
    let of = |partition| {
        (0..).map(|n| format!("shop{n}")).find(|shop| partition_for(shop.as_bytes(), 2) == partition).unwrap()
    };
    [of(0), of(1)]
}

fn compact(schema: &str) -> SchemaVerdict {
    SchemaVerdict::Schema(serde_json::from_str::<serde_json::Value>(schema).unwrap().to_string())
}

#[test]
fn schemas_change_under_a_running_pipeline_and_are_looked_up_once() {
    let stand = Stand::new("");
    let app = stand.bench.start_live("a");
    let shop = &shops()[0];
    stand.send(shop, 1, 0..10);
    stand.bench.until(&app, || stand.predicted() == 10);
    stand.send(shop, 2, 10..20);
    stand.send(shop, 1, 20..25);
    stand.bench.until(&app, || stand.predicted() == 25);
    stand.send(shop, 3, 25..28);
    stand.send(shop, 9, 28..30);
    stand.send(shop, 2, 30..31);
    stand.bench.until(&app, || stand.predicted() == 26);
    app.stop().unwrap();
    let amounts = stand.bench.predicted().iter().all(|prediction| prediction.features[0] == Some(7.25));
    assert!(amounts, "a float and a double");
    let mut letters = stand.letters();
    letters.sort();
    assert_eq!(
        letters,
        ["incompatible_schema", "incompatible_schema", "incompatible_schema", "unknown_schema", "unknown_schema"]
    );
    let recorded = [(1, compact(FIRST)), (2, compact(SECOND)), (3, compact(OTHER)), (9, SchemaVerdict::Unknown)];
    assert_eq!(stand.recorded(), recorded);
    let requests: Vec<String> = stand.registry.requests().into_iter().map(|(line, _)| line).collect();
    assert_eq!(requests, ["GET /schemas/ids/1", "GET /schemas/ids/2", "GET /schemas/ids/3", "GET /schemas/ids/9"]);
}

#[test]
fn a_shard_waits_for_a_registry_that_is_away_and_the_others_go_on() {
    let files = "[events.schemas]\n101 = \"tests/fixtures/avro/first.avsc\"";
    for manner in [
        Manner::With(500, json!({ "error_code": 50001, "message": "store" }).to_string()),
        Manner::With(404, "<html>no such page</html>".to_owned()),
        Manner::With(200, "{}".to_owned()),
        Manner::With(401, json!({ "error_code": 40101, "message": "who" }).to_string()),
        Manner::Closing,
        Manner::Never,
    ] {
        let stand = Stand::new(files);
        stand.registry.answer(manner.clone());
        let app = stand.bench.start_live("a");
        let [waits, goes] = shops();
        stand.send(&waits, 1, 0..10);
        stand.send(&goes, 101, 10..20);
        stand.bench.until(&app, || stand.predicted() == 10);
        stand.bench.until(&app, || {
            app.missing().iter().any(|missing| {
                missing.contains("does not answer") || missing.contains("answers") || missing.contains("refuses")
            })
        });
        let missing = app.missing().join("; ");
        assert!(
            missing.starts_with("shard 0 waits: schema 1 of `shops.events` is being looked up: `http://127."),
            "{missing}"
        );
        assert_eq!((stand.predicted(), stand.letters().len()), (10, 0), "{manner:?}");
        stand.registry.answer(Manner::Well);
        stand.bench.until(&app, || stand.predicted() == 20);
        stand.bench.until(&app, || app.missing().is_empty());
        assert!(stand.letters().is_empty());
        app.stop().unwrap();
    }
}

#[test]
fn what_was_looked_up_is_never_asked_for_again() {
    for clean in [true, false] {
        let stand = Stand::new("");
        let app = stand.bench.start_live("a");
        let shop = &shops()[0];
        stand.send(shop, 1, 0..10);
        stand.send(shop, 9, 10..12);
        stand.bench.until(&app, || stand.predicted() == 10 && stand.letters().len() == 2);
        if !clean {
            // Nothing is written after this, so the next owner has the journal only from the last checkpoint on.
            stand.memory.kill("shops.score.a.0");
        }
        let _ = app.stop();
        let before = stand.recorded().len();
        stand.registry.answer(Manner::Closing);
        if clean {
            let bounds = stand.memory.bounds(&stand.bench.config.topics.journal).unwrap().unwrap();
            let at = TopicPartition::new(stand.bench.config.topics.journal.as_str(), 0);
            stand.memory.trim(&at, bounds[0].end).unwrap();
        }
        let app = stand.bench.start_live("a");
        stand.send(shop, 1, 20..30);
        stand.bench.until(&app, || stand.predicted() == 20);
        app.stop().unwrap();
        assert_eq!(stand.recorded().len(), if clean { 0 } else { before }, "nothing was looked up");
    }
}

#[test]
fn outputs_are_registered_at_the_start_and_framed_with_their_ids() {
    let stand = Stand::new("[outputs]\nformat = \"confluent-avro\"");
    let app = stand.bench.start_live("a");
    stand.send(&shops()[0], 1, 0..10);
    stand.bench.until(&app, || stand.predicted() == 10);
    app.stop().unwrap();
    let subjects = stand.registry.subjects();
    let names: Vec<&str> = subjects.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["shops.drift-alerts-value", "shops.outcomes-value", "shops.performance-value", "shops.predictions-value"]
    );
    let id = subjects["shops.predictions-value"];
    let [a, b, c, d] = id.to_be_bytes();
    let values = stand.bench.values(&stand.bench.config.topics.predictions).concat();
    assert!(values.iter().all(|value| value.starts_with(&[0, a, b, c, d])));
    let schema = apache_avro::Schema::parse_str(&stand.registry.schema(id).unwrap()).unwrap();
    assert_eq!(schema.name().map(apache_avro::schema::Name::name), Some("Prediction"));
    // Again, with a registry that would give other ids to others: the same ones.
    let app = stand.bench.start_live("a");
    stand.send(&shops()[0], 1, 10..11);
    stand.bench.until(&app, || stand.predicted() == 11);
    app.stop().unwrap();
    assert_eq!(stand.registry.subjects(), subjects);
}

#[test]
fn a_registry_that_does_not_take_the_schema_of_an_output_ends_the_start() {
    let stand = Stand::new("[outputs]\nformat = \"confluent-avro\"");
    let body = json!({ "error_code": 409, "message": "incompatible with an earlier schema" }).to_string();
    stand.registry.answer(Manner::With(409, body));
    let roles = driftless::runtime::Roles { score: true, monitor: false, retrain: false };
    let why = stand.bench.try_start("a", roles).err().unwrap().to_string();
    let expected = "score: the schema registry does not take the schema of `shops.predictions-value` (409): incompatible with \
                    an earlier schema";
    assert_eq!(why, expected);
}

fn registry(urls: &[String], more: &str) -> SchemaRegistry {
    let urls: Vec<String> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    let text = format!("{CONFIG}\n[schema_registry]\nurls = [{}]\n{more}", urls.join(", "));
    SchemaRegistry::new(Config::parse(&text).unwrap().schema_registry.as_ref().unwrap()).unwrap()
}

#[test]
fn every_address_is_tried_and_the_password_goes_with_the_request() {
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "open sesame\n").unwrap();
    let more =
        format!("timeout = \"300ms\"\nuser = \"driftless\"\npassword = {{ file = \"{}\" }}", password.path().display());
    let (closed, second) = (Registry::start(), Registry::start());
    closed.answer(Manner::Closing);
    second.put(5, FIRST);
    let client = registry(&["http://127.0.0.1:1".to_owned(), closed.url(), second.url() + "/"], &more);
    assert_eq!(client.schema(5).unwrap(), compact(FIRST));
    let basic = Some("Basic ZHJpZnRsZXNzOm9wZW4gc2VzYW1l".to_owned());
    assert_eq!(second.requests(), [("GET /schemas/ids/5".to_owned(), basic)]);
    assert!(!format!("{:?}", client.schema(6)).contains("sesame"));
}

#[test]
fn a_response_too_long_is_a_schema_that_cannot_be_used() {
    let server = Registry::start();
    server.put(5, &format!("\"{}\"", "x".repeat(256 * 1024)));
    let client = registry(&[server.url()], "timeout = \"300ms\"");
    assert_eq!(
        client.schema(5).unwrap(),
        SchemaVerdict::Unusable("its registry sends more than 262144 bytes for it".to_owned())
    );
    server.answer(Manner::Never);
    let begun = Instant::now();
    let why = client.schema(5).unwrap_err().to_string();
    assert!(why.contains("does not answer") && begun.elapsed() < Duration::from_secs(5), "{why}");
}

#[test]
fn one_id_that_is_not_answered_keeps_no_other_waiting() {
    let server = Registry::start();
    server.put(8, FIRST);
    let lookups = Lookups::new(registry(&[server.url()], "timeout = \"300ms\""));
    server.answer(Manner::Closing);
    let until = Instant::now() + Duration::from_secs(20);
    let mut answered = false;
    while !answered && Instant::now() < until {
        let open = lookups.ask(7);
        if let (Lookup::Open(Some(_)), Lookup::Open(Some(_))) = (&open, lookups.ask(8)) {
            server.answer(Manner::Well);
        }
        answered = lookups.ask(8) == Lookup::Answered(compact(FIRST));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(answered);
}

/// One request to the real registry that no client of ours makes.
fn put(url: &str, path: &str, body: &str) -> String {
    use std::io::{Read, Write};
    let (host, base) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "PUT /{base}{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// `scripts/registry` for the registry under test.
fn script(command: &str, port: &str) {
    let dir = std::env::var("DRIFTLESS_TEST_REGISTRY_DIR").unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/registry");
    let mut process = std::process::Command::new(script);
    process.args([command, "--dir", &dir]);
    if command == "start" {
        process.args(["--port", port]);
    }
    assert!(process.status().unwrap().success(), "scripts/registry {command}");
}

/// Registers everything in one order, so that ids are the same in a registry that has forgotten them.
fn register_all(client: &SchemaRegistry, app: &str) -> [u32; 4] {
    let subject = format!("{app}.events-value");
    let fourth = SECOND.replace("\"place\"", "\"where\"");
    [(subject.clone(), FIRST), (subject.clone(), SECOND), (format!("{app}.others-value"), OTHER), (subject, &fourth)]
        .map(|(subject, schema)| client.register(&subject, schema).unwrap())
}

#[test]
#[ignore = "needs a schema registry: set DRIFTLESS_TEST_REGISTRY and DRIFTLESS_TEST_REGISTRY_DIR"]
fn schemas_evolve_in_a_real_registry_that_is_stopped_and_started_under_a_running_pipeline() {
    let url = std::env::var("DRIFTLESS_TEST_REGISTRY").unwrap();
    let port = url.split(['/', ':']).nth(4).unwrap().to_owned();
    let transport: Arc<dyn Transport> = match std::env::var("DRIFTLESS_TEST_BROKERS") {
        Ok(brokers) => Arc::new(Kafka::new(KafkaParams::new(brokers, "driftless-test")).unwrap()),
        Err(_) => Arc::new(Memory::new()),
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let app_name = format!("shops-{}", now.as_millis());
    let text = CONFIG.replace("\"shops\"", &format!("\"{app_name}\""));
    let text = text.replace("[events]", "[events]\nformat = \"confluent-avro\"");
    // One that has forgotten everything is out of the application's reach until it has been told all of it.
    let door = Door::to(url.split('/').nth(2).unwrap());
    let reached = format!("http://{}/apis/ccompat/v7", door.address);
    let text = format!("{text}\n[outputs]\nformat = \"confluent-avro\"\n[schema_registry]\nurls = [\"{reached}\"]");
    let client = registry(std::slice::from_ref(&url), "timeout = \"60s\"");
    let bench = Bench::new(transport, Config::parse(&text).unwrap());
    let config = |url: &str| put(url, "/config", r#"{"compatibility":"BACKWARD"}"#);
    assert!(config(&url).contains(" 200 "));
    let app = bench.start_live("a");
    let [first, second, other, fourth] = register_all(&client, &app_name);
    // What the first readers could not read is refused where it would be a change.
    let refused = client.register(&format!("{app_name}.events-value"), OTHER).unwrap_err().to_string();
    assert!(refused.contains("does not take the schema"), "{refused}");

    let shop = &shops()[0];
    let send = |id: u32, as_written: u32, numbers: std::ops::Range<i64>| {
        let mut publisher = bench.transport.publisher().unwrap();
        for number in numbers {
            let mut value = event(as_written, number);
            value[1..5].copy_from_slice(&id.to_be_bytes());
            let timestamp = Some(Timestamp::from_millis(number * 1_000));
            let (topic, key) = (&bench.config.topics.events, Some(shop.as_bytes()));
            publisher
                .send(&Outgoing { topic, partition: None, key, value: Some(&value), headers: &[], timestamp })
                .unwrap();
        }
        publisher.flush().unwrap();
    };
    send(first, 1, 0..20);
    bench.until(&app, || bench.predicted().len() == 20);
    send(second, 2, 20..40);
    bench.until(&app, || bench.predicted().len() == 40);
    send(other, 3, 40..43);
    send(first, 1, 43..45);
    bench.until(&app, || bench.predicted().len() == 42);
    let letters = bench.records(&bench.config.topics.dead_letters).concat();
    let reason = |name: &str| {
        let header = letters[0].headers.iter().find(|header| header.name == name).unwrap();
        String::from_utf8(header.value.clone().unwrap()).unwrap()
    };
    assert_eq!((letters.len(), reason("driftless.error.code").as_str()), (3, "incompatible_schema"));
    let message = format!("schema {other} cannot be used: field `amount` is a string; expected a number");
    assert_eq!(reason("driftless.error.message"), message);

    script("stop", &port);
    send(first, 1, 45..50);
    bench.until(&app, || bench.predicted().len() == 47);
    send(fourth, 2, 50..60);
    bench.until(&app, || app.missing().iter().any(|missing| missing.contains("does not answer")));
    assert_eq!((bench.predicted().len(), bench.records(&bench.config.topics.dead_letters).concat().len()), (47, 3));
    door.set_open(false);
    script("start", &port);
    for (subject, _) in [("predictions", 1), ("outcomes", 2), ("drift-alerts", 3), ("performance", 4)] {
        let name = if subject == "drift-alerts" { "drift-alert" } else { subject.trim_end_matches('s') };
        let path = format!("{}/schemas/{name}.avsc", env!("CARGO_MANIFEST_DIR"));
        let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        client.register(&format!("{app_name}.{subject}-value"), &schema.to_string()).unwrap();
    }
    assert_eq!(register_all(&client, &app_name), [first, second, other, fourth], "the same ids as before");
    door.set_open(true);
    bench.until(&app, || bench.predicted().len() == 57);
    bench.until(&app, || app.missing().is_empty());
    app.stop().unwrap();
}
