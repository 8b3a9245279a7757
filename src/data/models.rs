//! A record of the control log: what happened to which model version, by whom, why, and the numbers behind it.

use serde::{Deserialize, Serialize};

use super::{SettingChange, Timestamp};

/// What a record of the control log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelCommand {
    /// A training ended; the candidate is in the store.
    Registered,
    /// The candidate was not better; nothing changes.
    Refused,
    /// `version` takes charge.
    Promoted,
    /// `version` takes charge again, because the one it replaces was worse.
    RolledBack,
    /// Promotions by the monitor stop until unfrozen.
    Frozen,
    /// Promotions by the monitor may go on.
    Unfrozen,
    /// A training ended without a candidate.
    TrainingFailed,
    /// A setting has another value from now on, or again that of the configuration.
    Set,
}

impl ModelCommand {
    /// The name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            ModelCommand::Registered => "registered",
            ModelCommand::Refused => "refused",
            ModelCommand::Promoted => "promoted",
            ModelCommand::RolledBack => "rolled_back",
            ModelCommand::Frozen => "frozen",
            ModelCommand::Unfrozen => "unfrozen",
            ModelCommand::TrainingFailed => "training_failed",
            ModelCommand::Set => "set",
        }
    }
}

/// Where an artifact lies and how to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// SHA-256 of the bytes, in hex; also its name in the store.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// A mean difference with a 95 % interval; positive means the candidate is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How one model did on the held-out examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldoutScore {
    /// Area under the ROC curve; `None` when one class is missing.
    pub auc: Option<f64>,
    /// Mean log loss, in nats.
    pub log_loss: f64,
}

/// What a candidate was trained on and how it did beside the model in charge, on the same later examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Event time of the oldest training example.
    pub trained_from: Timestamp,
    /// Event time of the newest training example.
    pub trained_to: Timestamp,
    /// Event time of the oldest held-out example.
    pub holdout_from: Timestamp,
    /// Event time of the newest held-out example.
    pub holdout_to: Timestamp,
    /// Training examples.
    pub n_train: u64,
    /// Held-out examples.
    pub n_holdout: u64,
    /// The model in charge.
    pub champion: HoldoutScore,
    /// The candidate.
    pub candidate: HoldoutScore,
    /// Log loss of the champion minus log loss of the candidate, paired by example, clustered by day.
    pub log_loss_gain: Gain,
    /// AUC of the candidate minus AUC of the champion, paired (DeLong); `None` when one class is missing.
    pub auc_gain: Option<Gain>,
}

/// A record of the control log (`schemas/model.avsc`). Readers fold it in log order; a record whose `replaces` is not
/// the version in charge at that point is void.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// What happened.
    pub command: ModelCommand,
    /// The version it is about; for `frozen`, `unfrozen` and `set` the version in charge.
    pub version: u32,
    /// The version in charge as the writer knew it.
    pub replaces: u32,
    /// When it was written.
    pub at: Timestamp,
    /// `monitor`, `retrain`, or the operator's name.
    pub by: String,
    /// Why, in words.
    pub why: String,
    /// The incident that led here.
    pub incident_id: Option<String>,
    /// Model family, with `registered`.
    pub family: Option<String>,
    /// Fingerprint of the feature layout the model expects, with `registered`.
    pub feature_layout: Option<String>,
    /// The artifact, with `registered`.
    pub artifact: Option<ArtifactRef>,
    /// The numbers, with `registered`, `refused` and `promoted`.
    pub evidence: Option<Evidence>,
    /// What changes, with `set`. No other record has the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<SettingChange>,
}

impl ModelRecord {
    /// A record that says what and about which version, and nothing else yet.
    pub fn plain(command: ModelCommand, version: u32) -> Self {
        ModelRecord {
            command,
            version,
            replaces: 0,
            at: Timestamp::default(),
            by: String::new(),
            why: String::new(),
            incident_id: None,
            family: None,
            feature_layout: None,
            artifact: None,
            evidence: None,
            setting: None,
        }
    }
}
