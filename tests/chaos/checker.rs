//! The checker: reads all topics from offset 0 as any reader of committed records does, and holds them against the
//! inputs, against the oracle, against the group's offsets, and against an undisturbed run over the same inputs.
//!
//! It shares no code with what it checks but the names of topics and fields, and the journal's decoder.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use driftless::codec::JournalRecord;
use serde_json::Value;

use crate::application::Application;
use crate::oracle::{self, Oracle};
use crate::report::Report;
use crate::topics::{Read, committed, ends, read_all};

/// Longest life of a dead owner's transaction: its time-out, and the broker's look for such transactions.
const OPEN_LIMIT: Duration = Duration::from_secs(30);

/// A place in an input.
type Place = (i32, i64);

/// Everything that a run has published.
struct Published {
    predictions: Vec<Read>,
    letters: Vec<Read>,
    outcomes: Vec<Read>,
    alerts: Vec<Read>,
    performance: Vec<Read>,
}

impl Published {
    fn read(brokers: &str, application: &Application) -> Result<Self> {
        let topics = &application.config.topics;
        Ok(Published {
            predictions: read_all(brokers, &topics.predictions)?,
            letters: read_all(brokers, &topics.dead_letters)?,
            outcomes: read_all(brokers, &topics.outcomes)?,
            alerts: read_all(brokers, &topics.drift_alerts)?,
            performance: read_all(brokers, &topics.performance)?,
        })
    }
}

/// Checks a run by itself, and compares it with an undisturbed one if there is one.
pub(crate) fn check(
    report: &mut Report,
    brokers: &str,
    run: &Application,
    undisturbed: Option<&Application>,
) -> Result<()> {
    let inputs = run.inputs();
    let events = read_all(brokers, &inputs.events)?;
    let labels = read_all(brokers, &inputs.labels)?;
    let found = Published::read(brokers, run)?;
    report.counts.events = events.len() as u64;
    report.counts.labels = labels.len() as u64;
    report.counts.predictions = found.predictions.len() as u64;
    report.counts.dead_letters = found.letters.len() as u64;
    report.counts.outcomes = found.outcomes.len() as u64;
    report.counts.alerts = found.alerts.len() as u64;
    nothing_is_open(report, brokers, run)?;
    positions_agree(report, brokers, run)?;
    every_event_is_answered_once(report, &events, &found, &inputs.events)?;
    every_label_is_answered_once(report, &labels, &found, &inputs.labels)?;
    alerts_open_once(report, &found.alerts)?;
    let Some(undisturbed) = undisturbed else { return Ok(()) };
    let expected = Published::read(brokers, undisturbed)?;
    equal(report, "prediction", &by_id(&found.predictions, "event_id")?, &by_id(&expected.predictions, "event_id")?);
    equal(report, "outcome", &outcomes(&found.outcomes)?, &outcomes(&expected.outcomes)?);
    equal(report, "alert", &in_order(&found.alerts)?, &in_order(&expected.alerts)?);
    let windows = last_revisions(&found.performance)?;
    report.counts.performance_windows = windows.len() as u64;
    equal(report, "performance window", &windows, &last_revisions(&expected.performance)?);
    Ok(())
}

