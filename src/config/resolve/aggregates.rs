//! One entry of `features.windows.aggregates`: `count`, `since_last`, or a verb and a field.

use crate::config::error::Problem;
use crate::config::suggest;
use crate::data::params::{Aggregate, FieldColumn, FieldSpec, NumberIndex, Source};

const FORMS: [&str; 17] = [
    "count",
    "rate",
    "since_last",
    "duration",
    "sum:FIELD",
    "mean:FIELD",
    "variance:FIELD",
    "std:FIELD",
    "min:FIELD",
    "max:FIELD",
    "first:FIELD",
    "last:FIELD",
    "ratio:FIELD",
    "p95:FIELD",
    "distinct:FIELD",
    "top_share:FIELD",
    "is_top:FIELD",
];

/// The records a window is over, for messages and for resolving field names.
pub(super) struct Over<'a> {
    /// What it is over.
    pub source: Source,
    /// Path under which its fields are declared.
    pub fields_path: String,
    /// Its fields.
    pub fields: Vec<&'a FieldSpec>,
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
    let alone = match verb {
        "count" => Some(Aggregate::Count),
        "rate" => Some(Aggregate::Rate),
        "since_last" => Some(Aggregate::SinceLast),
        "duration" => Some(Aggregate::Duration),
        _ => None,
    };
    let field = match (alone, field) {
        (Some(aggregate), None) => return Ok(Named { aggregate, name: text.to_owned() }),
        (Some(_), Some(_)) => return Err(Problem::new(key, format!("`{text}` takes no field; write `{verb}`"))),
        (None, field) => field,
    };
    let share = share(verb);
    if share.is_none() && !FORMS.iter().any(|form| form.strip_suffix(":FIELD") == Some(verb)) {
        let forms = suggest::list(FORMS);
        return Err(Problem::new(key, format!("`{text}` is not an aggregate; write one of {forms}")));
    }
    let Some(field) = field else {
        return Err(Problem::new(key, format!("`{text}` needs a field; write `{text}:FIELD`")));
    };
    let name = format!("{verb}_{field}");
    if let "distinct" | "top_share" | "is_top" = verb {
        let column = any(key, field, over)?;
        let aggregate = match verb {
            "distinct" => Aggregate::Distinct(column),
            "top_share" => Aggregate::TopShare(column),
            _ => Aggregate::IsTop(column),
        };
        return Ok(Named { aggregate, name });
    }
    let column = number(key, field, over)?;
    let aggregate = match (verb, share) {
        (_, Some(share)) => Aggregate::Quantile { of: column, share },
        ("sum", _) => Aggregate::Sum(column),
        ("mean", _) => Aggregate::Mean(column),
        ("variance", _) => Aggregate::Variance(column),
        ("std", _) => Aggregate::Std(column),
        ("min", _) => Aggregate::Min(column),
        ("max", _) => Aggregate::Max(column),
        ("first", _) => Aggregate::First(column),
        ("last", _) => Aggregate::Last(column),
        _ => Aggregate::Ratio(column),
    };
    Ok(Named { aggregate, name })
}

/// `p95` is 9500 ten-thousandths, `p99.9` is 9990.
fn share(verb: &str) -> Option<u32> {
    let percent = verb.strip_prefix('p')?;
    let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
    let is_number = !whole.is_empty() && whole.len() <= 3 && part.len() <= 2;
    if !is_number || !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let share: u32 = format!("{whole}{part:0<2}").parse().ok()?;
    (share <= 10_000).then_some(share)
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
        None => Err(unknown(key, field, over)),
    }
}

/// The column of a declared field of any type; of follow-ups, a numeric one.
fn any(key: &str, field: &str, over: &Over<'_>) -> Result<FieldColumn, Problem> {
    match over.fields.iter().find(|spec| spec.name == field).map(|spec| spec.column) {
        Some(FieldColumn::Text(_)) if over.source != Source::Events => {
            let path = &over.fields_path;
            let message =
                format!("`{field}` is a `string` in `{path}`; strings are told apart in windows over events only");
            Err(Problem::new(key, message))
        }
        Some(column) => Ok(column),
        None => Err(unknown(key, field, over)),
    }
}

fn unknown(key: &str, field: &str, over: &Over<'_>) -> Problem {
    let names: Vec<&str> = over.fields.iter().map(|spec| spec.name.as_str()).collect();
    let path = &over.fields_path;
    Problem::new(key, format!("`{field}` is not declared under `{path}`; {}", suggest::hint(field, names)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_percent_with_two_places() {
        let shares = ["p50", "p5", "p99.9", "p99.99", "p100", "p0", "p101", "p", "p9.999", "px", "p+5"].map(share);
        let some = [Some(5_000), Some(500), Some(9_990), Some(9_999), Some(10_000), Some(0)];
        assert_eq!(shares[..6], some);
        assert_eq!(shares[6..], [None; 5]);
    }
}
