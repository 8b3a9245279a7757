//! What Prometheus sees of running roles: every metric that a rule or a panel names, in a form that `promtool` accepts.
//!
//! Held here and nowhere else, since this runs wherever there is a Kafka. `scripts/alerts-live` adds what takes a Prometheus: each
//! alert fires, and each query of the dashboard has an answer.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use regex::Regex;

const FILES: [&str; 3] = [
    "deploy/prometheus/availability.rules.yml",
    "deploy/prometheus/quality.rules.yml",
    "deploy/grafana/dashboards/driftless.json",
];
/// Not there in this run: no hops, and a limit of memory only where the system has set one.
const ELSEWHERE: [&str; 2] = ["driftless_held_back_records", "driftless_memory_limit_bytes"];
/// The monitor judges its first window under the first model a moment after the last event.
const LIMIT: Duration = Duration::from_secs(60);

fn named() -> BTreeSet<String> {
    let series = Regex::new(r"\bdriftless_[a-z_]+").unwrap();
    let mut names = BTreeSet::new();
    for file in FILES {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        names.extend(series.find_iter(&text).map(|name| name.as_str().to_owned()));
    }
    names.retain(|name| !ELSEWHERE.contains(&name.as_str()));
    names
}

/// Looks at the pages until every metric that somebody looks at is on one of them.
pub(crate) fn assert_all_served(mut pages: impl FnMut() -> Vec<String>) {
    let begun = Instant::now();
    let names = named();
    assert!(names.len() > 30, "{names:?}");
    loop {
        let pages = pages();
        let is_there = |name: &&String| {
            let starts = [format!("\n{name} "), format!("\n{name}{{")];
            pages.iter().any(|page| starts.iter().any(|start| page.contains(start)))
        };
        let missing: Vec<&String> = names.iter().filter(|name| !is_there(name)).collect();
        if missing.is_empty() {
            pages.iter().for_each(|page| assert_bounded(page));
            pages.iter().for_each(|page| assert_accepted(page));
            return;
        }
        assert!(begun.elapsed() < LIMIT, "no role serves {missing:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Series of one process at most: histograms, and what there is by shard, reason and signal. A key or an id in a label would be more.
const MOST_SERIES: usize = 500;
/// Keys and values of the flights.
const PAYLOAD: [&str; 4] = ["EWR", "JFK", "LGA", "-2013"];

fn assert_bounded(page: &str) {
    let series = page.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series <= MOST_SERIES, "{series} series:\n{page}");
    for text in PAYLOAD {
        assert!(!page.contains(text), "`{text}` is on the page of metrics:\n{page}");
    }
}

/// `promtool check metrics` finds nothing to say; left out only where there is no promtool, and never in CI.
fn assert_accepted(page: &str) {
    let mut command = Command::new("promtool");
    let command =
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() => return,
        spawned => spawned.unwrap(),
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let done = promtool.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.is_empty(), "{said}");
}