fn parsed(read: &Read) -> Result<Value> {
    let value = read.value.as_deref().context("a record without a value")?;
    Ok(serde_json::from_slice(value)?)
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn every_event_is_answered_once(report: &mut Report, events: &[Read], found: &Published, topic: &str) -> Result<()> {
    let letters = letters_of(report, &found.letters, topic);
    let mut answers: BTreeMap<Place, Value> = BTreeMap::new();
    let mut last: BTreeMap<(i32, String), i64> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for read in &found.predictions {
        let prediction = parsed(read)?;
        let number = |field: &str| prediction[field].as_i64().unwrap_or(-1);
        let place = (number("source_partition") as i32, number("source_offset"));
        let entity = text(&prediction, "entity");
        let before = last.insert((read.partition, entity.clone()), place.1);
        if before.is_some_and(|before| before > place.1) {
            report.counts.disordered += 1;
            report.breach(format!("prediction of `{entity}` at {place:?} comes after that of {before:?}"));
        }
        if !ids.insert(text(&prediction, "event_id")) || answers.insert(place, prediction).is_some() {
            report.counts.doubled += 1;
            report.breach(format!("event at {place:?} has two predictions"));
        }
    }
    let mut oracle = Oracle::default();
    for read in events {
        let place = (read.partition, read.offset);
        let event = oracle::event(read.value.as_deref(), read.timestamp);
        let answer = answers.remove(&place);
        let lettered = letters.contains(&place);
        match (&event, &answer, lettered) {
            (Some(_), Some(_), false) | (None, None, true) => {}
            (_, None, false) => {
                report.counts.lost += 1;
                report.breach(format!("event at {place:?} has neither prediction nor dead letter"));
            }
            (_, Some(_), true) => {
                report.counts.doubled += 1;
                report.breach(format!("event at {place:?} has a prediction and a dead letter"));
            }
            _ => {
                report.counts.differing += 1;
                report.breach(format!("event at {place:?}: usable {}, dead letter {lettered}", event.is_some()));
            }
        }
        let Some(event) = event else { continue };
        let shop = String::from_utf8_lossy(read.key.as_deref().unwrap_or_default()).into_owned();
        let row = oracle.features(&shop, &event);
        let Some(answer) = answer else { continue };
        let features: Vec<Option<f64>> =
            answer["features"].as_array().into_iter().flatten().map(Value::as_f64).collect();
        let same = answer["event_id"] == event.id && answer["event_time"] == event.at && answer["entity"] == shop;
        if !same || features != row {
            report.counts.differing += 1;
            report.breach(format!("event at {place:?}: features {features:?}, the oracle has {row:?}"));
        }
    }
    for place in answers.keys() {
        report.counts.doubled += 1;
        report.breach(format!("a prediction names {place:?}, where there is no event"));
    }
    Ok(())
}

fn every_label_is_answered_once(report: &mut Report, labels: &[Read], found: &Published, topic: &str) -> Result<()> {
    let letters = letters_of(report, &found.letters, topic);
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    for read in labels {
        let label = oracle::label(read.value.as_deref());
        let lettered = letters.contains(&(read.partition, read.offset));
        if label.is_some() == lettered {
            report.counts.lost += 1;
            report.breach(format!("label at {:?}: dead letter {lettered}", (read.partition, read.offset)));
        }
        if let Some(event) = label {
            *wanted.entry(event).or_default() += 1;
        }
    }
    let mut seen = BTreeSet::new();
    for read in &found.outcomes {
        let outcome = parsed(read)?;
        if !seen.insert((text(&outcome, "event_id"), outcome["revision"].as_u64())) {
            report.counts.doubled += 1;
            report.breach(format!("outcome of `{}` twice", text(&outcome, "event_id")));
        }
    }
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for (event, _) in &seen {
        *counted.entry(event).or_default() += 1;
    }
    for (event, n) in &wanted {
        let has = counted.get(event.as_str()).copied().unwrap_or(0);
        if has != *n {
            report.counts.lost += n.abs_diff(has);
            report.breach(format!("`{event}` has {n} labels and {has} outcomes"));
        }
    }
    Ok(())
}

/// Places in `topic` that have a dead letter.
fn letters_of(report: &mut Report, letters: &[Read], topic: &str) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    for letter in letters.iter().filter(|letter| letter.header("driftless.error.topic") == Some(topic)) {
        let number = |name: &str| letter.header(name).and_then(|value| value.parse::<i64>().ok()).unwrap_or(-1);
        let place = (number("driftless.error.partition") as i32, number("driftless.error.offset"));
        if !places.insert(place) {
            report.counts.doubled += 1;
            report.breach(format!("`{topic}` at {place:?} has two dead letters"));
        }
    }
    places
}

fn alerts_open_once(report: &mut Report, alerts: &[Read]) -> Result<()> {
    let mut opened = BTreeSet::new();
    let mut asked = BTreeSet::new();
    for read in alerts {
        let alert = parsed(read)?;
        if alert["phase"] == "opened" && !opened.insert(text(&alert, "alert_id")) {
            report.counts.doubled += 1;
            report.breach(format!("alert `{}` opens twice", text(&alert, "alert_id")));
        }
        if alert["action"] == "retrain" && !asked.insert(text(&alert, "incident_id")) {
            report.breach(format!("incident `{}` asks for two trainings", text(&alert, "incident_id")));
        }
    }
    Ok(())
}

