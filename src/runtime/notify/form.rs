//! A notice in the form that its receiver takes.

use serde_json::{Value, json};

use super::notice::{Notice, State};
use crate::config::notify::NotifyFormat;
use crate::data::{Span, Timestamp};

/// An alert that nobody closes ends after this time at Alertmanager.
const FORGOTTEN_AFTER: Span = Span::from_days(30);
/// Slack asks for messages of so many characters at most, and splits or cuts longer ones.
const SLACK_TEXT: usize = 4_000;
const SLACK_TITLE: usize = 500;

/// The body to be posted at `now`; `None` if this format says nothing of it.
pub(super) fn body(format: NotifyFormat, notice: &Notice, now: Timestamp) -> Option<Value> {
    // What goes on has been told; Alertmanager forgets what it does not hear of again.
    if notice.event == "alert_ongoing" && format != NotifyFormat::Alertmanager {
        return None;
    }
    match format {
        NotifyFormat::Json => serde_json::to_value(notice).ok(),
        NotifyFormat::Slack => {
            let title = format!("*{}*\n", escaped(&notice.title, SLACK_TITLE));
            let room = SLACK_TEXT - title.chars().count();
            Some(json!({ "text": title + &escaped(&notice.text, room) }))
        }
        NotifyFormat::Alertmanager => alert(notice, now),
    }
}

/// Where it is posted to.
pub(super) fn url(format: NotifyFormat, address: &str) -> String {
    match format {
        NotifyFormat::Alertmanager if !address.ends_with("/alerts") => format!("{address}/api/v2/alerts"),
        _ => address.to_owned(),
    }
}

fn alert(notice: &Notice, now: Timestamp) -> Option<Value> {
    let ends = match notice.state {
        State::Firing => now.plus(FORGOTTEN_AFTER),
        State::Resolved => now,
        State::Info => return None,
    };
    // Labels tell alerts apart: all states of one have the same. Each begins now as far as this says: Alertmanager keeps
    // the earliest beginning it has heard of, and without any takes the end for it.
    let labels = json!({
        "alertname": "DriftlessDrift",
        "severity": "ticket",
        "app": notice.app,
        "signal": notice.signal,
        "segment": notice.segment,
        "alert_id": notice.id,
    });
    Some(json!([{
        "labels": labels,
        "annotations": { "summary": notice.title, "description": notice.text },
        "startsAt": now.to_string(),
        "endsAt": ends.to_string(),
    }]))
}

