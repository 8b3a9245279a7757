//! Is it right, is it drifting, and what was done: models, signals, alerts, trainings, decisions.

use super::{Limits, fact, flowed, row, title};
use crate::cli::live::figures::{count, curve, date, known, length};
use crate::cli::live::line::{End, Line, Tone, shorten};
use crate::cli::live::view::{AlertView, DecisionView, OtherModel, SettingView, SignalView, View};
use crate::data::PerformanceRecord;

/// Curves of drift reach to twice the threshold.
const TWICE: f64 = 2.0;

/// The model in charge, and how good its predictions were.
pub(in crate::cli::live) fn right(view: &View, columns: usize, limits: Limits) -> Vec<Line> {
    let model = &view.model;
    let mut lines = vec![title("Is it right?", columns)];
    let line = row();
    let line = match model.version {
        None => line.and(Tone::Faint, "nothing is known of the models"),
        Some(0) => line.and(Tone::Strong, "v0, the base rate,").and(Tone::Plain, " answers until the first model"),
        Some(version) => {
            let family = model.family.as_deref().unwrap_or("of a family unknown");
            let line = line.and(Tone::Strong, format!("v{version}")).and(Tone::Plain, format!(" {family}, in charge"));
            line.and(Tone::Plain, known(model.age_s, |age| format!(" for {}", length(age))))
        }
    };
    lines.push(if model.frozen { line.and(Tone::Warn, ", promotions are FROZEN") } else { line });
    lines.extend(commanded(&view.settings, columns));
    if !limits.terse {
        lines.extend(others(&model.others, columns));
    }
    let Some(latest) = view.performance.iter().rev().find(|record| record.auc.is_some()) else {
        lines.push(row().and(Tone::Faint, "no window has labels enough for an AUC yet"));
        return lines;
    };
    lines.extend(quality(view, latest, columns).into_iter().take(if limits.terse { 1 } else { 4 }));
    lines
}

/// What is not as the configuration says.
fn commanded(settings: &[SettingView], columns: usize) -> Option<Line> {
    let commanded = settings.iter().filter(|setting| setting.since.is_some());
    let named = commanded.map(|setting| format!("{} {} (not {})", setting.key, setting.value, setting.configured));
    let named: Vec<String> = named.collect();
    let room = columns.saturating_sub(18);
    let line = row().and(Tone::Faint, "set by command ");
    (!named.is_empty()).then(|| line.and(Tone::Warn, shorten(&named.join(", "), room, End::Right)))
}

fn others(others: &[OtherModel], columns: usize) -> Option<Line> {
    let mut line = row().and(Tone::Faint, "beside it ");
    let room = columns.saturating_sub(12);
    let named: Vec<String> = others.iter().map(|other| format!("v{} {}", other.version, other.state)).collect();
    let mut shown = 0;
    for name in &named {
        if line.width() + name.len() + 2 > room {
            break;
        }
        line.push(Tone::Plain, if shown == 0 { "" } else { ", " });
        line.push(Tone::Plain, name);
        shown += 1;
    }
    if shown < named.len() {
        line.push(Tone::Faint, format!(" and {} more", named.len() - shown));
    }
    (shown > 0).then_some(line)
}

fn quality(view: &View, latest: &PerformanceRecord, columns: usize) -> Vec<Line> {
    let three = |value: Option<f64>| known(value, |value| format!("{value:.3}"));
    let reference = view.model.reference_auc.filter(|_| Some(latest.model_version) == view.model.version);
    let lost = reference.zip(latest.auc_high).is_some_and(|(reference, high)| high < reference);
    let tone = if lost { Tone::Warn } else { Tone::Strong };
    let mut auc = Line::new().and(Tone::Faint, "AUC ").and(tone, three(latest.auc));
    auc.push(Tone::Plain, format!(" [{}, {}]", three(latest.auc_low), three(latest.auc_high)));
    if let Some(reference) = reference {
        auc.push(Tone::Faint, format!(" against {reference:.3} when it was proven"));
    }
    let aucs: Vec<f64> = view.performance.iter().filter_map(|record| record.auc).collect();
    let (low, high) = (aucs.iter().copied().fold(1.0, f64::min), aucs.iter().copied().fold(0.0, f64::max));
    let range = high - low;
    let heights: Vec<Option<f64>> =
        view.performance.iter().map(|record| record.auc.map(|auc| auc - low + range / 7.0)).collect();
    let windows = Line::new()
        .and(Tone::Faint, "by window ")
        .and(Tone::Strong, curve(&heights, 30, range * 8.0 / 7.0))
        .and(Tone::Faint, format!(" {low:.3} to {high:.3}"));
    let from = format!("{} to {}", date(latest.window_start), date(latest.window_end));
    let labelled = format!("{} of {}", count(latest.n as f64), count(latest.predictions as f64));
    let mut facts = vec![auc, fact("log loss", three(latest.log_loss)), fact("labelled", labelled)];
    facts.push(fact("labels come after", known(latest.label_age_s, length)));
    facts.push(fact("window", from));
    facts.extend((aucs.len() > 1).then_some(windows));
    flowed(facts, columns)
}

