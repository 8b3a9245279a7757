//! Models fitted elsewhere: a scaled logistic regression as JSON, as one writes it from scikit-learn with a few lines.
//!
//! `features`, `mean`, `std` and `coef` are lists of one length, `intercept` and `threshold` (0.5 if left out) numbers;
//! the score is 1 / (1 + exp(-(intercept + sum of coef * (x - mean) / std))). `edges` and `reference_shares`, both or
//! neither, have one list per feature and one more for the score: the bins drift is counted in, and the share of the
//! training rows in each. Without them nothing can drift. Anything else in the file is left alone.
//!
//! Our own linear models hold a standardised value within a number of standard deviations. What others fitted did not, so
//! scale and coefficient are both stretched by a power of two, which leaves every weight as it is.

use serde::Deserialize;

use super::linear::{Linear, LinearError, LinearParts, MAX_COEFFICIENT};
use super::{Estimator, Layout, LayoutError, Lineage, Model, ModelError, ModelParts, Preparation};
use crate::data::{Evidence, Gain, HoldoutScore, Timestamp};
use crate::drift::{GivenSignal, Profile, ProfileError, SCORE, SignalError};

/// How far beyond our own bound an input counts: 2 to the power of 16 times as far.
const STRETCH: i32 = 16;
/// What shares are counted against.
const ROWS: f64 = 1e6;

