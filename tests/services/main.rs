//! The three roles as three processes of the real binary, against the Apache Kafka in `DRIFTLESS_TEST_BROKERS`.
//!
//! Flights go in through `driftless produce`, score is killed on the way and started again, a first model is trained and
//! promoted, and what came out is read back with two clients that are not ours.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod clients;
mod processes;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driftless::config::Config;
use driftless::data::{AlertAction, DriftAlert, ModelCommand, ModelRecord, Prediction, Record, Timestamp};
use driftless::demo::flights::{FlightRecord, Flights, FlightsParams, Stream};
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::{News, Position, Reader, TopicPartition, Transport};

use clients::{Place, Read};
use processes::{Service, get, output, until};

/// Up to here `driftless produce --flights` sends; enough for a first training.
const FIRST_UNTIL: &str = "2013-02-20T00:00:00Z";
/// Up to here the flights go on, from files, once the first model is in charge.
const THEN_UNTIL: &str = "2013-03-01T00:00:00Z";
const ROLES: [&str; 3] = ["score", "monitor", "retrain"];
/// How long a role may take to end when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// What a test run owns: its configuration, its files and a reader's view of its topics.
struct Site {
    directory: tempfile::TempDir,
    brokers: String,
    http: BTreeMap<&'static str, SocketAddr>,
    config: Config,
    kafka: Kafka,
}

/// What is committed to a topic, followed as it grows.
struct Tail {
    reader: Box<dyn Reader>,
    records: Vec<Record>,
}

/// Counts that `driftless produce --json` prints.
#[derive(Debug, PartialEq, serde::Deserialize)]
struct Sent {
    events: usize,
    broken_events: usize,
}

impl Site {
    /// The flights' configuration with names, places and spans of its own.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let mut text = include_str!("../../examples/flights.toml").to_owned();
        let listed: Vec<String> = brokers.split(',').map(|broker| format!("{broker:?}")).collect();
        for (from, to) in [
            ("app = \"flights\"", format!("app = \"flights-{now}\"")),
            ("brokers = [\"127.0.0.1:9092\"]", format!("brokers = [{}]", listed.join(", "))),
            ("path = \"driftless-store\"", format!("path = {:?}", directory.path().join("store"))),
            ("[retrain]\n", "[log]\nformat = \"json\"\n\n[retrain]\n".to_owned()),
        ] {
            assert!(text.contains(from), "examples/flights.toml has no `{from}` to replace");
            text = text.replace(from, &to);
        }
        let smaller = [("first_after", "\"42d\""), ("trees", "20"), ("max_rows", "8000")];
        let set: Vec<String> = text
            .lines()
            .map(|line| match smaller.iter().find(|(key, _)| line.split_whitespace().next() == Some(key)) {
                Some((key, value)) => format!("{key} = {value}"),
                None => line.to_owned(),
            })
            .collect();
        let text = set.join("\n");
        // Each process answers on a port of its own; they are held together so that they differ.
        let held = ROLES.map(|role| (role, TcpListener::bind("127.0.0.1:0").unwrap()));
        let http = held.each_ref().map(|(role, listener)| (*role, listener.local_addr().unwrap()));
        for (role, address) in &http {
            let file = directory.path().join(format!("{role}.toml"));
            fs::write(file, format!("{text}\n[http]\nlisten = \"{address}\"\n")).unwrap();
        }
        let config = Config::parse(&text).unwrap();
        let kafka = Kafka::new(KafkaParams::new(brokers.clone(), "driftless-test")).unwrap();
        Site { directory, brokers, http: http.into(), config, kafka }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A command with the configuration of a role; but for where its pages are, all are the same.
    fn command(&self, role: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
        command.args(arguments).arg("--config").arg(self.file(&format!("{role}.toml"))).env_remove("DRIFTLESS_LOG");
        command
    }

    fn start(&self, role: &'static str, log: &str) -> Service {
        let command = self.command(role, &["run", "--role", role, "--instance", "x"]);
        Service::start(role, command, self.file(log))
    }

    fn get(&self, role: &str, path: &str) -> (u16, String) {
        get(self.http[role], path)
    }

