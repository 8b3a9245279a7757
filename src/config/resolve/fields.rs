//! `[events]` and the fields of any kind of record.

use std::collections::BTreeMap;

use super::formats::{self, Sources};
use super::range::{name, positive, whole};
use super::rules;
use super::time::{TimeKeys, time};
use crate::config::error::Problem;
use crate::config::locate::join;
use crate::config::raw::{RawEvents, RawField};
use crate::data::Timestamp;
use crate::data::params::{
    Deduplicate, EventParams, FieldColumn, FieldKind, FieldSpec, NumberIndex, TextIndex, TimeSource, TimeUnit,
};

pub(super) fn events(raw: &RawEvents, topic: String, sources: Sources<'_>) -> Result<EventParams, Problem> {
    const FIELDS: &str = "events.fields";
    let fields = fields(FIELDS, &raw.fields)?;
    let key = name("events.key", &raw.key)?;
    let key_column = match fields.iter().find(|field| field.name == key) {
        None => None,
        Some(FieldSpec { column: FieldColumn::Text(column), .. }) => Some(*column),
        Some(field) => {
            let message = format!(
                "is `{}`, but `events.key` names it and must equal the record key; write `type = \"string\"` or leave the \
                 field out",
                field.kind.name()
            );
            return Err(Problem::new(format!("{}.type", join(FIELDS, key)), message));
        }
    };
    let keys = TimeKeys { field: raw.time.as_deref(), unit: raw.time_unit, format: raw.time_format.as_deref() };
    let time = time("events", keys)?;
    if let TimeSource::Field { name, unit, .. } = &time {
        let kind = if unit.is_text() { FieldKind::Text } else { FieldKind::Number };
        if *unit == TimeUnit::Nanos && fields.iter().any(|field| field.name == *name) {
            let message = "is declared, but no number holds nanoseconds exactly, and `events.time` reads the field as it \
                           is; leave the declaration out";
            return Err(Problem::new(join(FIELDS, name), message));
        }
        check_named(&fields, name, "events.time", &[kind])?;
    }
    if let Some(id) = &raw.id {
        name("events.id", id)?;
        check_named(&fields, id, "events.id", &[FieldKind::Text, FieldKind::Number])?;
        if raw.time.as_ref() == Some(id) {
            let message = format!("`{id}` is also `events.time`; two events of the same moment need different ids");
            return Err(Problem::new("events.id", message));
        }
    }
    Ok(EventParams {
        topic,
        format: formats::input("events", raw.format(), sources)?,
        key: key.to_owned(),
        key_column,
        id: raw.id.clone(),
        time,
        lateness: raw.lateness,
        max_ahead: positive("events.max_ahead", raw.max_ahead)?,
        not_before: not_before(raw.not_before.as_deref())?,
        on_late: raw.on_late,
        deduplicate: deduplicate(raw)?,
        max_bytes: whole("events.max_bytes", raw.max_bytes, 1..=MOST_BYTES)?,
        has_headers: raw.headers,
        fields,
        facts: Vec::new(),
    })
}

/// Values beyond this would fill a batch by themselves.
const MOST_BYTES: usize = 64 << 20;

fn not_before(text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let read = Timestamp::from_rfc3339(text);
    read.map(Some).ok_or_else(|| {
        let message = format!("`{text}` is no time; write one such as `2013-01-01T00:00:00Z`");
        Problem::new("events.not_before", message)
    })
}

fn deduplicate(raw: &RawEvents) -> Result<Option<Deduplicate>, Problem> {
    let Some(window) = raw.deduplicate else {
        return match raw.on_duplicate {
            None => Ok(None),
            Some(_) => {
                let message = "there is no `events.deduplicate` to find duplicates with; write a length of time there";
                Err(Problem::new("events.on_duplicate", message))
            }
        };
    };
    const KEY: &str = "events.deduplicate";
    let window = positive(KEY, window)?;
    if raw.id.is_none() {
        let message =
            "without `events.id` an event is its position, which never comes twice; name the field with the id";
        return Err(Problem::new(KEY, message));
    }
    Ok(Some(Deduplicate { window, on_duplicate: raw.on_duplicate.unwrap_or_default() }))
}

/// A declared field that another key names must be required and of a type that can serve.
fn check_named(fields: &[FieldSpec], name: &str, by: &str, kinds: &[FieldKind]) -> Result<(), Problem> {
    let Some(field) = fields.iter().find(|field| field.name == name) else {
        return Ok(());
    };
    let path = join("events.fields", name);
    if !kinds.contains(&field.kind) {
        let wanted: Vec<_> = kinds.iter().map(|kind| format!("`{}`", kind.name())).collect();
        let message = format!("is `{}`, but `{by}` names it; write {}", field.kind.name(), wanted.join(" or "));
        return Err(Problem::new(format!("{path}.type"), message));
    }
    if !field.required {
        let message = format!("is `false`, but `{by}` names it and no event can do without; write `required = true`");
        return Err(Problem::new(format!("{path}.required"), message));
    }
    Ok(())
}

/// Declared fields in the order of their names, each with its column.
pub(super) fn fields(path: &str, raw: &BTreeMap<String, RawField>) -> Result<Vec<FieldSpec>, Problem> {
    let mut specs = Vec::with_capacity(raw.len());
    let (mut numbers, mut texts) = (0, 0);
    for (field, raw) in raw {
        let path = join(path, field);
        name(&path, field)?;
        let Some(kind) = raw.kind else {
            return Err(Problem::new(format!("{path}.type"), "missing; write `number`, `boolean` or `string`"));
        };
        rules::check_limits(&path, kind, raw)?;
        let column = if kind == FieldKind::Text {
            texts += 1;
            FieldColumn::Text(TextIndex(texts - 1))
        } else {
            numbers += 1;
            FieldColumn::Number(NumberIndex(numbers - 1))
        };
        specs.push(FieldSpec {
            name: field.clone(),
            kind,
            required: raw.required,
            min: raw.min,
            max: raw.max,
            one_of: rules::one_of(&path, kind, raw)?,
            pattern: rules::pattern(&path, kind, raw)?,
            max_length: rules::max_length(&path, kind, raw)?,
            column,
        });
    }
    Ok(specs)
}
