//! One entry of `features.windows.aggregates`: `count`, `since_last`, or a verb and a field.

use crate::config::error::Problem;
use crate::config::suggest;
use crate::data::params::{Aggregate, FieldColumn, FieldSpec, NumberIndex};

const FORMS: [&str; 5] = ["count", "sum:FIELD", "mean:FIELD", "max:FIELD", "since_last"];

/// The records a window is over, for messages and for resolving field names.
pub(super) struct Over<'a> {
    /// Path under which its fields are declared.
    pub fields_path: String,
    /// Its fields.
    pub fields: &'a [FieldSpec],
}

/// An aggregate with the part it plays in a feature's name.
pub(super) struct Named {
    /// What is computed.
    pub aggregate: Aggregate,
    /// `count`, `mean_dep_delay`, ...
    pub name: String,
}

pub(super) fn aggregate(key: &str, text: &str, over: &Over<'_>) -> Result<Named, Problem> {
    let (verb, field) = match text.split_once(':') {
        Some((verb, field)) => (verb, Some(field)),
        None => (text, None),
    };
    let field = match (verb, field) {
        ("count", None) => return Ok(Named { aggregate: Aggregate::Count, name: text.to_owned() }),
        ("since_last", None) => return Ok(Named { aggregate: Aggregate::SinceLast, name: text.to_owned() }),
        ("sum" | "mean" | "max", Some(field)) => field,
        ("sum" | "mean" | "max", None) => {
            return Err(Problem::new(key, format!("`{text}` needs a field; write `{text}:FIELD`")));
        }
        ("count" | "since_last", Some(_)) => {
            return Err(Problem::new(key, format!("`{text}` takes no field; write `{verb}`")));
        }
        _ => {
            let forms = suggest::list(FORMS);
            return Err(Problem::new(key, format!("`{text}` is not an aggregate; write one of {forms}")));
        }
    };
    let column = number(key, field, over)?;
    let aggregate = match verb {
        "sum" => Aggregate::Sum(column),
        "mean" => Aggregate::Mean(column),
        _ => Aggregate::Max(column),
    };
    Ok(Named { aggregate, name: format!("{verb}_{field}") })
}

/// The numeric column of a declared field.
pub(super) fn number(key: &str, field: &str, over: &Over<'_>) -> Result<NumberIndex, Problem> {
    let path = &over.fields_path;
    match over.fields.iter().find(|spec| spec.name == field).map(|spec| spec.column) {
        Some(FieldColumn::Number(column)) => Ok(column),
        Some(FieldColumn::Text(_)) => {
            let message = format!(
                "`{field}` is a `string` in `{path}`; only a `number` or `boolean` can be computed with (a string can \
                 group windows with `by`)"
            );
            Err(Problem::new(key, message))
        }
        None => {
            let names: Vec<&str> = over.fields.iter().map(|spec| spec.name.as_str()).collect();
            let message = format!("`{field}` is not declared under `{path}`; {}", suggest::hint(field, names));
            Err(Problem::new(key, message))
        }
    }
}
