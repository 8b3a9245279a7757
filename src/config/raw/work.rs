//! `[score]`, `[drift]`, `[performance]`, `[retrain]` and `[promote]`: what is done with the features.

use serde::{Deserialize, Serialize};

use crate::data::params::{Delivery, ModelFamily, PromotionMetric};
use crate::data::{Span, TrainingReason};

/// `[score]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawScore {
    /// Worker threads of this process, 1 to 256; default 1. Each owns a share of the partitions.
    pub workers: usize,
    /// Numbers of processors; default none. Each worker, with its Kafka clients, stays on one of them in turn.
    pub cores: Vec<u32>,
    /// Length of time, 1 ms to 5 s; default `100ms`. How long a transaction collects records before it commits.
    pub transaction: Span,
    /// `exactly-once` or `at-least-once`; default `exactly-once`. Whether predictions wait for their transaction's
    /// commit, or go ahead of it and are repeated after a failure.
    pub delivery: Delivery,
    /// Length of time, 10 ms to 1 h; default `15s`. How often a shard's state is written out.
    pub checkpoint: Span,
    /// Most records of one batch; default 1024.
    pub max_batch: usize,
    /// Length of time, 1 s or more, or `0s`; default `1d`. How far in event time a shard may run ahead of the others while
    /// there is a backlog; `0s`: as far as it gets.
    pub max_skew: Span,
    /// Between 0 and 1; default 0.5. A score at or above it is decided as the positive class.
    pub threshold: f64,
}

impl Default for RawScore {
    fn default() -> Self {
        RawScore {
            workers: 1,
            cores: Vec::new(),
            transaction: Span::from_millis(100),
            delivery: Delivery::ExactlyOnce,
            checkpoint: Span::from_millis(15_000),
            max_batch: 1024,
            max_skew: Span::from_days(1),
            threshold: 0.5,
        }
    }
}

/// `[drift]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawDrift {
    /// Length of a window in event time; default `7d`.
    pub window: Span,
    /// Shift of the window grid from 1970-01-01T00:00Z, a Thursday; default `0d`. Shorter than `window`.
    pub offset: Span,
    /// Population stability index from which a significant change opens an alert; default 0.2.
    pub psi_effect: f64,
    /// Kolmogorov-Smirnov distance from which a significant change opens an alert, 0 to 1; default 0.15.
    pub ks_effect: f64,
    /// Expected share of false alarms among the alarms of a window, between 0 and 1; default 0.01.
    pub false_discovery_rate: f64,
    /// Fewest values of a signal a verdict rests on; default 500.
    pub min_n: u64,
}

impl Default for RawDrift {
    fn default() -> Self {
        RawDrift {
            window: Span::from_days(7),
            offset: Span::from_days(0),
            psi_effect: 0.2,
            ks_effect: 0.15,
            false_discovery_rate: 0.01,
            min_n: 500,
        }
    }
}

/// `[performance]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPerformance {
    /// Length of a window in event time; default `7d`.
    pub window: Span,
    /// Shift of the window grid from 1970-01-01T00:00Z, a Thursday; default `0d`. Shorter than `window`.
    pub offset: Span,
    /// Share of the reference AUC, between 0 and 1, below which an alert opens; default 0.95.
    pub alert_below: f64,
    /// Fewest labelled predictions a verdict rests on; default 500.
    pub min_n: u64,
    /// Length of event time between two summaries of a shard, at most `window`; default `1d`.
    pub every: Span,
}

impl Default for RawPerformance {
    fn default() -> Self {
        RawPerformance {
            window: Span::from_days(7),
            offset: Span::from_days(0),
            alert_below: 0.95,
            min_n: 500,
            every: Span::from_days(1),
        }
    }
}

/// `[retrain]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRetrain {
    /// Reasons among `drift`, `performance`, `schedule`, `labels`; default all where there are labels. `[]` trains
    /// never.
    pub on: Option<Vec<TrainingReason>>,
    /// Event time of labelled history needed for the first training; default `56d`. Longer than `holdout`.
    pub first_after: Span,
    /// Joined labels needed for a training; default 5000.
    pub min_labels: u64,
    /// Least event time between two trainings; default `28d`.
    pub cool_down: Span,
    /// Event time after which `schedule` asks for the next training, at least `cool_down`; default `56d`.
    pub schedule: Span,
    /// Labels since the last training at which `labels` asks for the next; default 0: after the first, never.
    pub new_labels: u64,
    /// Event time before the cutoff that examples are taken from; default `120d`.
    pub history: Span,
    /// The last part of `history`, held out for the comparison with the model in charge; default `14d`.
    pub holdout: Span,
    /// Most training rows, drawn at random beyond it; default 40000. At least `min_labels`.
    pub max_rows: usize,
    /// Families tried, `forest` and `linear`; default both.
    pub families: Vec<ModelFamily>,
    /// Trees of a forest, 1 to 1000; default 50.
    pub trees: u16,
    /// Deepest level of a tree, 1 to 64; default 12.
    pub max_depth: u16,
    /// Fewest training rows in a leaf; default 10.
    pub min_leaf: usize,
    /// Features tried at each split; default 0: the square root of their number, rounded down.
    pub features_per_split: usize,
    /// Seed of everything random in a training; default 1. The same seed and examples give the same model.
    pub seed: u64,
}

impl Default for RawRetrain {
    fn default() -> Self {
        RawRetrain {
            on: None,
            first_after: Span::from_days(56),
            min_labels: 5000,
            cool_down: Span::from_days(28),
            schedule: Span::from_days(56),
            new_labels: 0,
            history: Span::from_days(120),
            holdout: Span::from_days(14),
            max_rows: 40_000,
            families: vec![ModelFamily::Forest, ModelFamily::Linear],
            trees: 50,
            max_depth: 12,
            min_leaf: 10,
            features_per_split: 0,
            seed: 1,
        }
    }
}

/// `[promote]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPromote {
    /// Default `true`: the monitor promotes a better candidate by itself. With `false` an operator does.
    pub auto: bool,
    /// What is compared on the held-out examples, `log_loss` or `auc`; default `log_loss`.
    pub metric: PromotionMetric,
    /// The lower end of the paired interval of the gain must lie above it, in units of the metric; default 0.
    pub min_gain: f64,
}

impl Default for RawPromote {
    fn default() -> Self {
        RawPromote { auto: true, metric: PromotionMetric::LogLoss, min_gain: 0.0 }
    }
}
