//! A map whose changes can be taken back until they are committed.
//!
//! The first change to a key since the last commit is logged with the old value. The log, played backwards, restores the
//! map.
//!
//! A checkpoint takes the map as it was at one commit while it goes on changing: a key that changes before it has been
//! written is kept aside as it was. What a checkpoint writes is what changed since the one before, or everything.

use std::borrow::Borrow;
use std::hash::Hash;

use super::hash::Entry;
use super::{FixedMap, Writer};

/// A hash map with undo. Reads cost what a hash map's do; the first write to a key since the last commit costs a clone
/// of key and value.
#[derive(Clone, Debug)]
pub struct Tracked<K, V> {
    current: FixedMap<K, Held<V>>,
    /// Keys with the value they had, `None` for none; oldest change first. A key that was removed and added again since
    /// the last commit stands here more than once.
    log: Vec<(K, Option<V>)>,
    /// Number of the transaction that is open.
    transaction: u64,
    checkpoint: Checkpoint<K, V>,
}

#[derive(Clone, Debug)]
struct Checkpoint<K, V> {
    /// The transaction in which the last checkpoint began.
    began: u64,
    /// Keys changed since then; some of them more than once.
    changed: Vec<K>,
    /// Keys still to be written, the last one first.
    pending: Vec<K>,
    /// Values, as of the beginning, of pending keys that have changed since.
    kept: FixedMap<K, Option<V>>,
}

#[derive(Clone, Debug)]
struct Held<V> {
    value: V,
    /// The last transaction that logged a change of this key.
    logged: u64,
}

impl<K, V> Default for Tracked<K, V> {
    fn default() -> Self {
        let checkpoint = Checkpoint { began: 1, changed: Vec::new(), pending: Vec::new(), kept: FixedMap::default() };
        Tracked { current: FixedMap::default(), log: Vec::new(), transaction: 1, checkpoint }
    }
}

impl<K: Hash + Eq + Ord + Clone, V: Clone> Checkpoint<K, V> {
    /// Notes the first change of a key in a transaction; `logged` is the one that changed it before.
    fn note(&mut self, key: &K, old: Option<&V>, logged: u64) {
        if logged >= self.began {
            return;
        }
        self.changed.push(key.clone());
        if self.pending.binary_search_by(|pending| key.cmp(pending)).is_ok() && !self.kept.contains_key(key) {
            self.kept.insert(key.clone(), old.cloned());
        }
    }
}

