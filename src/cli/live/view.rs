//! What is known of a running application at one moment: what `driftless status --json` prints and `driftless top` draws.
//!
//! Field names are a contract, listed in `docs/operations.md`: added to, not renamed. Times are milliseconds since 1970,
//! lengths are seconds, rates are per second over the last looks. What is not known is null, never a guess and never 0.

use serde::Serialize;

use super::exposition::Quantile;
use crate::data::{PerformanceRecord, Timestamp};

/// One look at an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct View {
    /// Name of the application.
    pub app: String,
    /// When this was put together.
    pub at: Timestamp,
    /// What all of it comes to.
    pub verdict: Verdict,
    /// Whether the cluster answers.
    pub kafka: KafkaView,
    /// The processes that were asked for, in the order of the command line.
    pub processes: Vec<ProcessView>,
    /// What goes through all of them together.
    pub flow: Flow,
    /// How far each partition has been read.
    pub partitions: Vec<PartitionView>,
    /// Who is in charge, and who else there is.
    pub model: ModelView,
    /// What can be changed by a command, in the order of the configuration.
    pub settings: Vec<SettingView>,
    /// How good the predictions of the last windows were, the oldest first; one record per window.
    pub performance: Vec<PerformanceRecord>,
    /// How far each signal is from its reference, the farthest first.
    pub signals: Vec<SignalView>,
    /// Alerts that are open, the oldest first.
    pub alerts: Vec<AlertView>,
    /// What was trained.
    pub trainings: Trainings,
    /// The last records of the control log, the newest first.
    pub decisions: Vec<DecisionView>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing to do.
    #[default]
    Ok,
    /// Worth a look, as something drifts or is not ready yet.
    Attention,
    /// Something that has to work does not.
    Critical,
}

/// What a look comes to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// The worst of the reasons.
    pub level: Level,
    /// Why, the worst first; empty if all is well.
    pub reasons: Vec<Reason>,
}

/// One thing that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// How bad it is.
    pub level: Level,
    /// What it is, in a short sentence.
    pub what: String,
}

/// The cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KafkaView {
    /// Its brokers as configured.
    pub brokers: String,
    /// Whether it answered when it was asked last; null while the first answer is out.
    pub answers: Option<bool>,
    /// Why not.
    pub error: Option<String>,
    /// Seconds since its last answer; null before the first.
    pub answered_s: Option<f64>,
}

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProcessView {
    /// Where it was asked.
    pub endpoint: String,
    /// Whether it answered; null while the first answer is out.
    pub answers: Option<bool>,
    /// Why not.
    pub error: Option<String>,
    /// What `/readyz` says.
    pub ready: Option<bool>,
    /// What is missing until it is ready.
    pub missing: Vec<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its version of Driftless.
    pub version: Option<String>,
    /// Seconds since it started.
    pub up_s: Option<f64>,
    /// Memory in use.
    pub memory_bytes: Option<f64>,
    /// Memory that it may use.
    pub memory_limit_bytes: Option<f64>,
}

/// What goes through all processes together; null where no process that answers does that, or before the second look.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Flow {
    /// Events consumed per second.
    pub events_per_s: Option<f64>,
    /// Labels and other follow-ups consumed per second.
    pub labels_per_s: Option<f64>,
    /// Predictions published per second.
    pub predictions_per_s: Option<f64>,
    /// Records that could not be used, per second.
    pub dead_letters_per_s: Option<f64>,
    /// Those since the processes started.
    pub dead_letters: Option<f64>,
    /// Events behind the watermark, per second.
    pub late_per_s: Option<f64>,
    /// From an event's timestamp to the commit of its prediction, for half of the events.
    pub latency_p50: Option<Quantile>,
    /// The same, for 99 of 100.
    pub latency_p99: Option<Quantile>,
    /// From the first record of a transaction of the score role to its commit, for 99 of 100.
    pub commit_p99: Option<Quantile>,
    /// Transactions of the score role given up, per second.
    pub aborted_per_s: Option<f64>,
    /// Events consumed less what became of them; anything but 0 is a defect.
    pub unaccounted: Option<f64>,
    /// Shards held back because too many of their events were refused.
    pub held_shards: Option<f64>,
    /// Events per second at each of the last looks, the oldest first.
    pub events_history: Vec<f64>,
}

