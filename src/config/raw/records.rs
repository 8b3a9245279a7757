//! `[events]`, `[labels]` and `[features]`: what comes in and what is computed from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::formats::{RawFormat, RawInputFormat};
use crate::data::Span;
use crate::data::params::{FieldKind, HopOrder, TimeUnit};

/// `[events]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawEvents {
    /// Topic name; default `<app>.events`.
    pub topic: Option<String>,
    /// `json`, `avro` or `confluent-avro`; default `json`. How an event is written.
    pub format: RawFormat,
    /// With `avro`: file with the schema of the records.
    pub schema: Option<String>,
    /// With `confluent-avro`: files with the schemas by id; others are looked up in the registry, if there is one.
    pub schemas: BTreeMap<String, String>,
    /// Name under which `by` knows the record key; default `key`. A declared string field of that name must equal it.
    pub key: String,
    /// Field with the event id; default: the id is `topic:partition:offset`.
    pub id: Option<String>,
    /// Field with the event time; default: the record's timestamp.
    pub time: Option<String>,
    /// How `time` is written: `ms`, `s` or `rfc3339`; default `ms`.
    pub time_unit: Option<TimeUnit>,
    /// Length of time; default `10m`. An event that lies further behind the latest one is late.
    pub lateness: Span,
    /// Length of time; default `10m`. An event further ahead of its record's timestamp is rejected.
    pub max_ahead: Span,
    /// Declared fields by name; undeclared ones are ignored.
    pub fields: BTreeMap<String, RawField>,
}

impl Default for RawEvents {
    fn default() -> Self {
        RawEvents {
            topic: None,
            format: RawFormat::Json,
            schema: None,
            schemas: BTreeMap::new(),
            key: "key".to_owned(),
            id: None,
            time: None,
            time_unit: None,
            lateness: Span::from_millis(10 * 60_000),
            max_ahead: Span::from_millis(10 * 60_000),
            fields: BTreeMap::new(),
        }
    }
}

impl RawEvents {
    pub(crate) fn format(&self) -> RawInputFormat<'_> {
        RawInputFormat { format: self.format, schema: self.schema.as_deref(), schemas: &self.schemas }
    }
}

/// `[events.fields.NAME]` and `[labels.kinds.KIND.fields.NAME]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawField {
    /// `number`, `boolean` or `string`; required. A record with another type is rejected.
    #[serde(rename = "type")]
    pub kind: Option<FieldKind>,
    /// Default `false`: absent or null is a missing value. With `true` such a record is rejected.
    pub required: bool,
    /// Smallest allowed number; default: none. A record below it is rejected.
    pub min: Option<f64>,
    /// Largest allowed number; default: none. A record above it is rejected.
    pub max: Option<f64>,
}

/// `[labels]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLabels {
    /// Topic name; default `<app>.labels`.
    pub topic: Option<String>,
    /// `json`, `avro` or `confluent-avro`; default `json`. How a follow-up is written.
    pub format: RawFormat,
    /// With `avro`: file with the schema of the records.
    pub schema: Option<String>,
    /// With `confluent-avro`: files with the schemas by id; others are looked up in the registry, if there is one.
    pub schemas: BTreeMap<String, String>,
    /// Field with the id of the event; default `event_id`.
    pub event_id: String,
    /// Field with the time at which it became known; default: the record's timestamp.
    pub time: Option<String>,
    /// How `time` is written: `ms`, `s` or `rfc3339`; default `ms`.
    pub time_unit: Option<TimeUnit>,
    /// Field that names the kind of follow-up; default: every record is of kind `label`.
    pub kind: Option<String>,
    /// Length of time; default `7d`. How long a prediction waits for its label, and a label for its event.
    pub wait: Span,
    /// Kinds of follow-up by name, each with its fields.
    pub kinds: BTreeMap<String, RawKind>,
    /// Which follow-up is the label.
    pub label: RawLabel,
}

impl Default for RawLabels {
    fn default() -> Self {
        RawLabels {
            topic: None,
            format: RawFormat::Json,
            schema: None,
            schemas: BTreeMap::new(),
            event_id: "event_id".to_owned(),
            time: None,
            time_unit: None,
            kind: None,
            wait: Span::from_days(7),
            kinds: BTreeMap::new(),
            label: RawLabel::default(),
        }
    }
}

impl RawLabels {
    pub(crate) fn format(&self) -> RawInputFormat<'_> {
        RawInputFormat { format: self.format, schema: self.schema.as_deref(), schemas: &self.schemas }
    }
}

/// `[labels.kinds.KIND]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawKind {
    /// Declared fields by name, numbers and booleans; undeclared ones are ignored.
    pub fields: BTreeMap<String, RawField>,
}

/// `[labels.label]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLabel {
    /// The kind of follow-up that carries the label; default `label`.
    pub kind: String,
    /// Its field, 0 or 1 or a boolean; required.
    pub field: Option<String>,
    /// Name of the class 1 in `decision`; default `positive`.
    pub positive: String,
    /// Name of the class 0 in `decision`; default `negative`.
    pub negative: String,
    /// Share of class 1 assumed until the first model, between 0 and 1; default 0.5. The score of version 0.
    pub prior: f64,
}

impl Default for RawLabel {
    fn default() -> Self {
        RawLabel {
            kind: "label".to_owned(),
            field: None,
            positive: "positive".to_owned(),
            negative: "negative".to_owned(),
            prior: 0.5,
        }
    }
}

/// `[features]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawFeatures {
    /// Number and boolean fields of the event that are features as they are; default none.
    pub fields: Vec<String>,
    /// `event-time` or `arrival`; default `event-time`. In which order a hop takes in what comes from all shards: by
    /// time, once all have passed it by `events.lateness`, or at once.
    pub order: HopOrder,
    /// Length of time; default `1s`. How long a shard has to have had nothing to read before a hop goes on without it.
    pub idle_after: Span,
    /// Sliding windows.
    pub windows: Vec<RawWindow>,
}

impl Default for RawFeatures {
    fn default() -> Self {
        let idle_after = Span::from_millis(1_000);
        RawFeatures { fields: Vec::new(), order: HopOrder::default(), idle_after, windows: Vec::new() }
    }
}

/// `[[features.windows]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawWindow {
    /// `events` or a kind of follow-up; default `events`.
    pub of: String,
    /// `events.key` and string fields of the event; default: the key alone. Without the key the strings are an entity of
    /// their own, and its events go through a hop.
    pub by: Option<Vec<String>>,
    /// Lengths of time; required. Each aggregate is computed over each.
    pub spans: Vec<Span>,
    /// `count`, `sum:FIELD`, `mean:FIELD`, `max:FIELD`, `since_last`; required.
    pub aggregates: Vec<String>,
    /// Pieces a window is kept in, from 1 to 1000; default 12. More slide more smoothly and cost more memory.
    pub panes: u32,
}

impl Default for RawWindow {
    fn default() -> Self {
        RawWindow { of: "events".to_owned(), by: None, spans: Vec::new(), aggregates: Vec::new(), panes: 12 }
    }
}
