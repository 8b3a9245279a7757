//! Canaries: a secret and values of records that must appear in no log line (at any level), metric, page, error, span or output
//! of the commands that show how things stand, whatever is done to the running binary.
//!
//! The binary runs for real on the Kafka in `DRIFTLESS_TEST_BROKERS`, with everything logged. That the search would find a
//! canary is shown where one may be: the dead-letter topic holds raw bytes.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

#[path = "../bad_input/cases.rs"]
mod cases;
#[path = "../services/processes.rs"]
#[expect(dead_code, reason = "shared with tests/services")]
mod processes;
mod search;
#[path = "../bad_input/site.rs"]
#[expect(dead_code, reason = "shared with tests/bad_input")]
mod site;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/surroundings.rs"]
mod surroundings;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driftless::config::Config;
use driftless::data::Header;
use driftless::runtime::topic_specs;
use driftless::transport::Transport;
use driftless::transport::kafka::{Kafka, KafkaParams};

use cases::{AT, cases};
use processes::{Service, get, until};
use search::search;
use site::{Sent, records, ruled, send};
use support::collector::Collector;
use support::registry::{Manner, Registry};
use surroundings::{free_address, surroundings};

/// What the cluster and the registry are shown to know us.
const SECRET: &str = "canary-secret-7f3a9c21";
/// What stands in every part of a record.
const PAYLOAD: &str = "canary-payload-51d20e88";
/// A number that is a value of a record.
const NUMBER: &str = "918273645";
const CANARIES: [&str; 3] = [SECRET, PAYLOAD, NUMBER];

struct Site {
    directory: tempfile::TempDir,
    text: String,
    config: Config,
    kafka: Kafka,
    http: SocketAddr,
    registry: Registry,
    collector: Collector,
}

impl Site {
    fn new(name: &str, events: &str) -> Site {
        let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").unwrap();
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let directory = tempfile::tempdir().unwrap();
        let http = free_address();
        let registry = Registry::start();
        let collector = Collector::start();
        fs::write(directory.path().join("password"), SECRET).unwrap();
        let surroundings = format!(
            "{}\n[kafka.properties]\n\"sasl.username\" = \"someone\"\n\
             \"sasl.password\" = {{ env = \"DRIFTLESS_CANARY\" }}\n\n\
             [schema_registry]\nurls = [\"{}\"]\nuser = \"someone\"\npassword = {{ file = {:?} }}\ntimeout = \"300ms\"\n\n\
             [traces]\nendpoint = {:?}\nratio = 1.0\n\n\
             [traces.headers]\nauthorization = {{ env = \"DRIFTLESS_CANARY\" }}\n",
            surroundings(&brokers, directory.path(), http),
            registry.url(),
            directory.path().join("password"),
            collector.url(),
        );
        let text = format!("{}\n{surroundings}", ruled(&format!("canary-{name}-{stamp}"), events));
        let config = Config::parse(&text).unwrap();
        let kafka = Kafka::new(KafkaParams::new(brokers, "driftless-test")).unwrap();
        kafka.create(&topic_specs(&config)).unwrap();
        let site = Site { directory, text, config, kafka, http, registry, collector };
        site.write("driftless.toml", |text| text);
        site
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, change: impl FnOnce(String) -> String) -> PathBuf {
        let file = self.file(name);
        fs::write(&file, change(self.text.clone())).unwrap();
        file
    }

    fn command(&self, arguments: &[&str], file: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
        command.args(arguments).arg("--config").arg(self.file(file));
        command.env("DRIFTLESS_LOG", "trace").env("DRIFTLESS_CANARY", SECRET).env("RUST_BACKTRACE", "1");
        command
    }

    fn start(&self, log: &str) -> Service {
        Service::start("all", self.command(&["run", "--instance", "x"], "driftless.toml"), self.file(log))
    }

