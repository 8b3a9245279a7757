//! What the configured windows compile to: tracks, shared by every feature that reads the same records.
//!
//! Windows of one source, grouping and shape are one track, whatever they aggregate: a ring of panes, the latest
//! sessions, or one bundle for everything. A slot of a grouping holds all its tracks in one run of words, so what a group
//! costs is known beforehand:
//!
//! | words | what |
//! |---|---|
//! | state, epochs, key | the slot itself ([`super::slots`]) |
//! | touched, last times | latest event time of the group, latest record of each source |
//! | heads | of each track what tells where its data is |
//! | closed | of each ring its closed panes put together: kept for speed, no state |
//! | data | panes, sessions, bundles |

use super::cells::{Bundle, CellKind};
use super::filled::Filled;
use super::reading::Statistic;
use super::slots::{KEY_END, LINE};
use crate::data::Span;
use crate::data::params::{Aggregate, FeatureParams, FieldColumn, Source, TextIndex, WindowKind, WindowSpec};

/// Word of the latest event time of the group.
pub(super) const TOUCHED: usize = KEY_END;

/// Records of one source that some features read.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub source: Source,
    /// Position of the source among the grouping's sources.
    pub source_index: usize,
    /// Word of the latest time of the source.
    pub last: usize,
    pub shape: Shape,
    pub bundle: Bundle,
    /// A bundle without records.
    pub empty: Vec<u64>,
    /// First word of its head.
    pub head: usize,
    /// First word of its closed panes put together.
    pub closed: usize,
    /// First word of its data.
    pub start: usize,
    /// What is read with the event in.
    pub now: Vec<Output>,
    /// What is read before the event comes in.
    pub past: Vec<Output>,
}

/// How a track divides its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Panes(Panes),
    Session { gap: i64, is_completed: bool },
    Ever { half_life: Option<i64> },
}

/// A ring of panes, all in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panes {
    pub pane: i64,
    pub offset: i64,
    /// How long before the event the window ends.
    pub delay: i64,
    /// Panes of the window.
    pub count: i64,
    /// 1 where the pane in which the window ends is left out, as it is not over or not old enough.
    pub lag: i64,
    /// Panes kept.
    pub capacity: i64,
    /// The window ends in the newest pane of the group.
    pub ends_at_latest: bool,
}

/// Words of a ring's head beside the bits: the newest pane, the pane for which closed ones are put together, and the
/// filled panes.
pub(super) const RING_HEAD: usize = 3;

/// Sessions kept of each group.
pub(super) const SESSIONS: usize = 4;

/// A feature read from a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// Position among everything computed.
    pub feature: usize,
    pub statistic: Statistic,
}

/// A feature that is the time since the group's last record of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct SinceLast {
    pub feature: usize,
    /// Position among the grouping's sources.
    pub source: usize,
    /// Word of the latest time of the source.
    pub last: usize,
    /// How far back the latest record is remembered, in milliseconds.
    pub span: i64,
    /// 0 for an event that is not the latest, where otherwise it is missing.
    pub ends_at_latest: bool,
}

/// Everything kept for one grouping.
#[derive(Clone, Debug)]
pub(super) struct GroupPlan {
    /// Text columns of the event that make up the key, beyond the record key.
    pub key_fields: Vec<TextIndex>,
    pub tracks: Vec<Track>,
    pub since_last: Vec<SinceLast>,
    /// Sources whose last time is kept.
    pub sources: Vec<Source>,
    /// Where the words end that are saved whole when a slot changes.
    pub header: usize,
    /// Where the data of the tracks begins.
    pub data: usize,
    /// Words of a slot.
    pub width: usize,
    /// How long a value can matter: the longest reach of the grouping; `None` for ever.
    pub reach: Option<Span>,
    /// Windows over follow-ups are among them.
    pub takes_follow_ups: bool,
}

impl Panes {
    /// Words of a ring's head.
    pub(super) fn head_words(&self) -> usize {
        RING_HEAD + Filled::words_of(self.capacity)
    }
}

impl Track {
    /// Words of the head.
    pub(super) fn head_words(&self) -> usize {
        match self.shape {
            Shape::Panes(panes) => panes.head_words(),
            Shape::Session { .. } | Shape::Ever { .. } => 1,
        }
    }

    /// Words of the data.
    pub(super) fn data_words(&self) -> usize {
        match self.shape {
            Shape::Panes(panes) => panes.capacity as usize * self.bundle.stride,
            Shape::Session { .. } => SESSIONS * (2 + self.bundle.stride),
            Shape::Ever { .. } => self.bundle.stride,
        }
    }
}

impl GroupPlan {
    /// Compiles the windows of grouping `index`.
    pub(super) fn new(params: &FeatureParams, index: usize, key_fields: Vec<TextIndex>) -> Self {
        let mut plan = GroupPlan {
            key_fields,
            tracks: Vec::new(),
            since_last: Vec::new(),
            sources: Vec::new(),
            header: 0,
            data: 0,
            width: 0,
            reach: Some(Span::default()),
            takes_follow_ups: false,
        };
        let first_window = params.fields.len();
        for (position, window) in params.windows.iter().enumerate().filter(|(_, window)| window.grouping == index) {
            let feature = first_window + position;
            let source = plan.source(window.of);
            plan.takes_follow_ups |= window.of != Source::Events;
            plan.reach = plan.reach.zip(window.reach()).map(|(a, b)| a.max(b));
            if let Aggregate::SinceLast = window.aggregate {
                let span = window.reach().map_or(i64::MAX, Span::millis);
                let ends_at_latest = window.ends_at_latest;
                plan.since_last.push(SinceLast { feature, source, last: 0, span, ends_at_latest });
                continue;
            }
            let track = plan.track(source, Shape::of(window));
            let statistic = statistic(window, &mut track.bundle);
            let outputs = if window.is_past { &mut track.past } else { &mut track.now };
            outputs.push(Output { feature, statistic });
        }
        plan.lay_out();
        plan
    }