    fn produce(&self, arguments: &[&str]) -> Child {
        let mut command = self.command("score", &["produce", "--json"]);
        command.args(arguments).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn tail(&self, topic: &str) -> Tail {
        let mut reader = self.kafka.reader(&[topic.to_owned()]).unwrap();
        let bounds = self.kafka.bounds(topic).unwrap().unwrap();
        let starts: Vec<Position> = (0..)
            .zip(&bounds)
            .map(|(partition, bounds)| Position { at: TopicPartition::new(topic, partition), next: bounds.start })
            .collect();
        reader.start(&starts).unwrap();
        Tail { reader, records: Vec::new() }
    }

    /// The flights after the first part as two files of JSON lines; returns how many events there are.
    fn write_the_rest(&self) -> usize {
        let [mut events, mut labels] = [Vec::new(), Vec::new()];
        let mut count = 0;
        for FlightRecord { stream, at, key, value } in flights(false) {
            if at < moment(FIRST_UNTIL) || at >= moment(THEN_UNTIL) {
                continue;
            }
            count += usize::from(stream == Stream::Event);
            let file = if stream == Stream::Event { &mut events } else { &mut labels };
            let value = String::from_utf8(value.unwrap()).unwrap();
            let key = String::from_utf8(key.unwrap()).unwrap();
            // A line names its record key; follow-ups of the bundled stream do not repeat it in their value.
            let line = if stream == Stream::Event {
                value
            } else {
                value.replacen('{', &format!("{{\"origin\":\"{key}\","), 1)
            };
            file.extend(line.into_bytes());
            file.push(b'\n');
        }
        fs::write(self.file("events.jsonl"), events).unwrap();
        fs::write(self.file("labels.jsonl"), labels).unwrap();
        count
    }
}

impl Tail {
    /// All that has been committed so far, after a short look for more.
    fn records(&mut self) -> &[Record] {
        let mut news = Vec::new();
        self.reader.poll(Duration::from_millis(100), 10_000, &mut news).unwrap();
        for news in news {
            if let News::Record { record, .. } = news {
                self.records.push(record);
            }
        }
        &self.records
    }

    fn count(&mut self) -> usize {
        self.records().len()
    }
}

fn moment(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).unwrap()
}

fn flights(broken: bool) -> impl Iterator<Item = FlightRecord> {
    let flights = Flights::load(FlightsParams { shuffle: None, broken }).unwrap();
    (0..).map_while(move |position| flights.record(position).unwrap())
}

