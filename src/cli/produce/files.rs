//! Records from files: JSON lines sent as they are, CSV rows turned into JSON by the declared types.
//!
//! Both files are expected in the order of their times and are merged by them, events first at the same time. Key and
//! time are found as the configuration says; a label without a field for the key gets the key of its event, if that came
//! earlier in the same run.

mod lines;

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};

use super::{Destination, Sending};
use crate::config::Config;
use crate::data::Timestamp;
use crate::data::params::{FieldKind, TimeSource, TimeUnit};
use lines::{Line, Lines};

/// What is needed to send the rows of one file.
struct Form {
    to: Destination,
    path: String,
    time: TimeSource,
    key: String,
    /// Field with the id of the event; `None` where events have none.
    id: Option<String>,
}

/// Two files as one stream in time order.
pub(super) struct Files {
    events: Option<Input>,
    labels: Option<Input>,
    /// Keys of the events sent so far, by event id; kept where labels need them.
    keys: BTreeMap<String, Vec<u8>>,
}

struct Input {
    form: Form,
    lines: Peekable<Lines>,
}

/// A row whose time is known.
struct Row {
    at: Option<Timestamp>,
    line: Line,
}

impl Files {
    /// Opens the files.
    pub fn open(config: &Config, events: Option<&Path>, labels: Option<&Path>) -> Result<Files> {
        let keys = BTreeMap::new();
        let events = match events {
            None => None,
            Some(path) => {
                let params = &config.events;
                let kinds = params.fields.iter().map(|field| (field.name.clone(), field.kind)).collect();
                let form = Form {
                    to: Destination::Events,
                    path: path.display().to_string(),
                    time: params.time.clone(),
                    key: params.key.clone(),
                    id: params.id.clone(),
                };
                Some(Input::open(path, form, kinds)?)
            }
        };
        let labels = match (labels, &config.labels) {
            (None, _) => None,
            (Some(_), None) => {
                return Err(super::WrongUsage::because("the configuration has no `[labels]`; leave --labels out"));
            }
            (Some(path), Some(params)) => {
                let fields = params.kinds.iter().flat_map(|kind| &kind.fields);
                let kinds = fields.map(|field| (field.name.clone(), field.kind)).collect();
                let form = Form {
                    to: Destination::Labels,
                    path: path.display().to_string(),
                    time: params.time.clone(),
                    key: config.events.key.clone(),
                    id: Some(params.event_id.clone()),
                };
                Some(Input::open(path, form, kinds)?)
            }
        };
        Ok(Files { events, labels, keys })
    }

    fn sending(&mut self, to: Destination) -> Option<Result<Sending>> {
        let keep = self.labels.is_some();
        let input = match to {
            Destination::Events => self.events.as_mut()?,
            Destination::Labels => self.labels.as_mut()?,
        };
        let row = input.next()?;
        let form = &input.form;
        let number = row.as_ref().map_or(0, |row| row.line.number);
        Some(row.and_then(|row| sending(form, row, keep, &mut self.keys)).with_context(|| match number {
            0 => form.path.clone(),
            number => format!("{}, line {number}", form.path),
        }))
    }
}

fn sending(form: &Form, row: Row, keep: bool, keys: &mut BTreeMap<String, Vec<u8>>) -> Result<Sending> {
    let Row { at, line } = row;
    let id = form.id.as_ref().and_then(|name| text(line.object.get(name)));
    let key = match (text(line.object.get(&form.key)), form.to) {
        (Some(key), _) => key.into_bytes(),
        (None, Destination::Labels) => id.as_ref().and_then(|id| keys.get(id)).cloned().ok_or_else(|| {
            anyhow!(
                "the label has no field `{}` and its event did not come before it in this run; add the field",
                form.key
            )
        })?,
        (None, Destination::Events) => bail!("the event has no field `{}`, which is `events.key`", form.key),
    };
    if form.to == Destination::Events && keep {
        keys.extend(id.map(|id| (id, key.clone())));
    }
    Ok(Sending { to: form.to, key: Some(key), value: Some(line.json), at, broken: false })
}

impl Iterator for Files {
    type Item = Result<Sending>;

    fn next(&mut self) -> Option<Result<Sending>> {
        let time = |input: &mut Option<Input>| input.as_mut().and_then(Input::time);
        let to = match (time(&mut self.events), time(&mut self.labels)) {
            (Some(event), Some(label)) if label < event => Destination::Labels,
            (Some(_), _) => Destination::Events,
            (None, _) => Destination::Labels,
        };
        self.sending(to)
    }
}

impl Input {
    fn open(path: &Path, form: Form, kinds: BTreeMap<String, FieldKind>) -> Result<Input> {
        let lines = Lines::open(path, &form.time, kinds).with_context(|| format!("cannot read `{}`", form.path))?;
        Ok(Input { form, lines: lines.peekable() })
    }

    /// The time of the next row, if there is one; rows without a time or with a wrong one come first.
    fn time(&mut self) -> Option<Option<Timestamp>> {
        match self.lines.peek()? {
            Ok(line) => Some(time_of(&self.form.time, &line.object).ok().flatten()),
            Err(_) => Some(None),
        }
    }

    fn next(&mut self) -> Option<Result<Row>> {
        let line = self.lines.next()?;
        Some(line.and_then(|line| {
            let at = time_of(&self.form.time, &line.object)
                .with_context(|| format!("{}, line {}", self.form.path, line.number))?;
            Ok(Row { at, line })
        }))
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn time_of(source: &TimeSource, object: &Map<String, Value>) -> Result<Option<Timestamp>> {
    let TimeSource::Field { name, unit, format } = source else { return Ok(None) };
    let value = object.get(name);
    let count = |per_milli: i64| value.and_then(Value::as_i64).map(|count| count.div_euclid(per_milli));
    let read = match unit {
        TimeUnit::Millis => count(1).map(Timestamp::from_millis),
        TimeUnit::Micros => count(1_000).map(Timestamp::from_millis),
        TimeUnit::Nanos => count(1_000_000).map(Timestamp::from_millis),
        TimeUnit::Seconds => {
            let seconds = value.and_then(Value::as_f64);
            seconds.map(|seconds| Timestamp::from_millis((seconds * 1_000.0).round() as i64))
        }
        TimeUnit::Rfc3339 => value.and_then(Value::as_str).and_then(Timestamp::from_rfc3339),
        TimeUnit::Formatted => value.and_then(Value::as_str).zip(format.as_ref()).and_then(|(text, f)| f.read(text)),
    };
    read.map(Some).ok_or_else(|| anyhow!("field `{name}` is no time in unit `{}`", unit.name()))
}

#[cfg(test)]
mod tests;
