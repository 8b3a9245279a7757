//! When a training is asked for: at most one per incident, never within the cool-down.

use serde::{Deserialize, Serialize};

use super::alerts::WHOLE;
use super::performance::PERFORMANCE;
use super::{Monitor, Sheet};
use crate::data::params::RetrainParams;
use crate::data::{AlertAction, DriftAlert, Phase, Sink, Timestamp, TrainingReason};

/// The signal of a training request.
const TRAINING: &str = "training";
/// Features named in a request.
const NAMED_FEATURES: usize = 5;

/// What has been asked for so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Trainings {
    last: Option<Asked>,
    /// The incident whose training has not ended.
    running: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Asked {
    at: Timestamp,
    labels: u64,
}

impl Trainings {
    /// A training has ended.
    pub(super) fn concluded(&mut self, incident_id: Option<&str>) {
        if self.running.as_deref() == incident_id {
            self.running = None;
        }
    }
}

/// A reason that holds now.
struct Ask {
    reason: TrainingReason,
    incident_id: String,
    top_features: Vec<String>,
    why: String,
}

impl Monitor {
    /// Asks for a training if there is a reason for one. A training that has not ended by the end of the cool-down is
    /// given up: another may then be asked for.
    pub(super) fn ask_for_training(&mut self, reached: Timestamp, sheet: &mut Sheet<'_>) {
        let params = self.state.ledger.settings().retrain(&self.params.retrain);
        let labels = self.state.shards.labels();
        let cooling = self.state.trainings.last.is_some_and(|last| reached < last.at.plus(params.cool_down));
        if params.on.is_empty() || cooling || labels < params.min_labels {
            return;
        }
        let ask = if self.state.ledger.champion() == 0 { self.first(reached) } else { self.next(reached, &params) };
        let Some(ask) = ask else { return };
        if let Some(incident) = self.state.alerts.incident_mut().filter(|incident| incident.id == ask.incident_id) {
            incident.asked = true;
        }
        self.state.trainings =
            Trainings { last: Some(Asked { at: reached, labels }), running: Some(ask.incident_id.clone()) };
        self.state.tally.trainings_asked += 1;
        let version = self.state.ledger.champion();
        let alert_id = format!("v{version}-{TRAINING}-{WHOLE}-{reached}");
        let alert = DriftAlert {
            alert_id,
            phase: Phase::Opened,
            signal: TRAINING.to_owned(),
            segment: WHOLE.to_owned(),
            statistic: ask.reason.name().to_owned(),
            value: None,
            p_value: None,
            effect: None,
            threshold: None,
            n: labels,
            window_start: reached,
            window_end: reached,
            reference_version: version,
            model_version: version,
            top_features: ask.top_features,
            incident_id: ask.incident_id,
            action: Some(AlertAction::Retrain),
            reason: Some(ask.reason),
            cutoff: Some(reached),
            message: format!("a training is asked for: {}", ask.why),
        };
        sheet.publish(Sink::DriftAlerts, &alert.alert_id, &alert);
    }

    /// The first training waits for history enough, whatever the reasons configured.
    fn first(&self, reached: Timestamp) -> Option<Ask> {
        let since = self.state.shards.first_event()?;
        let params = &self.params.retrain;
        (reached >= since.plus(params.first_after)).then(|| Ask {
            reason: TrainingReason::Labels,
            incident_id: format!("v0-labels-{reached}"),
            top_features: Vec::new(),
            why: format!(
                "{} of history and {} labels are there for a first model",
                params.first_after,
                self.state.shards.labels()
            ),
        })
    }

    fn next(&self, reached: Timestamp, params: &RetrainParams) -> Option<Ask> {
        let wanted = |reason| params.on.contains(&reason);
        let version = self.state.ledger.champion();
        if let Some(incident) = self.state.alerts.incident().filter(|incident| !incident.asked) {
            let open: Vec<&DriftAlert> = self.state.alerts.all().collect();
            let (performance, drifted): (Vec<&DriftAlert>, Vec<&DriftAlert>) =
                open.into_iter().partition(|alert| alert.signal == PERFORMANCE);
            let alert = match (performance.first(), drifted.first()) {
                (Some(alert), _) if wanted(TrainingReason::Performance) => Some((TrainingReason::Performance, *alert)),
                (_, Some(alert)) if wanted(TrainingReason::Drift) => Some((TrainingReason::Drift, *alert)),
                _ => None,
            };
            if let Some((reason, alert)) = alert {
                let mut top_features = alert.top_features.clone();
                top_features.truncate(NAMED_FEATURES);
                let why = match reason {
                    TrainingReason::Performance => alert.message.clone(),
                    _ => format!("{} signals left the reference of v{version}, {}", drifted.len(), leading(alert)),
                };
                return Some(Ask { reason, incident_id: incident.id.clone(), top_features, why });
            }
        }
        let last = self.state.trainings.last?;
        if wanted(TrainingReason::Schedule) && reached >= last.at.plus(params.schedule) {
            let why = format!("the last training was {} ago or more", params.schedule);
            return Some(scheduled(TrainingReason::Schedule, version, reached, why));
        }
        let new = self.state.shards.labels().saturating_sub(last.labels);
        let enough = params.new_labels.is_some_and(|least| new >= least);
        (wanted(TrainingReason::Labels) && enough).then(|| {
            scheduled(
                TrainingReason::Labels,
                version,
                reached,
                format!("{new} labels have come since the last training"),
            )
        })
    }
}

fn leading(alert: &DriftAlert) -> String {
    match alert.top_features.first() {
        Some(feature) => format!("`{feature}` before all"),
        None => format!("`{}` among them", alert.signal),
    }
}

fn scheduled(reason: TrainingReason, version: u32, reached: Timestamp, why: String) -> Ask {
    Ask { reason, incident_id: format!("v{version}-{}-{reached}", reason.name()), top_features: Vec::new(), why }
}