impl<K: Hash + Eq + Ord + Clone, V: Clone> Tracked<K, V> {
    /// The value of a key.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.current.get(key).map(|held| &held.value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (key, held) = self.current.get_key_value_mut(key)?;
        if held.logged != self.transaction {
            self.checkpoint.note(key, Some(&held.value), held.logged);
            held.logged = self.transaction;
            self.log.push((key.clone(), Some(held.value.clone())));
        }
        Some(&mut held.value)
    }

    /// The value of a key, made by `make` if there is none, to be changed.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        match self.current.entry(key) {
            Entry::Occupied(entry) => {
                if entry.get().logged != self.transaction {
                    self.checkpoint.note(entry.key(), Some(&entry.get().value), entry.get().logged);
                    self.log.push((entry.key().clone(), Some(entry.get().value.clone())));
                }
                let held = entry.into_mut();
                held.logged = self.transaction;
                &mut held.value
            }
            Entry::Vacant(entry) => {
                self.checkpoint.note(entry.key(), None, 0);
                self.log.push((entry.key().clone(), None));
                &mut entry.insert(Held { value: make(), logged: self.transaction }).value
            }
        }
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        let new = Held { value, logged: self.transaction };
        match self.current.entry(key) {
            Entry::Occupied(mut entry) => {
                let old = entry.insert(new);
                if old.logged != self.transaction {
                    self.checkpoint.note(entry.key(), Some(&old.value), old.logged);
                    self.log.push((entry.key().clone(), Some(old.value)));
                }
            }
            Entry::Vacant(entry) => {
                self.checkpoint.note(entry.key(), None, 0);
                self.log.push((entry.key().clone(), None));
                entry.insert(new);
            }
        }
    }

    /// Removes a key.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (key, old) = self.current.remove_entry(key)?;
        if old.logged != self.transaction {
            self.checkpoint.note(&key, Some(&old.value), old.logged);
            self.log.push((key, Some(old.value.clone())));
        }
        Some(old.value)
    }

    /// Removes the keys for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        for (key, old) in self.current.extract_if(|key, held| !keep(key, &held.value)) {
            if old.logged != self.transaction {
                self.checkpoint.note(&key, Some(&old.value), old.logged);
                self.log.push((key, Some(old.value)));
            }
        }
    }

    /// Changes the values for which `which` says yes, in key order.
    pub fn change_where(&mut self, which: impl Fn(&V) -> bool, mut change: impl FnMut(&K, &mut V)) {
        let keys: Vec<K> =
            self.sorted().into_iter().filter(|(_, value)| which(value)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            if let Some(value) = self.get_mut(&key) {
                change(&key, value);
            }
        }
    }

    /// Keys and values in key order: the order in which anything published from the map has to be.
    pub fn sorted(&self) -> Vec<(&K, &V)> {
        let mut all: Vec<_> = self.current.iter().map(|(key, held)| (key, &held.value)).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(b.0));
        all
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.current.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// Begins a checkpoint of the map as of the last commit, which nothing may have followed: of what changed since the
    /// checkpoint before, all of which has been written, or of the `whole` map.
    pub fn begin_checkpoint(&mut self, whole: bool) {
        let changed = std::mem::take(&mut self.checkpoint.changed);
        let mut pending = if whole { self.current.keys().cloned().collect() } else { changed };
        pending.sort_unstable_by(|a, b| b.cmp(a));
        pending.dedup();
        let began = self.transaction;
        self.checkpoint = Checkpoint { began, changed: Vec::new(), pending, kept: FixedMap::default() };
    }

    /// The next key of the checkpoint with its value then, `None` if it had none; in key order.
    pub fn next_of_checkpoint(&mut self) -> Option<(K, Option<V>)> {
        let key = self.checkpoint.pending.pop()?;
        let value = match self.checkpoint.kept.remove(&key) {
            Some(kept) => kept,
            None => self.get(&key).cloned(),
        };
        Some((key, value))
    }

    /// Whether the checkpoint has something left.
    pub fn has_pending(&self) -> bool {
        !self.checkpoint.pending.is_empty()
    }

    /// Appends about `size` bytes of the checkpoint, each entry by `write`.
    pub fn write_chunk(&mut self, size: usize, out: &mut Writer, write: impl Fn(&K, Option<&V>, &mut Writer)) {
        let full = out.len() + size;
        while out.len() < full
            && let Some((key, value)) = self.next_of_checkpoint()
        {
            write(&key, value.as_ref(), out);
        }
    }

    /// Takes in what [`Tracked::next_of_checkpoint`] gave, without a change being noted.
    pub fn restore(&mut self, key: K, value: Option<V>) {
        match value {
            Some(value) => {
                self.current.insert(key, Held { value, logged: 0 });
            }
            None => {
                self.current.remove(&key);
            }
        }
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.log.clear();
        self.transaction += 1;
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        while let Some((key, old)) = self.log.pop() {
            match old {
                Some(value) => {
                    self.current.insert(key, Held { value, logged: 0 });
                }
                None => {
                    self.current.remove(&key);
                }
            }
        }
        self.transaction += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, i32),
        Change(u8, i32),
        Entry(u8),
        Remove(u8),
        RetainEven,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..8u8, any::<i32>()).prop_map(|(k, v)| Step::Insert(k, v)),
            (0..8u8, any::<i32>()).prop_map(|(k, v)| Step::Change(k, v)),
            (0..8u8).prop_map(Step::Entry),
            (0..8u8).prop_map(Step::Remove),
            Just(Step::RetainEven),
        ]
    }

    fn apply(map: &mut Tracked<u8, i32>, step: &Step) {
        match *step {
            Step::Insert(k, v) => map.insert(k, v),
            Step::Change(k, v) => {
                if let Some(value) = map.get_mut(&k) {
                    *value = v;
                }
            }
            Step::Entry(k) => *map.entry(k, || 7) += 1,
            Step::Remove(k) => {
                map.remove(&k);
            }
            Step::RetainEven => map.retain(|_, v| v % 2 == 0),
        }
    }

    fn contents(map: &Tracked<u8, i32>) -> Vec<(u8, i32)> {
        map.sorted().into_iter().map(|(k, v)| (*k, *v)).collect()
    }

    proptest! {
        #[test]
        fn rollback_restores_what_the_last_commit_held(
            kept in prop::collection::vec(step(), 0..20),
            undone in prop::collection::vec(step(), 0..20),
        ) {
            let mut map = Tracked::default();
            for step in &kept {
                apply(&mut map, step);
            }
            map.commit();
            let before = contents(&map);
            for step in &undone {
                apply(&mut map, step);
            }
            map.rollback();
            prop_assert_eq!(contents(&map), before);
        }

        #[test]
        fn checkpoints_give_the_map_as_it_was_when_each_of_them_began(
            rounds in prop::collection::vec(
                (any::<bool>(), prop::collection::vec((prop::collection::vec(step(), 0..6), any::<bool>(), 0..4usize), 1..6)),
                1..6,
            ),
        ) {
            let mut map = Tracked::default();
            let mut copy: Tracked<u8, i32> = Tracked::default();
            for (whole, turns) in rounds {
                let then = contents(&map);
                map.begin_checkpoint(whole);
                if whole {
                    copy = Tracked::default();
                }
                for (steps, is_committed, slice) in turns {
                    for step in &steps {
                        apply(&mut map, step);
                    }
                    if is_committed { map.commit() } else { map.rollback() }
                    for _ in 0..slice {
                        if let Some((key, value)) = map.next_of_checkpoint() {
                            copy.restore(key, value);
                        }
                    }
                }
                while let Some((key, value)) = map.next_of_checkpoint() {
                    copy.restore(key, value);
                }
                prop_assert_eq!(contents(&copy), then);
            }
        }
    }
}