    /// What a command prints, results and complaints, whatever its exit code.
    fn said(&self, arguments: &[&str], file: &str) -> Said {
        let output = self.command(arguments, file).stdin(Stdio::null()).output().unwrap();
        Said { what: arguments.join(" "), bytes: [output.stdout, output.stderr].concat() }
    }

    fn log(&self, name: &str) -> Said {
        Said { what: format!("the log {name}"), bytes: fs::read(self.file(name)).unwrap() }
    }

    /// Bodies of what was posted to the collector; what is no body may hold the secret, as it is for it.
    fn spans(&self) -> Vec<Said> {
        let requests = self.collector.requests().into_iter();
        requests.map(|posted| Said { what: "a request to the collector".to_owned(), bytes: posted.body }).collect()
    }

    fn pages(&self) -> Vec<Said> {
        let page = |path: &str| {
            let (status, body) = get(self.http, path);
            Said { what: format!("{path} ({status})"), bytes: body.into_bytes() }
        };
        ["/metrics", "/readyz", "/livez", "/no-such-page"].map(page).to_vec()
    }
}

/// Something that was said, and by whom.
#[derive(Clone)]
struct Said {
    what: String,
    bytes: Vec<u8>,
}

impl Said {
    fn assert_silent(&self) {
        let found = search(&self.bytes, &CANARIES);
        assert!(found.is_empty(), "{} holds {found:#?}", self.what);
    }
}

fn header() -> Header {
    Header { name: format!("{PAYLOAD}-name"), value: Some(PAYLOAD.into()) }
}

/// With a trace that is sampled, or with what is none.
fn traced(number: i64) -> Vec<Header> {
    let told = |name: &str, value: String| Header { name: name.to_owned(), value: Some(value.into_bytes()) };
    let parent = if number % 2 == 0 { format!("00-{:032x}-{:016x}-01", number + 1, 7) } else { PAYLOAD.to_owned() };
    vec![header(), told("traceparent", parent), told("tracestate", format!("x={PAYLOAD}"))]
}

/// Records of every kind that cannot be used, and good ones, with canaries in all their parts.
fn events() -> Vec<Sent> {
    let mut sent = Vec::new();
    for case in cases().into_iter().filter(|case| !case.is_huge) {
        let mut event = Sent::of(&case);
        if let Some(value) = event.value.as_mut().filter(|value| !value.is_empty()) {
            let text = String::from_utf8_lossy(value).replacen("\"x\"", &format!("\"{PAYLOAD}\""), 1);
            let text = text.replacen("{", &format!("{{\"{PAYLOAD}\":\"{PAYLOAD}\","), 1).replace(",}", "}");
            // What is not UTF-8 stays so.
            *value = if std::str::from_utf8(value).is_ok() {
                text.into_bytes()
            } else {
                [value, PAYLOAD.as_bytes()].concat()
            };
        }
        if let Some(key) = event.key.as_mut() {
            key.extend_from_slice(PAYLOAD.as_bytes());
        }
        event.headers.push(header());
        sent.push(event);
    }
    let texts = [
        format!("{{\"id\":\"{PAYLOAD}\",\"at\":\"{PAYLOAD}\",\"amount\":1}}"),
        format!("{{\"id\":\"{PAYLOAD}\",\"at\":{AT},\"amount\":\"{PAYLOAD}\"}}"),
        format!("{{\"id\":\"{PAYLOAD}\",\"at\":{AT},\"amount\":-{NUMBER}}}"),
        format!("{{\"id\":\"{PAYLOAD}\",\"at\":{AT},\"amount\":1,\"channel\":\"{PAYLOAD}\"}}"),
        format!("{{\"id\":\"{PAYLOAD}\",\"at\":{AT},\"amount\":1,\"country\":\"{PAYLOAD}\"}}"),
        format!("{{\"id\":\"{PAYLOAD}\",\"at\":{AT},\"amount\":1,\"card\":\"{PAYLOAD}\"}}"),
        format!("{{\"id\":\"{PAYLOAD}\",\"at\":{AT},\"amount\":{{\"{PAYLOAD}\":1}}}}"),
        PAYLOAD.to_owned(),
        format!("\"{PAYLOAD}\""),
        format!("{{\"{PAYLOAD}"),
        format!("{{\"id\":{NUMBER},\"at\":{NUMBER}}}"),
    ];
    sent.extend(texts.into_iter().map(|text| Sent { headers: vec![header()], ..Sent::new(AT, text) }));
    let good = |number: i64| {
        let text =
            format!("{{\"id\":\"{PAYLOAD}-{number}\",\"at\":{},\"amount\":{NUMBER},\"channel\":\"pos\"}}", AT + number);
        Sent { key: Some(PAYLOAD.into()), headers: traced(number), ..Sent::new(AT + number, text) }
    };
    sent.extend((0..50).map(good));
    sent
}

