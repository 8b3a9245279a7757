//! `[[features.windows]]`: which records a window holds, and what may be computed over them.

use super::range::{positive, whole};
use crate::config::error::Problem;
use crate::config::raw::{RawEnds, RawWhich, RawWindow, RawWindowKind};
use crate::data::Span;
use crate::data::params::{Aggregate, Source, WindowKind};

/// A window with the part it plays in a feature's name.
pub(super) struct NamedKind {
    pub kind: WindowKind,
    pub name: String,
}

const DEFAULT_PANES: u32 = 12;

/// The windows of one table: one per span where it has spans.
pub(super) fn kinds(key: &str, raw: &RawWindow) -> Result<Vec<NamedKind>, Problem> {
    refuse_others(key, raw)?;
    let mut kinds = match raw.kind {
        RawWindowKind::Sliding => sliding(key, raw)?,
        RawWindowKind::Tumbling => tumbling(key, raw)?,
        RawWindowKind::Session => {
            let Some(gap) = raw.gap else {
                return Err(Problem::new(
                    format!("{key}.gap"),
                    "missing; write the longest pause within a session, such as `\"30m\"`",
                ));
            };
            let gap = positive(&format!("{key}.gap"), gap)?;
            let is_completed = raw.which == Some(RawWhich::Completed);
            let name = if is_completed { format!("session_{gap}_completed") } else { format!("session_{gap}") };
            vec![NamedKind { kind: WindowKind::Session { gap, is_completed }, name }]
        }
        RawWindowKind::Ever => {
            let half_life = raw.half_life.map(|half| positive(&format!("{key}.half_life"), half)).transpose()?;
            let name = half_life.map_or("ever".to_owned(), |half| format!("half_life_{half}"));
            vec![NamedKind { kind: WindowKind::Ever { half_life }, name }]
        }
    };
    for named in &mut kinds {
        if !raw.includes_event {
            named.name.push_str("_before");
        }
        if raw.ends == RawEnds::Latest {
            named.name.push_str("_latest");
        }
    }
    Ok(kinds)
}

fn sliding(key: &str, raw: &RawWindow) -> Result<Vec<NamedKind>, Problem> {
    let panes = whole(&format!("{key}.panes"), raw.panes.unwrap_or(DEFAULT_PANES), 1..=1_000)?;
    let delay = raw.delay.unwrap_or_default();
    let spans = spans(key, raw)?;
    let mut kinds = Vec::new();
    for (position, span) in spans.iter().enumerate() {
        if span.millis() % i64::from(panes) != 0 {
            let message = format!(
                "`{span}` cannot be cut into {panes} equal pieces of whole milliseconds; change the span or `{key}.panes`"
            );
            return Err(Problem::new(format!("{key}.spans[{position}]"), message));
        }
        let pane = span.millis() / i64::from(panes);
        if delay.millis() / pane > 10_000 {
            let message =
                format!("`{delay}` is more than 10000 panes of `{span}` in {panes}; write fewer `{key}.panes`");
            return Err(Problem::new(format!("{key}.delay"), message));
        }
        let name = if delay == Span::default() { span.to_string() } else { format!("{span}_delay_{delay}") };
        kinds.push(NamedKind { kind: WindowKind::Sliding { span: *span, panes, delay }, name });
    }
    Ok(kinds)
}

fn tumbling(key: &str, raw: &RawWindow) -> Result<Vec<NamedKind>, Problem> {
    let is_completed = raw.which == Some(RawWhich::Completed);
    let offset = raw.offset.unwrap_or_default();
    let mut kinds = Vec::new();
    for (position, span) in spans(key, raw)?.iter().enumerate() {
        let every = positive(&format!("{key}.every"), raw.every.unwrap_or(*span))?;
        if span.millis() % every.millis() != 0 || span.millis() / every.millis() > 1_000 {
            let message =
                format!("`{span}` must be a multiple of `{key}.every`, which is `{every}`, at most 1000 times");
            return Err(Problem::new(format!("{key}.spans[{position}]"), message));
        }
        if offset >= every {
            let message = format!("`{offset}` must be shorter than the step of the grid, which is `{every}`");
            return Err(Problem::new(format!("{key}.offset"), message));
        }
        let which = if is_completed { "completed" } else { "current" };
        let name = if every == *span { format!("{span}_{which}") } else { format!("{span}_every_{every}_{which}") };
        let kind = WindowKind::Tumbling { span: *span, every, offset, delay: Span::default(), is_completed };
        kinds.push(NamedKind { kind, name });
    }
    Ok(kinds)
}

