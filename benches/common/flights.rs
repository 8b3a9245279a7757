//! The bundled departures as records, in the shape that `examples/flights.toml` reads.
//!
//! More events than the year has go through it again, 53 weeks later each time.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use driftless::data::{InputIndex, Item, Record, Timestamp};
use driftless::model::Model;
use driftless::pipeline::{EVENTS, LABELS};
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

/// 2013-01-01T00:00Z, from which the files count minutes.
const START_MS: i64 = 1_356_998_400_000;
const MINUTE_MS: i64 = 60_000;
const AGAIN_AFTER_MS: i64 = 53 * 7 * 24 * 60 * MINUTE_MS;

/// The project's folder.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One record with its place in time.
pub(crate) struct Sent {
    pub(crate) input: InputIndex,
    /// Number of the departure it is about.
    pub(crate) flight: usize,
    pub(crate) at: Timestamp,
    pub(crate) key: Box<[u8]>,
    pub(crate) value: Box<[u8]>,
}

impl Sent {
    /// As the runtime hands it to a pipeline.
    pub(crate) fn item(&self, offset: i64) -> Item<Model> {
        let (key, value) = (Some(self.key.as_ref().into()), Some(self.value.as_ref().into()));
        let record = Record { offset, timestamp: self.at, key, value, headers: Vec::new() };
        Item::Record { input: self.input, record }
    }
}

/// Events at their scheduled time.
pub(crate) fn events(n: usize) -> Result<Vec<Sent>> {
    let mut sent = read(n)?;
    sent.retain(|sent| sent.input == EVENTS);
    Ok(sent)
}

/// Events and everything that becomes known of them while they last, in the order of time.
pub(crate) fn events_and_follow_ups(n: usize) -> Result<Vec<Sent>> {
    let mut sent = read(n)?;
    sent.sort_by_key(|sent| (sent.at, sent.input));
    Ok(sent)
}

fn read(n: usize) -> Result<Vec<Sent>> {
    let weather: BTreeMap<_, _> =
        rows("weather")?.into_iter().map(|row| ((row[0].clone(), row[1].clone()), row)).collect();
    let (flights, outcomes) = (rows("flights")?, rows("outcomes")?);
    let mut sent = Vec::new();
    let mut minute = 0;
    for (flight, (row, outcome)) in flights.iter().zip(&outcomes).cycle().take(n).enumerate() {
        let again = (flight / flights.len()) as i64;
        minute = if flight % flights.len() == 0 { 0 } else { minute } + number(&row[0])? as i64;
        let scheduled = START_MS + minute * MINUTE_MS + again * AGAIN_AFTER_MS;
        let date = Timestamp::from_millis(scheduled).to_string();
        let id = format!("{}{}-{}-{}", row[1], row[2], date[..10].replace('-', ""), row[3]);
        let hour = weather.get(&((minute / 60).to_string(), row[3].clone()));
        let event = event(&id, scheduled, row, hour.map(Vec::as_slice))?;
        let mut send = |input, at: i64, value: Value| -> Result<()> {
            let (key, value) = (row[3].as_bytes().into(), serde_json::to_vec(&value)?.into());
            sent.push(Sent { input, flight, at: Timestamp::from_millis(at), key, value });
            Ok(())
        };
        send(EVENTS, scheduled, event)?;
        for (minutes, mut follow_up) in follow_ups(row, outcome)? {
            let known_at = scheduled + minutes * MINUTE_MS;
            follow_up.insert("event_id".to_owned(), json!(id));
            follow_up.insert("known_at".to_owned(), json!(known_at));
            send(LABELS, known_at, Value::Object(follow_up))?;
        }
    }
    Ok(sent)
}

fn event(id: &str, scheduled: i64, row: &[String], weather: Option<&[String]>) -> Result<Value> {
    let minutes = scheduled / MINUTE_MS - 300;
    let mut event = Map::new();
    event.insert("id".to_owned(), json!(id));
    event.insert("scheduled".to_owned(), json!(scheduled));
    for (name, column) in [("carrier", 1), ("origin", 3), ("dest", 4), ("tailnum", 7)] {
        if !row[column].is_empty() {
            event.insert(name.to_owned(), json!(row[column]));
        }
    }
    for (name, column) in [("flight", 2), ("distance", 5), ("duration", 6)] {
        event.insert(name.to_owned(), json!(number(&row[column])? as i64));
    }
    event.insert("minute".to_owned(), json!(minutes.rem_euclid(1_440)));
    event.insert("weekday".to_owned(), json!((minutes.div_euclid(1_440) + 3).rem_euclid(7) + 1));
    let weather_columns =
        [("temp", 2), ("dewp", 3), ("humid", 4), ("wind_speed", 6), ("precip", 8), ("pressure", 9), ("visib", 10)];
    for (name, column) in weather_columns {
        let text = weather.map_or("", |weather| weather[column].as_str());
        if !text.is_empty() {
            event.insert(name.to_owned(), json!(number(text)?));
        }
    }
    Ok(Value::Object(event))
}

/// What becomes known of a departure, and how many minutes after it.
fn follow_ups(row: &[String], outcome: &[String]) -> Result<Vec<(i64, Map<String, Value>)>> {
    let late = |delay: f64| i64::from(delay >= 15.0);
    let mut known = Vec::new();
    let mut add = |minutes: i64, value: Value| {
        if let Value::Object(fields) = value {
            known.push((minutes, fields));
        }
    };
    if outcome[3] == "1" {
        add(1, json!({"kind": "cancelled"}));
    }
    if !outcome[0].is_empty() {
        let delay = number(&outcome[0])?;
        let fields = json!({"kind": "departed", "dep_delay": delay as i64, "late_departure": late(delay)});
        add(delay.max(0.0) as i64 + 1, fields);
    }
    if !outcome[1].is_empty() {
        let (delay, air_time) = (number(&outcome[1])?, number(&outcome[2])?);
        let fields =
            json!({"kind": "landed", "arr_delay": delay as i64, "late": late(delay), "air_time": air_time as i64});
        add((number(&row[6])? + delay) as i64 + 1, fields);
    }
    Ok(known)
}

fn number(text: &str) -> Result<f64> {
    text.parse().with_context(|| format!("`{text}` is no number"))
}

fn rows(name: &str) -> Result<Vec<Vec<String>>> {
    let path: PathBuf = project().join("data").join(format!("{name}.csv.gz"));
    let mut text = Vec::new();
    GzDecoder::new(std::fs::File::open(&path)?).read_to_end(&mut text)?;
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let rows = reader.records().map(|row| Ok(row?.iter().map(str::to_owned).collect()));
    rows.collect::<Result<_>>().with_context(|| path.display().to_string())
}
