//! All groups of one grouping: slots by number, found by key.
//!
//! Invariant: a slot number is given to one group until the group expires; predictions that wait for follow-ups name
//! slots by number. Of a slot that changes, the state as of the last commit is kept aside, so that it can be put back;
//! and the state as of the beginning of a checkpoint, until the checkpoint has written it.

use std::collections::BTreeSet;

use super::plan::GroupPlan;
use super::rows::{EventRow, FollowUpRow};
use super::slot::Slot;
use crate::data::params::Source;
use crate::data::{BinaryError, FixedMap, Reader, Timestamp, Writer};

/// The widest run of unused slot numbers that is read: a bound on what bad bytes can make a reader allocate.
const MAX_GAP: u32 = 1 << 20;
/// What an event names instead of a slot where its grouping did not exist yet.
pub(super) const NO_SLOT: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub plan: GroupPlan,
    pub(super) index: FixedMap<Box<[u8]>, u32>,
    pub(super) slots: Vec<Entry>,
    /// Unused slot numbers; the lowest is given out first, so numbers are a function of what is held.
    pub(super) free: BTreeSet<u32>,
    undo: Vec<Undo>,
    /// Memory of slots that were kept aside, used again for the next ones.
    spare: Vec<Slot>,
    checkpoint: Checkpoint,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Box<[u8]>,
    pub(super) slot: Slot,
    pub(super) marks: Marks,
}

/// What is true of a slot number, whoever it belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// A group holds it.
    pub(super) is_live: bool,
    /// As of the last commit it is kept aside.
    pub(super) is_saved: bool,
    /// It has changed since the last checkpoint began.
    pub(super) is_changed: bool,
    /// The checkpoint has not written it yet.
    pub(super) is_pending: bool,
    /// A checkpoint holds whose it is.
    pub(super) is_named: bool,
}

#[derive(Clone, Debug)]
enum Undo {
    Added(u32),
    Changed(u32, Slot),
    Removed(u32, Box<[u8]>, Slot),
}

#[derive(Clone, Debug, Default)]
struct Checkpoint {
    /// Slot numbers changed since it began.
    changed: Vec<u32>,
    /// Slot numbers still to be written, the last one first.
    pending: Vec<u32>,
    /// Encoded as of the beginning: pending ones that have changed since.
    kept: FixedMap<u32, Vec<u8>>,
}

impl Group {
    pub(super) fn new(plan: GroupPlan) -> Self {
        Group {
            plan,
            index: FixedMap::default(),
            slots: Vec::new(),
            free: BTreeSet::new(),
            undo: Vec::new(),
            spare: Vec::new(),
            checkpoint: Checkpoint::default(),
        }
    }

    /// Number of groups held.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Before anything of this slot number changes.
    fn note(&mut self, at: u32) {
        let marks = &mut self.slots[at as usize].marks;
        if marks.is_pending {
            marks.is_pending = false;
            let mut out = Writer::default();
            self.write_slot(at, &mut out);
            self.checkpoint.kept.insert(at, out.finish());
        }
        let marks = &mut self.slots[at as usize].marks;
        if !marks.is_changed {
            marks.is_changed = true;
            self.checkpoint.changed.push(at);
        }
    }

    /// The slot, to be changed; as it was at the last commit it is kept aside.
    fn touch(&mut self, at: u32) -> &mut Slot {
        if !self.slots[at as usize].marks.is_saved {
            self.note(at);
            let entry = &mut self.slots[at as usize];
            entry.marks.is_saved = true;
            let mut kept = self.spare.pop().unwrap_or_else(|| Slot::new(&self.plan));
            kept.copy_from(&entry.slot);
            self.undo.push(Undo::Changed(at, kept));
        }
        &mut self.slots[at as usize].slot
    }

