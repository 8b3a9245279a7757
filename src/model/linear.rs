//! The linear family: logistic regression on standardised inputs.
//!
//! A missing or infinite value is replaced by the feature's mean of training; a standardised value is held within
//! [`CLIP`] standard deviations, because an input far outside of everything seen is to move the score no further than the
//! training data can vouch for. With both, the score is finite for every input. Terms are added in layout order, so that
//! a row scores the same bits in a batch of any size.

use serde::{Deserialize, Serialize};

use super::Columns;

/// How many standard deviations from its training mean an input can count.
pub const CLIP: f64 = 10.0;
/// The largest coefficient.
pub(super) const MAX_COEFFICIENT: f64 = 1e6;

/// What a linear model is made of; unchecked. All lists are in layout order and of its width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearParts {
    /// Mean of the present values of each feature in training; also what a missing value counts as.
    pub mean: Vec<f64>,
    /// Standard deviation of each feature in training; above zero.
    pub scale: Vec<f64>,
    /// Coefficient of each standardised feature.
    pub coefficients: Vec<f64>,
    /// Log odds of the row of means.
    pub intercept: f64,
}

/// A logistic model ready to score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LinearParts", into = "LinearParts")]
pub struct Linear {
    parts: LinearParts,
    terms: Vec<Term>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Term {
    mean: f64,
    low: f64,
    high: f64,
    weight: f64,
}

/// Why numbers are no linear model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LinearError {
    /// Lists of different lengths.
    #[error("a linear model with {means} means, {scales} scales and {coefficients} coefficients; the three must agree")]
    Lengths {
        /// Length of `mean`.
        means: usize,
        /// Length of `scale`.
        scales: usize,
        /// Length of `coefficients`.
        coefficients: usize,
    },
    /// A number outside of what a model can hold.
    #[error("{part} {position} of a linear model is `{value}`, which is out of range")]
    OutOfRange {
        /// Which list.
        part: &'static str,
        /// Position in it.
        position: usize,
        /// The number.
        value: f64,
    },
}

impl Linear {
    /// Checks and takes the parts.
    ///
    /// # Errors
    /// Lists of different lengths, a number that is not finite, a scale that is not above zero, a coefficient above 1e6.
    pub fn new(parts: LinearParts) -> Result<Self, LinearError> {
        let lengths = [parts.mean.len(), parts.scale.len(), parts.coefficients.len()];
        if lengths.iter().any(|&length| length != lengths[0]) {
            let [means, scales, coefficients] = lengths;
            return Err(LinearError::Lengths { means, scales, coefficients });
        }
        check("mean", &parts.mean, |value| value.abs() <= 1e300)?;
        check("scale", &parts.scale, |value| value > 1e-300 && value <= 1e300)?;
        check("coefficient", &parts.coefficients, |value| value.abs() <= MAX_COEFFICIENT)?;
        check("intercept", &[parts.intercept], |value| value.abs() <= MAX_COEFFICIENT)?;
        let terms = parts.mean.iter().zip(&parts.scale).zip(&parts.coefficients);
        let terms = terms
            .map(|((&mean, &scale), &coefficient)| {
                let reach = scale * CLIP;
                Term { mean, low: -reach, high: reach, weight: coefficient / scale }
            })
            .collect();
        Ok(Linear { parts, terms })
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.terms.len()
    }

    /// What it is made of.
    pub fn parts(&self) -> &LinearParts {
        &self.parts
    }

    /// Writes the probability of each row of `rows` to `out`, which is as long. A feature that `rows` lacks is missing.
    pub fn score(&self, rows: &Columns, out: &mut [f64]) {
        out.fill(self.parts.intercept);
        for (position, term) in self.terms.iter().enumerate() {
            for (sum, &x) in out.iter_mut().zip(rows.column(position)) {
                let x = if x.is_finite() { x } else { term.mean };
                *sum += (x - term.mean).clamp(term.low, term.high) * term.weight;
            }
        }
        for value in out {
            *value = sigmoid(*value);
        }
    }
}

fn check(part: &'static str, values: &[f64], allowed: impl Fn(f64) -> bool) -> Result<(), LinearError> {
    match values.iter().enumerate().find(|&(_, &value)| !allowed(value)) {
        Some((position, &value)) => Err(LinearError::OutOfRange { part, position, value }),
        None => Ok(()),
    }
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}

impl TryFrom<LinearParts> for Linear {
    type Error = LinearError;

    fn try_from(parts: LinearParts) -> Result<Self, LinearError> {
        Linear::new(parts)
    }
}

impl From<Linear> for LinearParts {
    fn from(linear: Linear) -> Self {
        linear.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear() -> Linear {
        let parts =
            LinearParts { mean: vec![1.0, 0.0], scale: vec![2.0, 1.0], coefficients: vec![0.5, -1.0], intercept: 0.25 };
        Linear::new(parts).unwrap()
    }

    fn score_one(row: &[f64]) -> f64 {
        let mut rows = Columns::new(2);
        rows.push_row(row);
        let mut out = [0.0];
        linear().score(&rows, &mut out);
        out[0]
    }

    #[test]
    fn a_row_scores_as_computed_by_hand() {
        // 0.25 + 0.5 * (3 - 1) / 2 - 1 * 0.75 = 0
        assert_eq!(score_one(&[3.0, 0.75]), 0.5);
    }

    #[test]
    fn missing_and_infinite_count_as_the_mean() {
        let at_means = score_one(&[1.0, 0.0]);
        assert_eq!(score_one(&[f64::NAN, f64::NAN]), at_means);
        assert_eq!(score_one(&[f64::INFINITY, f64::NEG_INFINITY]), at_means);
        assert_eq!(score_one(&[]), at_means);
    }

    #[test]
    fn the_far_away_is_clipped_and_the_score_stays_finite() {
        assert_eq!(score_one(&[21.0, 0.0]), score_one(&[f64::MAX, 0.0]));
        assert!(score_one(&[f64::MAX, f64::MIN]).is_finite());
    }

    #[test]
    fn parts_out_of_range_are_refused() {
        let parts =
            |scale: f64| LinearParts { mean: vec![0.0], scale: vec![scale], coefficients: vec![1.0], intercept: 0.0 };
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Linear::new(parts(scale)).is_err(), "{scale}");
        }
        let uneven = LinearParts { coefficients: vec![], ..parts(1.0) };
        assert!(matches!(Linear::new(uneven), Err(LinearError::Lengths { .. })));
    }
}
