//! What a model knows of the categories of a text: how often each came in training, and how often positive.
//!
//! A row holds a category as its code, a whole number made of the text alone. The counts are what is stored; values are
//! computed from them once, when a model is made or read, so scoring is one look-up per row. A category that training
//! did not see has a value too, which says so to whoever counts.
//!
//! Target values are those of Micci-Barreca 2001, "A Preprocessing Scheme for High-Cardinality Categorical Attributes" (SIGKDD
//! Explorations 3), eq. 3 with its weight n / (n + w), as `TargetEncoder(smooth=w)` of scikit-learn has them.

use serde::{Deserialize, Serialize};

use crate::data::FixedMap;

/// Codes are below it: they come back exactly from every format that knows doubles.
const CODES: u64 = 1 << 48;
/// Most rows that can be counted: the largest number below which doubles hold every whole one.
const MAX_ROWS: u64 = 1 << 53;
/// Most categories of one table.
pub const MAX_CATEGORIES: usize = 1_000_000;
/// Most rows that the overall share can weigh as much as.
pub const MAX_PRIOR_WEIGHT: f64 = 1e9;

/// Rows, and how many of them are positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 2]", into = "[u64; 2]")]
pub struct Counted {
    /// All.
    pub rows: u64,
    /// The positive ones.
    pub positives: u64,
}

impl Counted {
    /// Counts one more.
    pub fn add(&mut self, positive: bool) {
        self.rows += 1;
        self.positives += u64::from(positive);
    }

    /// The share of positives, drawn towards that of `all` as if `weight` rows had it: `(k + w K / N) / (n + w)`. Without
    /// rows of its own the share of `all`; `None` without any.
    pub fn share(self, all: Counted, weight: f64) -> Option<f64> {
        if all.rows == 0 {
            return None;
        }
        let overall = all.positives as f64 / all.rows as f64;
        let weighs = self.rows as f64 + weight;
        Some(if self.rows == 0 { overall } else { (self.positives as f64 + weight * overall) / weighs })
    }
}

impl From<[u64; 2]> for Counted {
    fn from([rows, positives]: [u64; 2]) -> Self {
        Counted { rows, positives }
    }
}

impl From<Counted> for [u64; 2] {
    fn from(counted: Counted) -> Self {
        [counted.rows, counted.positives]
    }
}

/// What the shares of positives by category are made of; unchecked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetParts {
    /// Rows that the overall share weighs as much as.
    pub prior_weight: f64,
    /// All rows.
    pub all: Counted,
    /// Those without a category.
    pub missing: Counted,
    /// Code, rows and positives of each category told apart, by code.
    pub categories: Vec<[u64; 3]>,
}

/// What the shares of rows by category are made of; unchecked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrequencyParts {
    /// All rows.
    pub rows: u64,
    /// Those without a category.
    pub missing: u64,
    /// Code and rows of each category told apart, by code.
    pub categories: Vec<[u64; 2]>,
}

/// Why counts are no table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CategoryError {
    /// Too many categories.
    #[error("{found} categories are too many; up to {MAX_CATEGORIES} are possible")]
    TooMany {
        /// Categories given.
        found: usize,
    },
    /// Codes out of order, given twice, or too large.
    #[error("the code of category {position} is not above the one before, or not below 2^48")]
    Code {
        /// Position in the list, from 0.
        position: usize,
    },
    /// Counts that contradict each other.
    #[error("the counts of categories do not add up: {what}")]
    Counts {
        /// Which.
        what: &'static str,
    },
    /// A weight that makes no sense.
    #[error("a prior weight of `{weight}` is not between 0 and {MAX_PRIOR_WEIGHT}")]
    Weight {
        /// The weight.
        weight: f64,
    },
}

/// The value of each category.
#[derive(Clone, Debug)]
struct Values {
    by_code: FixedMap<u64, f64>,
    missing: f64,
    unseen: f64,
}

impl Values {
    /// The value of a code as a row holds it; `None` for a category that is in no list.
    fn known(&self, code: f64) -> Option<f64> {
        if !code.is_finite() {
            return Some(self.missing);
        }
        let whole = code as u64;
        if whole as f64 == code { self.by_code.get(&whole).copied() } else { None }
    }
}

