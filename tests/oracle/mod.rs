//! What windows hold, found by going through every record for every event.

use driftless::config::Config;
use driftless::data::params::{Aggregate, FieldColumn, Source, WindowKind, WindowSpec};

/// An event as it came.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub card: String,
    pub place: Option<String>,
    pub at: i64,
    /// NaN where it is missing.
    pub amount: f64,
    pub kind: Option<String>,
}

pub(crate) fn raw(card: &str) -> Raw {
    Raw { card: card.to_owned(), place: Some("place1".to_owned()), at: 0, amount: 1.0, kind: None }
}

/// A record of a window: when, its number, its text.
#[derive(Clone, Debug)]
struct Entry {
    at: i64,
    value: f64,
    text: Option<String>,
    weight: f64,
}

/// What a feature has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Missing,
    Exactly(f64),
    /// Sums in another order.
    About(f64),
    /// A relative error that the sketch promises.
    Within(f64, f64),
}

impl Expected {
    pub(crate) fn agrees(self, found: f64) -> bool {
        match self {
            Expected::Missing => found.is_nan(),
            Expected::Exactly(x) => found == x,
            Expected::About(x) => (found - x).abs() <= 1e-9 * (1.0 + x.abs()),
            Expected::Within(x, error) => (found - x).abs() <= error * x.abs() + 1e-12,
        }
    }
}

#[derive(Clone, Default)]
struct Seen {
    events: Vec<Raw>,
    /// Position of the event, known-at time, value.
    follow_ups: Vec<(usize, i64, f64)>,
}

pub(crate) struct Oracle {
    windows: Vec<WindowSpec>,
    /// Whether a grouping has the place in it.
    by_place: Vec<bool>,
    seen: Seen,
    committed: Seen,
}

impl Oracle {
    pub(crate) fn new(config: &Config) -> Self {
        Oracle {
            windows: config.features.windows.clone(),
            by_place: config.features.groupings.iter().map(|grouping| !grouping.fields.is_empty()).collect(),
            seen: Seen::default(),
            committed: Seen::default(),
        }
    }

    pub(crate) fn events(&self) -> usize {
        self.seen.events.len()
    }

    pub(crate) fn commit(&mut self) {
        self.committed = self.seen.clone();
    }

    pub(crate) fn rollback(&mut self) {
        self.seen = self.committed.clone();
    }

    pub(crate) fn follow_up(&mut self, of: usize, at: i64, fraud: f64) {
        self.seen.follow_ups.push((of, at, fraud));
    }

    /// Takes an event in; what its features have to be.
    pub(crate) fn event(&mut self, raw: &Raw) -> Vec<Expected> {
        self.seen.events.push(raw.clone());
        self.windows.iter().map(|window| self.window(window, raw)).collect()
    }

    fn window(&self, window: &WindowSpec, own: &Raw) -> Expected {
        let by_place = self.by_place[window.grouping];
        let is_of_group = |raw: &Raw| raw.card == own.card && (!by_place || raw.place == own.place);
        let entry = |raw: &Raw, at: i64, value: f64| {
            is_of_group(raw).then(|| Entry { at, value, text: raw.kind.clone(), weight: 1.0 })
        };
        let mut entries: Vec<Entry> = match window.of {
            Source::Events => self.seen.events.iter().filter_map(|raw| entry(raw, raw.at, raw.amount)).collect(),
            Source::Kind(_) => {
                let of = |(of, at, fraud): &(usize, i64, f64)| entry(&self.seen.events[*of], *at, *fraud);
                self.seen.follow_ups.iter().filter_map(of).collect()
            }
        };
        let is_event = window.of == Source::Events;
        let is_since_last = window.aggregate == Aggregate::SinceLast;
        if is_event && (window.is_past || is_since_last) {
            entries.pop();
        }
        if is_since_last {
            return since_last(window, own, &entries);
        }
        let latest = entries.iter().map(|entry| entry.at).max();
        // What became known at the time of the event or later.
        let is_whole = is_event || latest.is_none_or(|latest| latest < own.at);
        let mut duration = f64::NAN;
        match window.kind {
            WindowKind::Sliding { span, panes, delay } => {
                let pane = span.millis() / i64::from(panes);
                let grid =
                    Grid { pane, offset: 0, count: i64::from(panes), delay: delay.millis(), lag: delay.millis() > 0 };
                grid.keep(&mut entries, own, window, is_whole);
            }
            WindowKind::Tumbling { span, every, offset, is_completed, .. } => {
                let pane = every.millis();
                let count = span.millis() / pane;
                let grid = Grid { pane, offset: offset.millis(), count, delay: 0, lag: is_completed };
                grid.keep(&mut entries, own, window, is_whole);
            }
            WindowKind::Session { gap, is_completed } => {
                duration = session(&mut entries, own, gap.millis(), is_completed);
            }
            WindowKind::Ever { half_life } => {
                if !is_whole {
                    return Expected::Missing;
                }
                let as_of = latest.unwrap_or(own.at).max(own.at);
                for entry in &mut entries {
                    let age = (as_of - entry.at) as f64;
                    entry.weight = half_life.map_or(1.0, |half| libm::exp2(-age / half.millis() as f64));
                }
            }
        }
        if window.aggregate == Aggregate::Duration {
            return if duration.is_nan() { Expected::Missing } else { Expected::Exactly(duration) };
        }
        aggregate(window, own, &entries)
    }
}

