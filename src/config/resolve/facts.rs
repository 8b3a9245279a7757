//! `[facts.NAME]`: what is known of the events' keys, as columns of the event.

use std::collections::BTreeMap;

use super::fields::fields;
use super::formats::{self, Sources};
use super::range::{name, whole};
use super::time::{TimeKeys, time};
use crate::config::error::Problem;
use crate::config::locate::join;
use crate::config::params::FactTopic;
use crate::config::raw::RawFacts;
use crate::data::InputIndex;
use crate::data::params::{EventParams, FactParams, TimeSource, TimeUnit};

/// Most topics of facts.
const MOST: usize = 16;

/// The topics of facts, which come after `before` other inputs; their fields become columns of `events`.
pub(super) fn facts(
    raw: &BTreeMap<String, RawFacts>,
    topics: &[FactTopic],
    before: usize,
    (events, sources): (&mut EventParams, Sources<'_>),
) -> Result<Vec<FactParams>, Problem> {
    if raw.len() > MOST {
        let message = format!("has {} tables; at most {MOST} are possible", raw.len());
        return Err(Problem::new("facts", message));
    }
    let mut all = Vec::with_capacity(raw.len());
    for (position, ((table, raw), topic)) in raw.iter().zip(topics).enumerate() {
        let path = join("facts", table);
        let facts = FactParams {
            name: table_name(&path, table)?.to_owned(),
            topic: topic.name.clone(),
            input: InputIndex((before + position) as u8),
            format: formats::input(&path, raw.format(), sources)?,
            time: time_of(&path, raw)?,
            max_keys: whole(&format!("{path}.max_keys"), raw.max_keys, 1..=100_000_000)?,
            fields: fields(&format!("{path}.fields"), &raw.fields)?,
            first_number: events.numbers(),
            first_text: events.texts(),
        };
        check_key(&path, raw, events)?;
        if facts.fields.is_empty() {
            let message =
                format!("missing; declare what is known, such as `[{path}.fields.country]` with `type = \"string\"`");
            return Err(Problem::new(format!("{path}.fields"), message));
        }
        let columns: Vec<_> = facts.columns().collect();
        if let Some(twice) = columns.iter().find(|column| events.columns().any(|known| known.name == column.name)) {
            let message = format!(
                "features would know it as `{}`, which is a field of the event already; give one another name",
                twice.name
            );
            return Err(Problem::new(format!("{path}.fields"), message));
        }
        events.facts.extend(columns);
        all.push(facts);
    }
    Ok(all)
}

/// The first part of the names of its fields.
fn table_name<'a>(path: &str, table: &'a str) -> Result<&'a str, Problem> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    if table.starts_with(|c: char| c.is_ascii_lowercase()) && table.len() <= 100 && table.chars().all(allowed) {
        return Ok(table);
    }
    let message = format!(
        "`{table}` cannot be the first part of a feature's name; write 1 to 100 of `a-z`, `0-9`, `_`, `-`, a letter first"
    );
    Err(Problem::new(path, message))
}

/// Facts are looked up in the shard of the event, which its key picks.
fn check_key(path: &str, raw: &RawFacts, events: &EventParams) -> Result<(), Problem> {
    let Some(by) = raw.by.as_ref().filter(|by| **by != events.key) else { return Ok(()) };
    let message = format!(
        "is `{by}`, but facts are known of the record key only, `{}`: those of another entity would be in other shards than \
         the events; key the topic by `{}`, or put what is known into the event",
        events.key, events.key
    );
    Err(Problem::new(format!("{path}.by"), message))
}

fn time_of(path: &str, raw: &RawFacts) -> Result<TimeSource, Problem> {
    let keys = TimeKeys { field: raw.time.as_deref(), unit: raw.time_unit, format: raw.time_format.as_deref() };
    let source = time(path, keys)?;
    if let TimeSource::Field { name: field, unit, .. } = &source {
        name(&format!("{path}.time"), field)?;
        if *unit == TimeUnit::Nanos && raw.fields.contains_key(field) {
            let message = format!(
                "is declared, but no number holds nanoseconds exactly, and `{path}.time` reads the field as it is; leave the \
                 declaration out"
            );
            return Err(Problem::new(join(&format!("{path}.fields"), field), message));
        }
    }
    Ok(source)
}