/// Committed offsets of the group, the last journal positions and the ends of the inputs are the same.
fn positions_agree(report: &mut Report, brokers: &str, run: &Application) -> Result<()> {
    let inputs = run.inputs();
    let group = run.config.group("score");
    let mut journal: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for read in read_all(brokers, &run.config.topics.journal)? {
        let record = JournalRecord::decode(read.value.as_deref().unwrap_or_default())?;
        journal.insert(read.partition, record.positions);
    }
    for (input, topic) in [&inputs.events, &inputs.labels].into_iter().enumerate() {
        let ends = ends(brokers, topic, "read_uncommitted")?;
        let committed = committed(brokers, &group, topic, ends.len())?;
        let journal: Vec<i64> = (0..ends.len() as i32)
            .map(|partition| journal.get(&partition).and_then(|all| all.get(input)).copied().unwrap_or(0))
            .collect();
        if committed != ends || journal != ends {
            report.breach(format!("`{topic}` ends at {ends:?}; committed {committed:?}, journal {journal:?}"));
        }
    }
    Ok(())
}

/// Readers of committed records reach the end of every topic that is written in transactions.
fn nothing_is_open(report: &mut Report, brokers: &str, run: &Application) -> Result<()> {
    let topics = &run.config.topics;
    let written = [
        &topics.predictions,
        &topics.outcomes,
        &topics.dead_letters,
        &topics.summaries,
        &topics.drift_alerts,
        &topics.performance,
        &topics.journal,
        &topics.monitor_journal,
    ];
    let until = Instant::now() + OPEN_LIMIT;
    for topic in written {
        loop {
            let (stable, high) = (ends(brokers, topic, "read_committed")?, ends(brokers, topic, "read_uncommitted")?);
            if stable == high {
                break;
            }
            if Instant::now() > until {
                report.breach(format!("`{topic}` has an open transaction: stable up to {stable:?}, ends at {high:?}"));
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
    Ok(())
}

/// What may differ between two runs: the clock, and the name of the application.
fn comparable(read: &Read) -> Result<Value> {
    let mut value = parsed(read)?;
    if let Some(fields) = value.as_object_mut() {
        for field in ["scored_at", "source_topic"] {
            fields.remove(field);
        }
    }
    Ok(value)
}

fn by_id(records: &[Read], id: &str) -> Result<BTreeMap<String, Value>> {
    records.iter().map(|read| Ok((text(&parsed(read)?, id), comparable(read)?))).collect()
}

fn outcomes(records: &[Read]) -> Result<BTreeMap<String, Value>> {
    records
        .iter()
        .map(|read| {
            let outcome = comparable(read)?;
            Ok((format!("{} revision {}", text(&outcome, "event_id"), outcome["revision"]), outcome))
        })
        .collect()
}

fn in_order(records: &[Read]) -> Result<BTreeMap<String, Value>> {
    (0..).zip(records).map(|(number, read)| Ok((format!("number {number:06}"), comparable(read)?))).collect()
}

/// The last record of each window; how many revisions led to it depends on when labels were seen.
fn last_revisions(records: &[Read]) -> Result<BTreeMap<String, Value>> {
    let mut windows = BTreeMap::new();
    for read in records {
        let mut window = comparable(read)?;
        let key = format!("{} v{} {}", window["window_start"], window["model_version"], window["arm"]);
        if let Some(fields) = window.as_object_mut() {
            fields.remove("revision");
        }
        windows.insert(key, window);
    }
    ensure!(windows.len() > 1, "no performance records");
    Ok(windows)
}

fn equal(report: &mut Report, what: &str, found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    let keys: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    for key in keys {
        let (found, expected) = (found.get(key), expected.get(key));
        if found != expected {
            let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            report.counts.differing += 1;
            report.breach(format!("{what} {key}: {}, undisturbed {}", shown(found), shown(expected)));
        }
    }
}
