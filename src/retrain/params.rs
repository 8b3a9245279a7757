//! How to train: spans of the split, sizes, families and their settings.

use crate::data::Span;
use crate::data::params::{DriftParams, ModelFamily, PreparedSpec, RetrainParams, ScoreParams};

/// Settings of a training; checked by [`TrainingParams::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingParams {
    /// How far back from the cutoff events are taken.
    pub history: Span,
    /// Events younger than this at the cutoff are left out, because not all their labels have come.
    pub maturity: Span,
    /// The newest stretch, kept for the comparison with the model in charge.
    pub holdout: Span,
    /// The stretch before it, used to choose the family, then trained on.
    pub validation: Span,
    /// The fewest rows to train on.
    pub min_train: usize,
    /// The fewest rows to compare on.
    pub min_holdout: usize,
    /// The most rows a model is fitted to; of more, a sample by event id is taken.
    pub max_rows: usize,
    /// What is made of single features before the fit.
    pub prepared: Vec<PreparedSpec>,
    /// Families to choose from.
    pub families: Vec<ModelFamily>,
    /// Trees of a forest.
    pub trees: usize,
    /// Levels of a tree, the root being the first.
    pub depth: u16,
    /// The fewest rows of a leaf.
    pub min_leaf: usize,
    /// Features looked at for each split; `None` for the square root of their number.
    pub features_per_split: Option<usize>,
    /// Number of tasks a forest's trees are divided over; part of the result, unlike the number of threads.
    pub parts: usize,
    /// Weight of the squared coefficients of a linear model.
    pub ridge: f64,
    /// A score at or above it decides for the positive class.
    pub threshold: f64,
    /// Length of a drift window, for the reference profile.
    pub drift_window: Span,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Default for TrainingParams {
    fn default() -> Self {
        TrainingParams {
            history: Span::from_days(84),
            maturity: Span::default(),
            holdout: Span::from_days(7),
            validation: Span::from_days(7),
            min_train: 1_000,
            min_holdout: 200,
            max_rows: 40_000,
            prepared: Vec::new(),
            families: vec![ModelFamily::Linear, ModelFamily::Forest],
            trees: 60,
            depth: 12,
            min_leaf: 20,
            features_per_split: None,
            parts: 4,
            ridge: 1.0,
            threshold: 0.5,
            drift_window: Span::from_days(1),
            seed: 1,
        }
    }
}

/// The parameters of the configuration that a training is made from.
#[derive(Clone, Copy, Debug)]
pub struct Configured<'a> {
    /// What to train.
    pub retrain: &'a RetrainParams,
    /// How the reference profile will be used.
    pub drift: &'a DriftParams,
    /// How scores become decisions.
    pub score: &'a ScoreParams,
}

impl From<Configured<'_>> for TrainingParams {
    /// What the configuration does not name keeps its default; the validation stretch is as long as the holdout.
    fn from(configured: Configured<'_>) -> Self {
        let Configured { retrain, drift, score } = configured;
        let defaults = TrainingParams::default();
        TrainingParams {
            history: retrain.history,
            holdout: retrain.holdout,
            validation: retrain.holdout,
            max_rows: retrain.max_rows,
            prepared: retrain.prepared.clone(),
            families: retrain.families.clone(),
            trees: usize::from(retrain.trees),
            depth: retrain.max_depth,
            min_leaf: retrain.min_leaf,
            features_per_split: Some(retrain.features_per_split),
            seed: retrain.seed,
            threshold: score.threshold,
            drift_window: drift.window,
            ..defaults
        }
    }
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{name}` of a training is `{value}`; {range}")]
pub struct TrainingParamsError {
    /// The setting.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it can be.
    pub range: &'static str,
}

impl TrainingParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting that is out of range.
    pub fn check(&self) -> Result<(), TrainingParamsError> {
        let counts = [
            ("min_train", self.min_train, 100..=usize::MAX, "at least 100 is needed"),
            ("min_holdout", self.min_holdout, 50..=usize::MAX, "at least 50 is needed"),
            ("max_rows", self.max_rows, 100..=10_000_000, "100 to 10000000 are possible"),
            ("families", self.families.len(), 1..=2, "name `linear`, `forest` or both"),
            ("trees", self.trees, 1..=crate::model::MAX_TREES, "1 to 2000 are possible"),
            ("depth", self.depth.into(), 1..=32, "1 to 32 are possible"),
            ("min_leaf", self.min_leaf, 1..=1_000_000, "1 to 1000000 are possible"),
            ("features_per_split", self.features_per_split.unwrap_or(1), 1..=4_096, "at least 1 is needed"),
            ("parts", self.parts, 1..=256, "1 to 256 are possible"),
        ];
        for (name, value, allowed, range) in counts {
            if !allowed.contains(&value) {
                return Err(TrainingParamsError { name, value: value.to_string(), range });
            }
        }
        for (name, span) in [("holdout", self.holdout), ("drift_window", self.drift_window)] {
            if span.millis() == 0 {
                return Err(TrainingParamsError { name, value: span.to_string(), range: "it has to be above zero" });
            }
        }
        let error = |name, value: f64, range| Err(TrainingParamsError { name, value: value.to_string(), range });
        if !(self.ridge.is_finite() && self.ridge >= 0.0) {
            return error("ridge", self.ridge, "a number from 0 on is possible");
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return error("threshold", self.threshold, "0 to 1 is possible");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_nonsense_is_named() {
        assert_eq!(TrainingParams::default().check(), Ok(()));
        let none = TrainingParams { families: vec![], ..TrainingParams::default() };
        assert!(none.check().is_err_and(|error| error.name == "families"));
        let endless = TrainingParams { ridge: f64::NAN, ..TrainingParams::default() };
        assert!(endless.check().is_err_and(|error| error.name == "ridge"));
        let blind = TrainingParams { holdout: Span::default(), ..TrainingParams::default() };
        let message = blind.check().map_err(|error| error.to_string());
        assert_eq!(message, Err("`holdout` of a training is `0ms`; it has to be above zero".to_owned()));
    }
}
