//! A map whose changes can be taken back until they are committed.
//!
//! The first change to a key since the last commit is logged with the old value. The log, played backwards, restores the
//! map; its keys are at the same time the set of keys that changed: what a checkpoint has to write.

use std::borrow::Borrow;
use std::hash::Hash;

use super::FixedMap;
use super::hash::Entry;

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
}

#[derive(Clone, Debug)]
struct Held<V> {
    value: V,
    /// The last transaction that logged a change of this key.
    logged: u64,
}

impl<K, V> Default for Tracked<K, V> {
    fn default() -> Self {
        Tracked { current: FixedMap::default(), log: Vec::new(), transaction: 1 }
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
                    self.log.push((entry.key().clone(), Some(entry.get().value.clone())));
                }
                let held = entry.into_mut();
                held.logged = self.transaction;
                &mut held.value
            }
            Entry::Vacant(entry) => {
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
                    self.log.push((entry.key().clone(), Some(old.value)));
                }
            }
            Entry::Vacant(entry) => {
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
            self.log.push((key, Some(old.value.clone())));
        }
        Some(old.value)
    }

    /// Removes the keys for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        for (key, old) in self.current.extract_if(|key, held| !keep(key, &held.value)) {
            if old.logged != self.transaction {
                self.log.push((key, Some(old.value)));
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

    /// Keys changed since the last commit, in order.
    pub fn dirty(&self) -> Vec<&K> {
        let mut keys: Vec<_> = self.log.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
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
            prop_assert!(map.dirty().is_empty());
        }
    }
}
