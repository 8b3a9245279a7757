//! A hasher with a fixed seed, for maps whose behaviour is to be the same in every process.

use std::hash::{BuildHasher, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Builds hashers without a random seed. Iteration order over such a map is still not part of any output:
/// what is published from a map is sorted first.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedState;

/// One-shot XXH3 over each written slice, chained by using the hash so far as the next seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedHasher(u64);

impl Hasher for FixedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// Lengths and variants come before or after the bytes that matter, which spread them.
    fn write_usize(&mut self, number: usize) {
        self.0 = self.0.rotate_left(32) ^ number as u64;
    }
}

impl BuildHasher for FixedState {
    type Hasher = FixedHasher;

    fn build_hasher(&self) -> FixedHasher {
        FixedHasher::default()
    }
}

/// A hash table whose entries lie elsewhere: the caller hashes and compares.
pub use hashbrown::HashTable;

/// A hash map with [`FixedState`].
pub type FixedMap<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// A place in a [`FixedMap`], found once to be read and written.
pub(super) type Entry<'a, K, V> = hashbrown::hash_map::Entry<'a, K, V, FixedState>;