/// Shares of positives by category.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "TargetParts", into = "TargetParts")]
pub struct TargetShares {
    parts: TargetParts,
    values: Values,
}

/// Shares of the rows by category.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "FrequencyParts", into = "FrequencyParts")]
pub struct Frequencies {
    parts: FrequencyParts,
    values: Values,
}

impl TargetShares {
    /// Checks the counts and computes the values.
    ///
    /// # Errors
    /// Codes out of order, counts that contradict each other, a weight below zero or beyond all reason.
    pub fn new(parts: TargetParts) -> Result<Self, CategoryError> {
        let TargetParts { prior_weight: weight, all, missing, ref categories } = parts;
        if !(0.0..=MAX_PRIOR_WEIGHT).contains(&weight) {
            return Err(CategoryError::Weight { weight });
        }
        check_codes(categories.iter().map(|[code, ..]| *code))?;
        check_sum(all.rows, missing.rows, categories.iter().map(|[_, rows, _]| *rows))?;
        let positives = categories.iter().map(|[_, _, positives]| *positives);
        if sum(positives.chain([missing.positives])).is_none_or(|sum| sum > all.positives) {
            return Err(CategoryError::Counts { what: "more positives than there are" });
        }
        let mut counted = categories.iter().map(|[_, rows, positives]| [*rows, *positives]);
        if counted.any(|[rows, positives]| positives > rows)
            || missing.positives > missing.rows
            || all.positives > all.rows
        {
            return Err(CategoryError::Counts { what: "more positives than rows" });
        }
        let value = |counted: Counted| counted.share(all, weight).unwrap_or(f64::NAN);
        let values = Values {
            by_code: categories
                .iter()
                .map(|[code, rows, positives]| (*code, value([*rows, *positives].into())))
                .collect(),
            missing: value(missing),
            unseen: value(Counted::default()),
        };
        Ok(TargetShares { parts, values })
    }

    /// What it is made of.
    pub fn parts(&self) -> &TargetParts {
        &self.parts
    }

    /// The value of a category; `None` for one that training did not see.
    pub fn known(&self, code: f64) -> Option<f64> {
        self.values.known(code)
    }

    /// The value of a category that training did not see: the overall share.
    pub fn unseen(&self) -> f64 {
        self.values.unseen
    }
}

impl Frequencies {
    /// Checks the counts and computes the values.
    ///
    /// # Errors
    /// Codes out of order, counts that contradict each other.
    pub fn new(parts: FrequencyParts) -> Result<Self, CategoryError> {
        let FrequencyParts { rows: all, missing, ref categories } = parts;
        check_codes(categories.iter().map(|[code, _]| *code))?;
        check_sum(all, missing, categories.iter().map(|[_, rows]| *rows))?;
        let share = |rows: u64| rows as f64 / all as f64;
        let values = Values {
            by_code: categories.iter().map(|[code, rows]| (*code, share(*rows))).collect(),
            missing: share(missing),
            unseen: 0.0,
        };
        Ok(Frequencies { parts, values })
    }

    /// What it is made of.
    pub fn parts(&self) -> &FrequencyParts {
        &self.parts
    }

    /// The value of a category; `None` for one that training did not see.
    pub fn known(&self, code: f64) -> Option<f64> {
        self.values.known(code)
    }

    /// The value of a category that training did not see.
    pub fn unseen(&self) -> f64 {
        self.values.unseen
    }
}

fn check_codes(codes: impl ExactSizeIterator<Item = u64>) -> Result<(), CategoryError> {
    if codes.len() > MAX_CATEGORIES {
        return Err(CategoryError::TooMany { found: codes.len() });
    }
    let mut last = None;
    for (position, code) in codes.enumerate() {
        if code >= CODES || last.is_some_and(|last| code <= last) {
            return Err(CategoryError::Code { position });
        }
        last = Some(code);
    }
    Ok(())
}