fn labels() -> Vec<Sent> {
    let texts = [
        format!("{{\"event_id\":\"{PAYLOAD}-1\",\"known_at\":{AT},\"kind\":\"{PAYLOAD}\"}}"),
        format!("{{\"event_id\":\"{PAYLOAD}-1\",\"known_at\":\"{PAYLOAD}\",\"kind\":\"checked\",\"fraud\":1}}"),
        format!("{{\"event_id\":\"{PAYLOAD}-1\",\"known_at\":{AT},\"kind\":\"checked\",\"fraud\":\"{PAYLOAD}\"}}"),
        format!("{{\"event_id\":\"{PAYLOAD}-1\",\"known_at\":{AT},\"kind\":\"checked\",\"fraud\":{NUMBER}}}"),
        format!("{{\"event_id\":\"{PAYLOAD}-none\",\"known_at\":{AT},\"kind\":\"checked\",\"fraud\":1}}"),
        format!("{{\"event_id\":\"{PAYLOAD}-2\",\"known_at\":{},\"kind\":\"checked\",\"fraud\":1}}", AT + 60_000),
        format!("{{\"event_id\":\"{PAYLOAD}-3\",\"known_at\":{},\"kind\":\"settled\",\"fee\":{NUMBER}}}", AT + 60_000),
        PAYLOAD.to_owned(),
    ];
    let label = |number, text| Sent { key: Some(PAYLOAD.into()), headers: traced(number), ..Sent::new(AT, text) };
    (0..).zip(texts).map(|(number, text)| label(number, text)).collect()
}

