//! What a training makes of single features before it fits, by statistics of its rows.
//!
//! The row that is logged holds the feature as it is; the statistics travel in the model.

use serde::Serialize;

use super::{FeatureParams, Step};

/// One input of an estimator, made of one feature of the row. A feature with any is no input by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreparedSpec {
    /// Its name, unlike that of any other input.
    pub name: String,
    /// The feature of the row.
    pub feature: String,
    /// What it is made by.
    pub how: Preparing,
}

/// How an input is made of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Preparing {
    /// The number, scaled, and with something for one that is missing.
    Number {
        /// Onto which scale.
        scaling: Scaling,
        /// What a missing one counts as.
        missing: Filling,
    },
    /// 1 where the number is missing, else 0.
    IsMissing,
    /// A category's share of positives.
    Target {
        /// Rows that the share over all of them weighs as much as.
        prior_weight: f64,
        /// Most categories told apart; of more, the most frequent.
        max_categories: usize,
    },
    /// A category's share of the rows.
    Frequency {
        /// Most categories told apart; of more, the most frequent.
        max_categories: usize,
    },
}

/// The scale of a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Its own.
    Own,
    /// Standard deviations from the mean.
    Standardised,
    /// 0 at one quantile and 1 at another, and nothing beyond.
    Normalised {
        /// The quantile that becomes 0; 0 is the smallest value.
        low: f64,
        /// The quantile that becomes 1; 1 is the largest value.
        high: f64,
    },
}

/// What a missing number counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Filling {
    /// It stays missing, and the model family has its own way.
    None,
    /// The mean.
    Mean,
    /// The median.
    Median,
}

impl FeatureParams {
    /// Names of the features of the row that are codes of categories.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let first = self.fields.len() + self.windows.len();
        let is_code = move |at: usize| {
            let computed = if self.row.is_empty() { Some(at) } else { self.row.get(at).copied() };
            let derived = computed.and_then(|at| self.derived.get(at.checked_sub(first)?));
            derived.is_some_and(|derived| matches!(derived.steps[..], [Step::Code(_)]))
        };
        self.names.iter().enumerate().filter(move |(at, _)| is_code(*at)).map(|(_, name)| name.as_str())
    }
}