fn check_sum(all: u64, missing: u64, mut rows: impl Iterator<Item = u64> + Clone) -> Result<(), CategoryError> {
    if all == 0 || all > MAX_ROWS {
        return Err(CategoryError::Counts { what: "no rows at all, or too many" });
    }
    if sum(rows.clone().chain([missing])).is_none_or(|sum| sum > all) {
        return Err(CategoryError::Counts { what: "more rows than there are" });
    }
    if rows.any(|rows| rows == 0) {
        return Err(CategoryError::Counts { what: "a category without rows" });
    }
    Ok(())
}

fn sum(mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
    numbers.try_fold(0_u64, u64::checked_add)
}

impl TryFrom<TargetParts> for TargetShares {
    type Error = CategoryError;

    fn try_from(parts: TargetParts) -> Result<Self, CategoryError> {
        TargetShares::new(parts)
    }
}

impl TryFrom<FrequencyParts> for Frequencies {
    type Error = CategoryError;

    fn try_from(parts: FrequencyParts) -> Result<Self, CategoryError> {
        Frequencies::new(parts)
    }
}

impl From<TargetShares> for TargetParts {
    fn from(shares: TargetShares) -> Self {
        shares.parts
    }
}

impl From<Frequencies> for FrequencyParts {
    fn from(shares: Frequencies) -> Self {
        shares.parts
    }
}

impl PartialEq for TargetShares {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl PartialEq for Frequencies {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> TargetParts {
        let (all, missing) = (Counted { rows: 20, positives: 4 }, Counted { rows: 2, positives: 1 });
        TargetParts { prior_weight: 5.0, all, missing, categories: vec![[3, 10, 1], [7, 5, 2]] }
    }

    #[test]
    fn shares_are_as_computed_by_hand() {
        let shares = TargetShares::new(target()).unwrap();
        // (1 + 5 * 0.2) / (10 + 5), (2 + 1) / 10, (1 + 1) / 7
        assert_eq!([shares.known(3.0), shares.known(7.0)], [Some(2.0 / 15.0), Some(0.3)]);
        assert_eq!(shares.known(f64::NAN), Some(2.0 / 7.0));
        assert_eq!((shares.known(4.0), shares.unseen()), (None, 0.2));
        let parts = FrequencyParts { rows: 20, missing: 2, categories: vec![[3, 10], [7, 5]] };
        let shares = Frequencies::new(parts).unwrap();
        assert_eq!([shares.known(3.0), shares.known(7.0), shares.known(f64::NAN)], [Some(0.5), Some(0.25), Some(0.1)]);
        assert_eq!((shares.known(-3.0), shares.unseen()), (None, 0.0));
    }

    #[test]
    fn what_is_no_code_is_unseen() {
        let shares = TargetShares::new(target()).unwrap();
        for odd in [3.5, -3.0, 1e300, -1e300] {
            assert_eq!(shares.known(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_weight_of_nothing_leaves_the_shares_as_they_are() {
        let shares = TargetShares::new(TargetParts { prior_weight: 0.0, ..target() }).unwrap();
        assert_eq!((shares.known(3.0), shares.unseen()), (Some(0.1), 0.2));
    }

    #[test]
    fn counts_that_contradict_each_other_are_refused() {
        let refused = |categories: &[[u64; 3]]| {
            TargetShares::new(TargetParts { categories: categories.to_vec(), ..target() }).unwrap_err().to_string()
        };
        assert!(refused(&[[7, 1, 0], [3, 1, 0]]).contains("code of category 1"));
        assert!(refused(&[[1 << 48, 1, 0]]).contains("code of category 0"));
        assert!(refused(&[[3, 19, 0]]).contains("more rows than there are"));
        assert!(refused(&[[3, u64::MAX, 0], [4, u64::MAX, 0]]).contains("more rows than there are"));
        assert!(refused(&[[3, 0, 0]]).contains("without rows"));
        assert!(refused(&[[3, 2, 3]]).contains("more positives than rows"));
        assert!(refused(&[[3, 9, 4]]).contains("more positives than there are"));
        for weight in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(TargetShares::new(TargetParts { prior_weight: weight, ..target() }).is_err());
        }
        let empty = FrequencyParts { rows: 0, missing: 0, categories: vec![] };
        assert!(Frequencies::new(empty).is_err());
    }
}
