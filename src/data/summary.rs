//! What a shard tells the monitor: its clock, and mergeable counts of the windows that changed.
//!
//! A window's counts are those of the shard so far, not a difference: the monitor keeps the last record of each shard
//! and window, so a record that comes twice does no harm.

use serde::{Deserialize, Serialize};

use super::{Arm, Timestamp};
use crate::stats::{BinCounts, ScoreHistogram};

/// A record of the summaries topic (`schemas/summary.avsc`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of the shard.
    pub shard: i32,
    /// The latest event or known-at time the shard has taken in.
    pub clock: Timestamp,
    /// No event earlier than this is expected.
    pub watermark: Timestamp,
    /// Every input has been read to its end.
    pub idle: bool,
    /// Event time of the shard's first event.
    pub first_event: Option<Timestamp>,
    /// Labels joined by the shard since its beginning, corrections not counted.
    pub labels: u64,
    /// Drift counts of windows that changed.
    pub drift: Vec<DriftWindow>,
    /// Performance of windows that changed.
    pub performance: Vec<PerformanceWindow>,
}

/// Drift counts of one window and model version, in the order of the version's reference profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftWindow {
    /// Start of the window.
    pub start: Timestamp,
    /// The version whose profile the counts belong to.
    pub model_version: u32,
    /// One entry per signal of the profile.
    pub signals: Vec<BinCounts>,
}

/// Performance of one window, model version and arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerformanceWindow {
    /// Start of the window.
    pub start: Timestamp,
    /// The version that predicted.
    pub model_version: u32,
    /// Its part.
    pub arm: Arm,
    /// Predictions with event time in the window.
    pub predictions: u64,
    /// Sum over joined labels of known-at minus event time, in seconds.
    pub label_age_s: i64,
    /// Scores of the labelled ones, by class.
    pub scores: ScoreHistogram,
}
