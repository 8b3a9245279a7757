//! What happened in the loop, as its topics tell it: alerts, trainings, versions, dead letters.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::data::{
    AlertAction, DriftAlert, Evidence, ModelCommand, ModelRecord, PerformanceRecord, Phase, Record, Timestamp,
    TrainingReason,
};
use crate::rollout::{Effect, Ledger};

/// A training from the request to the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainingStory {
    /// The incident that asked for it.
    pub incident_id: String,
    /// Why it was asked for.
    pub reason: Option<TrainingReason>,
    /// The same in one sentence.
    pub message: String,
    /// Labels known before this were used.
    pub cutoff: Option<Timestamp>,
    /// The version it made, if any.
    pub version: Option<u32>,
    /// Its family.
    pub family: Option<String>,
    /// `promoted`, `refused`, `training_failed`, or `registered` while nobody has decided.
    pub verdict: Option<&'static str>,
    /// Why, with the numbers.
    pub why: String,
    /// How the candidate did beside the model in charge.
    pub evidence: Option<Evidence>,
}

/// Something worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When, in simulated time.
    pub at: Timestamp,
    /// What kind of thing: `alert`, `recovered`, `training`, `candidate`, `promoted`, `refused`, ...
    pub what: &'static str,
    /// One sentence.
    pub text: String,
}

/// All that happened so far.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Alerts that opened or recovered, and requests for trainings, in their order.
    pub alerts: Vec<DriftAlert>,
    /// Trainings in the order in which they were asked for.
    pub trainings: Vec<TrainingStory>,
    /// Dead letters by code.
    pub dead_letters: BTreeMap<String, u64>,
    /// Registrations by version.
    pub registered: BTreeMap<u32, ModelRecord>,
    /// The switches: version and moment.
    pub charges: Vec<Charge>,
    open: BTreeMap<String, DriftAlert>,
    ledger: Ledger,
    latest: Option<PerformanceRecord>,
}

/// A version takes charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The version.
    pub version: u32,
    /// When.
    pub at: Timestamp,
}

impl Story {
    /// Takes a dead letter by its reason header.
    pub fn add_dead_letter(&mut self, record: &Record) {
        let code = record.headers.iter().find(|header| header.name == "driftless.error.code");
        let code = code.and_then(|header| header.value.as_deref()).map(String::from_utf8_lossy);
        *self
            .dead_letters
            .entry(code.map_or_else(|| "unknown".to_owned(), std::borrow::Cow::into_owned))
            .or_default() += 1;
    }

    /// Takes an alert at `now`.
    pub fn add_alert(&mut self, alert: DriftAlert, now: Timestamp) -> Option<Happening> {
        let happened = |what, text: &str| Some(Happening { at: now, what, text: text.to_owned() });
        if alert.action == Some(AlertAction::Retrain) {
            let told = happened("training", &alert.message);
            self.trainings.push(TrainingStory {
                incident_id: alert.incident_id.clone(),
                reason: alert.reason,
                message: alert.message.clone(),
                cutoff: alert.cutoff,
                version: None,
                family: None,
                verdict: None,
                why: String::new(),
                evidence: None,
            });
            self.alerts.push(alert);
            return told;
        }
        match alert.phase {
            Phase::Ongoing => {
                self.open.insert(alert.alert_id.clone(), alert);
                None
            }
            Phase::Opened => {
                let told = happened("alert", &alert.message);
                self.open.insert(alert.alert_id.clone(), alert.clone());
                self.alerts.push(alert);
                told
            }
            Phase::Recovered => {
                self.open.remove(&alert.alert_id);
                let told = happened("recovered", &alert.message);
                self.alerts.push(alert);
                told
            }
        }
    }

    /// Takes a record of the control log.
    pub fn add_model(&mut self, record: ModelRecord) -> Option<Happening> {
        let effect = self.ledger.apply(&record);
        if effect == Effect::Void {
            return None;
        }
        if effect == Effect::Switched {
            self.charges.push(Charge { version: record.version, at: record.at });
        }
        let training = self.trainings.iter_mut().rev().find(|training| {
            training.version == Some(record.version) || record.incident_id.as_ref() == Some(&training.incident_id)
        });
        let verdict = record.command.name();
        if let Some(training) = training {
            training.verdict = Some(verdict);
            training.why.clone_from(&record.why);
            if record.command == ModelCommand::Registered {
                training.version = Some(record.version);
                training.family.clone_from(&record.family);
                training.evidence.clone_from(&record.evidence);
            }
        }
        let version = record.version;
        let (what, text) = match record.command {
            ModelCommand::Registered => ("candidate", format!("v{version} {}", candidate(&record))),
            ModelCommand::Promoted => ("promoted", format!("v{version} takes charge: {}", record.why)),
            ModelCommand::Refused => ("refused", format!("v{version}: {}", record.why)),
            ModelCommand::RolledBack => ("rolled back", format!("to v{version}: {}", record.why)),
            ModelCommand::TrainingFailed => ("failed", format!("no candidate: {}", record.why)),
            ModelCommand::Frozen | ModelCommand::Unfrozen | ModelCommand::Set => (verdict, record.why.clone()),
        };
        let happening = Happening { at: record.at, what, text };
        if record.command == ModelCommand::Registered {
            self.registered.insert(version, record);
        }
        Some(happening)
    }

