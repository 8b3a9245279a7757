//! A prediction and an outcome: the two records training data is made of.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Which part a model played when it made a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The model in charge.
    Champion,
    /// The model being proven on a share of the events.
    Canary,
}

impl Arm {
    /// The name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            Arm::Champion => "champion",
            Arm::Canary => "canary",
        }
    }
}

/// One published prediction (`schemas/prediction.avsc`); exactly one per valid event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Id of the event.
    pub event_id: String,
    /// The event's key.
    pub entity: String,
    /// Event time.
    pub event_time: Timestamp,
    /// Wall time of the transaction that published it.
    pub scored_at: Timestamp,
    /// Version of the model; 0 is the base rate that answers before the first training.
    pub model_version: u32,
    /// The model's part.
    pub arm: Arm,
    /// Probability of the positive class.
    pub score: f64,
    /// Scores of all classes of a multi-class model, else empty.
    pub scores: Vec<f64>,
    /// Name of the class decided for.
    pub decision: String,
    /// The feature row as the model saw it, in layout order; `None` for missing.
    pub features: Vec<Option<f64>>,
    /// Fingerprint of the layout: which feature each position of `features` is.
    pub feature_layout: String,
    /// Remarks: `late`; `warming` where a window behind it may not be whole yet.
    pub flags: Vec<String>,
    /// Topic of the event.
    pub source_topic: String,
    /// Partition of the event.
    pub source_partition: i32,
    /// Offset of the event.
    pub source_offset: i64,
}

/// A prediction joined with its label (`schemas/outcome.avsc`); one per revision of the label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Id of the event.
    pub event_id: String,
    /// The event's key.
    pub entity: String,
    /// Event time.
    pub event_time: Timestamp,
    /// When the label became known.
    pub known_at: Timestamp,
    /// The label: 1 for the positive class, 0 for the other.
    pub label: f64,
    /// 0 for the first label of the event, one more for each correction.
    pub revision: u32,
    /// Version of the model that made the prediction.
    pub model_version: u32,
    /// The model's part.
    pub arm: Arm,
    /// The published score.
    pub score: f64,
    /// The published decision.
    pub decision: String,
}