/// Records that none of the roles wrote, for topics that only they write.
fn foreign() -> Vec<Sent> {
    let texts = [
        PAYLOAD.to_owned(),
        format!("{{\"command\":\"{PAYLOAD}\",\"phase\":\"{PAYLOAD}\",\"event_id\":{NUMBER}}}"),
        format!("{{\"command\":\"promoted\",\"version\":\"{PAYLOAD}\"}}"),
        format!("{{\"alert_id\":\"{PAYLOAD}\",\"phase\":\"{PAYLOAD}\"}}"),
        format!("{{\"event_id\":\"{PAYLOAD}\",\"entity\":\"{PAYLOAD}\",\"event_time\":\"{PAYLOAD}\"}}"),
        format!("{{\"window_start\":\"{PAYLOAD}\"}}"),
        format!("{{\"shard\":\"{PAYLOAD}\"}}"),
    ];
    texts.into_iter().map(|text| Sent { headers: vec![header()], ..Sent::new(AT, text) }).collect()
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn no_secret_and_no_value_of_a_record_is_ever_told() {
    let site = Site::new("json", "deduplicate = \"1h\"");
    let topics = &site.config.topics;
    let mut service = site.start("run.log");
    until("all is ready", &[&service], || get(site.http, "/readyz").0 == 200);
    let sent = events();
    send(&site.kafka, &topics.events, &sent);
    send(&site.kafka, topics.labels.as_ref().unwrap(), &labels());
    let letters = || records(&site.kafka, &topics.dead_letters);
    let predictions = || records(&site.kafka, &topics.predictions);
    until("every event has come to something", &[&service], || {
        let page = get(site.http, "/metrics").1;
        page.contains(&format!("driftless_consumed_total{{input=\"events\"}} {}", sent.len()))
            && page.contains(&format!("driftless_consumed_total{{input=\"labels\"}} {}", labels().len()))
    });

    // Marked as committed is what a reader sees, a little later than the worker counts it.
    until("what came of them can be read", &[&service], || letters().len() >= 50 && predictions().len() >= 50);

    // A canary is found where it may be, and in a log that had one.
    let raw: Vec<u8> =
        letters().iter().flat_map(|letter| letter.value.as_deref().unwrap_or_default().to_vec()).collect();
    assert_eq!(search(&raw, &[PAYLOAD]).len(), 1, "the dead letters hold what was sent");
    assert_eq!(search(&raw, &[NUMBER]).len(), 1);
    let scored: Vec<u8> = predictions().iter().flat_map(|record| record.value.as_deref().unwrap().to_vec()).collect();
    assert_eq!(search(&scored, &[PAYLOAD]).len(), 1, "a prediction names its event");
    let mut altered = site.log("run.log").bytes;
    assert!(altered.len() > 100_000, "everything is logged: {} bytes", altered.len());
    altered.extend_from_slice(format!("key={:?}", SECRET.as_bytes()).as_bytes());
    assert_eq!(search(&altered, &CANARIES).len(), 1);

    let page_before: Vec<Said> = site.pages();
    let commands: [&[&str]; 9] = [
        &["check"],
        &["check", "--json"],
        &["status"],
        &["status", "--json"],
        &["top", "--once"],
        &["health"],
        &["topics", "list"],
        &["models", "list"],
        &["models", "list", "--json"],
    ];
    let mut said: Vec<Said> = commands.iter().map(|arguments| site.said(arguments, "driftless.toml")).collect();
    assert!(said.iter().all(|said| !said.bytes.is_empty() || said.what == "models list --json"));

    // What is none of ours, in topics that are: a role may stop for it, and says so without it.
    for topic in [&topics.predictions, &topics.outcomes, &topics.drift_alerts, &topics.performance, &topics.models] {
        send(&site.kafka, topic, &foreign());
    }
    std::thread::sleep(Duration::from_secs(3));
    said.extend(commands.iter().map(|arguments| site.said(arguments, "driftless.toml")));
    said.extend(page_before);
    said.extend(site.pages());
    send(&site.kafka, &topics.summaries, &foreign());
    std::thread::sleep(Duration::from_secs(3));
    said.extend(site.pages());
    service.kill();

    // Killed and started again, it reads what it wrote, and finds more there.
    send(&site.kafka, &topics.journal, &foreign());
    send(&site.kafka, &topics.state, &foreign());
    let mut service = site.start("again.log");
    std::thread::sleep(Duration::from_secs(8));
    said.extend(site.pages());
    service.kill();
    said.extend(["run.log", "again.log"].map(|log| site.log(log)));
    let spans = site.collector.spans();
    let told = |name: &str| spans.iter().filter(|span| span.name.starts_with(name)).count();
    assert!(told("score") > 50 && told("join") > 0, "{} and {} of {}", told("score"), told("join"), spans.len());
    assert!(spans.iter().any(|span| span.status.is_some()), "those of records that were refused among them");
    assert!(site.collector.requests().iter().all(|posted| posted.head.contains(SECRET)), "the collector knows us");
    said.extend(site.spans());
    for said in &said {
        said.assert_silent();
    }
    println!("{} texts searched, {} bytes", said.len(), said.iter().map(|said| said.bytes.len()).sum::<usize>());
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn what_is_wrong_with_a_connection_is_told_without_the_secret() {
    let site = Site::new("avro", "format = \"confluent-avro\"");
    let topics = &site.config.topics;
    // A registry that repeats what it was sent, and worse.
    let authorization = search::base64(format!("someone:{SECRET}").as_bytes());
    let body = format!("{{\"error_code\":40101,\"message\":\"no: Basic {authorization} {SECRET}\"}}");
    site.registry.answer(Manner::With(401, body));
    let mut framed = vec![0, 0, 0, 0, 7];
    framed.extend_from_slice(PAYLOAD.as_bytes());
    let mut event = Sent::new(AT, framed);
    event.headers.push(header());
    send(&site.kafka, &topics.events, &[event.clone()]);
    let mut service = site.start("registry.log");
    let mut said = Vec::new();
    until("the shard waits for its schema", &[&service], || get(site.http, "/readyz").1.contains("waits"));
    said.extend(site.pages());
    said.extend([site.said(&["status", "--json"], "driftless.toml")]);
    site.registry.answer(Manner::With(200, format!("{PAYLOAD} {SECRET}")));
    std::thread::sleep(Duration::from_secs(2));
    said.extend(site.pages());
    site.registry.put(7, "{\"type\":\"record\",\"name\":\"P\",\"fields\":[{\"name\":\"id\",\"type\":\"string\"}]}");
    site.registry.answer(Manner::Well);
    until("it is a dead letter", &[&service], || !records(&site.kafka, &topics.dead_letters).is_empty());
    let asked = site.registry.requests();
    assert!(asked.iter().any(|(_, given)| given.as_deref().is_some_and(|given| given.contains(&authorization))));
    said.extend(site.pages());
    service.kill();
    said.push(site.log("registry.log"));

    // Configurations that are wrong, and clusters that do not answer.
    let sasl = "\"security.protocol\" = \"sasl_plaintext\"\n\"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\"";
    site.write("refused.toml", |text| text.replacen("\"sasl.username\"", sasl, 1));
    let inline = format!("\"sasl.password\" = \"{SECRET}\"");
    site.write("inline.toml", |text| text.replacen("\"sasl.password\" = { env = \"DRIFTLESS_CANARY\" }", &inline, 1));
    let unquoted = format!("\"sasl.password\" = \"{SECRET}");
    site.write("cut-off.toml", |text| {
        text.replacen("\"sasl.password\" = { env = \"DRIFTLESS_CANARY\" }", &unquoted, 1)
    });
    site.write("typed.toml", |text| text.replacen("{ env = \"DRIFTLESS_CANARY\" }", &format!("[\"{SECRET}\"]"), 1));
    site.write("table.toml", |text| {
        text.replacen("{ env = \"DRIFTLESS_CANARY\" }", &format!("{{ value = \"{SECRET}\" }}"), 1)
    });
    let password = format!("password = \"{SECRET}\"\n#");
    site.write("registry.toml", |text| text.replacen("password = { file", &format!("{password} {{ file"), 1));
    let with_user = format!("http://someone:{SECRET}@127.0.0.1");
    site.write("address.toml", |text| text.replacen("http://127.0.0.1", &with_user, 1));
    for file in ["inline.toml", "cut-off.toml", "typed.toml", "table.toml", "registry.toml", "address.toml"] {
        for arguments in
            [&["check"] as &[&str], &["check", "--json"], &["run"], &["status", "--json"], &["topics", "list"]]
        {
            let all = site.said(arguments, file);
            assert!(String::from_utf8_lossy(&all.bytes).contains("error: "), "{file}: {}", all.what);
            said.push(Said { what: format!("{} of {file}", all.what), ..all });
        }
    }
    let mut service = Service::start("refused", site.command(&["run"], "refused.toml"), site.file("refused.log"));
    said.push(site.said(&["status", "--json", "--endpoint", &format!("http://u:{SECRET}@h:1")], "driftless.toml"));
    said.push(site.said(&["status"], "refused.toml"));
    std::thread::sleep(Duration::from_secs(3));
    service.kill();
    said.push(site.log("refused.log"));
    for said in &said {
        said.assert_silent();
    }
    println!("{} texts searched, {} bytes", said.len(), said.iter().map(|said| said.bytes.len()).sum::<usize>());
}
