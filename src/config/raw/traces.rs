//! `[traces]`

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RawPropertyValue;
use crate::data::Span;

/// `[traces]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTraces {
    /// Where spans are posted to, over OTLP/HTTP; default `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces`, or `http://localhost:4318/v1/traces`.
    pub endpoint: Option<RawPropertyValue>,
    /// Share from 0 to 1; default 0.01. Of events without a `traceparent`, how many are followed.
    pub ratio: f64,
    /// Default `OTEL_SERVICE_NAME`, or the name of the application.
    pub service: Option<String>,
    /// Sent with every request; default `OTEL_EXPORTER_OTLP_TRACES_HEADERS` or `OTEL_EXPORTER_OTLP_HEADERS`.
    pub headers: BTreeMap<String, RawPropertyValue>,
    /// Length of time; default `5s`. How long one request may take.
    pub timeout: Span,
}

impl Default for RawTraces {
    fn default() -> Self {
        let timeout = Span::from_millis(5_000);
        RawTraces { endpoint: None, ratio: 0.01, service: None, headers: BTreeMap::new(), timeout }
    }
}