/// Signals and alerts.
pub(in crate::cli::live) fn drifting(view: &View, columns: usize, limits: Limits) -> Vec<Line> {
    let mut lines = vec![title("Is it drifting?", columns)];
    let summary = row();
    lines.push(match view.alerts.first() {
        Some(oldest) => {
            let (n, since) = (view.alerts.len(), date(oldest.since));
            let are = if n == 1 { "alert is" } else { "alerts are" };
            summary.and(Tone::Warn, format!("{n} {are} open")).and(Tone::Plain, format!(", the oldest since {since}"))
        }
        None if view.model.version.is_none() => summary.and(Tone::Faint, "nothing is known of alerts"),
        None => summary.and(Tone::Good, "no alert is open"),
    });
    let is_judged = view.signals.iter().any(|signal| signal.effect_ratio.is_some());
    let is_clear = is_judged || (limits.terse && !view.alerts.is_empty());
    if !is_clear {
        let monitors = view.processes.iter().any(|process| process.roles.iter().any(|role| role == "monitor"));
        let why = match view.model.version {
            Some(0) => "there is no model yet to measure against",
            _ if monitors && view.alerts.is_empty() => "no window has been judged against this model yet",
            _ => "no active monitor answers: distances are not known",
        };
        lines.push(row().and(Tone::Faint, why));
    }
    if view.signals.is_empty() {
        return lines;
    }
    let name_room = if columns >= 90 { 40 } else { 28 };
    let room = columns.saturating_sub(name_room + 20).min(60);
    let over = "by window, ▅ and higher is over";
    let header = format!("{:<name_room$}{:>10}  {:<6}{over}", "signal", "threshold×", "");
    if !limits.terse {
        lines.push(row().and(Tone::Faint, header));
    }
    let shown = limits.signals.min(view.signals.len());
    for signal in view.signals.iter().take(shown) {
        let alert = view.alerts.iter().find(|alert| alert.signal == signal.signal);
        lines.push(of_signal(signal, alert, &Room { name: name_room, curve: room }));
    }
    let rest = view.signals.get(shown..).unwrap_or_default();
    if !rest.is_empty() {
        let open = rest.iter().filter(|signal| signal.open).count();
        let farthest = rest.iter().filter_map(|signal| signal.effect_ratio).fold(0.0, f64::max);
        let what = format!("and {} more, {open} of them open, at most {farthest:.2}×", rest.len());
        lines.push(row().and(Tone::Faint, what));
    }
    lines
}

struct Room {
    name: usize,
    curve: usize,
}

fn of_signal(signal: &SignalView, alert: Option<&AlertView>, room: &Room) -> Line {
    let ratio = signal.effect_ratio.or_else(|| Some(alert?.effect? / alert?.threshold.filter(|least| *least > 0.0)?));
    let tone = if signal.open { Tone::Warn } else { Tone::Plain };
    let mut line = row();
    line.push(tone, format!("{:<width$}", shorten(&signal.signal, room.name - 1, End::Middle), width = room.name));
    // Performance is no distance from a reference, so it has no share of a threshold.
    let figure = match (signal.signal.as_str(), alert) {
        ("performance", Some(alert)) => known(alert.value, |value| format!("{} {value:.3}", alert.statistic)),
        _ => known(ratio, |ratio| format!("{ratio:.2}×")),
    };
    line.push(tone, format!("{figure:>10}  "));
    line.push(tone, if signal.open { "OPEN  " } else { "      " });
    if signal.history.iter().any(Option::is_some) {
        line.push(tone, curve(&signal.history, room.curve, TWICE));
    }
    line
}

/// Trainings and decisions.
pub(in crate::cli::live) fn done(view: &View, columns: usize, limits: Limits) -> Vec<Line> {
    let mut lines = vec![title("What was done?", columns)];
    let trainings = &view.trainings;
    let mut line = row();
    match (trainings.open, &trainings.asked) {
        (Some(open), Some(asked)) if open > 0 => {
            let reason = asked.reason.unwrap_or("a reason unknown");
            line.push(Tone::Strong, format!("a training is running, for {reason}"));
        }
        (_, Some(asked)) if !asked.answered => {
            line.push(
                Tone::Warn,
                format!("a training is asked for, for {}", asked.reason.unwrap_or("a reason unknown")),
            );
        }
        (None, _) => line.push(Tone::Faint, "no process asked runs the retrain role"),
        _ => line.push(Tone::Plain, "no training is running"),
    }
    let (registered, failed) = (trainings.registered, trainings.failed);
    line.push(Tone::Faint, format!("; {registered} candidates registered, {failed} trainings failed"));
    lines.push(line);
    lines.extend(view.decisions.iter().take(limits.decisions).map(of_decision));
    let rest = view.decisions.len().saturating_sub(limits.decisions);
    if rest > 0 {
        lines.push(row().and(Tone::Faint, "earlier ones: `driftless models list`"));
    }
    lines
}

fn of_decision(decision: &DecisionView) -> Line {
    let tone = match decision.command {
        "promoted" | "unfrozen" => Tone::Good,
        "refused" | "rolled_back" | "frozen" => Tone::Warn,
        "training_failed" => Tone::Bad,
        _ => Tone::Plain,
    };
    let what = decision.command.replace('_', " ");
    let line = row().and(Tone::Faint, date(decision.at)).and(Tone::Plain, "  ");
    let line = line.and(tone, format!("{what:<16}")).and(Tone::Strong, format!("v{:<4}", decision.version));
    let line = if decision.void { line.and(Tone::Warn, "void: ") } else { line };
    match &decision.setting {
        Some(setting) => line.and(Tone::Plain, format!("{}: {setting}: {}", decision.by, decision.why)),
        None => line.and(Tone::Plain, format!("{}: {}", decision.by, decision.why)),
    }
}
