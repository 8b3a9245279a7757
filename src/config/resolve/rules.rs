//! Rules of a field: limits, lists, patterns, lengths, each for the types it makes sense for.

use crate::config::error::Problem;
use crate::config::raw::{RawChoice, RawField};
use crate::data::params::{FieldKind, OneOf, Pattern};

/// Most values of a list: beyond it the field is no category any more.
const MOST_VALUES: usize = 10_000;

pub(super) fn check_limits(path: &str, kind: FieldKind, raw: &RawField) -> Result<(), Problem> {
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

/// The values listed, in order.
pub(super) fn one_of(path: &str, kind: FieldKind, raw: &RawField) -> Result<Option<OneOf>, Problem> {
    let Some(choices) = &raw.one_of else { return Ok(None) };
    let refuse = |message: String| Err(Problem::new(format!("{path}.one_of"), message));
    if choices.is_empty() {
        return refuse("lists nothing, so every record would be rejected; write the values or leave it out".to_owned());
    }
    if choices.len() > MOST_VALUES {
        return refuse(format!("lists {} values; at most {MOST_VALUES} are possible", choices.len()));
    }
    let numbers =
        || choices.iter().filter_map(|choice| if let RawChoice::Number(n) = choice { Some(*n) } else { None });
    let texts = || choices.iter().filter_map(|choice| if let RawChoice::Text(t) = choice { Some(t) } else { None });
    match kind {
        FieldKind::Number => {
            if let Some(text) = texts().next() {
                return refuse(format!("lists the text `{text}` for a `number`; write numbers"));
            }
            let mut numbers: Vec<f64> = numbers().collect();
            if let Some(odd) = numbers.iter().find(|number| !number.is_finite()) {
                return refuse(format!("lists {odd}, which no field can hold; write finite numbers"));
            }
            numbers.sort_by(f64::total_cmp);
            if let Some(twice) = numbers.windows(2).find(|pair| pair.first() == pair.last()) {
                return refuse(format!("lists {} twice", twice.first().copied().unwrap_or_default()));
            }
            Ok(Some(OneOf::Numbers(numbers)))
        }
        FieldKind::Text => {
            if let Some(number) = numbers().next() {
                return refuse(format!("lists the number {number} for a `string`; write it in quotes"));
            }
            let mut texts: Vec<String> = texts().cloned().collect();
            texts.sort_unstable();
            if let Some(twice) = texts.windows(2).find(|pair| pair.first() == pair.last()) {
                return refuse(format!("lists `{}` twice", twice.first().map_or("", String::as_str)));
            }
            Ok(Some(OneOf::Texts(texts)))
        }
        FieldKind::Boolean => refuse("lists values of a `boolean`, which has two; leave it out".to_owned()),
    }
}

pub(super) fn pattern(path: &str, kind: FieldKind, raw: &RawField) -> Result<Option<Pattern>, Problem> {
    let Some(text) = &raw.pattern else { return Ok(None) };
    let key = format!("{path}.pattern");
    check_text(&key, kind)?;
    Pattern::new(text).map(Some).map_err(|error| Problem::new(key, format!("`{text}` {error}")))
}

pub(super) fn max_length(path: &str, kind: FieldKind, raw: &RawField) -> Result<Option<usize>, Problem> {
    let Some(length) = raw.max_length else { return Ok(None) };
    let key = format!("{path}.max_length");
    check_text(&key, kind)?;
    if length == 0 {
        return Err(Problem::new(key, "0 allows the empty string only; write 1 or more, or `one_of = [\"\"]`"));
    }
    Ok(Some(length))
}

fn check_text(key: &str, kind: FieldKind) -> Result<(), Problem> {
    if kind == FieldKind::Text {
        return Ok(());
    }
    Err(Problem::new(key, format!("is a rule for a `string`, and the field is a `{}`; leave it out", kind.name())))
}