    fn lay_out(&mut self) {
        let sources = TOUCHED + 1;
        let mut next = sources + self.sources.len();
        for since in &mut self.since_last {
            since.last = sources + since.source;
        }
        for track in &mut self.tracks {
            track.last = sources + track.source_index;
            track.head = next;
            next += track.head_words();
            track.empty = vec![0; track.bundle.stride];
            track.bundle.clear(&mut track.empty);
        }
        self.header = next;
        for track in self.tracks.iter_mut().filter(|track| matches!(track.shape, Shape::Panes(_))) {
            track.closed = next;
            next += track.bundle.stride;
        }
        self.data = next;
        for track in &mut self.tracks {
            next = next.next_multiple_of(LINE);
            track.start = next;
            next += track.data_words();
        }
        self.width = next.next_multiple_of(LINE);
    }

    fn source(&mut self, of: Source) -> usize {
        if let Some(position) = self.sources.iter().position(|source| *source == of) {
            return position;
        }
        self.sources.push(of);
        self.sources.len() - 1
    }

    fn track(&mut self, source_index: usize, shape: Shape) -> &mut Track {
        let same = |track: &Track| track.source_index == source_index && track.shape == shape;
        let found = self.tracks.iter().position(same).unwrap_or_else(|| {
            self.tracks.push(Track {
                source: self.sources[source_index],
                source_index,
                last: 0,
                shape,
                bundle: Bundle::new(),
                empty: Vec::new(),
                head: 0,
                closed: 0,
                start: 0,
                now: Vec::new(),
                past: Vec::new(),
            });
            self.tracks.len() - 1
        });
        &mut self.tracks[found]
    }
}

impl Shape {
    fn of(window: &WindowSpec) -> Self {
        let panes = |pane: i64, count: i64, offset: Span, delay: Span, is_over: bool| {
            let pane = pane.max(1);
            let (delay, lag) = (delay.millis(), i64::from(is_over));
            let behind = delay / pane + i64::from(delay % pane != 0);
            let capacity = count + lag + behind;
            let (offset, ends_at_latest) = (offset.millis(), window.ends_at_latest);
            Shape::Panes(Panes { pane, offset, delay, count, lag, capacity, ends_at_latest })
        };
        match window.kind {
            WindowKind::Sliding { span, panes: count, delay } => {
                let count = i64::from(count.max(1));
                // What is delayed ends at a boundary: a pane that goes on holds what is not old enough.
                panes(span.millis() / count, count, Span::default(), delay, delay != Span::default())
            }
            WindowKind::Tumbling { span, every, offset, delay, is_completed } => {
                let count = (span.millis() / every.millis().max(1)).max(1);
                panes(every.millis(), count, offset, delay, is_completed || delay != Span::default())
            }
            WindowKind::Session { gap, is_completed } => Shape::Session { gap: gap.millis(), is_completed },
            WindowKind::Ever { half_life } => Shape::Ever { half_life: half_life.map(Span::millis) },
        }
    }
}

/// What a window reads, its cell added to the bundle.
fn statistic(window: &WindowSpec, bundle: &mut Bundle) -> Statistic {
    let mut cell = |kind, column| bundle.cell(kind, column);
    let number = FieldColumn::Number;
    match window.aggregate {
        Aggregate::Count => Statistic::Count,
        Aggregate::Rate => Statistic::Rate { per_hour: per_hour(window.kind) },
        Aggregate::Sum(of) => Statistic::Sum(cell(CellKind::Basic, number(of))),
        Aggregate::Mean(of) => Statistic::Mean(cell(CellKind::Basic, number(of))),
        Aggregate::Max(of) => Statistic::Max(cell(CellKind::Basic, number(of))),
        Aggregate::Ratio(of) => Statistic::Ratio(cell(CellKind::Basic, number(of)), of),
        Aggregate::Variance(of) => Statistic::Variance(cell(CellKind::Moments, number(of))),
        Aggregate::Std(of) => Statistic::Std(cell(CellKind::Moments, number(of))),
        Aggregate::Min(of) => Statistic::Min(cell(CellKind::Min, number(of))),
        Aggregate::First(of) => Statistic::First(cell(CellKind::First, number(of))),
        Aggregate::Last(of) => Statistic::Last(cell(CellKind::Last, number(of))),
        Aggregate::Quantile { of, share } => {
            Statistic::Quantile(cell(CellKind::Quantile, number(of)), f64::from(share) / 10_000.0)
        }
        Aggregate::Distinct(of) => Statistic::Distinct(cell(CellKind::Distinct, of)),
        Aggregate::TopShare(of) => Statistic::TopShare(cell(CellKind::Top, of)),
        Aggregate::IsTop(of) => Statistic::IsTop(cell(CellKind::Top, of), of),
        Aggregate::Duration | Aggregate::SinceLast => Statistic::Duration,
    }
}

/// What a count is multiplied by to become a rate. A window that fades holds at a steady rate what came in half_life / ln 2.
fn per_hour(kind: WindowKind) -> f64 {
    let ms = match kind {
        WindowKind::Sliding { span, .. } | WindowKind::Tumbling { span, .. } => span.millis() as f64,
        WindowKind::Ever { half_life } => {
            half_life.map_or(f64::NAN, |half| half.millis() as f64) / core::f64::consts::LN_2
        }
        WindowKind::Session { .. } => f64::NAN,
    };
    3_600_000.0 / ms
}
