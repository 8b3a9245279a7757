//! Windowed features per group, in event time.
//!
//! An event updates the windows over events, itself included, and then reads all windows of its groups. A follow-up
//! (an outcome) updates windows at the moment it became known and is seen by events strictly after that moment: for an
//! event that comes late, when follow-ups known at or after its time are already in, the pane that holds its time is
//! left out of the reading, so an outcome can never reach an event that happened before it was known.
//!
//! Every change can be taken back until [`Features::commit`].

mod carry;
mod group;
mod inspect;
mod plan;
mod rows;
mod slot;

pub use carry::{Carried, Former, FormerKind, Fresh};
use group::Group;
pub use inspect::{FeatureLook, FieldLook, GroupLook, PaneLook, SinceLook, WindowLook};
use plan::GroupPlan;
pub use rows::{EventRow, FollowUpRow};

use crate::data::params::{FeatureParams, NumberIndex};
use crate::data::{BinaryError, Columns, Reader, Span, Timestamp, Writer};

/// The slot of each grouping that an event belongs to; a follow-up of the event goes to the same slots.
pub type Handles = Box<[u32]>;

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;

/// All windows of one shard.
#[derive(Clone, Debug)]
pub struct Features {
    fields: Vec<NumberIndex>,
    width: usize,
    groups: Vec<Group>,
    /// Memory that is used again for every event.
    key: Vec<u8>,
    row: Vec<f64>,
}

impl Features {
    /// Empty windows.
    pub fn new(params: &FeatureParams) -> Self {
        Features::of(params, |_| true)
    }

    /// Empty windows of the groupings that `is_computed` says yes to; the other features stay missing.
    pub fn of(params: &FeatureParams, is_computed: impl Fn(usize) -> bool) -> Self {
        let groups = params
            .groupings
            .iter()
            .enumerate()
            .filter(|(index, _)| is_computed(*index))
            .map(|(index, grouping)| Group::new(GroupPlan::new(params, index, grouping.fields.clone())));
        Features {
            fields: params.fields.clone(),
            width: params.names.len(),
            groups: groups.collect(),
            key: Vec::new(),
            row: Vec::new(),
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

    /// Takes an event in and appends its features to `columns` as a row, in layout order; NaN for missing.
    pub fn event(&mut self, event: EventRow<'_>, columns: &mut Columns) -> Handles {
        self.row.clear();
        self.row.extend(self.fields.iter().map(|column| event.table.number(column.0, event.row)));
        self.row.resize(self.width, f64::NAN);
        let mut handles = Vec::with_capacity(self.groups.len());
        for group in &mut self.groups {
            group_key(&mut self.key, &group.plan, &event);
            handles.push(group.event(&self.key, &event, &mut self.row));
        }
        columns.push_row(&self.row);
        handles.into()
    }

    /// Takes a follow-up of an earlier event in.
    pub fn follow_up(&mut self, handles: &[u32], follow_up: FollowUpRow<'_>) {
        for (group, handle) in self.groups.iter_mut().zip(handles) {
            group.follow_up(*handle, &follow_up);
        }
    }

    /// Forgets groups without an event since `watermark` less the reach of their windows and less `wait`, within which
    /// a follow-up may still name them.
    pub fn expire(&mut self, watermark: Timestamp, wait: Span) {
        for group in &mut self.groups {
            group.expire(watermark.minus(group.plan.reach.max(wait)));
        }
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.groups.iter_mut().for_each(Group::commit);
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        self.groups.iter_mut().for_each(Group::rollback);
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

/// The record key followed by each further field with its length; a missing field is told from an empty one.
fn group_key(key: &mut Vec<u8>, plan: &GroupPlan, event: &EventRow<'_>) {
    key.clear();
    key.extend_from_slice(event.key);
    for field in &plan.key_fields {
        match event.table.text(field.0, event.row) {
            Some(text) => {
                key.extend_from_slice(&(text.len() as u32).to_le_bytes());
                key.extend_from_slice(text);
            }
            None => key.extend_from_slice(&u32::MAX.to_le_bytes()),
        }
    }
}
