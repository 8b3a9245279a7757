//! What the roles tell of sampled traces, and where decisions stand in theirs.
//!
//! Everything that belongs to one incident, from its alerts over its training to what became of the candidate, is one trace:
//! its ids are hashes of the incident's id, which all records carry, so that no role has to be told by another. These traces are
//! few and always sampled.

use crate::config::Config;
use crate::data::{DriftAlert, ModelRecord, Seed, SpanId, TraceId, TracePoint};
use crate::telemetry::traces::{SpanExport, Spans};

/// What a role tells its spans with; only there where traces are configured.
#[derive(Clone, Debug)]
pub(super) struct Traces {
    pub app: String,
    pub spans: Spans,
}

impl Traces {
    fn incident(&self, incident: &str) -> TracePoint {
        TracePoint::root(&[Seed::Text(&self.app), Seed::Text("incident"), Seed::Text(incident)])
    }

    /// The span of an alert that opens.
    pub fn alert(&self, alert: &DriftAlert) -> TracePoint {
        self.incident(&alert.incident_id).then(&[Seed::Text("alert"), Seed::Text(&alert.alert_id)])
    }

    /// The span of its end.
    pub fn recovery(&self, alert: &DriftAlert) -> TracePoint {
        self.alert(alert).then(&[Seed::Text("recovery")])
    }

    /// The span of the request for an incident's training.
    pub fn request(&self, incident: &str) -> TracePoint {
        self.incident(incident).then(&[Seed::Text("request")])
    }

    /// The span of that training.
    pub fn training(&self, incident: &str) -> TracePoint {
        self.incident(incident).then(&[Seed::Text("training")])
    }

    /// The span of a record of the control log, and that of the training it rests on.
    pub fn decision(&self, record: &ModelRecord, offset: i64) -> Decided {
        let seeds = [Seed::Text("control"), Seed::Number(offset)];
        match &record.incident_id {
            Some(incident) => {
                let parent = Some(self.training(incident).span);
                Decided { at: self.incident(incident).then(&seeds), parent }
            }
            None => {
                let seeds = [Seed::Text(&self.app), Seed::Text("control"), Seed::Number(offset)];
                Decided { at: TracePoint::root(&seeds), parent: None }
            }
        }
    }
}

/// Begins to export spans, where that is configured.
///
/// # Errors
/// An address or a header that is not there or is none, or no thread.
pub(super) fn export(config: &Config, instance: &str) -> anyhow::Result<Option<SpanExport>> {
    let Some(params) = &config.traces else { return Ok(None) };
    let mut target = params.target(&config.app, |name| std::env::var(name).ok())?;
    for (name, value) in [("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", instance)] {
        if !target.resource.iter().any(|(other, _)| other == name) {
            target.resource.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(Some(SpanExport::start(params, target)?))
}

/// Where a decision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    pub at: TracePoint,
    pub parent: Option<SpanId>,
}

/// Both ids as fields of a log line; none where there are no traces.
pub(super) struct Ids {
    pub trace: Option<tracing::field::DisplayValue<TraceId>>,
    pub span: Option<tracing::field::DisplayValue<SpanId>>,
}

impl From<Option<TracePoint>> for Ids {
    fn from(at: Option<TracePoint>) -> Self {
        let display = |at: TracePoint| (tracing::field::display(at.trace), tracing::field::display(at.span));
        let (trace, span) = at.map(display).unzip();
        Ids { trace, span }
    }
}
