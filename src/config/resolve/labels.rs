//! `[labels]`.

use super::fields::fields;
use super::formats::{self, Sources};
use super::range::{Unit, name, positive, unit};
use super::time::{TimeKeys, time};
use crate::config::error::Problem;
use crate::config::locate::join;
use crate::config::raw::{RawLabel, RawLabels};
use crate::config::suggest;
use crate::data::params::{FieldColumn, FieldKind, KindIndex, KindSpec, LabelParams, LabelSpec};

/// The kind of every record where no field names it.
const ONLY_KIND: &str = "label";

pub(super) fn labels(raw: &RawLabels, topic: String, sources: Sources<'_>) -> Result<LabelParams, Problem> {
    check_names(raw)?;
    let kinds = kinds(raw)?;
    let label = label(&raw.label, &kinds)?;
    let keys = TimeKeys { field: raw.time.as_deref(), unit: raw.time_unit, format: raw.time_format.as_deref() };
    Ok(LabelParams {
        topic,
        format: formats::input("labels", raw.format(), sources)?,
        event_id: name("labels.event_id", &raw.event_id)?.to_owned(),
        time: time("labels", keys)?,
        kind: raw.kind.clone(),
        kinds,
        wait: positive("labels.wait", raw.wait)?,
        label,
    })
}

/// The event's id, the time and the kind stand in fields of their own.
fn check_names(raw: &RawLabels) -> Result<(), Problem> {
    let named = [
        ("labels.event_id", Some(&raw.event_id)),
        ("labels.time", raw.time.as_ref()),
        ("labels.kind", raw.kind.as_ref()),
    ];
    for (position, (key, field)) in named.iter().enumerate() {
        let Some(field) = field else { continue };
        if let Some((first, _)) = named.iter().take(position).find(|(_, other)| *other == Some(*field)) {
            let message = format!("`{field}` is also `{first}`; each needs a field of its own");
            return Err(Problem::new(*key, message));
        }
    }
    Ok(())
}

fn kinds(raw: &RawLabels) -> Result<Vec<KindSpec>, Problem> {
    if raw.kinds.is_empty() {
        let kind = &raw.label.kind;
        let message = format!("missing; declare the kinds of follow-ups, such as `[labels.kinds.{kind}.fields.NAME]`");
        return Err(Problem::new("labels.kinds", message));
    }
    if let Some(field) = &raw.kind {
        name("labels.kind", field)?;
    }
    let mut kinds = Vec::with_capacity(raw.kinds.len());
    for (kind, table) in &raw.kinds {
        let path = join("labels.kinds", kind);
        name(&path, kind)?;
        if kind == "events" {
            let message = "`events` means the events themselves in `features.windows`; give the kind another name";
            return Err(Problem::new(path, message));
        }
        if raw.kind.is_none() && kind != ONLY_KIND {
            let message = format!(
                "cannot be told from other kinds without `labels.kind`; name the field that holds the kind, or declare \
                 only `labels.kinds.{ONLY_KIND}`"
            );
            return Err(Problem::new(path, message));
        }
        let path = format!("{path}.fields");
        let fields = fields(&path, &table.fields)?;
        if let Some(text) = fields.iter().find(|field| field.kind == FieldKind::Text) {
            let message = "is `string`, which no feature and no label can use; write `number` or `boolean`, or leave the \
                           field out";
            return Err(Problem::new(format!("{}.type", join(&path, &text.name)), message));
        }
        kinds.push(KindSpec { name: kind.clone(), fields });
    }
    Ok(kinds)
}

fn label(raw: &RawLabel, kinds: &[KindSpec]) -> Result<LabelSpec, Problem> {
    let Some(position) = kinds.iter().position(|kind| kind.name == raw.kind) else {
        let hint = suggest::hint(&raw.kind, kinds.iter().map(|kind| kind.name.as_str()));
        let message = format!("`{}` is not declared under `labels.kinds`; {hint}", raw.kind);
        return Err(Problem::new("labels.label.kind", message));
    };
    let fields = kinds.get(position).map(|kind| kind.fields.as_slice()).unwrap_or_default();
    let names = fields.iter().map(|field| field.name.as_str());
    let declared = join("labels.kinds", &raw.kind);
    let Some(wanted) = &raw.field else {
        let message = format!("missing; write the field of `{declared}.fields` that is 0 or 1");
        return Err(Problem::new("labels.label.field", message));
    };
    let column = fields.iter().find(|field| field.name == *wanted).map(|field| field.column);
    let Some(FieldColumn::Number(field)) = column else {
        let message = format!("`{wanted}` is not declared under `{declared}.fields`; {}", suggest::hint(wanted, names));
        return Err(Problem::new("labels.label.field", message));
    };
    name("labels.label.positive", &raw.positive)?;
    name("labels.label.negative", &raw.negative)?;
    if raw.positive == raw.negative {
        let message = format!("`{}` is also `labels.label.positive`; a decision must tell the two apart", raw.negative);
        return Err(Problem::new("labels.label.negative", message));
    }
    Ok(LabelSpec {
        kind: KindIndex(position),
        field,
        positive: raw.positive.clone(),
        negative: raw.negative.clone(),
        prior: unit("labels.label.prior", raw.prior, Unit::Open)?,
    })
}
