//! How records are written: what comes in, and what is published.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The format of an input topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputFormat {
    /// One JSON object per record.
    #[default]
    Json,
    /// One Avro datum per record, of one writer schema.
    Avro {
        /// The schema, as compact JSON.
        schema: String,
    },
    /// A zero byte, the id of the writer schema in four bytes, big end first, and the datum.
    ConfluentAvro {
        /// Schemas known by the configuration, as compact JSON.
        schemas: BTreeMap<u32, String>,
        /// Whether a schema registry is asked for other ids.
        asks_registry: bool,
    },
}

impl InputFormat {
    /// Whether it is JSON.
    pub fn is_json(&self) -> bool {
        *self == InputFormat::Json
    }
}

/// The form of the published records as the machines write it; framing is the transport's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputForm {
    /// JSON objects.
    #[default]
    Json,
    /// Avro datums of `schemas/*.avsc`.
    Avro,
}

impl OutputForm {
    /// Whether it is JSON.
    pub fn is_json(&self) -> bool {
        *self == OutputForm::Json
    }
}
