//! The records of a state topic: chunks, and the marker that makes them a checkpoint.
//!
//! A chunk's key names its checkpoint and its place in it, so a compacted topic keeps every chunk until a tombstone lets go
//! of it. The marker has one key for ever: the last one counts. It names the point of the journal that the state is as
//! of, and how many chunks there are, with their digest, so that one that is missing is noticed.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::data::{BinaryError, Reader, Timestamp, Writer};

/// The format this binary writes and reads, of chunks and of markers.
pub const CHECKPOINT_VERSION: u64 = 1;

/// The key of the marker.
pub const MARKER_KEY: &[u8] = b"marker";

/// The key of notes that a transaction was opened; what they say is that they are there.
pub const OPEN_KEY: &[u8] = b"open";

/// Which chunk: in the order of their keys, chunks are in the order in which they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkKey {
    /// Number of the checkpoint.
    pub checkpoint: u64,
    /// Place in the checkpoint, from 0.
    pub index: u32,
}

/// A chunk as it stands in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredChunk<'a> {
    /// Event time from which on it no longer matters; `None` for one that counts until the next compact checkpoint.
    pub until: Option<Timestamp>,
    /// The machine's bytes.
    pub bytes: &'a [u8],
}

/// How many chunks count, and what is in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkSum {
    /// Number of chunks.
    pub chunks: u64,
    /// Sum of their XXH3 digests, key and value, so that it can be kept up as chunks come and go.
    pub digest: u64,
}

/// What makes chunks a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Number of the checkpoint.
    pub checkpoint: u64,
    /// Number of the last one that held everything: chunks before it count only if they are bound to a time.
    pub base: u64,
    /// The journal record after which the state is taken.
    pub sequence: u64,
    /// An offset of the journal that lies before all later records.
    pub journal_from: i64,
    /// Hash of the configuration that the machine was built from.
    pub config: String,
    /// Next offset of every input, by input number.
    pub positions: Vec<i64>,
    /// Next offset of the control log.
    pub control: i64,
    /// The chunks that count.
    pub sum: ChunkSum,
    /// The machine's head.
    pub head: Vec<u8>,
}

const KEY_LENGTH: usize = 13;

impl ChunkKey {
    /// The record key.
    pub fn encode(self) -> [u8; KEY_LENGTH] {
        let mut key = [b'c'; KEY_LENGTH];
        key[1..9].copy_from_slice(&self.checkpoint.to_be_bytes());
        key[9..].copy_from_slice(&self.index.to_be_bytes());
        key
    }

    /// Reads a record key; `None` if it is none of a chunk.
    pub fn decode(key: &[u8]) -> Option<Self> {
        let (tag, rest) = key.split_first()?;
        let (checkpoint, index) = rest.split_at_checked(8)?;
        Some(ChunkKey {
            checkpoint: u64::from_be_bytes(checkpoint.try_into().ok()?),
            index: u32::from_be_bytes(index.try_into().ok()?),
        })
        .filter(|_| *tag == b'c')
    }
}

impl<'a> StoredChunk<'a> {
    /// The record value.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.unsigned(CHECKPOINT_VERSION);
        out.flag(self.until.is_some());
        out.signed(self.until.unwrap_or_default().millis());
        out.raw(self.bytes);
        out.finish()
    }

    /// Reads a record value.
    pub fn decode(value: &'a [u8]) -> Result<Self, BinaryError> {
        let mut reader = Reader::new(value);
        reader.version("the state chunk", CHECKPOINT_VERSION)?;
        let is_bound = reader.flag()?;
        let until = Timestamp::from_millis(reader.signed()?);
        Ok(StoredChunk { until: is_bound.then_some(until), bytes: reader.rest() })
    }
}

impl ChunkSum {
    /// The sum of one chunk.
    pub fn of(key: ChunkKey, value: &[u8]) -> Self {
        ChunkSum { chunks: 1, digest: xxh3_64_with_seed(value, xxh3_64(&key.encode())) }
    }

    /// Counts another sum in.
    pub fn add(&mut self, other: ChunkSum) {
        self.chunks += other.chunks;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

impl Marker {
    /// The record value.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.unsigned(CHECKPOINT_VERSION);
        out.unsigned(self.checkpoint);
        out.unsigned(self.base);
        out.unsigned(self.sequence);
        out.signed(self.journal_from);
        out.slice(self.config.as_bytes());
        out.unsigned(self.positions.len() as u64);
        self.positions.iter().for_each(|position| out.signed(*position));
        out.signed(self.control);
        out.unsigned(self.sum.chunks);
        out.digest(u128::from(self.sum.digest));
        out.slice(&self.head);
        out.finish()
    }

    /// Reads a record value.
    pub fn decode(value: &[u8]) -> Result<Self, BinaryError> {
        let mut reader = Reader::new(value);
        reader.version("the checkpoint marker", CHECKPOINT_VERSION)?;
        let (checkpoint, base, sequence) = (reader.unsigned()?, reader.unsigned()?, reader.unsigned()?);
        let journal_from = reader.signed()?;
        let config = reader.text()?.to_owned();
        let positions = (0..reader.count()?).map(|_| reader.signed()).collect::<Result<_, _>>()?;
        let control = reader.signed()?;
        let chunks = reader.unsigned()?;
        let digest = u64::try_from(reader.digest()?).map_err(|_| BinaryError::Invalid { what: "digest", at: 0 })?;
        let head = reader.slice()?.to_vec();
        reader.finish()?;
        let sum = ChunkSum { chunks, digest };
        Ok(Marker { checkpoint, base, sequence, journal_from, config, positions, control, sum, head })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marker() -> Marker {
        Marker {
            checkpoint: 9,
            base: 7,
            sequence: 1_234,
            journal_from: 2_470,
            config: "abc".into(),
            positions: vec![10, -1],
            control: 3,
            sum: ChunkSum { chunks: 2, digest: u64::MAX },
            head: vec![1, 2, 3],
        }
    }

    #[test]
    fn a_marker_is_read_back_as_written() {
        assert_eq!(Marker::decode(&marker().encode()), Ok(marker()));
    }

    #[test]
    fn the_first_published_version_is_still_read() {
        assert_eq!(Marker::decode(include_bytes!("../../tests/fixtures/marker-v1.bin")), Ok(marker()));
        let chunk = include_bytes!("../../tests/fixtures/chunk-v1.bin");
        let expected = StoredChunk { until: Some(Timestamp::from_millis(-5)), bytes: b"state" };
        assert_eq!(StoredChunk::decode(chunk), Ok(expected));
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let message = "the checkpoint marker has format version 9; this binary reads version 1";
        assert_eq!(Marker::decode(&[9]).map_err(|error| error.to_string()), Err(message.to_owned()));
        let message = "the state chunk has format version 9; this binary reads version 1";
        assert_eq!(StoredChunk::decode(&[9]).map_err(|error| error.to_string()), Err(message.to_owned()));
    }

    proptest! {
        #[test]
        fn keys_sort_as_chunks_were_written(a in any::<(u64, u32)>(), b in any::<(u64, u32)>()) {
            let key = |(checkpoint, index)| ChunkKey { checkpoint, index };
            prop_assert_eq!(ChunkKey::decode(&key(a).encode()), Some(key(a)));
            prop_assert_eq!(key(a).cmp(&key(b)), key(a).encode().cmp(&key(b).encode()));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Marker::decode(&bytes);
            let _ = StoredChunk::decode(&bytes);
            let _ = ChunkKey::decode(&bytes);
        }
    }
}