    /// The slot number of a key.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        self.index.get(key).copied()
    }

    /// The slot of a key.
    pub(super) fn slot(&self, key: &[u8]) -> Option<&Slot> {
        self.slots.get(self.find(key)? as usize).map(|entry| &entry.slot)
    }

    /// A copy with the slot of a key and no other.
    pub(super) fn only(&self, key: &[u8]) -> Group {
        let mut copy = Group::new(self.plan.clone());
        if let Some(slot) = self.slot(key) {
            let at = copy.find_or_add(key);
            copy.slots[at as usize].slot = slot.clone();
        }
        copy
    }

    fn find_or_add(&mut self, key: &[u8]) -> u32 {
        if let Some(at) = self.find(key) {
            return at;
        }
        let at = match self.free.pop_first() {
            Some(at) => at,
            None => {
                let marks = Marks::default();
                self.slots.push(Entry { key: Box::default(), slot: Slot::new(&self.plan), marks });
                (self.slots.len() - 1) as u32
            }
        };
        self.note(at);
        let entry = &mut self.slots[at as usize];
        entry.key = key.into();
        entry.slot = Slot::new(&self.plan);
        (entry.marks.is_live, entry.marks.is_saved, entry.marks.is_named) = (true, true, false);
        self.index.insert(key.into(), at);
        self.undo.push(Undo::Added(at));
        at
    }

    /// Takes an event in and puts its features into `row`; the number of its slot.
    pub(super) fn event(&mut self, key: &[u8], event: &EventRow<'_>, row: &mut [f64]) -> u32 {
        let at = self.find_or_add(key);
        self.touch(at);
        let (plan, slot) = (&self.plan, &mut self.slots[at as usize].slot);
        slot.touched = slot.touched.max(event.at);
        for since in &plan.since_last {
            let elapsed = slot.last(since.source).map(|last| event.at.since(last));
            let strict = !matches!(plan.sources.get(since.source), Some(Source::Events));
            let seen = |ms: &i64| *ms <= since.span.millis() && (if strict { *ms > 0 } else { *ms >= 0 });
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

    /// Takes a follow-up of an event of this slot in; an event from before there was this grouping has none.
    pub(super) fn follow_up(&mut self, at: u32, follow_up: &FollowUpRow<'_>) {
        let of = Source::Kind(follow_up.kind);
        let source = self.plan.sources.iter().position(|source| *source == of);
        let Some(source) = source.filter(|_| at != NO_SLOT) else { return };
        self.touch(at);
        let slot = &mut self.slots[at as usize].slot;
        for ring in self.plan.rings.iter().filter(|ring| ring.source == of) {
            slot.add(ring, follow_up.at, |column| {
                follow_up.table.number(follow_up.first_column + column.0, follow_up.row)
            });
        }
        slot.note(source, follow_up.at);
    }

    /// Forgets groups whose last event is before `before`.
    pub(super) fn expire(&mut self, before: Timestamp) {
        let mut gone: Vec<u32> = Vec::new();
        for at in self.index.values() {
            if self.slots[*at as usize].slot.touched < before {
                gone.push(*at);
            }
        }
        gone.sort_unstable();
        for at in gone {
            self.touch(at);
            let entry = &mut self.slots[at as usize];
            entry.marks.is_live = false;
            self.index.remove(&entry.key);
            self.undo.push(Undo::Removed(at, entry.key.clone(), entry.slot.clone()));
            self.free.insert(at);
        }
    }

    pub(super) fn commit(&mut self) {
        for undo in self.undo.drain(..) {
            let (Undo::Added(at) | Undo::Changed(at, _) | Undo::Removed(at, ..)) = undo;
            self.slots[at as usize].marks.is_saved = false;
            if let Undo::Changed(_, slot) | Undo::Removed(_, _, slot) = undo {
                self.spare.push(slot);
            }
        }
    }

    pub(super) fn rollback(&mut self) {
        while let Some(undo) = self.undo.pop() {
            let (Undo::Added(at) | Undo::Changed(at, _) | Undo::Removed(at, ..)) = undo;
            let entry = &mut self.slots[at as usize];
            entry.marks.is_saved = false;
            match undo {
                Undo::Added(at) => {
                    entry.marks.is_live = false;
                    self.index.remove(&entry.key);
                    self.free.insert(at);
                }
                Undo::Changed(_, slot) => entry.slot = slot,
                Undo::Removed(at, key, slot) => {
                    self.index.insert(key.clone(), at);
                    (entry.key, entry.slot) = (key, slot);
                    (entry.marks.is_live, entry.marks.is_named) = (true, false);
                    self.free.remove(&at);
                }
            }
        }
    }

    /// Begins a checkpoint: of the slots that changed since the last one, or of all.
    pub(super) fn begin_checkpoint(&mut self, is_whole: bool) {
        for at in std::mem::take(&mut self.checkpoint.pending) {
            self.slots[at as usize].marks.is_pending = false;
        }
        let mut pending = std::mem::take(&mut self.checkpoint.changed);
        for at in &pending {
            self.slots[*at as usize].marks.is_changed = false;
        }
        if is_whole {
            pending = self.index.values().copied().collect();
            self.slots.iter_mut().for_each(|entry| entry.marks.is_named = false);
        }
        pending.sort_unstable_by(|a, b| b.cmp(a));
        for at in &pending {
            self.slots[*at as usize].marks.is_pending = true;
        }
        self.checkpoint.pending = pending;
        self.checkpoint.kept.clear();
    }

    /// Appends the next slot of the checkpoint, as it was when it began; false if none is left.
    pub(super) fn write_next(&mut self, out: &mut Writer) -> bool {
        let Some(at) = self.checkpoint.pending.pop() else { return false };
        match self.checkpoint.kept.remove(&at) {
            Some(kept) => out.raw(&kept),
            None => self.write_slot(at, out),
        }
        self.slots[at as usize].marks.is_pending = false;
        true
    }

    /// Whether the checkpoint has something left.
    pub(super) fn has_pending(&self) -> bool {
        !self.checkpoint.pending.is_empty()
    }

    /// The number, whether a group holds it, whose it is where no checkpoint has it yet, and the slot.
    fn write_slot(&mut self, at: u32, out: &mut Writer) {
        let entry = &mut self.slots[at as usize];
        out.unsigned(u64::from(at));
        out.flag(entry.marks.is_live);
        if entry.marks.is_live {
            let name = if entry.marks.is_named { None } else { Some(&entry.key) };
            entry.marks.is_named = true;
            out.optional(name.map(AsRef::as_ref));
            entry.slot.encode(&self.plan, out);
        }
    }

    /// Takes in what [`Group::write_next`] wrote.
    pub(super) fn read_next(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        let at = reader.small()?;
        let end = self.slots.len() as u32;
        if at > end && at - end > MAX_GAP {
            return Err(BinaryError::Invalid { what: "slot number", at: 0 });
        }
        for unused in end..=at {
            self.slots.push(Entry { key: Box::default(), slot: Slot::new(&self.plan), marks: Marks::default() });
            self.free.insert(unused);
        }
        let entry = &mut self.slots[at as usize];
        let was_live = entry.marks.is_live;
        entry.marks = Marks { is_live: reader.flag()?, is_named: true, ..Marks::default() };
        let name = if entry.marks.is_live { reader.optional()? } else { None };
        if entry.marks.is_live && name.is_none() && !was_live {
            return Err(BinaryError::Invalid { what: "slot without a key", at: 0 });
        }
        // A group that left this number may have been read under another one already.
        let is_left = was_live && (name.is_some() || !entry.marks.is_live);
        if is_left && self.index.get(&entry.key) == Some(&at) {
            self.index.remove(&entry.key);
        }
        if !entry.marks.is_live {
            self.free.insert(at);
            return Ok(());
        }
        self.free.remove(&at);
        if let Some(key) = name {
            entry.key = key.into();
            self.index.insert(entry.key.clone(), at);
        }
        entry.slot = Slot::decode(&self.plan, reader)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::params::{FeatureParams, Grouping};

    fn group() -> Group {
        let grouping = Grouping { name: "shop".into(), fields: Vec::new() };
        let params =
            FeatureParams { groupings: vec![grouping], fields: Vec::new(), windows: Vec::new(), names: Vec::new() };
        Group::new(GroupPlan::new(&params, 0, Vec::new()))
    }

    fn checkpoint(group: &mut Group) -> Vec<u8> {
        group.commit();
        group.begin_checkpoint(false);
        let mut out = Writer::default();
        while group.write_next(&mut out) {}
        out.finish()
    }

    #[test]
    fn groups_that_have_changed_numbers_are_found_where_they_are() -> Result<(), BinaryError> {
        let mut group = group();
        for key in [b"a", b"b"] {
            group.find_or_add(key);
        }
        let first = checkpoint(&mut group);
        group.expire(Timestamp::from_millis(1));
        for key in [b"b", b"a"] {
            group.find_or_add(key);
        }
        let second = checkpoint(&mut group);
        let mut read = self::group();
        for chunk in [first, second] {
            let mut reader = Reader::new(&chunk);
            while !reader.is_at_end() {
                read.read_next(&mut reader)?;
            }
        }
        assert_eq!((read.find(b"b"), read.find(b"a"), read.len()), (Some(0), Some(1), 2));
        Ok(())
    }
}
