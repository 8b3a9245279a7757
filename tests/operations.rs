//! Holds what operators rely on against the source: `docs/metrics.md`, the alert rules, the dashboard, the runbook.
//!
//! A metric that a rule, a panel or the runbook names is declared, with that label; every alert says how bad it is, what
//! happened and what to do; every section of the runbook belongs to an alert. `promtool` checks the rest (`scripts/test`).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot read the files has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use driftless::config::Config;
use driftless::telemetry::{Declaration, Kind, Metric};
use regex::Regex;
use serde_json::Value;

const RULES: &str = "deploy/prometheus";
const DASHBOARDS: &str = "deploy/grafana/dashboards";
const SEVERITIES: [&str; 3] = ["page", "ticket", "info"];
/// Labels that Prometheus adds, or that only a histogram's buckets have.
const ADDED: [&str; 6] = ["job", "instance", "service", "le", "alertname", "alertstate"];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    assert!(!files.is_empty(), "no {ending} in {folder}");
    files
}

fn declared() -> BTreeMap<String, Declaration> {
    let mut names = BTreeMap::new();
    for metric in Metric::ALL {
        let declared = metric.declaration();
        if matches!(declared.kind, Kind::Histogram(_)) {
            for suffix in ["_bucket", "_count", "_sum"] {
                names.insert(format!("{}{suffix}", declared.name), declared);
            }
        }
        names.insert(declared.name.to_owned(), declared);
    }
    names
}

/// Names of metrics in a text, with the labels of the selector behind each.
fn used(text: &str) -> Vec<(String, Vec<String>)> {
    let series = Regex::new(r"\b(driftless_[a-z_]+)(?:\{([^}]*)\})?").expect("an expression");
    let label = Regex::new(r#"(\w+)\s*(?:=~|!~|!=|=)"#).expect("an expression");
    let labels = |text: &str| label.captures_iter(text).map(|found| found[1].to_owned()).collect();
    let found = series.captures_iter(text);
    found.map(|found| (found[1].to_owned(), found.get(2).map_or_else(Vec::new, |list| labels(list.as_str())))).collect()
}

fn check_names(place: &str, text: &str) {
    let declared = declared();
    for (name, labels) in used(text) {
        let Some(declaration) = declared.get(&name) else { panic!("{place}: `{name}` is no metric of Driftless") };
        for label in labels {
            let known = declaration.labels.contains(&label.as_str()) || ADDED.contains(&label.as_str());
            assert!(known, "{place}: `{name}` has no label `{label}`, it has {:?}", declaration.labels);
        }
    }
}

/// One alert of a rule file, read line by line: the files are ours, and `promtool` checks that they are YAML.
#[derive(Debug, Default)]
struct Alert {
    name: String,
    lines: Vec<String>,
}

impl Alert {
    fn value(&self, key: &str) -> Option<&str> {
        let start = format!("{key}: ");
        self.lines.iter().find_map(|line| line.trim().strip_prefix(start.as_str())).map(|value| value.trim_matches('"'))
    }
}

fn alerts() -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    for path in files(RULES, ".rules.yml") {
        for line in read(&path).lines() {
            if let Some(name) = line.trim().strip_prefix("- alert: ") {
                alerts.push(Alert { name: name.to_owned(), lines: Vec::new() });
            } else if let Some(alert) = alerts.last_mut() {
                alert.lines.push(line.to_owned());
            }
        }
    }
    alerts
}

/// Every text of a dashboard, wherever it stands.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(values) => values.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn the_page_of_metrics_lists_exactly_what_is_exported() {
    let rows: Vec<String> = Metric::ALL
        .into_iter()
        .map(|metric| {
            let Declaration { name, kind, labels, help, .. } = metric.declaration();
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
            format!("| `{name}` | {kind} | {labels} | {help} |")
        })
        .collect();
    let page = read(&root("docs/metrics.md"));
    let listed: Vec<&str> = page.lines().filter(|line| line.starts_with("| `driftless_")).collect();
    assert_eq!(listed, rows, "docs/metrics.md");
}

#[test]
fn rules_dashboards_and_runbook_name_metrics_that_exist() {
    for path in files(RULES, ".yml").into_iter().chain(files("deploy/prometheus/tests", ".yml")) {
        check_names(&path.display().to_string(), &read(&path));
    }
    for path in files(DASHBOARDS, ".json") {
        let board: Value = serde_json::from_str(&read(&path)).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let mut all = Vec::new();
        texts(&board, &mut all);
        assert!(all.iter().any(|text| !used(text).is_empty()), "{path:?} shows nothing of Driftless");
        for text in all {
            check_names(&path.display().to_string(), &text);
        }
    }
    check_names("docs/runbook.md", &read(&root("docs/runbook.md")));
}

