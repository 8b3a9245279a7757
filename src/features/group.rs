//! All groups of one grouping: slots by number, found by key.
//!
//! Invariant: a slot number and a generation are given to one group; predictions that wait for follow-ups name both, so
//! what comes for a group that was forgotten reaches no other. Of a slot that changes, the words as of the last commit
//! are logged, so that they can be put back; and the state as of the beginning of a checkpoint is kept aside until the
//! checkpoint has written it.
//!
//! Where a new group would be one too many, the 64th part of the groups that were least recently seen in event time
//! goes first. That is a function of what is held, so a replay does the same.

use std::collections::BTreeSet;

use super::block::Block;
use super::cells::Entry;
use super::index::{Index, Key, KeyHash};
use super::plan::{GroupPlan, TOUCHED};
use super::rows::{EventRow, FollowUpRow};
use super::slots::{self, KEY_END, Log, Slots, Undo};
use super::track::{Computed, note};
use super::visit::{Visit, Way};
use crate::data::params::Source;
use crate::data::{FixedMap, Timestamp};

/// What an event names instead of a slot where its grouping took no follow-ups yet.
pub(super) const NO_SLOT: u32 = u32::MAX;
/// Part of the groups that is forgotten at once where there are too many.
const EVICTED_PART: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub plan: GroupPlan,
    /// Most groups held; 0 is no bound.
    max_keys: usize,
    index: Index,
    pub(super) slots: Slots,
    /// Keys that do not fit into their slot.
    long_keys: FixedMap<u32, Box<[u8]>>,
    /// Unused slot numbers; the lowest is given out first, so numbers are a function of what is held.
    pub(super) free: BTreeSet<u32>,
    log: Log,
    /// Long keys of groups that were removed since the last commit.
    gone_keys: Vec<(u32, Box<[u8]>)>,
    pub(super) transaction: u32,
    pub(super) checkpoint: Checkpoint,
    /// Groups forgotten because there were too many; not part of the state.
    pub(super) evicted: u64,
    scratch: Vec<u64>,
    /// One for each track.
    pub(super) ways: Vec<Way>,
}

/// The key of an event, and the slot where it is expected.
#[derive(Clone, Copy)]
pub(super) struct Keyed<'a> {
    pub key: Key<'a>,
    pub expected: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    /// Its number, from 2.
    pub number: u32,
    /// Slot numbers changed since it began.
    pub changed: Vec<u32>,
    /// Slot numbers still to be written, the last one first.
    pub pending: Vec<u32>,
    /// Encoded as of the beginning: pending ones that have changed since.
    pub kept: FixedMap<u32, Vec<u8>>,
}

impl Group {
    pub(super) fn new(plan: GroupPlan, max_keys: u32) -> Self {
        Group {
            max_keys: max_keys as usize,
            index: Index::default(),
            slots: Slots::new(plan.width),
            ways: plan.tracks.iter().map(Way::of).collect(),
            plan,
            long_keys: FixedMap::default(),
            free: BTreeSet::new(),
            log: Log::default(),
            gone_keys: Vec::new(),
            transaction: 1,
            checkpoint: Checkpoint { number: 2, changed: Vec::new(), pending: Vec::new(), kept: FixedMap::default() },
            evicted: 0,
            scratch: Vec::new(),
        }
    }

    /// Number of groups held.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The slot, to be changed; as it was at the last commit it is logged.
    #[inline]
    fn touch(&mut self, at: u32) {
        if slots::saved_in(self.slots.get(at)) == self.transaction {
            return;
        }
        self.note(at);
        let slot = self.slots.get_mut(at);
        slots::set_saved_in(slot, self.transaction);
        self.log.of(at).save(slot, KEY_END..self.plan.header);
    }

    /// The slot number of a key.
    pub(super) fn find(&self, key: &Key<'_>) -> Option<u32> {
        self.index.find(key.hash(), |at| self.is_of(at, key))
    }

    /// The slot number of some key with this hash, found without a look at the slot: it mostly is the key that is meant.
    #[inline]
    pub(super) fn guess(&self, hash: KeyHash) -> Option<u32> {
        self.index.find(hash, |_| true)
    }

    #[inline]
    fn is_of(&self, at: u32, key: &Key<'_>) -> bool {
        slots::key(self.slots.get(at)) == key.words
            && (!key.words.is_long() || self.long_keys.get(&at).is_some_and(|long| **long == *key.bytes))
    }

    #[inline]
    fn holds(&self, at: u32, key: &Key<'_>) -> bool {
        at < self.slots.len() && slots::is_live(self.slots.get(at)) && self.is_of(at, key)
    }

    /// The words of the slot of a key.
    pub(super) fn slot(&self, key: &Key<'_>) -> Option<&[u64]> {
        self.find(key).map(|at| self.slots.get(at))
    }

    /// The key of a slot.
    pub(super) fn key_of(&self, at: u32) -> Vec<u8> {
        match self.long_keys.get(&at) {
            Some(long) => long.to_vec(),
            None => slots::key(self.slots.get(at)).bytes(),
        }
    }

