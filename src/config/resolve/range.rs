//! Checks of single numbers and spans, in one wording.

use crate::config::error::Problem;
use crate::data::Span;

/// A number that must lie between 0 and 1, each end allowed or not.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// 0 and 1 allowed.
    Closed,
    /// 1 allowed, 0 not.
    AboveZero,
    /// Neither allowed.
    Open,
}

/// A share or probability.
pub(super) fn unit(key: &str, value: f64, ends: Unit) -> Result<f64, Problem> {
    let (inside, wanted) = match ends {
        Unit::Closed => ((0.0..=1.0).contains(&value), "a number from 0 to 1"),
        Unit::AboveZero => (value > 0.0 && value <= 1.0, "a number above 0 and at most 1"),
        Unit::Open => (value > 0.0 && value < 1.0, "a number above 0 and below 1"),
    };
    if inside { Ok(value) } else { Err(Problem::new(key, format!("{value} is out of range; write {wanted}"))) }
}

/// A finite number that is at least 0, or above it.
pub(super) fn at_least_zero(key: &str, value: f64, zero: bool) -> Result<f64, Problem> {
    if value.is_finite() && (value > 0.0 || (zero && value == 0.0)) {
        return Ok(value);
    }
    let wanted = if zero { "a number, 0 or more" } else { "a number above 0" };
    Err(Problem::new(key, format!("{value} is out of range; write {wanted}")))
}

/// A whole number within bounds, both inclusive.
pub(super) fn whole<T: Copy + PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    bounds: std::ops::RangeInclusive<T>,
) -> Result<T, Problem> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (bounds.start(), bounds.end());
    Err(Problem::new(key, format!("{value} is out of range; write a whole number from {low} to {high}")))
}

/// A length of time above zero.
pub(super) fn positive(key: &str, value: Span) -> Result<Span, Problem> {
    if value.millis() > 0 {
        return Ok(value);
    }
    Err(Problem::new(key, format!("`{value}` is no time at all; write a length of time above zero, such as `1d`")))
}

/// A window and the shift of its grid, which must be shorter.
pub(super) fn offset(table: &str, offset: Span, window: Span) -> Result<Span, Problem> {
    if offset < window {
        return Ok(offset);
    }
    let message = format!("`{offset}` must be shorter than `{table}.window`, which is `{window}`");
    Err(Problem::new(format!("{table}.offset"), message))
}

/// A name that must not be empty.
pub(super) fn name<'a>(key: &str, value: &'a str) -> Result<&'a str, Problem> {
    if value.is_empty() { Err(Problem::new(key, "is empty; write a name")) } else { Ok(value) }
}
