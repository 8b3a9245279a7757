//! What the topics tell: the control log, the alerts and the performance records, folded as they come.
//!
//! Reading the same records gives the same facts, whoever reads and whenever it began: an alert is open until its
//! `recovered`, a request for a training is unanswered until a record of the control log names its incident.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::view::{AlertView, DecisionView, ModelView, OtherModel, SettingView, TrainingAsked, Trainings};
use crate::data::{DriftAlert, ModelCommand, ModelRecord, PerformanceRecord, Phase, Setting, SettingValue, Timestamp};
use crate::rollout::{Effect, Ledger};

/// Decisions kept.
const DECISIONS: usize = 30;
/// The signal of the alert on performance, which is a share of its reference and no distance from it.
const PERFORMANCE: &str = "performance";
/// Windows kept, of performance and of effects.
const WINDOWS: usize = 60;

/// What the configuration says of a setting.
#[derive(Clone, Copy, Debug)]
pub struct Configured {
    pub setting: Setting,
    pub value: SettingValue,
}

/// The fold of the three topics.
#[derive(Debug, Default)]
pub struct Told {
    ledger: Ledger,
    decisions: VecDeque<DecisionView>,
    registered: u64,
    failed: u64,
    answered: BTreeSet<String>,
    open: BTreeMap<String, AlertView>,
    asked: Option<TrainingAsked>,
    effects: BTreeMap<Timestamp, BTreeMap<String, f64>>,
    performance: BTreeMap<(Timestamp, u32), PerformanceRecord>,
}

impl Told {
    /// Takes the next record of the control log.
    pub fn decision(&mut self, record: &ModelRecord) {
        let void = self.ledger.apply(record) == Effect::Void;
        match record.command {
            ModelCommand::Registered => self.registered += 1,
            ModelCommand::TrainingFailed => self.failed += 1,
            _ => {}
        }
        if let (ModelCommand::Registered | ModelCommand::TrainingFailed, Some(incident)) =
            (record.command, &record.incident_id)
        {
            self.answered.insert(incident.clone());
        }
        self.decisions.push_front(DecisionView {
            at: record.at,
            command: record.command.name(),
            version: record.version,
            by: record.by.clone(),
            why: record.why.clone(),
            void,
            setting: record.setting.as_ref().map(ToString::to_string),
        });
        self.decisions.truncate(DECISIONS);
    }

    /// Takes the next record of the alerts topic.
    pub fn alert(&mut self, alert: &DriftAlert) {
        if alert.action.is_some() {
            let asked = TrainingAsked {
                incident_id: alert.incident_id.clone(),
                reason: alert.reason.map(crate::data::TrainingReason::name),
                cutoff: alert.cutoff,
                answered: false,
            };
            self.asked = Some(asked);
            return;
        }
        if alert.signal != PERFORMANCE
            && let (Some(effect), Some(threshold)) =
                (alert.effect, alert.threshold.filter(|threshold| *threshold > 0.0))
        {
            let window = self.effects.entry(alert.window_end).or_default();
            let ratio = window.entry(alert.signal.clone()).or_insert(0.0);
            *ratio = ratio.max(effect / threshold);
            while self.effects.len() > WINDOWS {
                self.effects.pop_first();
            }
        }
        match alert.phase {
            Phase::Recovered => _ = self.open.remove(&alert.alert_id),
            Phase::Opened | Phase::Ongoing => {
                let since = self.open.get(&alert.alert_id).map_or(alert.window_start, |open| open.since);
                self.open.insert(alert.alert_id.clone(), open(alert, since));
            }
        }
    }

    /// Takes the next record of the performance topic.
    pub fn performance(&mut self, record: PerformanceRecord) {
        if record.segment != "all" {
            return;
        }
        self.performance.insert((record.window_start, record.model_version), record);
        while self.performance.len() > WINDOWS * 4 {
            self.performance.pop_first();
        }
    }

