//! `[events]`, `[labels]` and `[features]`: what comes in and what is computed from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::formats::{RawFormat, RawInputFormat};
use crate::data::Span;
use crate::data::params::{FieldKind, MAX_VALUE_BYTES, OnDuplicate, OnLate, TimeUnit};

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
    /// How `time` is written: `ms`, `s`, `us`, `ns` or `rfc3339`; default `ms`.
    pub time_unit: Option<TimeUnit>,
    /// How `time` is written, in the conversions of `strftime`; instead of `time_unit`.
    pub time_format: Option<String>,
    /// Length of time; default `10m`. An event that lies further behind the latest one is late.
    pub lateness: Span,
    /// `flag` or `side-output`; default `flag`. What becomes of a late event.
    pub on_late: OnLate,
    /// Length of time; default `10m`. An event further ahead of its record's timestamp is rejected.
    pub max_ahead: Span,
    /// RFC 3339; default none. An event before it is rejected.
    pub not_before: Option<String>,
    /// Length of time; default none. An event whose id came this short before is a duplicate.
    pub deduplicate: Option<Span>,
    /// `drop` or `dead-letter`; default `drop`. What becomes of a duplicate.
    pub on_duplicate: Option<OnDuplicate>,
    /// Bytes; default 1 MiB. An event with a longer value is rejected.
    pub max_bytes: usize,
    /// `true` or `false`; default `true`. Whether the headers of an event are read and passed on.
    pub headers: bool,
    /// Above 0 and at most 1; default 0.9. A shard is held back when a larger share of its last events was rejected.
    pub max_rejected: f64,
    /// Events, 1 or more; default 10000. How many of them the share is taken of.
    pub reject_window: u64,
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
            time_format: None,
            lateness: Span::from_millis(10 * 60_000),
            on_late: OnLate::Flag,
            max_ahead: Span::from_millis(10 * 60_000),
            not_before: None,
            deduplicate: None,
            on_duplicate: None,
            max_bytes: MAX_VALUE_BYTES,
            headers: true,
            max_rejected: 0.9,
            reject_window: 10_000,
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
    /// The only numbers or strings allowed; default: any. A record with another one is rejected.
    pub one_of: Option<Vec<RawChoice>>,
    /// Regular expression that the whole string has to match; default: none. A record that does not is rejected.
    pub pattern: Option<String>,
    /// Longest allowed string, in characters; default: any. A record with a longer one is rejected.
    pub max_length: Option<usize>,
}

/// One value of `one_of`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum RawChoice {
    /// For a field of numbers.
    Number(f64),
    /// For a field of strings.
    Text(String),
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
    /// How `time` is written: `ms`, `s`, `us`, `ns` or `rfc3339`; default `ms`.
    pub time_unit: Option<TimeUnit>,
    /// How `time` is written, in the conversions of `strftime`; instead of `time_unit`.
    pub time_format: Option<String>,
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
            time_format: None,
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
