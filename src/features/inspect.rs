//! The windows behind the features of one event, laid open: pane by pane, with the readings taken from them.
//!
//! It shows what [`Features::event`] is about to do and changes nothing: the event's groups are copied, and the copies
//! take the event in.

use super::group::Group;
use super::rows::EventRow;
use super::slot::Slot;
use super::{Features, group_key};
use crate::data::Timestamp;
use crate::data::params::{NumberIndex, Source, TextIndex};

/// The windows of one grouping, as an event reads them.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupLook {
    /// Text columns of the event that name the group beside its key.
    pub key_fields: Vec<TextIndex>,
    /// Whether the event is the first of its group.
    pub is_new: bool,
    /// Its windows with panes.
    pub windows: Vec<WindowLook>,
    /// Features that are the time since the latest record.
    pub since_last: Vec<SinceLook>,
}

/// One ring of panes.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowLook {
    /// What it is over.
    pub of: Source,
    /// Where it begins: the start of its oldest pane.
    pub from: Timestamp,
    /// Where its newest pane, which holds the event, ends.
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
    /// Records in it.
    pub count: u64,
    /// The fields that are aggregated.
    pub fields: Vec<FieldLook>,
}

/// One field of a pane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldLook {
    /// Number column of the source.
    pub column: NumberIndex,
    /// Records that have it.
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
    /// Position in the layout.
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
            group.inspect(&key, &event, self.width)
        };
        self.groups.iter().map(&mut look).collect()
    }
}

impl Group {
    fn inspect(&self, key: &[u8], event: &EventRow<'_>, width: usize) -> GroupLook {
        let held = self.slot(key);
        let last = |source: usize| held.and_then(|slot| slot.last(source));
        let mut copy = self.only(key);
        let mut row = vec![f64::NAN; width];
        copy.event(key, event, &mut row);
        let new = Slot::new(&self.plan);
        let slot = copy.slot(key).unwrap_or(&new);
        let look = |feature: usize| FeatureLook { feature, value: row.get(feature).copied().filter(|x| !x.is_nan()) };
        let windows = self.plan.rings.iter().map(|ring| {
            let whole = ring.source == Source::Events || last(ring.last).is_none_or(|last| last < event.at);
            let newest = event.at.interval(ring.pane);
            let start = |pane: i64| Timestamp::from_millis(pane.saturating_mul(ring.pane.millis()));
            let panes = slot.panes(ring, event.at).map(|(pane, cells)| PaneLook {
                from: start(pane),
                to: start(pane + 1),
                is_read: whole || pane != newest,
                count: cells.first().map_or(0, |count| *count as u64),
                fields: ring
                    .fields
                    .iter()
                    .zip(cells.get(1..).unwrap_or_default().chunks_exact(3))
                    .map(|(column, cells)| FieldLook {
                        column: *column,
                        known: cells[0] as u64,
                        sum: cells[1],
                        max: (cells[0] > 0.0).then_some(cells[2]),
                    })
                    .collect(),
            });
            WindowLook {
                of: ring.source,
                from: start(newest - ring.panes as i64 + 1),
                to: start(newest + 1),
                panes: panes.collect(),
                readings: ring.outputs.iter().map(|output| look(output.feature)).collect(),
            }
        });
        let windows = windows.collect();
        let of = |source: usize| self.plan.sources.get(source).copied().unwrap_or(Source::Events);
        let since_last = self.plan.since_last.iter().map(|since| SinceLook {
            of: of(since.source),
            last: last(since.source),
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