    /// Who is in charge at `now`, and who else there is.
    pub fn model(&self, now: Timestamp) -> ModelView {
        let champion = self.ledger.champion();
        let registered = self.ledger.versions().get(&champion).map(|known| &known.registered);
        let since = self.ledger.since().filter(|_| champion > 0);
        let others = self.ledger.versions().iter().rev().filter(|(version, _)| **version != champion);
        let others = others.map(|(version, known)| {
            let was = self.decisions.iter().any(|decision| {
                !decision.void
                    && decision.version == *version
                    && ["promoted", "rolled_back"].contains(&decision.command)
            });
            OtherModel {
                version: *version,
                state: if was || Some(*version) == self.ledger.previous() {
                    "was in charge"
                } else if known.refused {
                    "refused"
                } else {
                    "candidate"
                },
                family: known.registered.family.clone(),
                registered: known.registered.at,
                auc_gain: known
                    .registered
                    .evidence
                    .as_ref()
                    .and_then(|evidence| Some(evidence.auc_gain.as_ref()?.mean)),
            }
        });
        ModelView {
            version: Some(champion),
            family: registered.and_then(|registered| registered.family.clone()),
            since,
            age_s: since.map(|since| now.since(since) as f64 / 1_000.0),
            reference_auc: registered.and_then(|registered| registered.evidence.as_ref()?.candidate.auc),
            frozen: self.ledger.is_frozen(),
            disagree: Vec::new(),
            others: others.collect(),
        }
    }

    /// What counts of the settings, where the configuration says this.
    pub fn settings(&self, configured: &[Configured]) -> Vec<SettingView> {
        let view = |Configured { setting, value }: &Configured| {
            let command = self.ledger.settings().get(*setting);
            SettingView {
                key: setting.name(),
                value: command.map_or_else(|| value.to_string(), |of| of.value.clone()),
                configured: value.to_string(),
                source: if command.is_some() { "command" } else { "configuration" },
                since: command.map(|of| of.since),
                by: command.map(|of| of.by.clone()),
                why: command.map(|of| of.why.clone()),
            }
        };
        configured.iter().map(view).collect()
    }

    /// One record per window, that of the version which predicted most of it, the oldest first.
    pub fn windows(&self) -> Vec<PerformanceRecord> {
        let mut windows: BTreeMap<Timestamp, &PerformanceRecord> = BTreeMap::new();
        for record in self.performance.values() {
            let kept = windows.entry(record.window_start).or_insert(record);
            if record.predictions > kept.predictions {
                *kept = record;
            }
        }
        let skipped = windows.len().saturating_sub(WINDOWS);
        windows.into_values().skip(skipped).cloned().collect()
    }

    /// Open alerts, the oldest first.
    pub fn alerts(&self) -> Vec<AlertView> {
        let mut alerts: Vec<AlertView> = self.open.values().cloned().collect();
        alerts.sort_by(|one, other| (one.since, &one.signal).cmp(&(other.since, &other.signal)));
        alerts
    }

    /// Effects over their thresholds by window, the oldest first, as far as alerts tell of them.
    pub fn effects(&self) -> Vec<BTreeMap<String, f64>> {
        self.effects.values().cloned().collect()
    }

    /// What was asked of the retrain role, and what came of it.
    pub fn trainings(&self) -> Trainings {
        let answered = |asked: &TrainingAsked| self.answered.contains(&asked.incident_id);
        Trainings {
            open: None,
            asked: self.asked.as_ref().map(|asked| TrainingAsked { answered: answered(asked), ..asked.clone() }),
            registered: self.registered,
            failed: self.failed,
        }
    }

    /// The last decisions, the newest first.
    pub fn decisions(&self) -> Vec<DecisionView> {
        self.decisions.iter().cloned().collect()
    }
}

