//! Decisions as spans of the trace of their incident, named as their log lines are.

use super::Decision;
use crate::data::{AlertAction, DriftAlert, ModelCommand, ModelRecord, Phase, TracePoint, TrainingReason};
use crate::runtime::traces::Traces;
use crate::telemetry::traces::{Span, SpanValue};

/// The span of a decision, its times left open; `None` for what has no line either.
pub(super) fn span(decision: &Decision, traces: &Traces) -> Option<Span> {
    match decision {
        Decision::Alert(alert) => of_alert(alert, traces),
        Decision::Command { record, offset } => of_command(record, *offset, traces),
        Decision::Senseless(_) => None,
    }
}

fn of_alert(alert: &DriftAlert, traces: &Traces) -> Option<Span> {
    let incident = SpanValue::Text(alert.incident_id.clone());
    let mut attributes =
        vec![("driftless.incident", incident), ("driftless.model.version", alert.model_version.into())];
    if alert.action == Some(AlertAction::Retrain) {
        attributes.push(("driftless.training.reason", alert.reason.map_or("", TrainingReason::name).into()));
        return Some(named("training_requested", traces.request(&alert.incident_id), attributes));
    }
    attributes.push(("driftless.signal", alert.signal.as_str().into()));
    attributes.push(("driftless.statistic", alert.statistic.as_str().into()));
    let numbers = [("driftless.effect", alert.effect), ("driftless.threshold", alert.threshold)];
    attributes.extend(numbers.into_iter().filter_map(|(name, value)| Some((name, SpanValue::Float(value?)))));
    match alert.phase {
        Phase::Opened => Some(named("alert_opened", traces.alert(alert), attributes)),
        Phase::Recovered => {
            let parent = Some(traces.alert(alert).span);
            Some(Span { parent, ..named("alert_recovered", traces.recovery(alert), attributes) })
        }
        Phase::Ongoing => None,
    }
}

fn of_command(record: &ModelRecord, offset: i64, traces: &Traces) -> Option<Span> {
    // The retrain role tells how a training ended.
    if matches!(record.command, ModelCommand::Registered | ModelCommand::TrainingFailed) {
        return None;
    }
    let decided = traces.decision(record, offset);
    if let Some(setting) = &record.setting {
        let attributes = vec![("driftless.setting", setting.key.as_str().into())];
        return Some(Span { parent: decided.parent, ..named("setting_changed", decided.at, attributes) });
    }
    let mut attributes =
        vec![("driftless.model.version", record.version.into()), ("driftless.model.replaces", record.replaces.into())];
    attributes.extend(record.incident_id.as_deref().map(|incident| ("driftless.incident", incident.into())));
    Some(Span { parent: decided.parent, ..named(record.command.name(), decided.at, attributes) })
}

fn named(name: &'static str, at: TracePoint, attributes: Vec<(&'static str, SpanValue)>) -> Span {
    Span { attributes, ..Span::named(name, at) }
}
