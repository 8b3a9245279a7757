//! `[[features.encoded]]`: numbers made of a string field.

use super::derived::NamedDerived;
use super::range::whole;
use crate::config::error::Problem;
use crate::config::raw::{RawEncoded, RawEncoding};
use crate::config::suggest;
use crate::data::params::{Derived, EventParams, FieldColumn, Step, TextIndex};

/// Name of the bucket for values that are in no list.
const OTHER: &str = "other";

/// The features of one table.
pub(super) fn encoded(key: &str, raw: &RawEncoded, events: &EventParams) -> Result<Vec<NamedDerived>, Problem> {
    let Some(field) = &raw.field else {
        return Err(Problem::new(format!("{key}.field"), "missing; write a string field of the event"));
    };
    let Some(how) = raw.how else {
        return Err(Problem::new(format!("{key}.as"), "missing; write `one_hot`, `ordinal` or `hashed`"));
    };
    let column = self::text(&format!("{key}.field"), field, events)?;
    let text = match how {
        RawEncoding::OneHot => format!("one of the values of `{field}`"),
        RawEncoding::Ordinal => format!("`{field}` by its place among the categories"),
        RawEncoding::Hashed => format!("`{field}` hashed"),
    };
    let named = |name: String, steps: Vec<Step>| NamedDerived { name, derived: Derived { text: text.clone(), steps } };
    if how == RawEncoding::Hashed {
        let Some(buckets) = raw.buckets else {
            return Err(Problem::new(format!("{key}.buckets"), "missing; write a number of buckets, such as `64`"));
        };
        if !raw.categories.is_empty() {
            return Err(Problem::new(
                format!("{key}.categories"),
                "says nothing about `as = \"hashed\"`; leave it out",
            ));
        }
        let buckets = whole(&format!("{key}.buckets"), buckets, 2..=1_000_000)?;
        return Ok(vec![named(format!("{field}.hashed_{buckets}"), vec![Step::Hash(column, buckets)])]);
    }
    if raw.buckets.is_some() {
        return Err(Problem::new(format!("{key}.buckets"), "is for `as = \"hashed\"`; leave it out"));
    }
    let list = &raw.categories;
    if list.is_empty() {
        return Err(Problem::new(format!("{key}.categories"), "missing; write the values that are told apart"));
    }
    for (position, category) in list.iter().enumerate() {
        let is_twice = list.iter().take(position).any(|other| other == category);
        if is_twice || category == OTHER && how == RawEncoding::OneHot {
            let why = if is_twice { "named twice" } else { "the name of the bucket for values that are not listed" };
            return Err(Problem::new(format!("{key}.categories[{position}]"), format!("`{category}` is {why}")));
        }
    }
    let ordinal = Step::Ordinal(column, list.clone());
    if how == RawEncoding::Ordinal {
        return Ok(vec![named(format!("{field}.ordinal"), vec![ordinal])]);
    }
    // A missing value is in none of them.
    let or_no = [Step::Constant(0.0), Step::Coalesce];
    let is = |category: &String| {
        let steps = [Step::Is(column, category.clone())].into_iter().chain(or_no.clone());
        named(format!("{field}.is_{category}"), steps.collect())
    };
    let mut features: Vec<NamedDerived> = list.iter().map(is).collect();
    let other = [ordinal, Step::Constant(list.len() as f64), Step::Equal].into_iter().chain(or_no.clone());
    features.push(named(format!("{field}.is_{OTHER}"), other.collect()));
    Ok(features)
}

/// The text column of a declared field of the event.
pub(super) fn text(key: &str, field: &str, events: &EventParams) -> Result<TextIndex, Problem> {
    match events.columns().find(|spec| spec.name == field).map(|spec| spec.column) {
        Some(FieldColumn::Text(column)) => Ok(column),
        Some(FieldColumn::Number(_)) => {
            Err(Problem::new(key, format!("`{field}` is no `string` in `events.fields`; only a string can be encoded")))
        }
        None => {
            let texts = events.columns().filter(|spec| matches!(spec.column, FieldColumn::Text(_)));
            let names: Vec<&str> = texts.map(|spec| spec.name.as_str()).collect();
            let hint = suggest::hint(field, names);
            Err(Problem::new(key, format!("`{field}` is not declared under `events.fields` as a string; {hint}")))
        }
    }
}
