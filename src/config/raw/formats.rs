//! `[outputs]`, `[schema_registry]` and the format of an input.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RawPropertyValue;
use crate::data::Span;

/// A format of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawFormat {
    /// JSON objects.
    #[default]
    Json,
    /// Avro datums of one schema.
    Avro,
    /// A zero byte, a schema id, and an Avro datum.
    ConfluentAvro,
}

impl RawFormat {
    /// The name used in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            RawFormat::Json => "json",
            RawFormat::Avro => "avro",
            RawFormat::ConfluentAvro => "confluent-avro",
        }
    }
}

/// The format of an input, taken out of its table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawInputFormat<'a> {
    pub format: RawFormat,
    pub schema: Option<&'a str>,
    pub schemas: &'a BTreeMap<String, String>,
}

/// `[outputs]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawOutputs {
    /// `json`, `avro` or `confluent-avro`; default `json`. How predictions, outcomes, drift alerts and performance are
    /// written.
    pub format: RawFormat,
    /// With `confluent-avro`: ids of the schemas where they are not registered at the start.
    pub ids: RawOutputIds,
}

/// `[outputs.ids]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawOutputIds {
    /// Id of `schemas/prediction.avsc`.
    pub predictions: Option<u32>,
    /// Id of `schemas/outcome.avsc`.
    pub outcomes: Option<u32>,
    /// Id of `schemas/drift-alert.avsc`.
    pub drift_alerts: Option<u32>,
    /// Id of `schemas/performance.avsc`.
    pub performance: Option<u32>,
}

/// `[schema_registry]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawSchemaRegistry {
    /// Addresses of one registry, tried in turn; default none: no registry.
    pub urls: Vec<String>,
    /// Name for basic authentication; default none.
    pub user: Option<String>,
    /// Its password, as a reference to a secret.
    pub password: Option<RawPropertyValue>,
    /// Length of time; default `10s`. How long one request may take.
    pub timeout: Span,
    /// PEM file of trusted certificates; default: the usual authorities.
    pub ca: Option<String>,
}

impl Default for RawSchemaRegistry {
    fn default() -> Self {
        RawSchemaRegistry { urls: Vec::new(), user: None, password: None, timeout: Span::from_millis(10_000), ca: None }
    }
}
