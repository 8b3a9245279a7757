//! Features computed from fields and features, a batch at a time.
//!
//! A derived feature is a list of steps over a stack of columns, made by the configuration from an expression. Missing is
//! NaN and goes through: what is computed from something missing is missing, unless a step says otherwise. What is
//! infinite or undefined is missing too. Logarithms and the like are those of `libm`, the same on every machine.

use xxhash_rust::xxh3::xxh3_64;

use super::block::Block;
use crate::data::params::{Calendar, Step, TextIndex};
use crate::data::{Table, Timestamp};

/// What a derived feature is computed from.
pub(super) struct Inputs<'a> {
    pub table: &'a Table,
    /// Of each event, its row in the table and its time.
    pub rows: &'a [(usize, Timestamp)],
    /// Milliseconds of the configured zone.
    pub utc_offset: i64,
    /// What was computed before.
    pub block: &'a Block,
}

/// Runs steps; its memory is used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Derivation {
    stack: Vec<Vec<f64>>,
    /// Columns in use.
    depth: usize,
}

impl Derivation {
    /// Runs the steps of a feature; how many texts were in none of the lists they were looked up in.
    pub(super) fn run(&mut self, steps: &[Step], inputs: &Inputs<'_>) -> u64 {
        self.depth = 0;
        steps.iter().map(|step| self.step(step, inputs)).sum()
    }

    /// Puts what the steps have computed into a feature's values; NaN where it is missing.
    pub(super) fn put(&self, values: &mut [f64]) {
        match self.depth.checked_sub(1).and_then(|top| self.stack.get(top)) {
            Some(top) => {
                for (value, x) in values.iter_mut().zip(top) {
                    *value = if x.is_finite() { *x } else { f64::NAN };
                }
            }
            None => values.fill(f64::NAN),
        }
    }

    /// One more column, from a value for each row.
    fn push(&mut self, values: impl Iterator<Item = f64>) {
        if self.depth == self.stack.len() {
            self.stack.push(Vec::new());
        }
        if let Some(column) = self.stack.get_mut(self.depth) {
            column.clear();
            column.extend(values);
        }
        self.depth += 1;
    }

    fn step(&mut self, step: &Step, inputs: &Inputs<'_>) -> u64 {
        let text = |column: &TextIndex| {
            let column = column.0;
            inputs.rows.iter().map(move |(row, _)| inputs.table.text(column, *row))
        };
        match step {
            Step::Constant(x) => self.push(inputs.rows.iter().map(|_| *x)),
            Step::Field(column) => {
                let values = inputs.table.numbers(column.0);
                self.push(inputs.rows.iter().map(|(row, _)| values.get(*row).copied().unwrap_or(f64::NAN)));
            }
            Step::Computed(position) => {
                let values = inputs.block.feature(*position).iter().copied();
                self.push(values.chain(std::iter::repeat(f64::NAN)).take(inputs.rows.len()));
            }
            Step::Calendar(what) => {
                let local = |at: &Timestamp| Timestamp::from_millis(at.millis().saturating_add(inputs.utc_offset));
                self.push(inputs.rows.iter().map(|(_, at)| calendar(*what, local(at))));
            }
            Step::Is(column, wanted) => {
                self.push(text(column).map(|own| own.map_or(f64::NAN, |own| flag(own == wanted.as_bytes()))));
            }
            Step::Ordinal(column, list) => {
                let place = |own: &[u8]| list.iter().position(|text| text.as_bytes() == own).unwrap_or(list.len());
                self.push(text(column).map(|own| own.map_or(f64::NAN, |own| place(own) as f64)));
                return self.top().iter().filter(|place| **place == list.len() as f64).count() as u64;
            }
            Step::Hash(column, n) => {
                let bucket = |own: &[u8]| (xxh3_64(own) % u64::from((*n).max(1))) as f64;
                self.push(text(column).map(|own| own.map_or(f64::NAN, bucket)));
            }
            Step::Code(column) => {
                let code = |own: &[u8]| (xxh3_64(own) >> 16) as f64;
                self.push(text(column).map(|own| own.map_or(f64::NAN, code)));
            }
            Step::NoText(column) => self.push(text(column).map(|own| flag(own.is_none()))),
            _ => self.operate(step),
        }
        0
    }

    fn top(&self) -> &[f64] {
        self.depth.checked_sub(1).and_then(|top| self.stack.get(top)).map_or(&[], Vec::as_slice)
    }

