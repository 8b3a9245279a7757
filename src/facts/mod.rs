//! What is known of each key as of a time: slowly changing facts, such as the home country of a card's owner.
//!
//! Invariant: an event is shown the version that began to count last before its own time, and none that began later or
//! at the same moment, in whatever order versions came in. So a fact can never reach an event that it came after, and a
//! version that was let go of leaves a value missing, never another in its place.
//!
//! Of each key the version that counted at the watermark is kept, and every later one. A key whose facts were taken back
//! is forgotten once the watermark has passed that by a day. How many keys there are is bounded; facts are small, but nothing
//! makes them old. Every change can be taken back until [`Facts::commit`].

mod version;

pub use version::FactRow;

use crate::data::{BinaryError, Reader, Span, Timestamp, Tracked, Writer};
use version::Version;

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;
/// Versions kept of a key; the oldest go beyond that.
const MAX_VERSIONS: usize = 64;
/// All keys are looked through for versions that no longer matter once in this much event time.
const LOOK: Span = Span::from_days(1);

/// What one topic of facts tells of the keys of one shard.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The versions of each key, by the time from which they count.
    known: Tracked<Box<[u8]>, Vec<Version>>,
    max_keys: usize,
}

/// A fact at its turn.
#[derive(Clone, Debug)]
pub struct Fact<'a> {
    /// Of whom.
    pub key: &'a [u8],
    /// From when on it counts.
    pub at: Timestamp,
    /// What is known; `None`: nothing any more.
    pub row: Option<FactRow>,
    /// The watermark: no event from before it is expected.
    pub passed: Timestamp,
}

/// Facts of too many keys are known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactsFull;

impl Facts {
    /// Nothing is known; of at most `max_keys` keys anything will be.
    pub fn new(max_keys: u32) -> Self {
        Facts { known: Tracked::default(), max_keys: max_keys as usize }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known of anyone.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Takes a fact in. One that counts from the same moment as another of its key replaces it.
    ///
    /// # Errors
    /// It would be of one key too many.
    pub fn take(&mut self, fact: Fact<'_>) -> Result<(), FactsFull> {
        let Fact { key, at, row, passed } = fact;
        if self.known.len() >= self.max_keys && self.known.get(key).is_none() {
            return if row.is_none() { Ok(()) } else { Err(FactsFull) };
        }
        let versions = self.known.entry(key.into(), Vec::new);
        match versions.binary_search_by_key(&at, |version| version.at) {
            Ok(same) => versions[same].row = row,
            Err(place) => versions.insert(place, Version { at, row }),
        }
        version::let_go(versions, passed);
        let beyond = versions.len().saturating_sub(MAX_VERSIONS);
        versions.drain(..beyond);
        if versions.is_empty() {
            self.known.remove(key);
        }
        Ok(())
    }

    /// What was known of a key just before a time.
    pub fn as_of(&self, key: &[u8], at: Timestamp) -> Option<&FactRow> {
        let versions = self.known.get(key)?;
        let before = versions.partition_point(|version| version.at < at);
        versions.get(before.checked_sub(1)?)?.row.as_ref()
    }

    /// Lets go of what no longer matters, where the watermark has moved from `before` to `watermark`.
    pub fn expire(&mut self, before: Timestamp, watermark: Timestamp) {
        if before.interval(LOOK) == watermark.interval(LOOK) {
            return;
        }
        let changes = |versions: &Vec<Version>| version::can_let_go(versions, watermark);
        self.known.change_where(changes, |_, versions| version::let_go(versions, watermark));
        self.known.retain(|_, versions| !versions.is_empty());
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.known.commit();
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        self.known.rollback();
    }

    /// Begins a checkpoint as of the last commit: of the keys that changed since the last one, or of all.
    pub fn begin_checkpoint(&mut self, is_whole: bool) {
        self.known.begin_checkpoint(is_whole);
    }

    /// Whether the checkpoint has something left.
    pub fn has_pending(&self) -> bool {
        self.known.has_pending()
    }

    /// Appends the next keys of the checkpoint, about `size` bytes of them.
    pub fn write_chunk(&mut self, size: usize, out: &mut Writer) {
        out.unsigned(STATE_VERSION);
        self.known.write_chunk(size, out, |key, versions, out| {
            out.slice(key);
            version::write(versions.map(Vec::as_slice).unwrap_or_default(), out);
        });
    }

    /// Takes in what [`Facts::write_chunk`] wrote under the same configuration.
    ///
    /// # Errors
    /// Another format version, or bytes that are no facts.
    pub fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("what is known of keys", STATE_VERSION)?;
        while !reader.is_at_end() {
            let key = reader.slice()?.into();
            let versions = version::read(reader)?;
            self.known.restore(key, (!versions.is_empty()).then_some(versions));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
