//! Windowed features per group, in event time, and what is derived from them.
//!
//! An event updates the windows over events, itself included, and then reads all windows of its groups. A follow-up
//! (an outcome) updates windows at the moment it became known and is seen by events strictly after that moment: for an
//! event that comes late, when follow-ups known at or after its time are already in, the pane that holds its time is
//! left out of the reading, so an outcome can never reach an event that happened before it was known.
//!
//! What a group costs in memory is fixed by the configuration ([`plan`]), however many records it has; how many groups
//! there are is bounded by `max_keys`. Every change can be taken back until [`Features::commit`].

mod ahead;
mod block;
mod carry;
mod cells;
mod checkpoint;
mod derive;
mod encode;
mod ever;
mod filled;
mod group;
mod in_order;
mod index;
mod inspect;
mod near;
mod plan;
mod reading;
mod ring;
mod rows;
mod session;
mod sketch;
mod slots;
mod track;
mod visit;

use ahead::Ahead;
use block::Block;
pub use carry::{Carried, Former, FormerKind, Fresh};
use derive::Derivation;
use group::{Group, Keyed};
use index::Key;
pub use inspect::{FeatureLook, FieldLook, GroupLook, PaneLook, SinceLook, WindowLook};
use plan::GroupPlan;
pub use rows::{EventRow, FollowUpRow};

use crate::data::params::{Derived, FeatureParams, NumberIndex};
use crate::data::{BinaryError, Columns, Reader, Span, Table, Timestamp, Writer};

/// For each grouping that has windows over follow-ups, the slot of an event's group and which of the slot's groups it is; a
/// follow-up of the event goes there.
pub type Handles = Box<[u32]>;

/// Words of a handle.
const HANDLE: usize = 2;
/// Format of the encoded state; 2 has windows of all kinds.
const STATE_VERSION: u64 = 2;

/// What is counted beside the features; taken back with everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeatureCounts {
    /// Groups forgotten because there were too many.
    pub evicted: u64,
    /// Texts that were in none of the lists that derived features look them up in.
    pub unlisted: u64,
}

/// All windows of one shard.
#[derive(Clone, Debug)]
pub struct Features {
    fields: Vec<NumberIndex>,
    derived: Vec<Derived>,
    /// Where the features of the row are among everything computed; empty: they are everything.
    row: Vec<usize>,
    utc_offset: i64,
    width: usize,
    groups: Vec<Group>,
    /// Of each grouping, where the events of the batch are expected.
    ahead: Vec<Ahead>,
    counts: FeatureCounts,
    committed: FeatureCounts,
    /// Memory that is used again for every event.
    key: Vec<u8>,
    keys: Keys,
    /// The batch: what is computed of each event, and its row in the table and time.
    block: Block,
    rows: Vec<(usize, Timestamp)>,
    derivation: Derivation,
}

impl Features {
    /// Empty windows.
    pub fn new(params: &FeatureParams) -> Self {
        Features::of(params, |_| true, true)
    }

