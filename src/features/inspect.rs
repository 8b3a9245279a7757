//! The windows behind the features of one event, laid open: pane by pane, with the readings taken from them.
//!
//! It shows what [`Features::event`] is about to do and changes nothing: the event's groups are copied, and the copies
//! take the event in.

use super::block::Block;
use super::cells::{CellKind, get};
use super::group::{Group, Keyed, NO_SLOT};
use super::index::Key;
use super::plan::{Output, Shape, Track};
use super::ring::Ring;
use super::rows::EventRow;
use super::session::Sessions;
use super::track::last;
use super::{Features, group_key};
use crate::data::Timestamp;
use crate::data::params::{FieldColumn, NumberIndex, Source, TextIndex};

/// The windows of one grouping, as an event reads them.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupLook {
    /// Text columns of the event that name the group beside its key.
    pub key_fields: Vec<TextIndex>,
    /// Whether the event is the first of its group.
    pub is_new: bool,
    /// Its windows.
    pub windows: Vec<WindowLook>,
    /// Features that are the time since the latest record.
    pub since_last: Vec<SinceLook>,
}

/// One window: its panes, its sessions, or one piece for everything.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowLook {
    /// What it is over.
    pub of: Source,
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends, exclusive.
    pub to: Timestamp,
    /// The panes with anything in them, the oldest first; the event itself is in.
    pub panes: Vec<PaneLook>,
    /// What is read from them.
    pub readings: Vec<FeatureLook>,
}

/// One pane.
#[derive(Clone, Debug, PartialEq)]
pub struct PaneLook {
    /// Its start.
    pub from: Timestamp,
    /// Its end, exclusive.
    pub to: Timestamp,
    /// Whether it counts: the one that holds the event's time does not where it might hold what came to be known later.
    pub is_read: bool,
    /// Records in it, what is left of them where they fade, to the nearest whole number.
    pub count: u64,
    /// The fields that are aggregated.
    pub fields: Vec<FieldLook>,
}

/// One field of a pane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldLook {
    /// Number column of the source.
    pub column: NumberIndex,
    /// Records that have it, in the same way.
    pub known: u64,
    /// Their sum.
    pub sum: f64,
    /// The largest; `None` without any.
    pub max: Option<f64>,
}

/// The latest record of a source, and the feature made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SinceLook {
    /// What it is over.
    pub of: Source,
    /// When the latest record was; `None` without any.
    pub last: Option<Timestamp>,
    /// The feature.
    pub reading: FeatureLook,
}

/// A feature and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureLook {
    /// Position among everything computed.
    pub feature: usize,
    /// Its value; `None` where it is missing.
    pub value: Option<f64>,
}

impl Features {
    /// Shows the windows that an event is about to read, grouping by grouping.
    pub fn inspect(&self, event: EventRow<'_>) -> Vec<GroupLook> {
        let mut key = Vec::new();
        let mut look = |group: &Group| {
            group_key(&mut key, &group.plan, &event);
            group.inspect(&Key::new(&key), &event, self.block.width())
        };
        self.groups.iter().map(&mut look).collect()
    }
}

/// A piece of a window: its times, inclusive and exclusive, whether it counts, and its words.
struct Piece<'a> {
    from: i64,
    to: i64,
    is_read: bool,
    words: &'a [u64],
}

impl Group {
    fn inspect(&self, key: &Key<'_>, event: &EventRow<'_>, width: usize) -> GroupLook {
        let held = self.slot(key);
        let last_of = |word: usize| held.and_then(|slot| last(slot, word));
        let mut copy = self.only(key);
        let mut block = Block::new(width);
        let row = block.begin();
        copy.event(Keyed { key: *key, expected: NO_SLOT }, event, &mut block, row);
        let slot = copy.slot(key).unwrap_or_default();
        let look =
            |feature: usize| FeatureLook { feature, value: Some(block.get(feature, row)).filter(|x| !x.is_nan()) };
        let windows = self.plan.tracks.iter().filter(|_| !slot.is_empty()).map(|track| {
            let is_whole = track.source == Source::Events || last_of(track.last).is_none_or(|last| last < event.at);
            let (from, to, pieces) = track.pieces(slot, event.at, is_whole);
            let outputs = track.now.iter().chain(&track.past);
            WindowLook {
                of: track.source,
                from,
                to,
                panes: pieces.iter().map(|piece| track.look(piece)).collect(),
                readings: outputs.map(|Output { feature, .. }| look(*feature)).collect(),
            }
        });
        let windows = windows.collect();
        let of = |source: usize| self.plan.sources.get(source).copied().unwrap_or(Source::Events);
        let since_last = self.plan.since_last.iter().map(|since| SinceLook {
            of: of(since.source),
            last: last_of(since.last),
            reading: look(since.feature),
        });
        GroupLook {
            key_fields: self.plan.key_fields.clone(),
            is_new: held.is_none(),
            windows,
            since_last: since_last.collect(),
        }
    }
}

impl Track {
    /// Where the window of an event begins and ends, and what is in it.
    fn pieces<'a>(&'a self, slot: &'a [u64], at: Timestamp, is_whole: bool) -> (Timestamp, Timestamp, Vec<Piece<'a>>) {
        let time = Timestamp::from_millis;
        match self.shape {
            Shape::Panes(panes) => {
                let ring = Ring { track: self, panes };
                let start = |pane: i64| pane.saturating_mul(panes.pane).saturating_add(panes.offset);
                let (first, newest) = ring.window(slot, at);
                let pieces =
                    ring.held(slot).filter(|(pane, _)| (first..=newest).contains(pane)).map(|(pane, words)| {
                        let is_read = is_whole || panes.lag > 0 || pane != newest;
                        Piece { from: start(pane), to: start(pane.saturating_add(1)), is_read, words }
                    });
                let pieces: Vec<Piece<'a>> = pieces.collect();
                (time(start(first)), time(start(newest.saturating_add(1))), pieces)
            }
            Shape::Session { gap, is_completed } => {
                let held = Sessions { track: self, gap, is_completed }.held(slot);
                let is_own = |from: i64, to: i64| {
                    if is_completed { to < at.millis() - gap } else { from <= at.millis() && at.millis() <= to }
                };
                let own = held.into_iter().rfind(|(from, to, _)| is_own(*from, *to));
                let piece = own.map(|(from, to, words)| Piece { from, to: to.saturating_add(1), is_read: true, words });
                let ends = piece.as_ref().map_or((at.millis(), at.millis()), |piece| (piece.from, piece.to));
                (time(ends.0), time(ends.1), piece.into_iter().collect())
            }
            Shape::Ever { .. } => {
                let words = &slot[self.start..self.start + self.bundle.stride];
                let to = at.millis().saturating_add(1);
                (time(i64::MIN), time(to), vec![Piece { from: i64::MIN, to, is_read: is_whole, words }])
            }
        }
    }

    fn look(&self, piece: &Piece<'_>) -> PaneLook {
        let fields = self.bundle.cells.iter().filter_map(|cell| {
            let FieldColumn::Number(column) = cell.column else { return None };
            let own = &piece.words[cell.range()];
            let max = get(own, own.len() - 1);
            (cell.kind == CellKind::Basic).then(|| FieldLook {
                column,
                known: libm::round(get(own, 0)) as u64,
                sum: get(own, 1),
                max: max.is_finite().then_some(max),
            })
        });
        PaneLook {
            from: Timestamp::from_millis(piece.from),
            to: Timestamp::from_millis(piece.to),
            is_read: piece.is_read,
            count: libm::round(get(piece.words, 0)) as u64,
            fields: fields.collect(),
        }
    }
}
