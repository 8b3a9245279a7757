//! Features computed from fields and features, one row at a time.
//!
//! A derived feature is a list of steps over a stack of numbers, made by the configuration from an expression. Missing is
//! NaN and goes through: what is computed from something missing is missing, unless a step says otherwise. What is
//! infinite or undefined is missing too. Logarithms and the like are those of `libm`, the same on every machine.

use xxhash_rust::xxh3::xxh3_64;

use super::rows::Values;
use crate::data::Timestamp;
use crate::data::params::{Calendar, Step};

/// What a derived feature is computed from.
pub(super) struct Inputs<'a> {
    pub values: Values<'a>,
    /// Event time in the configured zone.
    pub at: Timestamp,
    /// What was computed before.
    pub row: &'a [f64],
}

/// The value and how many texts were in none of the lists they were looked up in.
pub(super) struct Value {
    pub value: f64,
    pub unlisted: u64,
}

/// Runs the steps; NaN where the value is missing.
pub(super) fn run(steps: &[Step], inputs: &Inputs<'_>, stack: &mut Vec<f64>) -> Value {
    stack.clear();
    let mut unlisted = 0;
    for step in steps {
        let result = match step {
            Step::Constant(x) => *x,
            Step::Field(column) => inputs.values.number(*column),
            Step::Computed(position) => inputs.row.get(*position).copied().unwrap_or(f64::NAN),
            Step::Calendar(what) => calendar(*what, inputs.at),
            Step::Is(column, text) => match inputs.values.text(column.0) {
                Some(own) => flag(own == text.as_bytes()),
                None => f64::NAN,
            },
            Step::Ordinal(column, list) => match inputs.values.text(column.0) {
                Some(own) => {
                    let found = list.iter().position(|text| text.as_bytes() == own);
                    unlisted += u64::from(found.is_none());
                    found.unwrap_or(list.len()) as f64
                }
                None => f64::NAN,
            },
            Step::Hash(column, n) => match inputs.values.text(column.0) {
                Some(own) => (xxh3_64(own) % u64::from((*n).max(1))) as f64,
                None => f64::NAN,
            },
            Step::NoText(column) => flag(inputs.values.text(column.0).is_none()),
            _ => operate(step, stack),
        };
        stack.push(result);
    }
    let value = stack.pop().filter(|x| x.is_finite()).unwrap_or(f64::NAN);
    Value { value, unlisted }
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// A step that takes its arguments from the stack.
fn operate(step: &Step, stack: &mut Vec<f64>) -> f64 {
    let last = stack.pop().unwrap_or(f64::NAN);
    match step {
        Step::Negate => return -last,
        Step::Not => return known(last, || flag(last == 0.0)),
        Step::Abs => return last.abs(),
        Step::Sqrt => return libm::sqrt(last),
        Step::Log => return libm::log(last),
        Step::Log1p => return libm::log1p(last),
        Step::Exp => return libm::exp(last),
        Step::Sin => return libm::sin(last),
        Step::Cos => return libm::cos(last),
        Step::Floor => return libm::floor(last),
        Step::Ceil => return libm::ceil(last),
        Step::Round => return libm::round(last),
        Step::Missing => return flag(!last.is_finite()),
        Step::Bucket(edges) => {
            return known(last, || edges.iter().filter(|edge| **edge <= last).count() as f64);
        }
        _ => {}
    }
    let first = stack.pop().unwrap_or(f64::NAN);
    let both = |result: f64| if first.is_nan() || last.is_nan() { f64::NAN } else { result };
    match step {
        Step::Add => first + last,
        Step::Subtract => first - last,
        Step::Multiply => first * last,
        Step::Divide => first / last,
        Step::Power => both(libm::pow(first, last)),
        Step::Less => both(flag(first < last)),
        Step::LessOrEqual => both(flag(first <= last)),
        Step::Equal => both(flag(first == last)),
        Step::And => both(flag(first != 0.0 && last != 0.0)),
        Step::Or => both(flag(first != 0.0 || last != 0.0)),
        Step::Min => both(first.min(last)),
        Step::Max => both(first.max(last)),
        Step::Coalesce => {
            if first.is_finite() {
                first
            } else {
                last
            }
        }
        Step::If => {
            let condition = stack.pop().unwrap_or(f64::NAN);
            known(condition, || if condition != 0.0 { first } else { last })
        }
        _ => f64::NAN,
    }
}

fn known(x: f64, result: impl FnOnce() -> f64) -> f64 {
    if x.is_nan() { f64::NAN } else { result() }
}

fn calendar(what: Calendar, at: Timestamp) -> f64 {
    let time = at.calendar();
    let ms = time.millis_of_day;
    match what {
        Calendar::Hour => (ms / 3_600_000) as f64,
        Calendar::Minute => (ms / 60_000 % 60) as f64,
        Calendar::HourOfDay => ms as f64 / 3_600_000.0,
        Calendar::Weekday => time.weekday as f64,
        Calendar::Day => time.day as f64,
        Calendar::Month => time.month as f64,
        Calendar::DayOfYear => time.day_of_year as f64,
    }
}
