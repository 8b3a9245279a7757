//! `[facts.NAME]`: what is known of the events' keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::formats::{RawFormat, RawInputFormat};
use super::records::RawField;
use crate::data::params::TimeUnit;

/// `[facts.NAME]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawFacts {
    /// Topic name; default `<app>.facts.NAME`. Compacted, keyed as the events are, with as many partitions.
    pub topic: Option<String>,
    /// What the facts are of; default `events.key`, and nothing else can be.
    pub by: Option<String>,
    /// `json`, `avro` or `confluent-avro`; default `json`. How a fact is written.
    pub format: RawFormat,
    /// With `avro`: file with the schema of the records.
    pub schema: Option<String>,
    /// With `confluent-avro`: files with the schemas by id; others are looked up in the registry, if there is one.
    pub schemas: BTreeMap<String, String>,
    /// Field with the time from which a fact counts; default: the record's timestamp.
    pub time: Option<String>,
    /// How `time` is written: `ms`, `s`, `us`, `ns` or `rfc3339`; default `ms`.
    pub time_unit: Option<TimeUnit>,
    /// How `time` is written, in the conversions of `strftime`; instead of `time_unit`.
    pub time_format: Option<String>,
    /// Most keys that a shard knows facts of, from 1 to 100000000; default 1000000. Those of further keys are rejected.
    pub max_keys: u32,
    /// Declared fields by name; undeclared ones are ignored. Features know them as `NAME.FIELD`.
    pub fields: BTreeMap<String, RawField>,
}

impl Default for RawFacts {
    fn default() -> Self {
        RawFacts {
            topic: None,
            by: None,
            format: RawFormat::Json,
            schema: None,
            schemas: BTreeMap::new(),
            time: None,
            time_unit: None,
            time_format: None,
            max_keys: 1_000_000,
            fields: BTreeMap::new(),
        }
    }
}

impl RawFacts {
    pub(crate) fn format(&self) -> RawInputFormat<'_> {
        RawInputFormat { format: self.format, schema: self.schema.as_deref(), schemas: &self.schemas }
    }
}
