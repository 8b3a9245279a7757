//! One past decision, whole: what a person or a program is given.

use serde::Serialize;

use crate::data::{Arm, ModelRecord, Timestamp};
use crate::rollout::InForce;
use crate::runtime::FieldDifference;

/// One past decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The application.
    pub app: String,
    /// Id of the event.
    pub event_id: String,
    /// The event as it came.
    pub event: EventFacts,
    /// What was known of its key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownFacts>,
    /// The windows behind the features, grouping by grouping.
    pub groups: Vec<GroupFacts>,
    /// The row that was scored, in layout order.
    pub row: Vec<Reading>,
    /// Who scored it.
    pub model: ModelFacts,
    /// Probability of the positive class.
    pub score: f64,
    /// The class decided for.
    pub decision: String,
    /// Remarks, such as `late`.
    pub flags: Vec<String>,
    /// What was published.
    pub published: PublishedFacts,
    /// The transaction it was decided in.
    pub journal: JournalFacts,
    /// What became known later, revision by revision.
    pub labels: Vec<LabelFacts>,
}

/// The event as it came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventFacts {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Time of the record.
    pub timestamp: Timestamp,
    /// Event time.
    pub event_time: Timestamp,
    /// Key, as text.
    pub key: String,
    /// Value, as text.
    pub value: String,
}

/// One field that was known of the event's key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KnownFacts {
    /// What features call it.
    pub name: String,
    /// What was known just before the event, as text; `None` for nothing.
    pub value: Option<String>,
}

/// The windows of one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupFacts {
    /// Name of the grouping.
    pub grouping: String,
    /// The group: the event's key and the fields beside it; `None` for a field that is missing.
    pub key: Vec<Option<String>>,
    /// Whether the event is the first of its group.
    pub is_new: bool,
    /// Windows.
    pub windows: Vec<WindowFacts>,
    /// Times since the latest record.
    pub since_last: Vec<SinceFacts>,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowFacts {
    /// What it is over: `events`, or a kind of follow-up.
    pub of: String,
    /// Its start.
    pub from: Timestamp,
    /// Its end, exclusive: that of the pane which holds the event.
    pub to: Timestamp,
    /// Panes with anything in them; the event itself is in.
    pub panes: Vec<PaneFacts>,
    /// Features read from it.
    pub readings: Vec<Reading>,
}

/// One pane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PaneFacts {
    /// Its start.
    pub from: Timestamp,
    /// Its end, exclusive.
    pub to: Timestamp,
    /// Whether it counts for a late event, or was left out because it may hold what came to be known later.
    pub is_read: bool,
    /// Records.
    pub count: u64,
    /// Fields that are aggregated.
    pub fields: Vec<FieldFacts>,
}

/// One field of a pane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldFacts {
    /// Its name.
    pub name: String,
    /// Records that have it.
    pub known: u64,
    /// Their sum.
    pub sum: f64,
    /// The largest.
    pub max: Option<f64>,
}

/// The latest record of a source, and the feature made of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SinceFacts {
    /// What it is over.
    pub of: String,
    /// When the latest record was.
    pub last: Option<Timestamp>,
    /// The feature, in seconds.
    pub reading: Reading,
}

/// A feature and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// Name of the feature.
    pub name: String,
    /// Its value; `None` where it was missing.
    pub value: Option<f64>,
}

/// Who scored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelFacts {
    /// The version; 0 is the base rate.
    pub version: u32,
    /// Its family.
    pub family: Option<&'static str>,
    /// Its part.
    pub arm: Arm,
    /// A score at or above it decides for the positive class.
    pub threshold: f64,
    /// The command that had set the threshold; `None`: it is the model's own.
    pub threshold_by: Option<InForce>,
    /// The record of the control log that put it in charge, as this shard had taken it in.
    pub in_charge_by: Option<ModelRecord>,
}

/// What was published.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PublishedFacts {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// The record's value.
    pub value: serde_json::Value,
    /// Whether it was computed again bit for bit.
    pub is_reproduced: bool,
    /// The first field in which it differs from what is computed.
    pub difference: Option<FieldDifference>,
}

/// The transaction of a decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JournalFacts {
    /// Number of its journal record within the shard.
    pub sequence: u64,
    /// When it was.
    pub now: Timestamp,
    /// Whether all its outputs have the digest that was recorded.
    pub is_reproduced: bool,
}

/// A label that was joined.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelFacts {
    /// 0 for the first.
    pub revision: u32,
    /// 1 for the positive class.
    pub label: f64,
    /// When it became known.
    pub known_at: Timestamp,
}

impl Why {
    /// Whether everything was computed again as it was.
    pub fn is_reproduced(&self) -> bool {
        self.published.is_reproduced && self.journal.is_reproduced
    }
}