/// Why a file is no model.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not JSON, or without a part it needs.
    #[error("not a scaled logistic regression: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Lists that do not belong together.
    #[error("`{list}` has {found} entries; {expected} features need {needed}")]
    Length {
        /// Which list.
        list: &'static str,
        /// Its length.
        found: usize,
        /// Features of the model.
        expected: usize,
        /// What it has to be.
        needed: usize,
    },
    /// Feature names that are no layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Numbers a linear model cannot have.
    #[error(transparent)]
    Linear(#[from] LinearError),
    /// Edges or shares that are no reference.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// Too many signals.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Parts that do not make a model together.
    #[error(transparent)]
    Model(#[from] ModelError),
}

#[derive(Deserialize)]
struct ScaledLogistic {
    features: Vec<String>,
    mean: Vec<f64>,
    std: Vec<f64>,
    coef: Vec<f64>,
    intercept: f64,
    #[serde(default = "half")]
    threshold: f64,
    #[serde(default)]
    edges: Vec<Vec<f64>>,
    #[serde(default)]
    reference_shares: Vec<Vec<f64>>,
}

fn half() -> f64 {
    0.5
}

/// Reads a scaled logistic regression into a model; `at` stands for when it was trained. With `names` its features are
/// those, in their order, whatever the file calls them.
///
/// # Errors
/// A file of another shape, or numbers that make no model.
pub fn import_scaled_logistic(bytes: &[u8], at: Timestamp, names: Option<&[String]>) -> Result<Model, ImportError> {
    let mut file: ScaledLogistic = serde_json::from_slice(bytes)?;
    let expected = names.map_or(file.features.len(), <[String]>::len);
    let signals = if file.edges.is_empty() { 0 } else { expected + 1 };
    for (list, found, needed) in [
        ("features", file.features.len(), expected),
        ("mean", file.mean.len(), expected),
        ("std", file.std.len(), expected),
        ("coef", file.coef.len(), expected),
        ("edges", file.edges.len(), signals),
        ("reference_shares", file.reference_shares.len(), signals),
    ] {
        if found != needed {
            return Err(ImportError::Length { list, found, expected, needed });
        }
    }
    if let Some(names) = names {
        file.features = names.to_vec();
    }
    let profile = profile(&file)?;
    let largest = file.coef.iter().fold(0.0, |largest: f64, coefficient| largest.max(coefficient.abs()));
    let stretch =
        (0..STRETCH).fold(1.0, |by: f64, _| if largest * by * 2.0 <= MAX_COEFFICIENT { by * 2.0 } else { by });
    let linear = Linear::new(LinearParts {
        mean: file.mean,
        scale: file.std.iter().map(|scale| scale * stretch).collect(),
        coefficients: file.coef.iter().map(|coefficient| coefficient * stretch).collect(),
        intercept: file.intercept,
    })?;
    let score = HoldoutScore { auc: None, log_loss: 0.0 };
    Ok(Model::new(ModelParts {
        layout: Layout::new(file.features)?,
        preparation: Preparation::default(),
        estimator: Estimator::Linear(linear),
        threshold: file.threshold,
        profile,
        lineage: Lineage { cutoff: at, seed: 0, examples_sha256: String::new(), trained_by: "imported".to_owned() },
        evidence: Evidence {
            trained_from: at,
            trained_to: at,
            holdout_from: at,
            holdout_to: at,
            n_train: 0,
            n_holdout: 0,
            champion: score,
            candidate: score,
            log_loss_gain: Gain { mean: 0.0, low: 0.0, high: 0.0 },
            auc_gain: None,
        },
    })?)
}

fn profile(file: &ScaledLogistic) -> Result<Profile, ImportError> {
    let names = file.features.iter().map(String::as_str).chain([SCORE]);
    let none = Vec::new();
    let signals = names.enumerate().map(|(at, name)| {
        let shares = file.reference_shares.get(at).unwrap_or(&none);
        GivenSignal {
            name,
            edges: file.edges.get(at).unwrap_or(&none),
            counts: shares.iter().map(|share| (share.clamp(0.0, 1.0) * ROWS).round() as u64).collect(),
        }
        .profile()
    });
    Ok(Profile::try_from(signals.collect::<Result<Vec<_>, _>>()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Columns;

    const FILE: &str = r#"{"model_version": "m", "features": ["a", "b"], "mean": [1.0, -2.0], "std": [2.0, 0.5],
        "coef": [0.3, -0.7], "intercept": 0.1, "edges": [[0.0, 1.0], [5.0], [0.5]],
        "reference_shares": [[0.2, 0.3, 0.5], [0.1, 0.9], [0.6, 0.4]]}"#;

    #[test]
    fn an_imported_model_scores_as_its_file_says_however_far_out_an_input_is() {
        let model = import_scaled_logistic(FILE.as_bytes(), Timestamp::from_millis(0), None).unwrap();
        let mut rows = Columns::new(2);
        for row in [[1.5, -2.25], [61.0, -1.0], [1e4, 3.0]] {
            rows.push_row(&row);
        }
        let mut scores = Vec::new();
        model.score(&rows, &mut scores);
        let expected = [[1.5, -2.25], [61.0, -1.0], [1e4, 3.0]].map(|[a, b]: [f64; 2]| {
            let log_odds: f64 = 0.1 + 0.3 * (a - 1.0) / 2.0 - 0.7 * (b + 2.0) / 0.5;
            1.0 / (1.0 + libm::exp(-log_odds))
        });
        for (score, expected) in scores.iter().zip(expected) {
            assert!((score - expected).abs() < 1e-12, "{score} {expected}");
        }
        let bins: Vec<u64> = model.profile()[0].reference().bins.clone();
        assert_eq!(bins, [200_000, 300_000, 500_000]);
        assert_eq!(Model::from_bytes(&model.to_bytes().unwrap()).unwrap(), model);
    }

    #[test]
    fn lists_that_do_not_belong_together_are_refused_by_name() {
        let error = |from: &str, to: &str| {
            import_scaled_logistic(FILE.replace(from, to).as_bytes(), Timestamp::from_millis(0), None)
                .unwrap_err()
                .to_string()
        };
        assert!(error("[0.3, -0.7]", "[0.3]").contains("`coef` has 1"));
        assert!(error("[[0.0, 1.0], [5.0], [0.5]]", "[[0.0, 1.0]]").contains("`edges` has 1"));
        assert!(error("[0.1, 0.9]", "[0.1]").contains("signal `b`"));
        assert!(error("\"features\"", "\"names\"").contains("not a scaled logistic"));
    }

    #[test]
    fn names_of_the_caller_go_before_those_of_the_file() {
        let names = ["x".to_owned(), "y".to_owned()];
        let model = import_scaled_logistic(FILE.as_bytes(), Timestamp::from_millis(0), Some(&names)).unwrap();
        assert_eq!(model.layout().names(), names);
        let refused =
            import_scaled_logistic(FILE.as_bytes(), Timestamp::from_millis(0), Some(&names[..1])).unwrap_err();
        assert!(refused.to_string().contains("`features` has 2"), "{refused}");
    }

    #[test]
    fn a_file_without_reference_gives_signals_that_cannot_drift() {
        let text = FILE.split(", \"edges\"").next().unwrap().to_owned() + "}";
        let model = import_scaled_logistic(text.as_bytes(), Timestamp::from_millis(0), None).unwrap();
        assert!(model.profile().iter().all(|signal| signal.edges().n_bins() == 1));
    }
}
