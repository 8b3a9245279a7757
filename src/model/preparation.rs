//! What a model makes of a row before its estimator sees it, by statistics of its training rows.
//!
//! The logged row stays as it is: preparation belongs to the model and travels in its artifact. Training, evaluation, replay
//! and scoring all prepare through [`Preparation::inputs`]; there is no other way from a row to an estimator. Most models
//! prepare nothing, and then rows go through untouched.
//!
//! Every value made is finite or missing, whatever the row holds, and one of a row does not depend on the rows beside it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::layout::MAX_FEATURES;
use super::{Frequencies, TargetShares};
use crate::data::Columns;

/// Most inputs of an estimator.
const MAX_INPUTS: usize = 2 * MAX_FEATURES;
/// Numbers are held within it, so that differences stay finite.
const LARGEST: f64 = 1e300;

/// One input of an estimator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Position of the feature that it is made of.
    pub feature: usize,
    /// What is made of it.
    pub how: Prepared,
}

/// What is made of a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Prepared {
    /// Nothing.
    Plain,
    /// The same, and a number for what is missing.
    Filled {
        /// The number.
        missing: f64,
    },
    /// `(x - mean) / deviation`.
    Standardised {
        /// Mean of the values present in training.
        mean: f64,
        /// Their standard deviation, that of the rows themselves (divided by n).
        deviation: f64,
        /// What a missing value counts as, before it is scaled; `None`: it stays missing.
        missing: Option<f64>,
    },
    /// `(x - low) / (high - low)`, no less than 0 and no more than 1.
    Normalised {
        /// What becomes 0.
        low: f64,
        /// What becomes 1.
        high: f64,
        /// What a missing value counts as, before it is scaled; `None`: it stays missing.
        missing: Option<f64>,
    },
    /// 1 if it is missing, else 0.
    IsMissing,
    /// The category's share of positives.
    Target(TargetShares),
    /// The category's share of rows.
    Frequency(Frequencies),
}

/// Why inputs are no preparation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PreparationError {
    /// Too many of them.
    #[error("{found} prepared inputs are too many; up to {MAX_INPUTS} are possible")]
    TooMany {
        /// Inputs given.
        found: usize,
    },
    /// A statistic out of range.
    #[error("a statistic of prepared input `{input}` is out of range")]
    Statistic {
        /// Its name.
        input: String,
    },
}

/// All inputs of an estimator; none of them: the row itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Input>", into = "Vec<Input>")]
pub struct Preparation {
    inputs: Vec<Input>,
}

impl Preparation {
    /// Checks inputs and takes them, in the order in which the estimator wants them.
    ///
    /// # Errors
    /// Too many inputs, or a statistic that no training gives.
    pub fn new(inputs: Vec<Input>) -> Result<Self, PreparationError> {
        if inputs.len() > MAX_INPUTS {
            return Err(PreparationError::TooMany { found: inputs.len() });
        }
        match inputs.iter().find(|input| !input.how.is_valid()) {
            Some(input) => Err(PreparationError::Statistic { input: input.name.clone() }),
            None => Ok(Preparation { inputs }),
        }
    }

    /// Whether the estimator takes rows as they are.
    pub fn is_identity(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Inputs of the estimator, in their order; none where it takes rows as they are.
    pub fn list(&self) -> &[Input] {
        &self.inputs
    }

    /// Number of inputs made of rows of `width` features; `None` where an input is made of a feature beyond it.
    pub fn width(&self, width: usize) -> Option<usize> {
        if self.is_identity() {
            return Some(width);
        }
        self.inputs.iter().all(|input| input.feature < width).then_some(self.inputs.len())
    }

    /// Rows as the estimator expects them. Adds to `unseen`, by position of the feature, the rows with a category that
    /// training did not see; it is made as long as it has to be.
    pub fn inputs<'a>(&self, rows: &'a Columns, unseen: &mut Vec<u64>) -> Cow<'a, Columns> {
        if self.is_identity() {
            return Cow::Borrowed(rows);
        }
        let mut columns = Vec::with_capacity(self.inputs.len());
        for (position, input) in self.inputs.iter().enumerate() {
            let column = rows.column(input.feature);
            let mut made = Vec::with_capacity(rows.n_rows());
            let found = input.how.make(column, &mut made);
            made.resize(rows.n_rows(), f64::NAN);
            columns.push(made);
            let is_first = || self.inputs.iter().take(position).all(|other| other.feature != input.feature);
            if found > 0 && is_first() {
                unseen.resize(unseen.len().max(input.feature + 1), 0);
                if let Some(count) = unseen.get_mut(input.feature) {
                    *count += found;
                }
            }
        }
        // every column was made as long as the rows
        Cow::Owned(Columns::from_columns(columns).unwrap_or_default())
    }

    /// What each of `width` features has of `weights`, one for each input.
    pub fn by_feature(&self, weights: &[f64], width: usize) -> Vec<f64> {
        if self.is_identity() {
            return weights.to_vec();
        }
        let mut sums = vec![0.0; width];
        for (input, weight) in self.inputs.iter().zip(weights) {
            if let Some(sum) = sums.get_mut(input.feature) {
                *sum += weight;
            }
        }
        sums
    }
}