#[test]
fn every_alert_says_how_bad_it_is_what_happened_and_where_it_says_what_to_do() {
    let alerts = alerts();
    assert!(alerts.len() > 20, "{}", alerts.len());
    for alert in &alerts {
        let name = &alert.name;
        assert!(name.starts_with("Driftless"), "{name}");
        let severity = alert.value("severity").unwrap_or_default();
        assert!(SEVERITIES.contains(&severity), "{name}: severity `{severity}`");
        assert!(alert.value("summary").is_some_and(|summary| summary.contains("{{ $labels.job }}")), "{name}: summary");
        assert!(alert.value("description").is_some(), "{name}: description");
        let expected = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(alert.value("runbook_url"), Some(expected.as_str()), "{name}");
    }
}

#[test]
fn alerts_sections_of_the_runbook_and_tests_belong_together() {
    let names: BTreeSet<String> = alerts().into_iter().map(|alert| alert.name).collect();
    let page = read(&root("docs/runbook.md"));
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    let titles: BTreeSet<String> =
        sections.iter().filter_map(|section| section.lines().next()).map(str::to_owned).collect();
    assert_eq!(titles, names, "docs/runbook.md has one section for each alert");
    for section in &sections {
        let title = section.lines().next().unwrap_or_default();
        for part in ["**It means**", "**Look at**", "**Do**"] {
            assert!(section.contains(part), "docs/runbook.md, {title}: {part} is missing");
        }
    }
    let tests: String = files("deploy/prometheus/tests", ".test.yml").iter().map(|path| read(path)).collect();
    for name in &names {
        let cases: Vec<&str> = tests.split(&format!("- alertname: {name}\n")).skip(1).collect();
        let silent = |case: &&str| case.lines().nth(1).is_some_and(|line| line.trim() == "exp_alerts: []");
        assert!(cases.iter().any(|case| !silent(case)), "no test in which {name} fires");
        let quiet_neighbour = cases.len() == 1;
        assert!(cases.iter().any(silent) || quiet_neighbour, "no test in which {name} is silent");
    }
}

#[test]
fn the_flights_in_containers_give_the_results_of_the_example() {
    let [example, containers] = ["examples/flights.toml", "docker/flights.toml"]
        .map(|path| Config::load(&root(path)).unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(containers.digest(), example.digest());
    assert_eq!(containers.http.listen.map(|address| address.port()), example.http.listen.map(|address| address.port()));
}

#[test]
fn links_of_the_runbook_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#]*)(?:#([^)]*))?\)").expect("an expression");
    let page = read(&root("docs/runbook.md"));
    for found in link.captures_iter(&page) {
        let (file, anchor) = (&found[1], found.get(2).map(|anchor| anchor.as_str()));
        let path = root("docs").join(if file.is_empty() { "runbook.md" } else { file });
        let Some(anchor) = anchor else {
            assert!(path.exists(), "{}", path.display());
            continue;
        };
        let headings: Vec<String> = read(&path)
            .lines()
            .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')))
            .map(|title| title.to_lowercase().replace(' ', "-").replace(['`', ',', '.'], ""))
            .collect();
        assert!(headings.iter().any(|heading| heading == anchor), "{}#{anchor}: {headings:?}", path.display());
    }
}

/// The image builds its dependencies from a manifest and empty targets; one that is missing there breaks the build.
#[test]
fn the_image_knows_every_target_of_the_manifest() {
    let dockerfile = read(&root("docker/Dockerfile"));
    let manifest: toml::Table = read(&root("Cargo.toml")).parse().expect("the manifest");
    let targets = |kind: &str| manifest.get(kind).and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let path = |target: &toml::Value, folder: &str| match target.get("path").and_then(toml::Value::as_str) {
        Some(path) => path.to_owned(),
        None => format!("{folder}/{}.rs", target["name"].as_str().expect("a name")),
    };
    let mut paths: Vec<String> = targets("bench").iter().map(|target| path(target, "benches")).collect();
    paths.extend(targets("test").iter().map(|target| path(target, "tests")));
    let missing: Vec<&String> = paths.iter().filter(|path| !dockerfile.contains(path.as_str())).collect();
    assert!(!paths.is_empty() && missing.is_empty(), "docker/Dockerfile does not make {missing:?}");
}
