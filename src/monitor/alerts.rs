//! Alerts that are open, and the incident they belong to.
//!
//! An alert opens when a signal leaves its bounds, goes on with each further window outside them, and recovers when a
//! window is inside again or another version takes charge. All alerts open together for one version are one incident.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Monitor, Sheet};
use crate::data::{DriftAlert, Phase, Sink, Span, Timestamp};

/// The only segment so far: the whole stream.
pub(super) const WHOLE: &str = "all";

/// Open alerts by signal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Alerts {
    by_signal: BTreeMap<String, DriftAlert>,
    incident: Option<Incident>,
}

/// All alerts open together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Incident {
    pub id: String,
    /// A training has been asked for.
    pub asked: bool,
}

/// What a window showed of one signal.
pub(super) struct Finding {
    pub signal: String,
    pub statistic: &'static str,
    pub value: Option<f64>,
    pub p_value: Option<f64>,
    pub effect: Option<f64>,
    pub threshold: Option<f64>,
    pub n: u64,
    pub window: Window,
    pub top_features: Vec<String>,
    /// Whether the signal is outside its bounds.
    pub outside: bool,
    /// What was seen, as the middle of a sentence.
    pub seen: String,
}

/// A window in event time.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub start: Timestamp,
    pub length: Span,
}

impl Window {
    pub(super) fn end(self) -> Timestamp {
        self.start.plus(self.length)
    }
}

impl Alerts {
    pub(super) fn open(&self) -> usize {
        self.by_signal.len()
    }

    pub(super) fn is_open(&self, signal: &str) -> bool {
        self.by_signal.contains_key(signal)
    }

    pub(super) fn incident(&self) -> Option<&Incident> {
        self.incident.as_ref()
    }

    pub(super) fn incident_mut(&mut self) -> Option<&mut Incident> {
        self.incident.as_mut()
    }

    /// Open alerts, drifted features before `performance` and `score`, by signal.
    pub(super) fn all(&self) -> impl Iterator<Item = &DriftAlert> {
        self.by_signal.values()
    }
}

impl Monitor {
    /// Opens, continues or closes the alert of a signal after a window.
    pub(super) fn note(&mut self, finding: Finding, sheet: &mut Sheet<'_>) {
        let version = self.state.ledger.champion();
        let alerts = &mut self.state.alerts;
        let (phase, verb) = match (finding.outside, alerts.is_open(&finding.signal)) {
            (true, false) => (Phase::Opened, "left its reference"),
            (true, true) => (Phase::Ongoing, "is still outside its reference"),
            (false, true) => (Phase::Recovered, "is back within its reference"),
            (false, false) => return,
        };
        // Signals are judged at times of their own, so a window alone may be the start of two incidents.
        let id = || format!("v{version}-{}-{}", finding.signal, finding.window.start);
        let incident = alerts.incident.get_or_insert_with(|| Incident { id: id(), asked: false });
        let alert_id = match alerts.by_signal.get(&finding.signal) {
            Some(open) => open.alert_id.clone(),
            None => format!("v{version}-{}-{WHOLE}-{}", finding.signal, finding.window.start),
        };
        let alert = DriftAlert {
            alert_id,
            phase,
            segment: WHOLE.to_owned(),
            statistic: finding.statistic.to_owned(),
            value: finding.value,
            p_value: finding.p_value,
            effect: finding.effect,
            threshold: finding.threshold,
            n: finding.n,
            window_start: finding.window.start,
            window_end: finding.window.end(),
            reference_version: version,
            model_version: version,
            top_features: finding.top_features,
            incident_id: incident.id.clone(),
            action: None,
            reason: None,
            cutoff: None,
            message: format!("`{}` {verb}: {}", finding.signal, finding.seen),
            signal: finding.signal,
        };
        sheet.publish(Sink::DriftAlerts, &alert.alert_id, &alert);
        if phase == Phase::Recovered {
            alerts.by_signal.remove(&alert.signal);
            if alerts.by_signal.is_empty() {
                alerts.incident = None;
            }
        } else {
            alerts.by_signal.insert(alert.signal.clone(), alert);
        }
    }

    /// Another version has taken charge: what was measured against the one before is over.
    pub(super) fn close_all(&mut self, before: u32, sheet: &mut Sheet<'_>) {
        let version = self.state.ledger.champion();
        for (signal, open) in std::mem::take(&mut self.state.alerts.by_signal) {
            let message = format!("`{signal}` is no longer measured against v{before}: v{version} has taken charge");
            let closed = DriftAlert { phase: Phase::Recovered, model_version: version, message, ..open };
            sheet.publish(Sink::DriftAlerts, &closed.alert_id, &closed);
        }
        self.state.alerts.incident = None;
    }
}
