//! A performance record: how one model version did on the events of one window, as far as labels have come.

use serde::{Deserialize, Serialize};

use super::{Arm, Timestamp};

/// A record of the performance topic (`schemas/performance.avsc`); a later revision replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerformanceRecord {
    /// Start of the window, inclusive.
    pub window_start: Timestamp,
    /// End of the window, exclusive.
    pub window_end: Timestamp,
    /// 0 for the first record of the window, version and arm; one more each time labels changed it.
    pub revision: u32,
    /// The version measured.
    pub model_version: u32,
    /// Its part.
    pub arm: Arm,
    /// The segment measured; `all` is the whole stream.
    pub segment: String,
    /// Predictions in the window.
    pub predictions: u64,
    /// Those whose label has come.
    pub n: u64,
    /// `n / predictions`.
    pub coverage: Option<f64>,
    /// Mean time from event to label, in seconds.
    pub label_age_s: Option<f64>,
    /// Share of positives among the labelled.
    pub positive_share: Option<f64>,
    /// Area under the ROC curve, from binned scores.
    pub auc: Option<f64>,
    /// Lower end of its 95 % interval.
    pub auc_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub auc_high: Option<f64>,
    /// Mean log loss in nats.
    pub log_loss: Option<f64>,
    /// Mean squared error of the score.
    pub brier: Option<f64>,
}
