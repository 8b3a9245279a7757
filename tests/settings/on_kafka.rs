//! The real binary on the Apache Kafka in `DRIFTLESS_TEST_BROKERS`: a threshold commanded, kept through `kill -9`, shown, and
//! given back.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driftless::config::Config;
use driftless::transport::Transport;
use driftless::transport::kafka::{Kafka, KafkaParams};

use super::processes::{Service, get, until};
use super::support::bench::Bench;
use super::support::models::text_without_trainings;
use super::surroundings::{free_address, surroundings};

/// The binary with its configuration.
struct Site {
    bench: Bench,
    directory: tempfile::TempDir,
    file: PathBuf,
    http: std::net::SocketAddr,
    published: usize,
}

impl Site {
    fn new() -> Self {
        let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").unwrap();
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let directory = tempfile::tempdir().unwrap();
        let http = free_address();
        let text = format!(
            "{}\n{}",
            text_without_trainings().replace("\"shops\"", &format!("\"settings-{stamp}\"")),
            surroundings(&brokers, directory.path(), http)
        );
        let file = directory.path().join("driftless.toml");
        std::fs::write(&file, &text).unwrap();
        let kafka: Arc<dyn Transport> = Arc::new(Kafka::new(KafkaParams::new(brokers, "driftless-test")).unwrap());
        Site { bench: Bench::new(kafka, Config::parse(&text).unwrap()), directory, file, http, published: 0 }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
        command.args(words).arg("--config").arg(&self.file).env_remove("DRIFTLESS_LOG");
        command
    }

    fn start(&self, instance: &str) -> Service {
        let command = self.command(&["run", "--role", "score", "--role", "monitor", "--instance", instance]);
        let service = Service::start("score", command, self.log(instance));
        until("it is ready", &[&service], || get(self.http, "/readyz").0 == 200);
        service
    }

    fn log(&self, instance: &str) -> PathBuf {
        self.directory.path().join(format!("{instance}.log"))
    }

    /// Publishes some events and gives what was decided on them.
    fn feed(&mut self, service: &Service) -> Vec<String> {
        const N: usize = 40;
        self.bench.publish_slowly(self.published, N);
        self.published += N;
        until("all are predicted", &[service], || self.bench.predicted().len() == self.published);
        let mut predicted = self.bench.predicted();
        predicted.sort_by_key(|prediction| prediction.event_time);
        let mut decided: Vec<String> =
            predicted.split_off(self.published - N).into_iter().map(|p| p.decision).collect();
        decided.dedup();
        decided
    }

    fn feed_until(&mut self, service: &Service, decision: &str) {
        for _ in 0..50 {
            if self.feed(service) == [decision] {
                return;
            }
        }
        panic!("`{decision}` is never decided");
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn control_records(&self) -> usize {
        self.bench.values(&self.bench.config.topics.models).iter().map(Vec::len).sum()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn lines(log: &Path, message: &str) -> usize {
    std::fs::read_to_string(log).unwrap().lines().filter(|line| line.contains(message)).count()
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn the_running_binary_takes_a_threshold_keeps_it_through_kill_9_and_gives_it_back() {
    let mut site = Site::new();
    let mut service = site.start("a");
    // The base rate answers, with 0.1.
    assert_eq!(site.feed(&service), ["fine"]);

    for (words, expected) in [
        (&["set", "score.threshold", "1.5", "--why", "a slip"][..], "write a number from 0 to 1"),
        (&["set", "score.threshold", "0.05"], "say why with `--why`"),
        (&["set", "drift.window", "1h", "--why", "a try"], "start with `--previous OLD-FILE`"),
        (&["set", "retrain.min_labels", "40001", "--why", "a try"], "`retrain.max_rows`, which is 40000"),
    ] {
        let output = site.run(words);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
    let output = site.run(&["set", "score.threshold", "--default", "--why", "a try"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(site.control_records(), 0, "nothing of that was written");

    let output = site.run(&["set", "score.threshold", "0.05", "--why", "too many pass", "--by", "ann"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("`score.threshold` is 0.05 from now on, it was 0.5"), "{}", said(&output));
    site.feed_until(&service, "fraud");
    until("the metric shows it", &[&service], || {
        get(site.http, "/metrics").1.contains("\ndriftless_settings_by_command 1\n")
    });
    until("it is logged once", &[&service], || lines(&site.log("a"), "setting_changed") == 1);
    service.kill();

    let mut service = site.start("b");
    assert_eq!(site.feed(&service), ["fraud"]);
    assert_eq!(lines(&site.log("b"), "setting_changed"), 0, "it was told");
    let endpoint = site.http.to_string();
    let output = site.run(&["status", "--json", "--endpoint", &endpoint]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let shown = status["settings"].as_array().unwrap().iter().find(|of| of["key"] == "score.threshold").unwrap();
    assert_eq!((&shown["value"], &shown["configured"]), (&"0.05".into(), &"0.5".into()), "{shown}");
    assert_eq!((&shown["source"], &shown["by"]), (&"command".into(), &"ann".into()), "{shown}");

    let output = site.run(&["set", "score.threshold", "--default", "--why", "the rules are out"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    site.feed_until(&service, "fine");
    service.stop(Duration::from_secs(30));
    let output = site.run(&["replay"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    println!("{}", said(&output));
    assert_eq!(site.control_records(), 2);
}
