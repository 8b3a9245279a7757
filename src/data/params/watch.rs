//! How scoring batches its work, and how drift and performance are watched.

use serde::{Deserialize, Serialize};

use crate::data::{Span, Timestamp};

/// When readers see a prediction, and how often. State, outcomes and everything else is exactly once either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// With the commit of its transaction, once.
    #[default]
    ExactlyOnce,
    /// As soon as it is made, ahead of its transaction; again if that is aborted.
    AtLeastOnce,
}

impl Delivery {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Delivery::ExactlyOnce => "exactly-once",
            Delivery::AtLeastOnce => "at-least-once",
        }
    }
}

/// How the score role works.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreParams {
    /// Worker threads of this process.
    pub workers: usize,
    /// Processors that workers stay on, one each in turn; empty: wherever the system puts them.
    pub cores: Vec<u32>,
    /// How long a transaction collects records before it commits.
    pub transaction: Span,
    /// When readers see a prediction, and how often.
    pub delivery: Delivery,
    /// How often a shard's state is written out; a restore replays what came since.
    pub checkpoint: Span,
    /// Most records of one batch.
    pub max_batch: usize,
    /// How far a shard may run ahead of the others in a backlog; `None`: as far as it gets.
    pub max_skew: Option<Span>,
    /// A score at or above it is decided as the positive class.
    pub threshold: f64,
    /// When a shard whose events have gone bad is held back.
    pub breaker: BreakerParams,
}

/// When a shard whose events have gone bad is held back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BreakerParams {
    /// A larger share of refused events than this holds it back; 1 never does.
    pub max_rejected: f64,
    /// Events that the share is taken of.
    pub window: u64,
}

/// When a feature or the score counts as drifted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DriftParams {
    /// Length of a window, in event time.
    pub window: Span,
    /// Shift of the window grid from the epoch; shorter than `window`.
    pub offset: Span,
    /// Smallest population stability index that opens an alert.
    pub psi_effect: f64,
    /// Smallest Kolmogorov-Smirnov distance that opens an alert.
    pub ks_effect: f64,
    /// Expected share of false alarms among the alarms of a window (Benjamini-Hochberg).
    pub false_discovery_rate: f64,
    /// Fewest values of a signal a verdict rests on.
    pub min_n: u64,
}

impl DriftParams {
    /// Whether a window begins there.
    pub fn has(&self, start: Timestamp) -> bool {
        start.floor(self.window, self.offset) == start
    }
}

/// When performance counts as lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerformanceParams {
    /// Length of a window, in event time.
    pub window: Span,
    /// Shift of the window grid from the epoch; shorter than `window`.
    pub offset: Span,
    /// An AUC below this share of the reference AUC opens an alert.
    pub alert_below: f64,
    /// Fewest labelled predictions a verdict rests on.
    pub min_n: u64,
    /// How often a shard publishes its summary, in event time.
    pub every: Span,
}

impl PerformanceParams {
    /// Whether a window begins there.
    pub fn has(&self, start: Timestamp) -> bool {
        start.floor(self.window, self.offset) == start
    }
}
