//! What is told of a record of the alerts topic or of the control log, if anything.
//!
//! A notice says what happened in a sentence for a person and in fields for a program. It holds signals, versions and
//! numbers of the monitor, and nothing of any event.

use serde::Serialize;

use crate::config::notify::NotifyOn;
use crate::data::{DriftAlert, ModelCommand, ModelRecord, Phase, Timestamp};

/// Whether something begins, ends, or has just happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Firing,
    Resolved,
    Info,
}

/// Something to be told; its JSON form is what `json` posts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Notice {
    /// Name of the application.
    pub app: String,
    /// `alert_opened`, `alert_ongoing`, `alert_recovered`, `training_requested`, or a command of the control log.
    pub event: &'static str,
    pub state: State,
    /// Of an alert the same for all its states; with `event` the same however often it is posted.
    pub id: String,
    /// One line.
    pub title: String,
    /// The whole sentence.
    pub text: String,
    pub signal: Option<String>,
    pub segment: Option<String>,
    pub incident_id: Option<String>,
    pub model_version: u32,
    /// When it was decided, in event time where it is about a window.
    pub at: Timestamp,
    #[serde(skip)]
    pub topic: NotifyOn,
}

/// What is told of an alert.
pub(super) fn of_alert(app: &str, alert: &DriftAlert) -> Notice {
    let (event, state) = match (alert.action, alert.phase) {
        (Some(_), _) => ("training_requested", State::Info),
        (None, Phase::Opened) => ("alert_opened", State::Firing),
        (None, Phase::Ongoing) => ("alert_ongoing", State::Firing),
        (None, Phase::Recovered) => ("alert_recovered", State::Resolved),
    };
    let title = match state {
        State::Info => format!("{app}: a training is asked for"),
        State::Firing => format!("{app}: `{}` has drifted", alert.signal),
        State::Resolved => format!("{app}: `{}` is back", alert.signal),
    };
    Notice {
        app: app.to_owned(),
        event,
        state,
        id: alert.alert_id.clone(),
        title,
        text: alert.message.clone(),
        signal: Some(alert.signal.clone()),
        segment: Some(alert.segment.clone()),
        incident_id: Some(alert.incident_id.clone()),
        model_version: alert.model_version,
        at: alert.window_end,
        topic: if alert.action.is_some() { NotifyOn::Trainings } else { NotifyOn::Alerts },
    }
}

/// What is told of a record of the control log that took effect; a candidate alone is no news.
pub(super) fn of_decision(app: &str, record: &ModelRecord) -> Option<Notice> {
    let version = record.version;
    let title = match record.command {
        ModelCommand::Registered => return None,
        ModelCommand::Refused => format!("{app}: v{version} was refused, v{} stays in charge", record.replaces),
        ModelCommand::Promoted => format!("{app}: v{version} takes charge, in place of v{}", record.replaces),
        ModelCommand::RolledBack => format!("{app}: v{version} takes charge again, in place of v{}", record.replaces),
        ModelCommand::Frozen => format!("{app}: promotions are frozen"),
        ModelCommand::Unfrozen => format!("{app}: promotions may go on"),
        ModelCommand::TrainingFailed => format!("{app}: a training failed"),
        ModelCommand::Set => format!("{app}: {}", record.setting.as_ref()?),
    };
    let is_training = record.command == ModelCommand::TrainingFailed;
    Some(Notice {
        app: app.to_owned(),
        event: record.command.name(),
        state: State::Info,
        id: format!("v{version}-{}", record.at),
        title,
        text: format!("{}: {}", record.by, record.why),
        signal: None,
        segment: None,
        incident_id: record.incident_id.clone(),
        model_version: version,
        at: record.at,
        topic: if is_training { NotifyOn::Trainings } else { NotifyOn::Models },
    })
}