impl Prepared {
    /// Appends what is made of each value; returns how many had a category that training did not see.
    fn make(&self, values: &[f64], out: &mut Vec<f64>) -> u64 {
        match self {
            Prepared::Plain => out.extend_from_slice(values),
            Prepared::Filled { missing } => out.extend(values.iter().map(|x| present(*x, Some(*missing)))),
            Prepared::Standardised { mean, deviation, missing } => {
                out.extend(values.iter().map(|x| held((present(*x, *missing) - mean) / deviation)));
            }
            Prepared::Normalised { low, high, missing } => {
                let range = if high > low { high - low } else { 1.0 };
                out.extend(values.iter().map(|x| ((present(*x, *missing) - low) / range).clamp(0.0, 1.0)));
            }
            Prepared::IsMissing => out.extend(values.iter().map(|x| f64::from(u8::from(!x.is_finite())))),
            Prepared::Target(shares) => return look_up(values, |code| shares.known(code), shares.unseen(), out),
            Prepared::Frequency(shares) => return look_up(values, |code| shares.known(code), shares.unseen(), out),
        }
        0
    }

    fn is_valid(&self) -> bool {
        let is_number = |x: f64| x.abs() <= LARGEST;
        let may_be = |missing: Option<f64>| missing.is_none_or(is_number);
        match *self {
            Prepared::Filled { missing } => is_number(missing),
            Prepared::Standardised { mean, deviation, missing } => {
                is_number(mean) && (1e-300..=LARGEST).contains(&deviation) && may_be(missing)
            }
            Prepared::Normalised { low, high, missing } => {
                is_number(low) && is_number(high) && low <= high && may_be(missing)
            }
            Prepared::Plain | Prepared::IsMissing | Prepared::Target(_) | Prepared::Frequency(_) => true,
        }
    }
}

fn look_up(values: &[f64], known: impl Fn(f64) -> Option<f64>, unseen: f64, out: &mut Vec<f64>) -> u64 {
    let mut found = 0;
    out.extend(values.iter().map(|code| {
        known(*code).unwrap_or_else(|| {
            found += 1;
            unseen
        })
    }));
    found
}

/// The value, or what stands for a missing one; infinite is missing, as everywhere.
fn present(x: f64, missing: Option<f64>) -> f64 {
    if x.is_finite() { held(x) } else { missing.unwrap_or(f64::NAN) }
}

fn held(x: f64) -> f64 {
    x.clamp(-LARGEST, LARGEST)
}

impl TryFrom<Vec<Input>> for Preparation {
    type Error = PreparationError;

    fn try_from(inputs: Vec<Input>) -> Result<Self, PreparationError> {
        Preparation::new(inputs)
    }
}

impl From<Preparation> for Vec<Input> {
    fn from(preparation: Preparation) -> Self {
        preparation.inputs
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Counted, FrequencyParts, TargetParts};
    use super::*;
    use proptest::prelude::*;

    fn preparation() -> Preparation {
        let (all, missing) = (Counted { rows: 20, positives: 4 }, Counted::default());
        let target = TargetParts { prior_weight: 5.0, all, missing, categories: vec![[3, 10, 1], [7, 5, 2]] };
        let frequency = FrequencyParts { rows: 20, missing: 0, categories: vec![[3, 10], [7, 5]] };
        let missing = Some(4.0);
        let list = [
            ("a", 0, Prepared::Plain),
            ("b", 1, Prepared::Standardised { mean: 2.0, deviation: 0.5, missing }),
            ("b.n", 1, Prepared::Normalised { low: 0.0, high: 8.0, missing: None }),
            ("b.f", 1, Prepared::Filled { missing: 9.0 }),
            ("b.is_missing", 1, Prepared::IsMissing),
            ("c.target", 2, Prepared::Target(TargetShares::new(target).unwrap())),
            ("c.frequency", 2, Prepared::Frequency(Frequencies::new(frequency).unwrap())),
        ];
        let input = |(name, feature, how): (&str, usize, Prepared)| Input { name: name.to_owned(), feature, how };
        Preparation::new(list.map(input).to_vec()).unwrap()
    }

