//! `[[features.encoded]]`: numbers made of a string field.
//!
//! `one_hot`, `ordinal` and `hashed` are made of the event alone. `target` and `frequency` need a training: the row has the
//! code of the category, and what that is worth stands in the model.

use super::derived::NamedDerived;
use super::range::{at_least_zero, whole};
use crate::config::error::Problem;
use crate::config::raw::{RawEncoded, RawEncoding};
use crate::config::suggest;
use crate::data::params::{Derived, EventParams, FieldColumn, PreparedSpec, Preparing, Step, TextIndex};

/// Name of the bucket for values that are in no list.
const OTHER: &str = "other";
/// What a model artifact can hold.
const MAX_CATEGORIES: u32 = 1_000_000;
const MAX_PRIOR_WEIGHT: f64 = 1e9;

/// What a table asks for.
pub(super) struct Encoded {
    /// Features of the row.
    pub features: Vec<NamedDerived>,
    /// What a training makes of the one feature there then is.
    pub prepared: Option<PreparedSpec>,
}

/// What one table asks for.
pub(super) fn encoded(key: &str, raw: &RawEncoded, events: &EventParams) -> Result<Encoded, Problem> {
    if let Some(how @ (RawEncoding::Target | RawEncoding::Frequency)) = raw.how {
        return trained(key, raw, how, events);
    }
    for (name, is_there) in
        [("prior_weight", raw.prior_weight.is_some()), ("max_categories", raw.max_categories.is_some())]
    {
        if is_there {
            let message = "is for encodings that are trained, `target` and `frequency`; leave it out";
            return Err(Problem::new(format!("{key}.{name}"), message));
        }
    }
    Ok(Encoded { features: plain(key, raw, events)?, prepared: None })
}

/// The code of the category in the row, and its value in the model.
fn trained(key: &str, raw: &RawEncoded, how: RawEncoding, events: &EventParams) -> Result<Encoded, Problem> {
    let name = if how == RawEncoding::Target { "target" } else { "frequency" };
    let Some(field) = &raw.field else {
        return Err(Problem::new(format!("{key}.field"), "missing; write a string field of the event"));
    };
    let column = self::text(&format!("{key}.field"), field, events)?;
    let says_nothing = [
        ("categories", !raw.categories.is_empty()),
        ("buckets", raw.buckets.is_some()),
        ("prior_weight", raw.prior_weight.is_some() && how == RawEncoding::Frequency),
    ];
    if let Some((other, _)) = says_nothing.iter().find(|(_, is_there)| *is_there) {
        let message = format!("says nothing about `as = \"{name}\"`; leave it out");
        return Err(Problem::new(format!("{key}.{other}"), message));
    }
    let most = whole(&format!("{key}.max_categories"), raw.max_categories.unwrap_or(100_000), 1..=MAX_CATEGORIES)?;
    let max_categories = most as usize;
    let how = if how == RawEncoding::Target {
        let prior_weight = at_least_zero(&format!("{key}.prior_weight"), raw.prior_weight.unwrap_or(20.0), true)?;
        if prior_weight > MAX_PRIOR_WEIGHT {
            let message = format!("{prior_weight} is out of range; write a number up to {MAX_PRIOR_WEIGHT}");
            return Err(Problem::new(format!("{key}.prior_weight"), message));
        }
        Preparing::Target { prior_weight, max_categories }
    } else {
        Preparing::Frequency { max_categories }
    };
    let feature = format!("{field}.code");
    let derived = Derived { text: format!("the code of `{field}`"), steps: vec![Step::Code(column)] };
    Ok(Encoded {
        features: vec![NamedDerived { name: feature.clone(), derived }],
        prepared: Some(PreparedSpec { name: format!("{field}.{name}"), feature, how }),
    })
}

fn plain(key: &str, raw: &RawEncoded, events: &EventParams) -> Result<Vec<NamedDerived>, Problem> {
    let Some(field) = &raw.field else {
        return Err(Problem::new(format!("{key}.field"), "missing; write a string field of the event"));
    };
    let Some(how) = raw.how else {
        return Err(Problem::new(
            format!("{key}.as"),
            "missing; write `one_hot`, `ordinal`, `hashed`, `target` or `frequency`",
        ));
    };
    let column = self::text(&format!("{key}.field"), field, events)?;
    let text = match how {
        RawEncoding::OneHot => format!("one of the values of `{field}`"),
        RawEncoding::Ordinal => format!("`{field}` by its place among the categories"),
        RawEncoding::Hashed => format!("`{field}` hashed"),
        RawEncoding::Target | RawEncoding::Frequency => String::new(),
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
