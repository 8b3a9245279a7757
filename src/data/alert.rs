//! A drift alert: one state change of one monitored signal, or the request for a training.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The signal left its bounds.
    Opened,
    /// It is still outside them, one window later.
    Ongoing,
    /// It is back, or the model it was measured against has been replaced.
    Recovered,
}

impl Phase {
    /// The name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Opened => "opened",
            Phase::Ongoing => "ongoing",
            Phase::Recovered => "recovered",
        }
    }
}

/// Why a training is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingReason {
    /// Features or scores left the reference of the model in charge.
    Drift,
    /// Performance fell below a share of its reference.
    Performance,
    /// The model in charge is older than the schedule allows.
    Schedule,
    /// Labels enough have come since the last training (or for the first).
    Labels,
}

impl TrainingReason {
    /// The name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            TrainingReason::Drift => "drift",
            TrainingReason::Performance => "performance",
            TrainingReason::Schedule => "schedule",
            TrainingReason::Labels => "labels",
        }
    }
}

/// What a record of the alerts topic asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertAction {
    /// Train a candidate, once for this incident.
    Retrain,
}

/// A record of the alerts topic (`schemas/drift-alert.avsc`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftAlert {
    /// Signal, segment and start of the window that opened it; the same for all phases.
    pub alert_id: String,
    /// Where the alert stands.
    pub phase: Phase,
    /// The feature, `score`, `performance`, `schedule` or `labels`.
    pub signal: String,
    /// The segment measured; `all` is the whole stream.
    pub segment: String,
    /// Name of the statistic in `value`: `psi`, `ks`, `auc`, ...
    pub statistic: String,
    /// Its value.
    pub value: Option<f64>,
    /// Its p-value after correction over all signals of the window.
    pub p_value: Option<f64>,
    /// The effect size that was held against `threshold`.
    pub effect: Option<f64>,
    /// The smallest effect that opens an alert.
    pub threshold: Option<f64>,
    /// Events the value rests on.
    pub n: u64,
    /// Start of the window, inclusive.
    pub window_start: Timestamp,
    /// End of the window, exclusive.
    pub window_end: Timestamp,
    /// Model version whose training data is the reference.
    pub reference_version: u32,
    /// Model version in charge.
    pub model_version: u32,
    /// Drifted features, the most important for the model first.
    pub top_features: Vec<String>,
    /// The incident this alert belongs to: all alerts open together for one model version.
    pub incident_id: String,
    /// `retrain` on the one record of an incident that asks for a training.
    pub action: Option<AlertAction>,
    /// Why a training is asked for, with `action`.
    pub reason: Option<TrainingReason>,
    /// With `action`: labels known before this point are the ones to train with.
    pub cutoff: Option<Timestamp>,
    /// One sentence a person understands.
    pub message: String,
}

#[cfg(test)]
impl DriftAlert {
    /// An alert on `temp` that has opened, for tests to vary.
    pub(crate) fn example() -> Self {
        DriftAlert {
            alert_id: "v1-temp-all-1970-01-01T00:00:00Z".to_owned(),
            phase: Phase::Opened,
            signal: "temp".to_owned(),
            segment: "all".to_owned(),
            statistic: "psi".to_owned(),
            value: Some(0.4),
            p_value: Some(1e-9),
            effect: Some(0.4),
            threshold: Some(0.2),
            n: 1_000,
            window_start: Timestamp::from_millis(0),
            window_end: Timestamp::from_millis(1_000),
            reference_version: 1,
            model_version: 1,
            top_features: Vec::new(),
            incident_id: "i".to_owned(),
            action: None,
            reason: None,
            cutoff: None,
            message: "`temp` has drifted".to_owned(),
        }
    }
}