fn open(alert: &DriftAlert, since: Timestamp) -> AlertView {
    AlertView {
        alert_id: alert.alert_id.clone(),
        signal: alert.signal.clone(),
        segment: alert.segment.clone(),
        statistic: alert.statistic.clone(),
        value: alert.value,
        effect: alert.effect,
        threshold: alert.threshold,
        since,
        until: alert.window_end,
        incident_id: alert.incident_id.clone(),
        message: alert.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{AlertAction, ArtifactRef, SettingChange, TrainingReason};

    fn day(day: i64) -> Timestamp {
        Timestamp::from_millis(day * 86_400_000)
    }

    fn alert(id: &str, phase: Phase, window: i64) -> DriftAlert {
        DriftAlert {
            alert_id: id.to_owned(),
            phase,
            signal: id.to_owned(),
            effect: Some(0.5),
            threshold: Some(0.25),
            window_start: day(window),
            window_end: day(window + 1),
            incident_id: "incident".to_owned(),
            ..DriftAlert::example()
        }
    }

    fn record(command: ModelCommand, version: u32, replaces: u32) -> ModelRecord {
        ModelRecord {
            command,
            version,
            replaces,
            at: day(i64::from(version)),
            by: "monitor".to_owned(),
            why: "why".to_owned(),
            incident_id: Some("incident".to_owned()),
            family: Some("forest".to_owned()),
            feature_layout: None,
            artifact: Some(ArtifactRef { sha256: "00".to_owned(), bytes: 1 }),
            evidence: None,
            setting: None,
        }
    }

    #[test]
    fn an_alert_is_open_from_its_first_window_until_it_recovers() {
        let mut told = Told::default();
        for (phase, window) in [(Phase::Opened, 1), (Phase::Ongoing, 2), (Phase::Ongoing, 3)] {
            told.alert(&alert("temp", phase, window));
        }
        told.alert(&alert("dewp", Phase::Opened, 2));
        let open: Vec<_> = told.alerts().into_iter().map(|open| (open.signal, open.since, open.until)).collect();
        assert_eq!(open, [("temp".to_owned(), day(1), day(4)), ("dewp".to_owned(), day(2), day(3))]);
        let ratios: Vec<_> = told.effects().iter().map(|window| window.get("temp").copied()).collect();
        assert_eq!(ratios, [Some(2.0), Some(2.0), Some(2.0)]);
        told.alert(&alert("temp", Phase::Recovered, 4));
        assert_eq!(told.alerts().len(), 1);
    }

    #[test]
    fn a_request_is_no_alert_and_is_answered_by_a_record_of_its_incident() {
        let mut told = Told::default();
        let asks = DriftAlert {
            action: Some(AlertAction::Retrain),
            reason: Some(TrainingReason::Drift),
            ..alert("training", Phase::Opened, 1)
        };
        told.alert(&asks);
        let asked = |told: &Told| told.trainings().asked.map(|asked| (asked.reason, asked.answered));
        assert_eq!((asked(&told), told.alerts().len()), (Some((Some("drift"), false)), 0));
        told.decision(&record(ModelCommand::Registered, 1, 0));
        assert_eq!(asked(&told), Some((Some("drift"), true)));
        assert_eq!(told.trainings().registered, 1);
    }

    #[test]
    fn a_setting_is_what_the_last_command_says_or_the_configuration() {
        let mut told = Told::default();
        let setting = Setting::ScoreThreshold;
        let configured = [Configured { setting, value: setting.read("0.5").unwrap() }];
        let set = |value: Option<&str>| ModelRecord {
            setting: Some(SettingChange {
                key: "score.threshold".to_owned(),
                value: value.map(str::to_owned),
                was: None,
            }),
            ..record(ModelCommand::Set, 0, 0)
        };
        let shown = |told: &Told| told.settings(&configured).remove(0);
        told.decision(&set(Some("0.3")));
        told.decision(&set(Some("1.3")));
        assert_eq!((shown(&told).value.as_str(), shown(&told).source), ("0.3", "command"));
        assert_eq!((shown(&told).configured.as_str(), shown(&told).by.as_deref()), ("0.5", Some("monitor")));
        let decisions = told.decisions();
        assert!(decisions[0].void && !decisions[1].void, "out of range");
        assert_eq!(decisions[1].setting.as_deref(), Some("`score.threshold` is 0.3 from now on"));
        told.decision(&set(None));
        assert_eq!((shown(&told).value.as_str(), shown(&told).source), ("0.5", "configuration"));
    }

    #[test]
    fn the_log_says_who_is_in_charge_and_what_came_too_late() {
        let mut told = Told::default();
        told.decision(&record(ModelCommand::Registered, 1, 0));
        told.decision(&record(ModelCommand::Promoted, 1, 0));
        told.decision(&record(ModelCommand::Registered, 2, 1));
        told.decision(&record(ModelCommand::Refused, 2, 1));
        told.decision(&record(ModelCommand::Promoted, 1, 0));
        let model = told.model(day(3));
        assert_eq!((model.version, model.age_s), (Some(1), Some(2.0 * 86_400.0)));
        let others: Vec<_> = model.others.iter().map(|other| (other.version, other.state)).collect();
        assert_eq!(others, [(2, "refused")]);
        let decisions: Vec<_> = told.decisions().iter().map(|decision| (decision.command, decision.void)).collect();
        assert_eq!(decisions[0], ("promoted", true));
        assert_eq!(decisions[1], ("refused", false));
    }
}
