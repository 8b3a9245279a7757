//! What a demonstration comes to, for machines: `--report FILE`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::story::TrainingStory;
use super::weeks::{Standing, WeekStanding};
use crate::data::{DriftAlert, Gain, Timestamp};

/// Everything counted and compared; fields are only ever added.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of the program.
    pub version: &'static str,
    /// Seed of a shuffled stream; `None`: the year as it happened.
    pub shuffle: Option<u64>,
    /// Events sent, broken ones included: predictions, dead letters and late ones together.
    pub events: u64,
    /// Predictions read back.
    pub predictions: u64,
    /// Dead letters read back.
    pub dead_letters: u64,
    /// Events put aside because they came too late; this version scores them, so there are none.
    pub late: u64,
    /// Broken events that were mixed in.
    pub broken_events: u64,
    /// Second predictions of an event; there are none.
    pub duplicates: u64,
    /// Follow-ups sent.
    pub follow_ups: u64,
    /// Labels among them.
    pub labels: u64,
    /// Predictions joined with their label.
    pub labels_joined: u64,
    /// Dead letters by reason.
    pub dead_letters_by_reason: BTreeMap<String, u64>,
    /// Alerts that opened or recovered, and requests for trainings.
    pub alerts: Vec<DriftAlert>,
    /// Trainings, from the request to the verdict.
    pub trainings: Vec<TrainingStory>,
    /// Versions that were in charge.
    pub versions: Vec<VersionStory>,
    /// Weeks that were compared.
    pub weeks: usize,
    /// Labelled rows in them.
    pub rows: usize,
    /// The loop as it ran.
    pub closed_loop: Way,
    /// The first model, left alone.
    pub frozen: Way,
    /// A model made anew every 28 days.
    pub monthly: Way,
    /// The share of positives so far.
    pub base_rate: Way,
    /// Gain of the loop over the frozen model, paired by week.
    pub gain_over_frozen: GainStory,
    /// Hash of all predictions.
    pub predictions_sha256: String,
    /// How long it took.
    pub seconds: f64,
}

/// A way of scoring; without a model or labels there are no numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Way {
    /// Mean weekly AUC.
    pub auc: Option<f64>,
    /// Mean weekly log loss, in nats.
    pub log_loss: Option<f64>,
    /// Week by week.
    pub weekly: Vec<WeekStanding>,
}

impl Way {
    /// From its weeks and their mean.
    pub fn new(weekly: Vec<WeekStanding>, mean: Option<Standing>) -> Self {
        Way { auc: mean.map(|mean| mean.auc), log_loss: mean.map(|mean| mean.log_loss), weekly }
    }
}

/// Positive is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct GainStory {
    /// AUC of the loop minus that of the frozen model.
    pub auc: Option<Gain>,
    /// Log loss of the frozen model minus that of the loop.
    pub log_loss: Option<Gain>,
}

/// A version's time in charge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionStory {
    /// The version; 0 is the base rate.
    pub version: u32,
    /// Its family.
    pub family: Option<String>,
    /// When it took charge.
    pub from: Timestamp,
    /// When the next one did, or the stream ended.
    pub to: Timestamp,
    /// The time between, in weeks.
    pub weeks: f64,
    /// Predictions it made.
    pub predictions: u64,
}
