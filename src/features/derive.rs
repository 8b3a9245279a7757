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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;
    use crate::data::params::{NumberIndex, TextIndex};
    use crate::features::rows::EventRow;

    fn run_at(steps: &[Step], at: &str) -> Value {
        let mut table = Table::new(2, 2);
        let row = table.begin();
        table.set_number(0, 12.5);
        table.set_text(0, b"web");
        let at = Timestamp::from_rfc3339(at).unwrap();
        let event = EventRow { key: b"", at, table: &table, row };
        run(steps, &Inputs { values: event.values(), at, row: &[7.0, f64::NAN] }, &mut Vec::new())
    }

    fn value(steps: &[Step]) -> f64 {
        run_at(steps, "2024-02-29T18:45:30.500Z").value
    }

    #[test]
    fn steps_take_their_arguments_in_the_order_in_which_they_are_written() {
        let (field, seven) = (Step::Field(NumberIndex(0)), Step::Computed(0));
        assert_eq!(value(&[field.clone(), seven.clone(), Step::Subtract]), 5.5);
        assert_eq!(value(&[Step::Constant(2.0), Step::Constant(3.0), Step::Power]), 8.0);
        assert_eq!(value(&[Step::Constant(0.0), field.clone(), seven.clone(), Step::If]), 7.0);
        assert_eq!(value(&[field, Step::Bucket(vec![1.0, 12.5, 13.0])]), 2.0);
    }

    #[test]
    fn missing_goes_through_unless_it_is_asked_for() {
        let (missing, one) = (Step::Computed(1), Step::Constant(1.0));
        for step in [Step::Add, Step::Less, Step::Min, Step::And, Step::Power] {
            assert!(value(&[one.clone(), missing.clone(), step.clone()]).is_nan(), "{step:?}");
        }
        assert_eq!(value(&[missing.clone(), Step::Missing]), 1.0);
        assert_eq!(value(&[missing.clone(), one.clone(), Step::Coalesce]), 1.0);
        assert_eq!(value(&[one.clone(), one, missing, Step::If]), 1.0);
        assert!(value(&[Step::Constant(1.0), Step::Constant(0.0), Step::Divide]).is_nan());
        assert!(value(&[Step::Constant(-1.0), Step::Log]).is_nan());
    }

    #[test]
    fn the_calendar_is_that_of_the_time_given() {
        let read = |what| value(&[Step::Calendar(what)]);
        let hour = 18.0 + 45.0 / 60.0 + 30.5 / 3_600.0;
        assert_eq!((read(Calendar::Hour), read(Calendar::Minute)), (18.0, 45.0));
        assert!((read(Calendar::HourOfDay) - hour).abs() < 1e-12);
        let date = (read(Calendar::Weekday), read(Calendar::Day), read(Calendar::Month), read(Calendar::DayOfYear));
        assert_eq!(date, (4.0, 29.0, 2.0, 60.0));
        assert_eq!(run_at(&[Step::Calendar(Calendar::Weekday)], "1969-12-31T23:59:59Z").value, 3.0);
    }

    #[test]
    fn texts_become_numbers_and_unlisted_ones_are_counted() {
        let (own, none) = (TextIndex(0), TextIndex(1));
        let list = |text: &str| vec!["pos".to_owned(), text.to_owned()];
        assert_eq!(value(&[Step::Is(own, "web".to_owned())]), 1.0);
        assert_eq!(value(&[Step::NoText(none)]), 1.0);
        let listed = run_at(&[Step::Ordinal(own, list("web"))], "2024-01-01T00:00:00Z");
        assert_eq!((listed.value, listed.unlisted), (1.0, 0));
        let unlisted = run_at(&[Step::Ordinal(own, list("app"))], "2024-01-01T00:00:00Z");
        assert_eq!((unlisted.value, unlisted.unlisted), (2.0, 1));
        let hashed = value(&[Step::Hash(own, 64)]);
        assert!((0.0..64.0).contains(&hashed) && hashed.fract() == 0.0);
        assert!(value(&[Step::Hash(none, 64)]).is_nan());
    }
}
