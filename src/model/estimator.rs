//! The model families and what they have in common: columns of features in, probabilities out.

use serde::{Deserialize, Serialize};

use super::{Columns, Forest, Linear};
use crate::data::params::ModelFamily;

/// A fitted model of one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// Logistic regression.
    Linear(Linear),
    /// Mean of many trees.
    Forest(Forest),
}

impl Estimator {
    /// Its family.
    pub fn family(&self) -> ModelFamily {
        match self {
            Estimator::Linear(_) => ModelFamily::Linear,
            Estimator::Forest(_) => ModelFamily::Forest,
        }
    }

    /// Number of features it expects.
    pub fn width(&self) -> usize {
        match self {
            Estimator::Linear(linear) => linear.width(),
            Estimator::Forest(forest) => forest.width(),
        }
    }

    /// Replaces the contents of `out` by the probability of the positive class for each row, finite and within [0, 1] for
    /// every input. A row's score does not depend on the rows beside it.
    pub fn score(&self, rows: &Columns, out: &mut Vec<f64>) {
        out.clear();
        out.resize(rows.n_rows(), 0.0);
        match self {
            Estimator::Linear(linear) => linear.score(rows, out),
            Estimator::Forest(forest) => forest.score(rows, out),
        }
    }
}