    /// Empty windows of the groupings that `is_computed` says yes to. One that completes the row derives the features that
    /// are computed from others, the values of other stages given; else everything that comes before these is the row.
    pub fn of(params: &FeatureParams, is_computed: impl Fn(usize) -> bool, completes: bool) -> Self {
        let groups = params.groupings.iter().enumerate().filter(|(index, _)| is_computed(*index));
        let groups: Vec<Group> = groups
            .map(|(index, grouping)| {
                Group::new(GroupPlan::new(params, index, grouping.fields.clone()), params.max_keys)
            })
            .collect();
        let derived = if completes { params.derived.clone() } else { Vec::new() };
        let row = if completes { params.row.clone() } else { Vec::new() };
        let n_computed = params.fields.len() + params.windows.len() + derived.len();
        Features {
            fields: params.fields.clone(),
            width: if row.is_empty() { n_computed } else { row.len() },
            derived,
            row,
            utc_offset: params.utc_offset,
            ahead: vec![Ahead::default(); groups.len()],
            groups,
            counts: FeatureCounts::default(),
            committed: FeatureCounts::default(),
            key: Vec::new(),
            keys: Keys::default(),
            block: Block::new(n_computed),
            rows: Vec::new(),
            derivation: Derivation::default(),
        }
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of groups held, over all groupings.
    pub fn groups(&self) -> usize {
        self.groups.iter().map(Group::len).sum()
    }

    /// Bytes that a group of each grouping takes, its key of up to 23 bytes and the index included.
    pub fn group_bytes(&self) -> Vec<usize> {
        // An index entry is 16 bytes and a control byte, in a table that is between 7/16 and 7/8 full.
        self.groups.iter().map(|group| group.plan.width * 8 + 32).collect()
    }

    /// What is counted beside the features.
    pub fn counts(&self) -> FeatureCounts {
        self.counts
    }

    /// Finds the groups of coming events and has their memory near. It changes nothing and can be left out.
    pub fn look_ahead<'a>(&mut self, events: &(impl Iterator<Item = EventRow<'a>> + Clone)) {
        for (group, ahead) in self.groups.iter_mut().zip(&mut self.ahead) {
            if group.plan.key_fields.is_empty() {
                ahead.look(group, events.clone().map(|event| (event.key, event.at)));
            } else {
                self.keys.clear();
                for event in events.clone() {
                    self.keys.push(&group.plan, &event);
                }
                ahead.look(group, self.keys.iter());
            }
        }
    }

    /// Takes an event in and appends its features to `columns` as a row, in layout order; NaN for missing.
    pub fn event(&mut self, event: EventRow<'_>, columns: &mut Columns) -> Handles {
        let handles = self.take(event, std::iter::empty());
        self.finish(event.table, columns);
        handles
    }

    /// Takes an event in, as the next row of the batch; with what other stages have computed: positions among everything
    /// computed, and values. All rows of a batch are of one table.
    pub fn take(&mut self, event: EventRow<'_>, given: impl Iterator<Item = (usize, f64)>) -> Handles {
        let row = self.block.begin();
        self.rows.push((event.row, event.at));
        let mut handles = Vec::new();
        for (group, ahead) in self.groups.iter_mut().zip(&mut self.ahead) {
            let key = if group.plan.key_fields.is_empty() {
                event.key
            } else {
                group_key(&mut self.key, &group.plan, &event);
                &self.key
            };
            let before = group.evicted;
            let of = Keyed { key: Key::new(key), expected: ahead.next() };
            let at = group.event(of, &event, &mut self.block, row);
            self.counts.evicted += group.evicted - before;
            if group.plan.takes_follow_ups {
                handles.extend(group.handle(at));
            }
        }
        for (position, known) in given {
            self.block.set(position, row, known);
        }
        handles.into()
    }

    /// A feature of a row of the batch that windows compute, by its position among everything computed; NaN for missing.
    pub fn windowed(&self, row: usize, position: usize) -> f64 {
        self.block.get(position, row)
    }

    /// Ends the batch: derives what is computed from fields and windows, and appends its rows to `columns` in layout
    /// order; NaN for missing.
    pub fn finish(&mut self, table: &Table, columns: &mut Columns) {
        for (feature, column) in self.fields.iter().enumerate() {
            let values = table.numbers(column.0);
            for (own, (row, _)) in self.block.feature_mut(feature).iter_mut().zip(&self.rows) {
                *own = values.get(*row).copied().unwrap_or(f64::NAN);
            }
        }
        let first = self.block.width() - self.derived.len();
        for (position, derived) in self.derived.iter().enumerate() {
            let inputs = derive::Inputs { table, rows: &self.rows, utc_offset: self.utc_offset, block: &self.block };
            self.counts.unlisted += self.derivation.run(&derived.steps, &inputs);
            self.derivation.put(self.block.feature_mut(first + position));
        }
        if self.row.is_empty() {
            columns.append((0..self.block.width()).map(|feature| self.block.feature(feature)));
        } else {
            columns.append(self.row.iter().map(|feature| self.block.feature(*feature)));
        }
        self.block.clear();
        self.rows.clear();
    }

    /// Takes a follow-up of an earlier event in.
    pub fn follow_up(&mut self, handles: &[u32], follow_up: FollowUpRow<'_>) {
        let groups = self.groups.iter_mut().filter(|group| group.plan.takes_follow_ups);
        for (group, handle) in groups.zip(handles.chunks_exact(HANDLE)) {
            group.follow_up([handle[0], handle[1]], &follow_up);
        }
    }

    /// Forgets groups without an event since the watermark less the reach of their windows and less `wait`, within which
    /// a follow-up may still name them. The watermark has moved from `before` to `watermark`; groups are looked through
    /// once per eighth of the time they are kept.
    pub fn expire(&mut self, before: Timestamp, watermark: Timestamp, wait: Span) {
        for group in &mut self.groups {
            let Some(reach) = group.plan.reach else { continue };
            let kept = reach.max(wait);
            let step = Span::from_millis((kept.millis() / 8).max(1));
            let turn = |at: Timestamp| at.minus(kept).interval(step);
            if turn(before) != turn(watermark) {
                group.expire(watermark.minus(kept));
            }
        }
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.groups.iter_mut().for_each(Group::commit);
        self.committed = self.counts;
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        self.groups.iter_mut().for_each(Group::rollback);
        self.block.clear();
        self.rows.clear();
        self.counts = self.committed;
    }

    /// Begins a checkpoint as of the last commit: of the groups that changed since the last one, or of all.
    pub fn begin_checkpoint(&mut self, is_whole: bool) {
        self.groups.iter_mut().for_each(|group| group.begin_checkpoint(is_whole));
    }

    /// Appends the next groups of the checkpoint, about `size` bytes of them; false if none is left. Groups are written
    /// with their numbers, so handles stay valid.
    pub fn write_chunk(&mut self, size: usize, out: &mut Writer) -> bool {
        let Some(index) = self.groups.iter().position(Group::has_pending) else { return false };
        out.unsigned(STATE_VERSION);
        out.unsigned(index as u64);
        let group = &mut self.groups[index];
        let full = out.len() + size;
        while out.len() < full && group.write_next(out) {}
        true
    }

    /// Takes in what [`Features::write_chunk`] wrote under the same configuration.
    pub fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("the window state", STATE_VERSION)?;
        let index = reader.unsigned()? as usize;
        let group = self.groups.get_mut(index).ok_or(BinaryError::Invalid { what: "grouping", at: 0 })?;
        while !reader.is_at_end() {
            group.read_next(reader)?;
        }
        Ok(())
    }
}

/// The keys of coming events in one grouping, one behind the other.
#[derive(Clone, Debug, Default)]
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<(usize, Timestamp)>,
}

impl Keys {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, plan: &GroupPlan, event: &EventRow<'_>) {
        append_key(&mut self.bytes, plan, event);
        self.ends.push((self.bytes.len(), event.at));
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], Timestamp)> + Clone {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        starts.zip(&self.ends).map(|(start, (end, at))| (self.bytes.get(start..*end).unwrap_or_default(), *at))
    }
}

/// The key of a group, alone.
fn group_key(key: &mut Vec<u8>, plan: &GroupPlan, event: &EventRow<'_>) {
    key.clear();
    append_key(key, plan, event);
}

/// The record key followed by each further field with its length; a missing field is told from an empty one.
fn append_key(key: &mut Vec<u8>, plan: &GroupPlan, event: &EventRow<'_>) {
    key.extend_from_slice(event.key);
    event.table.push_key(&plan.key_fields, event.row, key);
}
