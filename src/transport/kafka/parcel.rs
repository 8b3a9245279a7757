//! Records of one batch, copied out of the client into one piece of memory that they share.
//!
//! A message that is kept pins the client's whole fetch buffer, so it is copied out at once; one allocation for all keys
//! and values of a batch costs a fraction of two for each. A record pins its batch in turn, which is small and goes
//! with the last of its records.

use bytes::Bytes;

use super::native::Fetched;
use crate::data::{Header, Payload, Record, Timestamp};
use crate::transport::News;

/// Records being copied.
pub(super) struct Parcel {
    input: usize,
    expected: Room,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// How much a parcel holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    bytes: usize,
    records: usize,
}

struct Entry {
    partition: i32,
    offset: i64,
    timestamp: Timestamp,
    /// Lengths, `None` for null: key and value lie one after the other.
    key: Option<usize>,
    value: Option<usize>,
    headers: Vec<Header>,
}

impl Parcel {
    /// Empty, for records of this input; with its first record it makes room for what is expected.
    pub(super) fn new(input: usize, expected: Room) -> Self {
        Parcel { input, expected, bytes: Vec::new(), entries: Vec::new() }
    }

    /// What it holds.
    pub(super) fn size(&self) -> Room {
        Room { bytes: self.bytes.len(), records: self.entries.len() }
    }

    pub(super) fn input(&self) -> usize {
        self.input
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Copies a record in.
    pub(super) fn add(&mut self, fetched: Fetched<'_>) {
        if self.entries.is_empty() {
            self.bytes.reserve(self.expected.bytes);
            self.entries.reserve(self.expected.records);
        }
        let Fetched { partition, offset, timestamp_ms, key, value, headers } = fetched;
        let timestamp = Timestamp::from_millis(timestamp_ms);
        let mut copy = |bytes: &[u8]| {
            self.bytes.extend_from_slice(bytes);
            bytes.len()
        };
        let (key, value) = (key.map(&mut copy), value.map(&mut copy));
        self.entries.push(Entry { partition, offset, timestamp, key, value, headers });
    }

    /// The records in their order.
    pub(super) fn open(self) -> impl Iterator<Item = News> {
        let mut rest = Bytes::from(self.bytes);
        let input = self.input;
        self.entries.into_iter().map(move |entry| {
            let Entry { partition, offset, timestamp, key, value, headers } = entry;
            let mut cut = |len: usize| Payload::from(rest.split_to(len));
            let (key, value) = (key.map(&mut cut), value.map(&mut cut));
            News::Record { input, partition, record: Record { offset, timestamp, key, value, headers } }
        })
    }
}