    /// Takes a performance record.
    pub fn add_performance(&mut self, record: PerformanceRecord) {
        let newer = self
            .latest
            .as_ref()
            .is_none_or(|latest| (latest.window_start, latest.n) <= (record.window_start, record.n));
        if newer && record.auc.is_some() {
            self.latest = Some(record);
        }
    }

    /// The version in charge.
    pub fn champion(&self) -> u32 {
        self.ledger.champion()
    }

    /// Alerts open now, the strongest effect relative to its threshold first.
    pub fn open(&self) -> Vec<&DriftAlert> {
        let mut open: Vec<&DriftAlert> = self.open.values().collect();
        let strength = |alert: &DriftAlert| alert.effect.unwrap_or(0.0) / alert.threshold.unwrap_or(1.0).max(1e-9);
        open.sort_by(|a, b| strength(b).total_cmp(&strength(a)));
        open
    }

    /// The newest window with an AUC.
    pub fn latest(&self) -> Option<&PerformanceRecord> {
        self.latest.as_ref()
    }

    /// The first promoted model.
    pub fn first_promoted(&self) -> Option<Charge> {
        self.charges.iter().find(|charge| charge.version > 0).copied()
    }
}

fn candidate(record: &ModelRecord) -> String {
    let family = record.family.as_deref().unwrap_or("model");
    let Some(evidence) = &record.evidence else { return format!("({family})") };
    let auc = |auc: Option<f64>| auc.map_or_else(|| "?".to_owned(), |auc| format!("{auc:.3}"));
    format!(
        "({family}, {} examples): on {} later ones AUC {} against {}, log loss {:.4} against {:.4}",
        evidence.n_train,
        evidence.n_holdout,
        auc(evidence.candidate.auc),
        auc(evidence.champion.auc),
        evidence.candidate.log_loss,
        evidence.champion.log_loss,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ArtifactRef;

    fn alert(id: &str, phase: Phase) -> DriftAlert {
        let window_end = Timestamp::from_millis(7);
        DriftAlert { alert_id: id.to_owned(), phase, window_end, ..DriftAlert::example() }
    }

    fn model(command: ModelCommand, version: u32, replaces: u32) -> ModelRecord {
        let registered = command == ModelCommand::Registered;
        ModelRecord {
            command,
            version,
            replaces,
            at: Timestamp::from_millis(9),
            by: "monitor".to_owned(),
            why: "better".to_owned(),
            incident_id: Some("i".to_owned()),
            family: registered.then(|| "forest".to_owned()),
            feature_layout: None,
            artifact: registered.then(|| ArtifactRef { sha256: "00".into(), bytes: 1 }),
            evidence: None,
            setting: None,
        }
    }

    #[test]
    fn an_alert_leads_to_a_training_and_that_to_a_promotion() {
        let mut story = Story::default();
        let now = Timestamp::from_millis(9);
        assert!(story.add_alert(alert("a", Phase::Opened), now).is_some());
        assert_eq!(story.add_alert(alert("a", Phase::Ongoing), now), None);
        assert_eq!(story.open().len(), 1);
        let mut ask = alert("t", Phase::Opened);
        ask.action = Some(AlertAction::Retrain);
        story.add_alert(ask, now);
        assert_eq!(story.open().len(), 1, "a request is not something that is open");
        story.add_model(model(ModelCommand::Registered, 1, 0));
        story.add_model(model(ModelCommand::Promoted, 1, 0));
        assert_eq!(story.add_model(model(ModelCommand::Promoted, 1, 0)), None, "void");
        story.add_alert(alert("a", Phase::Recovered), now);
        assert_eq!((story.open().len(), story.champion()), (0, 1));
        let training = &story.trainings[0];
        assert_eq!((training.version, training.verdict), (Some(1), Some("promoted")));
        assert_eq!(story.first_promoted().map(|charge| charge.version), Some(1));
    }
}