struct Grid {
    pane: i64,
    offset: i64,
    count: i64,
    delay: i64,
    lag: bool,
}

impl Grid {
    fn of(&self, at: i64) -> i64 {
        (at - self.offset).div_euclid(self.pane)
    }

    fn keep(&self, entries: &mut Vec<Entry>, own: &Raw, window: &WindowSpec, is_whole: bool) {
        // As many panes are kept behind the newest one that any record of the source has reached.
        let reached = entries.iter().map(|entry| self.of(entry.at)).max();
        let behind = (self.delay as u64).div_ceil(self.pane as u64) as i64;
        let kept = self.count + i64::from(self.lag) + behind;
        let mut end = self.of(own.at - self.delay);
        if window.ends_at_latest {
            end = end.max(reached.unwrap_or(end));
        }
        let lag = i64::from(self.lag);
        entries.retain(|entry| {
            let pane = self.of(entry.at);
            let is_inside = pane > end - self.count - lag && pane <= end - lag;
            is_inside && (is_whole || pane != end) && reached.is_none_or(|reached| pane > reached - kept)
        });
    }
}

fn since_last(window: &WindowSpec, own: &Raw, entries: &[Entry]) -> Expected {
    let Some(latest) = entries.iter().map(|entry| entry.at).max() else { return Expected::Missing };
    let ms = own.at - latest;
    let WindowKind::Sliding { span, .. } = window.kind else { return Expected::Missing };
    let is_seen = ms <= span.millis() && (ms > 0 || ms == 0 && window.of == Source::Events);
    if is_seen { Expected::Exactly(ms as f64 / 1000.0) } else { Expected::Missing }
}

/// Keeps the session of the event, or the one before; its length in seconds.
fn session(entries: &mut Vec<Entry>, own: &Raw, gap: i64, is_completed: bool) -> f64 {
    let mut times: Vec<i64> = entries.iter().map(|entry| entry.at).collect();
    times.sort_unstable();
    let sessions: Vec<&[i64]> = times.chunk_by(|a, b| b - a <= gap).collect();
    let is_own = |session: &&&[i64]| session[0] <= own.at && own.at <= session[session.len() - 1];
    let is_over = |session: &&&[i64]| session[session.len() - 1] < own.at - gap;
    let found = if is_completed { sessions.iter().rfind(is_over) } else { sessions.iter().find(is_own) };
    let Some((first, last)) = found.map(|session| (session[0], session[session.len() - 1])) else {
        entries.clear();
        return f64::NAN;
    };
    entries.retain(|entry| first <= entry.at && entry.at <= last);
    (last - first) as f64 / 1000.0
}