/// One partition of the first input of a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PartitionView {
    /// Its number; of a hop `hop.ENTITY/NUMBER`.
    pub partition: String,
    /// Next offset to read, as committed.
    pub committed: Option<i64>,
    /// One past its last record.
    pub end: Option<i64>,
    /// Records not read yet: from the cluster, or from the metrics while it does not answer.
    pub lag: Option<i64>,
    /// Seconds for which there have been records to read; from the metrics.
    pub behind_s: Option<f64>,
    /// Offsets committed per second.
    pub per_s: Option<f64>,
    /// Seconds since an offset was committed last while there was something to read; null while that is not so.
    pub still_s: Option<f64>,
}

/// Who is in charge.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelView {
    /// Version in charge; 0 is the base rate. Null while the control log has not been read.
    pub version: Option<u32>,
    /// Its family.
    pub family: Option<String>,
    /// Since when; null for the base rate.
    pub since: Option<Timestamp>,
    /// Seconds since then.
    pub age_s: Option<f64>,
    /// Its AUC on the held-out rows of its training.
    pub reference_auc: Option<f64>,
    /// Whether the monitor may not promote.
    pub frozen: bool,
    /// Roles that go by another version, such as `score v2`.
    pub disagree: Vec<String>,
    /// The other versions, the newest first.
    pub others: Vec<OtherModel>,
}

/// A threshold that a command can change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SettingView {
    /// Its key in the configuration.
    pub key: &'static str,
    /// What counts, as in the configuration. Of `score.threshold` that of the configuration where no command has changed it,
    /// though a model that was trained under another one brings its own.
    pub value: String,
    /// What the configuration says.
    pub configured: String,
    /// Where it comes from: `configuration` or `command`.
    pub source: &'static str,
    /// When it was commanded.
    pub since: Option<Timestamp>,
    /// By whom.
    pub by: Option<String>,
    /// Why.
    pub why: Option<String>,
}

/// A version that is not in charge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OtherModel {
    /// Its number.
    pub version: u32,
    /// `candidate`, `refused`, or `was in charge`.
    pub state: &'static str,
    /// Its family.
    pub family: Option<String>,
    /// When it was registered.
    pub registered: Timestamp,
    /// AUC it gained over the version then in charge.
    pub auc_gain: Option<f64>,
}

/// A signal that is watched for drift.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SignalView {
    /// The feature, or `score`.
    pub signal: String,
    /// Its largest effect in the last window over its threshold; null where the monitor does not answer.
    pub effect_ratio: Option<f64>,
    /// Whether its alert is open.
    pub open: bool,
    /// The same ratio in the windows before, the oldest first; null where it is not known.
    pub history: Vec<Option<f64>>,
}

/// An alert that is open.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertView {
    /// Its id.
    pub alert_id: String,
    /// The signal.
    pub signal: String,
    /// The segment measured.
    pub segment: String,
    /// Name of the statistic in `value`.
    pub statistic: String,
    /// Its value in the last window.
    pub value: Option<f64>,
    /// The effect that was held against the threshold.
    pub effect: Option<f64>,
    /// The threshold.
    pub threshold: Option<f64>,
    /// Start of the window that opened it, in event time.
    pub since: Timestamp,
    /// End of the last window that showed it, in event time.
    pub until: Timestamp,
    /// Its incident.
    pub incident_id: String,
    /// One sentence.
    pub message: String,
}

/// What was trained, and is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trainings {
    /// Under way, as the retrain role says; null where it does not answer.
    pub open: Option<u64>,
    /// The last request; null where there was none.
    pub asked: Option<TrainingAsked>,
    /// Candidates registered by the retrain role since the control log begins.
    pub registered: u64,
    /// Trainings that ended without one.
    pub failed: u64,
}

/// A request for a training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainingAsked {
    /// The incident it belongs to.
    pub incident_id: String,
    /// `drift`, `performance`, `schedule` or `labels`.
    pub reason: Option<&'static str>,
    /// Labels known before this point are trained on, in event time.
    pub cutoff: Option<Timestamp>,
    /// Whether it was answered.
    pub answered: bool,
}

/// A record of the control log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecisionView {
    /// When it was written.
    pub at: Timestamp,
    /// What.
    pub command: &'static str,
    /// About which version.
    pub version: u32,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// Whether it came too late, or made too little sense, to have any effect.
    pub void: bool,
    /// What changed, with `set`.
    pub setting: Option<String>,
}
