//! Windowed features per group, in event time.
//!
//! An event updates the windows over events, itself included, and then reads all windows of its groups. A follow-up
//! (an outcome) updates windows at the moment it became known and is seen by events strictly after that moment: for an
//! event that comes late, when follow-ups known at or after its time are already in, the pane that holds its time is
//! left out of the reading, so an outcome can never reach an event that happened before it was known.
//!
//! Every change can be taken back until [`Features::commit`].

mod plan;
mod rows;
mod slot;

use std::collections::BTreeSet;

use plan::GroupPlan;
pub use rows::{EventRow, FollowUpRow};
use slot::Slot;

use crate::data::params::{FeatureParams, NumberIndex, Source};
use crate::data::{BinaryError, Columns, FixedMap, Reader, Span, Timestamp, Writer};

/// The slot of each grouping that an event belongs to; a follow-up of the event goes to the same slots.
pub type Handles = Box<[u32]>;

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;

/// The widest run of unused slot numbers that is read: a bound on what bad bytes can make a reader allocate.
const MAX_GAP: u32 = 1 << 20;

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

#[derive(Clone, Debug)]
struct Group {
    plan: GroupPlan,
    index: FixedMap<Box<[u8]>, u32>,
    slots: Vec<Entry>,
    /// Unused slot numbers; the lowest is given out first, so numbers are a function of what is held.
    free: BTreeSet<u32>,
    undo: Vec<Undo>,
    /// Memory of slots that were kept aside, used again for the next ones.
    spare: Vec<Slot>,
}

#[derive(Clone, Debug)]
struct Entry {
    key: Box<[u8]>,
    slot: Slot,
    /// Whether the slot as of the last commit is already kept aside.
    saved: bool,
}

#[derive(Clone, Debug)]
enum Undo {
    Added(u32),
    Changed(u32, Slot),
    Removed(u32, Box<[u8]>, Slot),
}