    /// A step that takes its arguments from the stack.
    fn operate(&mut self, step: &Step) {
        match step {
            Step::Negate => self.unary(|x| -x),
            Step::Not => self.unary(|x| known(x, || flag(x == 0.0))),
            Step::Abs => self.unary(f64::abs),
            Step::Sqrt => self.unary(libm::sqrt),
            Step::Log => self.unary(libm::log),
            Step::Log1p => self.unary(libm::log1p),
            Step::Exp => self.unary(libm::exp),
            Step::Sin => self.unary(libm::sin),
            Step::Cos => self.unary(libm::cos),
            Step::Floor => self.unary(libm::floor),
            Step::Ceil => self.unary(libm::ceil),
            Step::Round => self.unary(libm::round),
            Step::Missing => self.unary(|x| flag(!x.is_finite())),
            Step::Bucket(edges) => {
                self.unary(|x| known(x, || edges.iter().filter(|edge| **edge <= x).count() as f64));
            }
            Step::Add => self.binary(|a, b| a + b),
            Step::Subtract => self.binary(|a, b| a - b),
            Step::Multiply => self.binary(|a, b| a * b),
            Step::Divide => self.binary(|a, b| a / b),
            Step::Power => self.binary(|a, b| both(a, b, || libm::pow(a, b))),
            Step::Less => self.binary(|a, b| both(a, b, || flag(a < b))),
            Step::LessOrEqual => self.binary(|a, b| both(a, b, || flag(a <= b))),
            Step::Equal => self.binary(|a, b| both(a, b, || flag(a == b))),
            Step::And => self.binary(|a, b| both(a, b, || flag(a != 0.0 && b != 0.0))),
            Step::Or => self.binary(|a, b| both(a, b, || flag(a != 0.0 || b != 0.0))),
            Step::Min => self.binary(|a, b| both(a, b, || a.min(b))),
            Step::Max => self.binary(|a, b| both(a, b, || a.max(b))),
            Step::Coalesce => self.binary(|a, b| if a.is_finite() { a } else { b }),
            Step::If => self.choose(),
            // These take nothing from the stack.
            Step::Constant(_)
            | Step::Field(_)
            | Step::Computed(_)
            | Step::Calendar(_)
            | Step::Is(..)
            | Step::Ordinal(..)
            | Step::Hash(..)
            | Step::Code(_)
            | Step::NoText(_) => {}
        }
    }

    fn unary(&mut self, of: impl Fn(f64) -> f64) {
        if let Some(top) = self.depth.checked_sub(1).and_then(|top| self.stack.get_mut(top)) {
            top.iter_mut().for_each(|x| *x = of(*x));
        }
    }

    fn binary(&mut self, of: impl Fn(f64, f64) -> f64) {
        let Some(top) = self.depth.checked_sub(1) else { return };
        if let Some([.., first, last]) = self.stack.get_mut(..=top) {
            first.iter_mut().zip(last.iter()).for_each(|(a, b)| *a = of(*a, *b));
        }
        self.depth = top;
    }

    /// A condition, what counts where it is so, and what where not.
    fn choose(&mut self) {
        let Some(top) = self.depth.checked_sub(2) else { return };
        if let Some([.., condition, yes, no]) = self.stack.get_mut(..top + 2) {
            for (condition, (yes, no)) in condition.iter_mut().zip(yes.iter().zip(no.iter())) {
                let so = *condition;
                *condition = known(so, || if so != 0.0 { *yes } else { *no });
            }
        }
        self.depth = top;
    }
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn known(x: f64, result: impl FnOnce() -> f64) -> f64 {
    if x.is_nan() { f64::NAN } else { result() }
}

fn both(a: f64, b: f64, result: impl FnOnce() -> f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { result() }
}

fn calendar(what: Calendar, at: Timestamp) -> f64 {
    let ms = at.millis_of_day();
    match what {
        Calendar::Hour => (ms / 3_600_000) as f64,
        Calendar::Minute => (ms / 60_000 % 60) as f64,
        Calendar::HourOfDay => ms as f64 / 3_600_000.0,
        Calendar::Weekday => at.calendar().weekday as f64,
        Calendar::Day => at.calendar().day as f64,
        Calendar::Month => at.calendar().month as f64,
        Calendar::DayOfYear => at.calendar().day_of_year as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::params::NumberIndex;

    struct Value {
        value: f64,
        unlisted: u64,
    }

    /// The second of two events; the first has nothing.
    fn run_at(steps: &[Step], at: &str) -> Value {
        let (mut table, mut block) = (Table::new(2, 2), Block::new(3));
        let other = (table.begin(), Timestamp::from_millis(0));
        let own = (table.begin(), Timestamp::from_rfc3339(at).unwrap());
        table.set_number(0, 12.5);
        table.set_text(0, b"web");
        for computed in [[f64::NAN; 2], [7.0, f64::NAN]] {
            let row = block.begin();
            computed.into_iter().enumerate().for_each(|(feature, value)| block.set(feature, row, value));
        }
        let mut derivation = Derivation::default();
        let inputs = Inputs { table: &table, rows: &[other, own], utc_offset: 0, block: &block };
        let unlisted = derivation.run(steps, &inputs);
        derivation.put(block.feature_mut(2));
        Value { value: block.get(2, 1), unlisted }
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
        assert_eq!(value(&[Step::Code(own)]), (xxh3_64(b"web") >> 16) as f64);
        assert!(value(&[Step::Code(none)]).is_nan());
    }
}