    fn one(row: [f64; 3]) -> Vec<f64> {
        let mut rows = Columns::new(3);
        rows.push_row(&row);
        preparation().inputs(&rows, &mut Vec::new()).row(0).collect()
    }

    #[test]
    fn inputs_are_as_computed_by_hand() {
        assert_eq!(one([1.5, 3.0, 7.0]), [1.5, 2.0, 0.375, 3.0, 0.0, 0.3, 0.25]);
        let missing = one([f64::NAN, f64::NAN, 4.0]);
        assert!(missing[0].is_nan() && missing[2].is_nan());
        assert_eq!([missing[1], missing[3], missing[4], missing[5], missing[6]], [4.0, 9.0, 1.0, 0.2, 0.0]);
        assert_eq!(one([0.0, -1.0, 3.0])[2], 0.0);
        assert_eq!(one([0.0, 1e9, 3.0])[2], 1.0);
    }

    #[test]
    fn unseen_categories_are_counted_once_for_each_row_and_feature() {
        let mut rows = Columns::new(3);
        for code in [3.0, 4.0, 5.0, f64::NAN] {
            rows.push_row(&[0.0, 0.0, code]);
        }
        let mut unseen = Vec::new();
        preparation().inputs(&rows, &mut unseen);
        preparation().inputs(&rows, &mut unseen);
        assert_eq!(unseen, [0, 0, 4]);
    }

    #[test]
    fn rows_that_need_nothing_go_through_untouched() {
        let rows = Columns::new(3);
        assert!(matches!(Preparation::default().inputs(&rows, &mut Vec::new()), Cow::Borrowed(_)));
        assert_eq!(Preparation::default().width(3), Some(3));
        assert_eq!((preparation().width(3), preparation().width(2)), (Some(7), None));
    }

    #[test]
    fn weights_of_inputs_are_those_of_their_feature() {
        let weights = [0.1, 0.2, 0.0, 0.1, 0.1, 0.3, 0.2];
        assert_eq!(preparation().by_feature(&weights, 4), [0.1, 0.4, 0.5, 0.0]);
        assert_eq!(Preparation::default().by_feature(&weights, 7), weights);
    }

    #[test]
    fn statistics_out_of_range_are_refused() {
        for how in [
            Prepared::Filled { missing: f64::NAN },
            Prepared::Standardised { mean: 0.0, deviation: 0.0, missing: None },
            Prepared::Standardised { mean: f64::INFINITY, deviation: 1.0, missing: None },
            Prepared::Standardised { mean: 0.0, deviation: 1.0, missing: Some(f64::NAN) },
            Prepared::Normalised { low: 1.0, high: 0.0, missing: None },
        ] {
            let input = Input { name: "x".to_owned(), feature: 0, how };
            assert!(Preparation::new(vec![input]).is_err_and(|error| error.to_string().contains("`x`")));
        }
    }

    proptest! {
        #[test]
        fn a_row_is_prepared_alike_in_any_batch_and_after_its_artifact(
            rows in prop::collection::vec(prop::array::uniform3(prop_oneof![
                any::<f64>(), -9.0..9.0f64, Just(f64::NAN), Just(3.0), Just(7.0), Just(f64::MAX),
            ]), 1..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut all = Columns::new(3);
            rows.iter().for_each(|row| all.push_row(row));
            let prepared = preparation();
            let read: Preparation = serde_json::from_slice(&serde_json::to_vec(&prepared).unwrap()).unwrap();
            prop_assert_eq!(&read, &prepared);
            let bits = |columns: &Columns, row: usize| columns.row(row).map(f64::to_bits).collect::<Vec<_>>();
            let (mut together, mut apart) = (Vec::new(), Vec::new());
            let whole = prepared.inputs(&all, &mut together);
            let cut = cut.index(rows.len());
            for (first, part) in [(0, all.range(0..cut)), (cut, all.range(cut..rows.len()))] {
                let part = read.inputs(&part, &mut apart);
                for row in 0..part.n_rows() {
                    prop_assert_eq!(bits(&part, row), bits(&whole, first + row));
                }
            }
            together.resize(3, 0);
            apart.resize(3, 0);
            prop_assert_eq!(together, apart);
            prop_assert!(whole.columns().iter().skip(1).flatten().all(|x| x.is_nan() || x.is_finite()));
        }
    }
}