impl Features {
    /// Empty windows.
    pub fn new(params: &FeatureParams) -> Self {
        let groups = params.groupings.iter().enumerate().map(|(index, grouping)| Group {
            plan: GroupPlan::new(params, index, grouping.fields.clone()),
            index: FixedMap::default(),
            slots: Vec::new(),
            free: BTreeSet::new(),
            undo: Vec::new(),
            spare: Vec::new(),
        });
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
        self.groups.iter().map(|group| group.index.len()).sum()
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

    /// Groups changed since the last commit.
    pub fn dirty(&self) -> usize {
        self.groups.iter().map(|group| group.undo.len()).sum()
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        for group in &mut self.groups {
            for undo in group.undo.drain(..) {
                let (Undo::Added(at) | Undo::Changed(at, _) | Undo::Removed(at, ..)) = undo;
                group.slots[at as usize].saved = false;
                if let Undo::Changed(_, slot) | Undo::Removed(_, _, slot) = undo {
                    group.spare.push(slot);
                }
            }
        }
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        for group in &mut self.groups {
            while let Some(undo) = group.undo.pop() {
                match undo {
                    Undo::Added(at) => {
                        group.index.remove(&group.slots[at as usize].key);
                        group.free.insert(at);
                    }
                    Undo::Changed(at, slot) => group.slots[at as usize].slot = slot,
                    Undo::Removed(at, key, slot) => {
                        group.index.insert(key.clone(), at);
                        group.slots[at as usize] = Entry { key, slot, saved: true };
                        group.free.remove(&at);
                    }
                }
            }
            for entry in &mut group.slots {
                entry.saved = false;
            }
        }
    }

    /// Appends the state in its versioned form. Slots are written by number, so handles stay valid.
    pub fn encode(&self, out: &mut Writer) {
        out.unsigned(STATE_VERSION);
        for group in &self.groups {
            let mut live: Vec<u32> = group.index.values().copied().collect();
            live.sort_unstable();
            out.unsigned(live.len() as u64);
            for at in live {
                let entry = &group.slots[at as usize];
                out.unsigned(u64::from(at));
                out.slice(&entry.key);
                entry.slot.encode(&group.plan, out);
            }
        }
    }

    /// Replaces the state by an encoded one of the same configuration.
    pub fn decode(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("the window state", STATE_VERSION)?;
        for group in &mut self.groups {
            group.decode(reader)?;
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

impl Group {
    /// The slot, to be changed; as it was at the last commit it is kept aside.
    fn touch(&mut self, at: u32) -> &mut Slot {
        let entry = &mut self.slots[at as usize];
        if !entry.saved {
            entry.saved = true;
            let mut kept = self.spare.pop().unwrap_or_else(|| Slot::new(&self.plan));
            kept.copy_from(&entry.slot);
            self.undo.push(Undo::Changed(at, kept));
        }
        &mut entry.slot
    }

    fn find_or_add(&mut self, key: &[u8]) -> u32 {
        if let Some(at) = self.index.get(key) {
            return *at;
        }
        let entry = Entry { key: key.into(), slot: Slot::new(&self.plan), saved: true };
        let at = match self.free.pop_first() {
            Some(at) => {
                self.slots[at as usize] = entry;
                at
            }
            None => {
                self.slots.push(entry);
                (self.slots.len() - 1) as u32
            }
        };
        self.index.insert(key.into(), at);
        self.undo.push(Undo::Added(at));
        at
    }

    fn event(&mut self, key: &[u8], event: &EventRow<'_>, row: &mut [f64]) -> u32 {
        let at = self.find_or_add(key);
        self.touch(at);
        let (plan, slot) = (&self.plan, &mut self.slots[at as usize].slot);
        slot.touched = slot.touched.max(event.at);
        for since in &plan.since_last {
            let elapsed = slot.last(since.source).map(|last| event.at.since(last));
            let strict = !matches!(plan.sources.get(since.source), Some(Source::Events));
            let seen = |ms: &i64| *ms <= plan.reach.millis() && (if strict { *ms > 0 } else { *ms >= 0 });
            row[since.feature] = elapsed.filter(seen).map_or(f64::NAN, |ms| ms as f64 / 1000.0);
        }
        for ring in &plan.rings {
            let whole = match ring.source {
                Source::Events => {
                    slot.add(ring, event.at, |column| event.table.number(column.0, event.row));
                    true
                }
                Source::Kind(_) => slot.last(ring.last).is_none_or(|last| last < event.at),
            };
            let reading = slot.read(ring, event.at, whole);
            for output in &ring.outputs {
                row[output.feature] = reading.statistic(output.statistic);
            }
        }
        if let Some(source) = plan.sources.iter().position(|source| *source == Source::Events) {
            slot.note(source, event.at);
        }
        at
    }

    fn follow_up(&mut self, at: u32, follow_up: &FollowUpRow<'_>) {
        let of = Source::Kind(follow_up.kind);
        let Some(source) = self.plan.sources.iter().position(|source| *source == of) else { return };
        self.touch(at);
        let slot = &mut self.slots[at as usize].slot;
        for ring in self.plan.rings.iter().filter(|ring| ring.source == of) {
            slot.add(ring, follow_up.at, |column| {
                follow_up.table.number(follow_up.first_column + column.0, follow_up.row)
            });
        }
        slot.note(source, follow_up.at);
    }

    fn expire(&mut self, before: Timestamp) {
        let mut gone: Vec<u32> = Vec::new();
        for at in self.index.values() {
            if self.slots[*at as usize].slot.touched < before {
                gone.push(*at);
            }
        }
        gone.sort_unstable();
        for at in gone {
            self.touch(at);
            let entry = &self.slots[at as usize];
            self.index.remove(&entry.key);
            self.undo.push(Undo::Removed(at, entry.key.clone(), entry.slot.clone()));
            self.free.insert(at);
        }
    }

    fn decode(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        self.index.clear();
        self.slots.clear();
        self.free.clear();
        self.undo.clear();
        let mut next = 0u32;
        for _ in 0..reader.count()? {
            let at = reader.small()?;
            if at < next || at - next > MAX_GAP {
                return Err(BinaryError::Invalid { what: "slot number", at: 0 });
            }
            let key: Box<[u8]> = reader.slice()?.into();
            let slot = Slot::decode(&self.plan, reader)?;
            self.fill(next, at);
            self.index.insert(key.clone(), at);
            self.slots.push(Entry { key, slot, saved: false });
            next = at + 1;
        }
        Ok(())
    }

    fn fill(&mut self, from: u32, to: u32) {
        for at in from..to {
            self.slots.push(Entry { key: Box::default(), slot: Slot::new(&self.plan), saved: false });
            self.free.insert(at);
        }
    }
}
