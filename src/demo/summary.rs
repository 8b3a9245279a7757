//! What a demonstration comes to, for a person.

use std::collections::BTreeMap;
use std::fmt;

use super::report::{Report, Way};
use super::screen::{day, wrap};
use crate::data::{DriftAlert, Gain, Phase, Timestamp};

/// Room for text in a terminal of 80 columns.
const COLUMNS: usize = 79;
/// Signals named of each window.
const NAMED_ALERTS: usize = 4;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        counts(self, f)?;
        alerts(self, f)?;
        trainings(self, f)?;
        versions(self, f)?;
        comparison(self, f)?;
        writeln!(f, "\npredictions   sha256 {}", self.predictions_sha256)?;
        writeln!(f, "took          {:.0} s", self.seconds)
    }
}

fn counts(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Report { events, predictions, dead_letters, late, labels, labels_joined, follow_ups, .. } = report;
    writeln!(f, "events        {events} = {predictions} predictions + {dead_letters} dead letters + {late} late")?;
    writeln!(f, "follow-ups    {follow_ups}, {labels} of them labels: {labels_joined} joined with their prediction")?;
    let reasons = report.dead_letters_by_reason.iter().map(|(code, count)| format!("{count} {code}"));
    block(f, "dead letters", &reasons.collect::<Vec<_>>().join(", "))
}

/// A name and a text that may need more than one line.
fn block(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    for (i, line) in wrap(text, COLUMNS - 14).iter().enumerate() {
        writeln!(f, "{:14}{line}", if i == 0 { name } else { "" })?;
    }
    Ok(())
}

/// Alerts as they opened, window by window, the strongest signal first.
fn alerts(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let opened = report.alerts.iter().filter(|alert| alert.phase == Phase::Opened && alert.action.is_none());
    let mut windows: BTreeMap<Timestamp, Vec<&DriftAlert>> = BTreeMap::new();
    for alert in opened {
        windows.entry(alert.window_end).or_default().push(alert);
    }
    let count: usize = windows.values().map(Vec::len).sum();
    writeln!(
        f,
        "\nalerts        {count} opened, in {} windows (the statistic, and the effect that opened it)",
        windows.len()
    )?;
    for (end, mut alerts) in windows {
        let effect = |alert: &DriftAlert| alert.effect.unwrap_or(0.0);
        alerts.sort_by(|one, other| effect(other).total_cmp(&effect(one)));
        let named = alerts.iter().take(NAMED_ALERTS).map(|alert| {
            let effect = alert.effect.map_or(String::new(), |effect| format!(" {effect:.2}"));
            format!("{} ({}{effect})", alert.signal, alert.statistic)
        });
        let mut text = format!("{} {}", day(end), named.collect::<Vec<_>>().join(", "));
        if alerts.len() > NAMED_ALERTS {
            text.push_str(&format!(" and {} more", alerts.len() - NAMED_ALERTS));
        }
        block(f, "", &text)?;
    }
    Ok(())
}

fn trainings(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "\ntrainings     {}", report.trainings.len())?;
    for training in &report.trainings {
        let date = training.cutoff.map(day).unwrap_or_default();
        let reason = training.reason.map_or("asked for", |reason| reason.name());
        let made = match (training.version, &training.family) {
            (Some(version), Some(family)) => format!("v{version} ({family})"),
            _ => "no candidate".to_owned(),
        };
        let verdict = training.verdict.unwrap_or("open");
        block(f, "", &format!("{date} {reason}: {made} {verdict}: {}", training.why))?;
    }
    Ok(())
}

fn versions(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "\nversions      {} in charge after the base rate", report.versions.len())?;
    for version in &report.versions {
        let family = version.family.as_deref().unwrap_or("base rate");
        writeln!(
            f,
            "{:14}v{} {family:9} from {} for {:4.1} weeks, {} predictions",
            "",
            version.version,
            day(version.from),
            version.weeks,
            version.predictions
        )?;
    }
    Ok(())
}

fn comparison(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if report.weeks == 0 {
        return writeln!(f, "\nno model took charge for a whole week, so there is nothing to compare");
    }
    writeln!(f, "\nthe same {} events, {} weeks after the first model took charge:", report.rows, report.weeks)?;
    writeln!(f, "                                             mean weekly AUC    log loss")?;
    let ways: [(&str, &Way); 4] = [
        ("closed loop   as it ran", &report.closed_loop),
        ("frozen        the first model left alone", &report.frozen),
        ("monthly       trained every 28 days, unseen", &report.monthly),
        ("base rate     the share of late ones so far", &report.base_rate),
    ];
    for (name, way) in ways {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
        writeln!(f, "{name:45}{:>15}{:>12}", number(way.auc), number(way.log_loss))?;
    }
    let gain = |gain: Option<Gain>| match gain {
        Some(Gain { mean, low, high }) => format!("{mean:+.4} [{low:+.4}, {high:+.4}]"),
        None => "unknown".to_owned(),
    };
    writeln!(f, "gain of the loop over the frozen model, paired by week, 95 % interval:")?;
    writeln!(f, "              AUC      {}", gain(report.gain_over_frozen.auc))?;
    writeln!(f, "              log loss {}", gain(report.gain_over_frozen.log_loss))
}
