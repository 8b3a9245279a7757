//! When a training is asked for, what it trains, and what is promoted.

use serde::{Deserialize, Serialize};

use super::PreparedSpec;
use crate::data::{Span, TrainingReason};

/// A family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelFamily {
    /// An ensemble of decision trees.
    Forest,
    /// A linear model.
    Linear,
}

impl ModelFamily {
    /// The name used in the configuration and in records.
    pub const fn name(self) -> &'static str {
        match self {
            ModelFamily::Forest => "forest",
            ModelFamily::Linear => "linear",
        }
    }
}

/// When to train, on what, and how.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetrainParams {
    /// Reasons that ask for a training, sorted; empty: nothing is ever trained.
    pub on: Vec<TrainingReason>,
    /// Labelled history needed for the first training.
    pub first_after: Span,
    /// Joined labels needed for any training.
    pub min_labels: u64,
    /// Least event time between two trainings.
    pub cool_down: Span,
    /// Age of the last training at which the schedule asks for the next.
    pub schedule: Span,
    /// New labels since the last training that ask for the next; `None`: their number never asks.
    pub new_labels: Option<u64>,
    /// Event time before the cutoff that examples are taken from.
    pub history: Span,
    /// The last part of `history`, held out for the comparison; shorter than `history`.
    pub holdout: Span,
    /// Most training rows; beyond it rows are drawn at random with `seed`.
    pub max_rows: usize,
    /// Families tried, without repetition, in the order given; at least one.
    pub families: Vec<ModelFamily>,
    /// Trees of a forest.
    pub trees: u16,
    /// Deepest level of a tree.
    pub max_depth: u16,
    /// Fewest training rows in a leaf.
    pub min_leaf: usize,
    /// Features tried at each split, from 1 to the number of features.
    pub features_per_split: usize,
    /// Seed of everything random in a training.
    pub seed: u64,
    /// What is made of single features before the fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prepared: Vec<PreparedSpec>,
}

/// What a candidate is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromotionMetric {
    /// Mean log loss in nats; the gain is champion minus candidate.
    LogLoss,
    /// Area under the ROC curve; the gain is candidate minus champion.
    Auc,
}

impl PromotionMetric {
    /// The name used in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            PromotionMetric::LogLoss => "log_loss",
            PromotionMetric::Auc => "auc",
        }
    }
}

/// What is promoted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PromoteParams {
    /// The monitor promotes by itself; otherwise an operator does.
    pub auto: bool,
    /// What is compared.
    pub metric: PromotionMetric,
    /// The lower end of the paired interval of the gain must lie above this.
    pub min_gain: f64,
}
