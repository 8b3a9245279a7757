//! A map whose changes can be taken back until they are committed.
//!
//! The first change to a key since the last commit keeps the old value aside. What is kept aside is at the same time
//! the set of keys that changed: what a checkpoint has to write.

use std::hash::Hash;

use super::FixedMap;

/// A hash map with undo. Reads cost what a hash map's do; the first write to a key since the last commit costs a clone
/// of its value.
#[derive(Clone, Debug)]
pub struct Tracked<K, V> {
    current: FixedMap<K, V>,
    before: FixedMap<K, Option<V>>,
}

impl<K, V> Default for Tracked<K, V> {
    fn default() -> Self {
        Tracked { current: FixedMap::default(), before: FixedMap::default() }
    }
}

/// Lookups by borrowed bytes, so that a key is only allocated when it is new or changed.
impl<V: Clone> Tracked<Box<[u8]>, V> {
    /// The value of a key.
    pub fn get_by(&self, key: &[u8]) -> Option<&V> {
        self.current.get(key)
    }

    /// The value of a key, to be changed.
    pub fn get_mut_by(&mut self, key: &[u8]) -> Option<&mut V> {
        let value = self.current.get_mut(key)?;
        if !self.before.contains_key(key) {
            self.before.insert(key.into(), Some(value.clone()));
        }
        Some(value)
    }

    /// Removes a key.
    pub fn remove_by(&mut self, key: &[u8]) -> Option<V> {
        let old = self.current.remove(key)?;
        if !self.before.contains_key(key) {
            self.before.insert(key.into(), Some(old.clone()));
        }
        Some(old)
    }
}

impl<K: Hash + Eq + Ord + Clone, V: Clone> Tracked<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.current.get(key)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let value = self.current.get_mut(key)?;
        if !self.before.contains_key(key) {
            self.before.insert(key.clone(), Some(value.clone()));
        }
        Some(value)
    }

    /// The value of a key, made by `make` if there is none, to be changed.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.before.contains_key(&key) {
            self.before.insert(key.clone(), self.current.get(&key).cloned());
        }
        self.current.entry(key).or_insert_with(make)
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        let old = self.current.insert(key.clone(), value);
        self.before.entry(key).or_insert(old);
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.current.remove(key)?;
        if !self.before.contains_key(key) {
            self.before.insert(key.clone(), Some(old.clone()));
        }
        Some(old)
    }

    /// Removes the keys for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let before = &mut self.before;
        self.current.retain(|key, value| {
            let kept = keep(key, value);
            if !kept && !before.contains_key(key) {
                before.insert(key.clone(), Some(value.clone()));
            }
            kept
        });
    }

    /// Keys and values in key order: the order in which anything published from the map has to be.
    pub fn sorted(&self) -> Vec<(&K, &V)> {
        let mut all: Vec<_> = self.current.iter().collect();
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
        let mut keys: Vec<_> = self.before.keys().collect();
        keys.sort_unstable();
        keys
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.before.clear();
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        for (key, old) in self.before.drain() {
            match old {
                Some(value) => {
                    self.current.insert(key, value);
                }
                None => {
                    self.current.remove(&key);
                }
            }
        }
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
