//! `[events]` and the fields of any kind of record.

use std::collections::BTreeMap;

use super::formats::{self, Sources};
use super::range::{name, positive};
use crate::config::error::Problem;
use crate::config::locate::join;
use crate::config::raw::{RawEvents, RawField};
use crate::data::params::{
    EventParams, FieldColumn, FieldKind, FieldSpec, NumberIndex, TextIndex, TimeSource, TimeUnit,
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
    let time = time("events", raw.time.as_deref(), raw.time_unit)?;
    if let TimeSource::Field { name, unit } = &time {
        let kind = if *unit == TimeUnit::Rfc3339 { FieldKind::Text } else { FieldKind::Number };
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
        fields,
    })
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

/// `time` and `time_unit` of `[events]` or `[labels]`.
pub(super) fn time(table: &str, field: Option<&str>, unit: Option<TimeUnit>) -> Result<TimeSource, Problem> {
    let Some(field) = field else {
        if let Some(unit) = unit {
            let message =
                format!("is `{}`, but there is no `{table}.time` to be read with it; name the field", unit.name());
            return Err(Problem::new(format!("{table}.time_unit"), message));
        }
        return Ok(TimeSource::Record);
    };
    let name = name(&format!("{table}.time"), field)?.to_owned();
    Ok(TimeSource::Field { name, unit: unit.unwrap_or(TimeUnit::Millis) })
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
        check_limits(&path, kind, raw)?;
        let column = if kind == FieldKind::Text {
            texts += 1;
            FieldColumn::Text(TextIndex(texts - 1))
        } else {
            numbers += 1;
            FieldColumn::Number(NumberIndex(numbers - 1))
        };
        let name = field.clone();
        specs.push(FieldSpec { name, kind, required: raw.required, min: raw.min, max: raw.max, column });
    }
    Ok(specs)
}

fn check_limits(path: &str, kind: FieldKind, raw: &RawField) -> Result<(), Problem> {
    for (key, limit) in [("min", raw.min), ("max", raw.max)] {
        let Some(limit) = limit else { continue };
        let key = format!("{path}.{key}");
        if kind != FieldKind::Number {
            let message = format!("{limit} limits a `{}`; only a `number` has limits, leave it out", kind.name());
            return Err(Problem::new(key, message));
        }
        if !limit.is_finite() {
            return Err(Problem::new(key, format!("{limit} is no limit; write a finite number or leave it out")));
        }
    }
    match (raw.min, raw.max) {
        (Some(min), Some(max)) if min > max => {
            Err(Problem::new(format!("{path}.min"), format!("{min} is above `{path}.max`, which is {max}")))
        }
        _ => Ok(()),
    }
}