fn sent(producer: Child) -> Sent {
    let output = producer.wait_with_output().unwrap();
    assert!(output.status.success(), "produce: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn is_event_letter(config: &Config, record: &Record) -> bool {
    let topic = record.headers.iter().find(|header| header.name == "driftless.error.topic").unwrap();
    topic.value.as_deref() == Some(config.topics.events.as_bytes())
}

/// How many transactions each `restored` line of a log speaks of.
fn restored(log: &Path) -> Vec<u64> {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["message"] == "restored").map(|line| line["transactions"].as_u64().unwrap()).collect()
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn three_services_lose_and_repeat_nothing_when_score_is_killed_as_read_with_kcat_and_with_python() {
    let site = Site::new();
    output(&mut site.command("score", &["topics", "create"]));
    let mut score = site.start("score", "score-1.log");
    let monitor = site.start("monitor", "monitor.log");
    let retrain = site.start("retrain", "retrain.log");
    until("all are ready", &[&score, &monitor, &retrain], || {
        ROLES.iter().all(|role| site.get(role, "/readyz").0 == 200)
    });

    // Killed while it consumes, and started again under the same name.
    let in_first_part =
        |record: &FlightRecord| !matches!(record.stream, Stream::FollowUp(_)) && record.at < moment(FIRST_UNTIL);
    let first_events = flights(true).filter(in_first_part).count();
    let topics = &site.config.topics;
    let [mut predictions, mut letters, mut models] =
        [&topics.predictions, &topics.dead_letters, &topics.models].map(|topic| site.tail(topic));
    let producer = site.produce(&["--flights", "--broken", "--rate", "8000", "--until", FIRST_UNTIL]);
    let third = first_events * 3 / 10;
    until("a third is scored", &[&score, &monitor, &retrain], || predictions.count() >= third);
    score.kill();
    let at_kill = predictions.count();
    assert!(at_kill < first_events, "score had nothing left to do when it was killed");
    drop(score);
    let mut score = site.start("score", "score-2.log");
    let first = sent(producer);
    assert_eq!(first.events, first_events);

    let services = [&score, &monitor, &retrain];
    let mut answered = |events: usize| {
        let letters = letters.records().iter().filter(|letter| is_event_letter(&site.config, letter)).count();
        predictions.count() + letters >= events
    };
    until("the first part is answered", &services, || answered(first.events));
    until("the first model is in charge of scoring", &services, || {
        site.get("score", "/metrics").1.lines().any(|line| line == "driftless_model_version{role=\"score\"} 1")
    });

    // The rest is scored by the model.
    let rest = site.write_the_rest();
    let files = [site.file("events.jsonl"), site.file("labels.jsonl")];
    let [events, labels] = files.each_ref().map(|file| file.to_str().unwrap());
    let second = sent(site.produce(&["--rate", "8000", "--events", events, "--labels", labels]));
    assert_eq!(second, Sent { events: rest, broken_events: 0 });
    let total = first.events + second.events;
    until("all is answered", &services, || answered(total));

    let (status, readiness) = site.get("score", "/readyz");
    assert_eq!(status, 200, "{readiness}");
    let (status, metrics) = site.get("score", "/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("\ndriftless_ready 1\n"), "{metrics}");
    watched::assert_all_served(|| ROLES.map(|role| site.get(role, "/metrics").1).into());
    let replayed = restored(&site.file("score-2.log"));
    assert!(replayed.iter().any(|transactions| *transactions > 0), "nothing was restored: {replayed:?}");
    let commands: Vec<ModelRecord> = models
        .records()
        .iter()
        .map(|record| serde_json::from_slice(record.value.as_deref().unwrap()).unwrap())
        .collect();
    for wanted in [ModelCommand::Registered, ModelCommand::Promoted] {
        assert!(commands.iter().any(|record| record.command == wanted && record.version == 1), "{commands:?}");
    }

    // Asked to stop, every role ends in order.
    for service in [&mut score, &mut { monitor }, &mut { retrain }] {
        service.stop(STOP_LIMIT);
    }
    check_what_came_out(&site, &first, total, rest);
    println!(
        "{total} events, killed after {at_kill} predictions, replayed {replayed:?} transactions; control log: {:?}",
        commands.iter().map(|record| record.command.name()).collect::<Vec<_>>()
    );
}

/// Holds the topics against each other, as two clients read them.
fn check_what_came_out(site: &Site, first: &Sent, total: usize, rest: usize) {
    let topics = &site.config.topics;
    let [events, letters, predictions, alerts] =
        [&topics.events, &topics.dead_letters, &topics.predictions, &topics.drift_alerts]
            .map(|topic| clients::kafka_python(&site.brokers, topic));
    for (topic, read) in [(&topics.predictions, &predictions), (&topics.drift_alerts, &alerts)] {
        let other = clients::kcat(&site.brokers, topic);
        assert_eq!(other.len(), read.len(), "`{topic}` has as many records for both clients");
        assert!(other.iter().all(|(place, value)| read.get(place).is_some_and(|read| read.value == *value)), "{topic}");
    }

    // A dead letter is the event's bytes with the reason and the place they came from.
    let mut unusable = BTreeSet::new();
    for letter in letters.values().filter(|letter| letter.headers["driftless.error.topic"] == topics.events) {
        let at = |name: &str| letter.headers[name].parse::<i64>().unwrap();
        let place = Place::new(at("driftless.error.partition"), at("driftless.error.offset"));
        assert!(!letter.headers["driftless.error.code"].is_empty());
        assert_eq!(letter.value, events[&place].value, "{place:?}");
        assert!(unusable.insert(place), "{place:?} has two dead letters");
    }
    assert_eq!((events.len(), unusable.len()), (total, first.broken_events));

    // One prediction for every other event.
    let read: Vec<Prediction> = predictions.values().map(value).collect();
    let mut by_id = BTreeMap::new();
    for prediction in &read {
        assert!(by_id.insert(prediction.event_id.as_str(), prediction).is_none(), "{} twice", prediction.event_id);
    }
    let usable = events.iter().filter(|(place, _)| !unusable.contains(*place));
    let ids: BTreeMap<String, Place> = usable
        .map(|(place, event)| (value::<serde_json::Value>(event)["id"].as_str().unwrap().to_owned(), *place))
        .collect();
    assert_eq!(by_id.len(), ids.len());
    for (id, place) in &ids {
        let prediction = by_id.get(id.as_str());
        let source = prediction.map(|p| Place::new(p.source_partition.into(), p.source_offset));
        assert_eq!(source, Some(*place), "{id}");
    }

    // The model answers what came after its promotion.
    let later: Vec<&Prediction> = read.iter().filter(|p| p.event_time >= moment(FIRST_UNTIL)).collect();
    assert_eq!(later.len(), rest);
    assert!(later.iter().all(|prediction| prediction.model_version >= 1));
    let asks =
        alerts.values().map(value::<DriftAlert>).filter(|alert| alert.action == Some(AlertAction::Retrain)).count();
    assert!(asks >= 1, "no alert asks for a training");
}

fn value<T: serde::de::DeserializeOwned>(read: &Read) -> T {
    serde_json::from_slice(read.value.as_deref().unwrap()).unwrap()
}