fn aggregate(window: &WindowSpec, own: &Raw, entries: &[Entry]) -> Expected {
    let about = |x: f64| if x.is_nan() { Expected::Missing } else { Expected::About(x) };
    let of: Vec<&Entry> = entries.iter().filter(|entry| !entry.value.is_nan()).collect();
    let weight: f64 = of.iter().map(|entry| entry.weight).sum();
    let sum: f64 = of.iter().map(|entry| entry.weight * entry.value).sum();
    let count: f64 = entries.iter().map(|entry| entry.weight).sum();
    let mean = sum / weight;
    let squares: f64 = of.iter().map(|entry| entry.weight * (entry.value - mean) * (entry.value - mean)).sum();
    let is_weighted = matches!(window.kind, WindowKind::Ever { half_life: Some(_) });
    let variance = if is_weighted {
        squares / weight
    } else if of.len() > 1 {
        squares / (of.len() as f64 - 1.0)
    } else {
        f64::NAN
    };
    let exactly = |x: Option<f64>| x.map_or(Expected::Missing, Expected::Exactly);
    let mut sorted: Vec<f64> = of.iter().map(|entry| entry.value).collect();
    sorted.sort_by(f64::total_cmp);
    let earliest = of.iter().map(|entry| entry.at).min();
    let latest = of.iter().map(|entry| entry.at).max();
    match window.aggregate {
        Aggregate::Count if is_weighted => about(count),
        Aggregate::Count => Expected::Exactly(count),
        Aggregate::Rate => {
            let hours = match window.kind {
                WindowKind::Sliding { span, .. } | WindowKind::Tumbling { span, .. } => span.millis() as f64 / 3.6e6,
                WindowKind::Ever { half_life: Some(half) } => half.millis() as f64 / std::f64::consts::LN_2 / 3.6e6,
                _ => f64::NAN,
            };
            about(count / hours)
        }
        Aggregate::Sum(_) => Expected::About(sum),
        Aggregate::Mean(_) => about(mean),
        Aggregate::Variance(_) => about(variance),
        Aggregate::Std(_) => about(variance.sqrt()),
        Aggregate::Min(_) => exactly(sorted.first().copied()),
        Aggregate::Max(_) => exactly(sorted.last().copied()),
        Aggregate::First(_) => exactly(of.iter().find(|entry| Some(entry.at) == earliest).map(|entry| entry.value)),
        Aggregate::Last(_) => exactly(of.iter().rfind(|entry| Some(entry.at) == latest).map(|entry| entry.value)),
        Aggregate::Ratio(_) => {
            let ratio = own.amount / mean;
            if ratio.is_finite() { Expected::Within(ratio, 1e-6) } else { Expected::Missing }
        }
        Aggregate::Quantile { share, .. } => {
            if sorted.is_empty() {
                return Expected::Missing;
            }
            let rank = f64::from(share) / 1e4 * (sorted.len() - 1) as f64;
            // Amounts from -50 to 150 in cents may take bins of 16 %.
            Expected::Within(sorted[rank.floor() as usize], 0.16)
        }
        Aggregate::Distinct(column) => {
            let mut values: Vec<String> = entries.iter().filter_map(|entry| text(entry, column)).collect();
            values.sort();
            values.dedup();
            let n = values.len() as f64;
            if n <= 32.0 { Expected::Exactly(n) } else { Expected::Within(n, 0.25) }
        }
        Aggregate::TopShare(column) | Aggregate::IsTop(column) => {
            let values: Vec<String> = entries.iter().filter_map(|entry| text(entry, column)).collect();
            let frequency = |value: &String| values.iter().filter(|other| *other == value).count();
            let Some(most) = values.iter().map(frequency).max() else { return Expected::Missing };
            if let Aggregate::TopShare(_) = window.aggregate {
                return Expected::Exactly(most as f64 / values.len() as f64);
            }
            let own = own.kind.as_ref().map(frequency);
            exactly(own.map(|own| f64::from(u8::from(own == most))))
        }
        Aggregate::SinceLast | Aggregate::Duration => Expected::Missing,
    }
}

fn text(entry: &Entry, column: FieldColumn) -> Option<String> {
    match column {
        FieldColumn::Text(_) => entry.text.clone(),
        FieldColumn::Number(_) => (!entry.value.is_nan()).then(|| (entry.value + 0.0).to_string()),
    }
}