    /// A copy with the slot of a key and no other.
    pub(super) fn only(&self, key: &Key<'_>) -> Group {
        let mut copy = Group::new(self.plan.clone(), 0);
        if let Some(slot) = self.slot(key) {
            let at = copy.find_or_add(key);
            copy.slots.get_mut(at)[KEY_END..].copy_from_slice(&slot[KEY_END..]);
        }
        copy
    }

    pub(super) fn find_or_add(&mut self, key: &Key<'_>) -> u32 {
        if let Some(at) = self.find(key) {
            return at;
        }
        self.add(key)
    }

    #[cold]
    fn add(&mut self, key: &Key<'_>) -> u32 {
        if self.max_keys > 0 && self.index.len() >= self.max_keys {
            self.evict();
        }
        let at = self.free.pop_first().unwrap_or_else(|| self.slots.push());
        self.note(at);
        let slot = self.slots.get_mut(at);
        self.plan.clear(slot);
        slots::set_live(slot, true);
        slots::set_named(slot, false);
        slots::set_saved_in(slot, self.transaction);
        self.name(at, key);
        self.log.added(at);
        at
    }

    /// Gives a slot to a key.
    pub(super) fn name(&mut self, at: u32, key: &Key<'_>) {
        slots::set_key(self.slots.get_mut(at), key.words);
        if key.words.is_long() {
            self.long_keys.insert(at, key.bytes.into());
        }
        self.index.insert(key.hash(), at);
    }

    /// Takes a slot from its key; the key if it is a long one.
    pub(super) fn unname(&mut self, at: u32) -> Option<Box<[u8]>> {
        let bytes = self.key_of(at);
        self.index.remove(KeyHash::of(&bytes), at);
        self.long_keys.remove(&at)
    }

    /// Takes an event in and puts its features into a row of the block; the number of its slot. It may be the one that is
    /// expected.
    #[inline]
    pub(super) fn event(&mut self, of: Keyed<'_>, event: &EventRow<'_>, block: &mut Block, row: usize) -> u32 {
        let Keyed { key, expected } = of;
        let at = if self.holds(expected, &key) { expected } else { self.find_or_add(&key) };
        self.touch(at);
        let mut out = Computed { block, row, scratch: &mut self.scratch };
        let visit = Visit { plan: &self.plan, ways: &mut self.ways, log: self.log.of(at), event };
        visit.take(self.slots.get_mut(at), &mut out);
        at
    }

    /// What a follow-up names: the slot and which of its groups.
    pub(super) fn handle(&self, at: u32) -> [u32; 2] {
        [at, slots::generation(self.slots.get(at))]
    }

    /// Takes a follow-up of an event in; one whose group was forgotten changes nothing.
    pub(super) fn follow_up(&mut self, [at, generation]: [u32; 2], follow_up: &FollowUpRow<'_>) {
        let of = Source::Kind(follow_up.kind);
        let source = self.plan.sources.iter().position(|source| *source == of);
        let Some(source) = source.filter(|_| at < self.slots.len()) else { return };
        let slot = self.slots.get(at);
        if !slots::is_live(slot) || slots::generation(slot) != generation {
            return;
        }
        self.touch(at);
        let slot = self.slots.get_mut(at);
        let entry = Entry { at: follow_up.at, values: follow_up.values(), weight: 1.0 };
        for (track, way) in self.plan.tracks.iter().zip(&mut self.ways).filter(|(track, _)| track.source == of) {
            track.add(slot, self.log.of(at), &entry, &mut way.latest);
        }
        // What became known keeps the group as long as an event would.
        note(slot, TOUCHED, follow_up.at);
        note(slot, TOUCHED + 1 + source, follow_up.at);
    }

    fn touched(&self, at: u32) -> Option<Timestamp> {
        let slot = self.slots.get(at);
        slots::is_live(slot).then(|| Timestamp::from_millis(slot[TOUCHED] as i64))
    }

    /// Forgets groups whose last record is before `before`.
    pub(super) fn expire(&mut self, before: Timestamp) {
        for at in 0..self.slots.len() {
            if self.touched(at).is_some_and(|touched| touched < before) {
                self.remove(at);
            }
        }
    }

    /// Forgets those least recently seen; of equal ones, those with the lowest numbers.
    fn evict(&mut self) {
        let held = (0..self.slots.len()).filter_map(|at| self.touched(at).map(|touched| (touched, at)));
        let mut held: Vec<(Timestamp, u32)> = held.collect();
        let n = (held.len() / EVICTED_PART).max(1).min(held.len());
        if n == 0 {
            return;
        }
        held.select_nth_unstable(n - 1);
        held.truncate(n);
        held.sort_unstable_by_key(|(_, at)| *at);
        for (_, at) in held {
            self.remove(at);
            self.evicted += 1;
        }
    }

    fn remove(&mut self, at: u32) {
        self.note(at);
        self.log.removed(at, self.slots.get(at));
        if let Some(long) = self.unname(at) {
            self.gone_keys.push((at, long));
        }
        let slot = self.slots.get_mut(at);
        slots::set_live(slot, false);
        slots::set_generation(slot, slots::generation(slot).wrapping_add(1));
        self.free.insert(at);
    }

