//! What the monitor decided and what became of it, as log lines, and as spans where traces are on.
//!
//! Decisions are made by pure machines, which do not log. Here their outputs, and the commands they take in, are noted
//! while a transaction is open and written as lines once it is committed: what is taken back is never told, and what is
//! replayed is not told again. When the answer to a commit is lost, so are its lines; the topics have it all.

use crate::codec::read;
use crate::data::{
    AlertAction, DriftAlert, Item, ModelCommand, ModelRecord, Output, Phase, Sink, Timestamp, TrainingReason,
};
use crate::model::Model;

use super::control::ControlTail;
use super::traces::{Ids, Traces};
use crate::telemetry::traces::Span;

mod spans;

/// Decisions of the open transaction, in their order.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    noted: Vec<Decision>,
}

#[derive(Debug)]
enum Decision {
    Alert(Box<DriftAlert>),
    Command {
        record: Box<ModelRecord>,
        offset: i64,
    },
    /// A command on a setting that names none, or a value that it cannot have.
    Senseless(Box<ModelRecord>),
}

impl Decisions {
    /// Notes an output, if it is an alert.
    pub(super) fn output(&mut self, output: &Output<'_>) {
        if output.sink == Sink::DriftAlerts
            && let Ok(alert) = read::<DriftAlert>("alert", output.value)
        {
            self.noted.push(Decision::Alert(Box::new(alert)));
        }
    }

    /// Notes the commands that are taken in; of those that are void only those on settings.
    pub(super) fn commands(&mut self, control: &ControlTail, batch: &[Item<Model>]) {
        for item in batch {
            let Item::Command(item) = item else { continue };
            let (record, offset) = (Box::new(item.record.clone()), item.offset);
            match (control.is_void(offset), record.command) {
                (false, _) => self.noted.push(Decision::Command { record, offset }),
                (true, ModelCommand::Set) => self.noted.push(Decision::Senseless(record)),
                (true, _) => {}
            }
        }
    }

    /// The transaction was given up.
    pub(super) fn taken_back(&mut self) {
        self.noted.clear();
    }

    /// The transaction that began at `began` is committed: writes a line for each, and tells its span.
    pub(super) fn committed(&mut self, traces: Option<&Traces>, began: Timestamp, ended: Timestamp) {
        for decision in self.noted.drain(..) {
            let span = traces.and_then(|traces| spans::span(&decision, traces));
            let ids = Ids::from(span.as_ref().map(|span| span.at));
            match decision {
                Decision::Alert(alert) => tell_alert(&alert, &ids),
                Decision::Command { record, .. } => tell_command(&record, &ids),
                Decision::Senseless(record) => tell_senseless(&record),
            }
            if let Some((traces, span)) = traces.zip(span) {
                traces.spans.send([Span { began, ended, ..span }]);
            }
        }
    }
}

fn tell_alert(alert: &DriftAlert, ids: &Ids) {
    let (trace_id, span_id) = (&ids.trace, &ids.span);
    let (signal, segment, incident) = (&alert.signal, &alert.segment, &alert.incident_id);
    if alert.action == Some(AlertAction::Retrain) {
        let reason = alert.reason.map_or("", TrainingReason::name);
        let cutoff = alert.cutoff.map(tracing::field::display);
        tracing::info!(incident, reason, cutoff, trace_id, span_id, "training_requested");
        return;
    }
    match alert.phase {
        Phase::Opened => tracing::warn!(
            signal,
            segment,
            statistic = alert.statistic,
            effect = alert.effect,
            threshold = alert.threshold,
            version = alert.model_version,
            incident,
            trace_id,
            span_id,
            "alert_opened"
        ),
        Phase::Recovered => {
            let version = alert.model_version;
            tracing::info!(signal, segment, version, incident, trace_id, span_id, "alert_recovered");
        }
        Phase::Ongoing => {}
    }
}

fn tell_senseless(record: &ModelRecord) {
    let key = record.setting.as_ref().map(|setting| &*setting.key);
    let value = record.setting.as_ref().and_then(|setting| setting.value.as_deref());
    tracing::warn!(key, value, by = record.by, "setting_refused");
}

fn tell_command(record: &ModelRecord, ids: &Ids) {
    let (trace_id, span_id) = (&ids.trace, &ids.span);
    let ModelRecord { version, replaces, by, why, .. } = record;
    match record.command {
        ModelCommand::Promoted => tracing::info!(version, replaces, by, why, trace_id, span_id, "promoted"),
        ModelCommand::Refused => tracing::info!(version, by, why, trace_id, span_id, "refused"),
        ModelCommand::RolledBack => {
            tracing::warn!(version, replaces, by, why, trace_id, span_id, "rolled_back");
        }
        ModelCommand::Frozen => tracing::info!(version, by, why, trace_id, span_id, "frozen"),
        ModelCommand::Unfrozen => tracing::info!(version, by, why, trace_id, span_id, "unfrozen"),
        ModelCommand::Set => {
            let Some(setting) = &record.setting else { return };
            let (key, value, was) = (&setting.key, setting.value.as_deref(), setting.was.as_deref());
            tracing::warn!(key, value, was, by, why, trace_id, span_id, "setting_changed");
        }
        // The retrain role tells how a training ended.
        ModelCommand::Registered | ModelCommand::TrainingFailed => {}
    }
}
