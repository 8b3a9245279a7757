//! Groups by their keys: from a key to the number of its slot.

use xxhash_rust::xxh3::xxh3_64;

use super::slots::KeyWords;
use crate::data::HashTable;

/// A key as it lies in a slot.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub bytes: &'a [u8],
    pub words: KeyWords,
}

/// What decides the place of a key in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyHash(u32);

impl<'a> Key<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Key { bytes, words: KeyWords::of(bytes) }
    }

    #[inline]
    pub(super) fn hash(&self) -> KeyHash {
        KeyHash::of(self.bytes)
    }
}

impl KeyHash {
    #[inline]
    pub(super) fn of(key: &[u8]) -> Self {
        KeyHash(xxh3_64(key) as u32)
    }

    /// What a table is asked with: its upper bits count as much as its lower ones.
    #[inline]
    fn spread(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Slot numbers by the hashes of their keys; whether a slot is the key's, the caller knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Index(HashTable<Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: KeyHash,
    at: u32,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn find(&self, hash: KeyHash, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.0.find(hash.spread(), |entry| entry.hash == hash && is_it(entry.at)).map(|entry| entry.at)
    }

    pub(super) fn insert(&mut self, hash: KeyHash, at: u32) {
        self.0.insert_unique(hash.spread(), Entry { hash, at }, |entry| entry.hash.spread());
    }

    pub(super) fn remove(&mut self, hash: KeyHash, at: u32) {
        if let Ok(entry) = self.0.find_entry(hash.spread(), |entry| entry.at == at) {
            entry.remove();
        }
    }
}