    pub(super) fn commit(&mut self) {
        self.log.clear();
        self.gone_keys.clear();
        self.transaction = self.transaction.wrapping_add(1).max(1);
    }

    pub(super) fn rollback(&mut self) {
        let mut log = std::mem::take(&mut self.log);
        while let Some(undo) = log.pop(&mut self.slots) {
            match undo {
                Undo::Saved { at, words } if words.start == KEY_END => {
                    let slot = self.slots.get_mut(at);
                    self.plan.tracks.iter().for_each(|track| track.forget_closed(slot));
                }
                Undo::Saved { .. } => {}
                Undo::Added { at } => {
                    self.unname(at);
                    slots::set_live(self.slots.get_mut(at), false);
                    self.free.insert(at);
                }
                Undo::Removed { at } => {
                    let slot = self.slots.get_mut(at);
                    slots::set_named(slot, false);
                    let bytes = match self.gone_keys.last() {
                        Some((of, _)) if *of == at && slots::key(slot).is_long() => {
                            self.gone_keys.pop().map(|gone| gone.1)
                        }
                        _ => None,
                    };
                    let bytes = bytes.unwrap_or_else(|| slots::key(slot).bytes().into());
                    self.plan.tracks.iter().for_each(|track| track.forget_closed(slot));
                    self.name(at, &Key::new(&bytes));
                    self.free.remove(&at);
                }
            }
        }
        self.log = log;
        self.gone_keys.clear();
        self.transaction = self.transaction.wrapping_add(1).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::params::{Aggregate, FeatureParams, Grouping, KindIndex, WindowSpec};
    use crate::data::{BinaryError, Reader, Span, Table, Writer};

    fn group(max_keys: u32) -> Group {
        let kind = Source::Kind(KindIndex(0));
        let window = |of| WindowSpec::sliding(of, 0, Span::from_millis(1_000), 10, Aggregate::Count);
        let params = FeatureParams {
            groupings: vec![Grouping { name: "shop".into(), fields: Vec::new() }],
            windows: vec![window(Source::Events), window(kind)],
            ..FeatureParams::default()
        };
        Group::new(GroupPlan::new(&params, 0, Vec::new()), max_keys)
    }

    fn event(group: &mut Group, key: &str, at: i64) -> u32 {
        let mut table = Table::new(0, 0);
        let row = table.begin();
        let event = EventRow { key: key.as_bytes(), at: Timestamp::from_millis(at), table: &table, row };
        let mut block = Block::new(2);
        let row = block.begin();
        group.event(Keyed { key: Key::new(key.as_bytes()), expected: NO_SLOT }, &event, &mut block, row)
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
        let mut group = self::group(0);
        for key in ["a", "b"] {
            group.find_or_add(&Key::new(key.as_bytes()));
        }
        let first = checkpoint(&mut group);
        group.expire(Timestamp::from_millis(1));
        for key in ["b", "a"] {
            group.find_or_add(&Key::new(key.as_bytes()));
        }
        let second = checkpoint(&mut group);
        let mut read = self::group(0);
        for chunk in [first, second] {
            let mut reader = Reader::new(&chunk);
            while !reader.is_at_end() {
                read.read_next(&mut reader)?;
            }
        }
        let find = |key: &str| read.find(&Key::new(key.as_bytes()));
        assert_eq!((find("b"), find("a"), read.len()), (Some(0), Some(1), 2));
        Ok(())
    }

    #[test]
    fn where_there_are_too_many_groups_the_least_recently_seen_go_and_a_rollback_brings_them_back() {
        let mut group = group(100);
        for number in 0..100 {
            event(&mut group, &format!("a key too long for its slot {number}"), 1_000 - number);
        }
        group.commit();
        event(&mut group, "new", 0);
        assert_eq!((group.len(), group.evicted), (100, 1));
        let find =
            |group: &Group, number| group.find(&Key::new(format!("a key too long for its slot {number}").as_bytes()));
        assert_eq!((find(&group, 99), find(&group, 98).is_some()), (None, true));
        group.rollback();
        assert_eq!((find(&group, 99), group.find(&Key::new(b"new")), group.len()), (Some(99), None, 100));
    }

    #[test]
    fn what_comes_for_a_group_that_was_forgotten_reaches_no_other() {
        let mut group = group(1);
        let at = event(&mut group, "old", 0);
        let handle = group.handle(at);
        let again = event(&mut group, "new", 1);
        assert_eq!(at, again);
        let mut table = Table::new(0, 0);
        let row = table.begin();
        let time = Timestamp::from_millis(2);
        group.follow_up(handle, &FollowUpRow { kind: KindIndex(0), at: time, table: &table, first_column: 0, row });
        let last = super::super::track::last(group.slots.get(again), TOUCHED + 2);
        assert_eq!(last, None);
        let own = group.handle(again);
        group.follow_up(own, &FollowUpRow { kind: KindIndex(0), at: time, table: &table, first_column: 0, row });
        assert_eq!(super::super::track::last(group.slots.get(again), TOUCHED + 2), Some(time));
    }
}