fn spans(key: &str, raw: &RawWindow) -> Result<Vec<Span>, Problem> {
    let key = format!("{key}.spans");
    if raw.spans.is_empty() {
        return Err(Problem::new(key, "missing; write lengths of time, such as `[\"1h\", \"1d\"]`"));
    }
    for (position, span) in raw.spans.iter().enumerate() {
        positive(&format!("{key}[{position}]"), *span)?;
    }
    Ok(raw.spans.clone())
}

/// Keys that say nothing about windows of this kind.
fn refuse_others(key: &str, raw: &RawWindow) -> Result<(), Problem> {
    use RawWindowKind::{Ever, Session, Sliding, Tumbling};
    let set: [(&str, bool, &[RawWindowKind]); 9] = [
        ("spans", !raw.spans.is_empty(), &[Sliding, Tumbling]),
        ("panes", raw.panes.is_some(), &[Sliding]),
        ("delay", raw.delay.is_some(), &[Sliding]),
        ("every", raw.every.is_some(), &[Tumbling]),
        ("offset", raw.offset.is_some(), &[Tumbling]),
        ("which", raw.which.is_some(), &[Tumbling, Session]),
        ("gap", raw.gap.is_some(), &[Session]),
        ("half_life", raw.half_life.is_some(), &[Ever]),
        ("ends", raw.ends != RawEnds::Event, &[Sliding, Tumbling, Ever]),
    ];
    for (name, is_set, kinds) in set {
        if is_set && !kinds.contains(&raw.kind) {
            let message =
                format!("says nothing about a window with `{key}.kind` = `{}`; leave it out", raw.kind.name());
            return Err(Problem::new(format!("{key}.{name}"), message));
        }
    }
    let over_events = raw.of == "events";
    let refuse = |name: &str, message: &str| Err(Problem::new(format!("{key}.{name}"), message));
    if raw.kind == Session && !over_events {
        return refuse("of", "a session is over `events`; write another `kind` for follow-ups");
    }
    let is_past = raw.delay.is_some() || raw.which == Some(RawWhich::Completed);
    if !raw.includes_event && (!over_events || is_past) {
        return refuse("includes_event", "the window does not hold the event anyway; leave it out");
    }
    if raw.ends == RawEnds::Latest && !over_events {
        return refuse("ends", "`latest` would show an event what became known after it; only `events` can end there");
    }
    if raw.ends == RawEnds::Latest && is_past {
        return refuse("ends", "`latest` is for windows that go on, without `delay` and not `completed`");
    }
    Ok(())
}

/// Whether an aggregate can be computed over a window.
pub(super) fn fits(key: &str, text: &str, aggregate: Aggregate, of: Source, kind: WindowKind) -> Result<(), Problem> {
    let refuse = |message: &str| Err(Problem::new(key, format!("`{text}` {message}")));
    let is_session = matches!(kind, WindowKind::Session { .. });
    match aggregate {
        Aggregate::Duration if !is_session => refuse("is for sessions; write `kind = \"session\"`"),
        Aggregate::Rate if is_session => refuse("needs a length of time, which a session has not; write `count`"),
        Aggregate::Rate if kind == (WindowKind::Ever { half_life: None }) => {
            refuse("needs a length of time; write `half_life` or another `kind`")
        }
        Aggregate::Ratio(_) | Aggregate::IsTop(_) if of != Source::Events => {
            refuse("compares the event's own value with a window over `events`; write `of = \"events\"`")
        }
        Aggregate::SinceLast if !matches!(kind, WindowKind::Sliding { .. } | WindowKind::Ever { half_life: None }) => {
            refuse(
                "looks back over a sliding window, or for ever; write `kind = \"sliding\"` or `\"ever\"` without `half_life`",
            )
        }
        Aggregate::SinceLast if matches!(kind, WindowKind::Sliding { delay, .. } if delay != Span::default()) => {
            refuse("looks back from the event; leave `delay` out")
        }
        Aggregate::Min(_)
        | Aggregate::Max(_)
        | Aggregate::First(_)
        | Aggregate::Last(_)
        | Aggregate::Quantile { .. }
        | Aggregate::Distinct(_)
        | Aggregate::TopShare(_)
        | Aggregate::IsTop(_)
            if matches!(kind, WindowKind::Ever { half_life: Some(_) }) =>
        {
            refuse("cannot fade; leave `half_life` out")
        }
        _ => Ok(()),
    }
}