/// A text without the three characters that have a meaning to Slack, cut so that it has at most `room` characters.
fn escaped(text: &str, room: usize) -> String {
    let mut done = String::new();
    let mut left = room;
    for character in text.chars() {
        let mut own = [0; 4];
        let form = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            other => &*other.encode_utf8(&mut own),
        };
        // The last one is kept for the mark that something is missing.
        let Some(rest) = left.checked_sub(form.chars().count()).filter(|rest| *rest > 0) else {
            done.push('…');
            break;
        };
        done.push_str(form);
        left = rest;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::super::notice::{of_alert, of_decision};
    use super::*;
    use crate::data::{AlertAction, DriftAlert, ModelCommand, ModelRecord, Phase};

    fn alert(phase: Phase) -> DriftAlert {
        let message = "`temp` left its reference: psi 3.6 > 0.25 & more".to_owned();
        DriftAlert { phase, message, ..DriftAlert::example() }
    }

    fn posted(format: NotifyFormat, alert: &DriftAlert) -> Option<Value> {
        body(format, &of_alert("flights", alert), Timestamp::from_millis(0))
    }

    #[test]
    fn json_says_everything_and_what_goes_on_is_not_told_again() {
        let body = posted(NotifyFormat::Json, &alert(Phase::Opened)).unwrap();
        assert_eq!(body["event"], "alert_opened");
        assert_eq!(body["state"], "firing");
        assert_eq!(body["id"], "v1-temp-all-1970-01-01T00:00:00Z");
        assert_eq!(body["title"], "flights: `temp` has drifted");
        assert_eq!((&body["signal"], &body["at"]), (&json!("temp"), &json!(1_000)));
        assert_eq!(posted(NotifyFormat::Json, &alert(Phase::Ongoing)), None);
        let asks = DriftAlert { action: Some(AlertAction::Retrain), ..alert(Phase::Opened) };
        assert_eq!(posted(NotifyFormat::Json, &asks).unwrap()["event"], "training_requested");
    }

    #[test]
    fn slack_gets_a_text_without_markup_of_others() {
        let body = posted(NotifyFormat::Slack, &alert(Phase::Recovered)).unwrap();
        assert_eq!(
            body,
            json!({ "text": "*flights: `temp` is back*\n`temp` left its reference: psi 3.6 &gt; 0.25 &amp; more" })
        );
    }

    #[test]
    fn slack_gets_no_longer_text_than_it_takes_and_no_half_of_an_escape() {
        for (character, form) in [('a', "a"), ('&', "&amp;"), ('ß', "ß")] {
            let text = |n: usize| character.to_string().repeat(n);
            let posted = |text: String| {
                let alert = DriftAlert { message: text, ..alert(Phase::Opened) };
                posted(NotifyFormat::Slack, &alert).unwrap()["text"].as_str().unwrap().to_owned()
            };
            let short = posted(text(5));
            assert!(short.ends_with(&format!("\n{}", form.repeat(5))), "{short}");
            let long = posted(text(10_000));
            let count = long.chars().count();
            assert!((SLACK_TEXT - 5..=SLACK_TEXT).contains(&count), "{count}");
            assert!(long.ends_with(&format!("{form}…")), "{}", &long[long.len() - 20..]);
        }
        let untitled = DriftAlert { signal: "<".repeat(1_000), ..alert(Phase::Opened) };
        let text = posted(NotifyFormat::Slack, &untitled).unwrap()["text"].as_str().unwrap().to_owned();
        assert!(text.contains("…*\n`temp` left its reference"), "{text}");
    }

    #[test]
    fn alertmanager_gets_one_alert_that_begins_goes_on_and_ends() {
        let alert = |phase| posted(NotifyFormat::Alertmanager, &alert(phase)).unwrap()[0].clone();
        let [opened, ongoing, recovered] = [Phase::Opened, Phase::Ongoing, Phase::Recovered].map(alert);
        assert_eq!(opened["labels"], recovered["labels"]);
        assert_eq!(opened["labels"], ongoing["labels"]);
        assert_eq!(opened["startsAt"], "1970-01-01T00:00:00Z");
        assert_eq!(opened["endsAt"], "1970-01-31T00:00:00Z");
        assert_eq!((&ongoing["startsAt"], &recovered["endsAt"]), (&opened["startsAt"], &json!("1970-01-01T00:00:00Z")));
        assert_eq!(url(NotifyFormat::Alertmanager, "http://a:9093"), "http://a:9093/api/v2/alerts");
        assert_eq!(url(NotifyFormat::Alertmanager, "http://a/api/v2/alerts"), "http://a/api/v2/alerts");
        assert_eq!(url(NotifyFormat::Json, "http://a"), "http://a");
    }

    #[test]
    fn decisions_are_told_but_a_candidate_alone_is_not() {
        let record = |command| ModelRecord {
            replaces: 2,
            by: "monitor".to_owned(),
            why: "auc gain +0.02".to_owned(),
            ..ModelRecord::plain(command, 3)
        };
        let told = |command| of_decision("flights", &record(command));
        assert_eq!(told(ModelCommand::Registered), None);
        let promoted = told(ModelCommand::Promoted).unwrap();
        assert_eq!(promoted.title, "flights: v3 takes charge, in place of v2");
        assert_eq!(promoted.text, "monitor: auc gain +0.02");
        assert_eq!(body(NotifyFormat::Alertmanager, &promoted, Timestamp::default()), None);
    }
}
