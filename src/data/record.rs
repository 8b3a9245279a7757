//! A Kafka record as the machines see it: bytes and their position, copied out of the client at once.

use super::Timestamp;

/// One header of a record; Kafka allows a name more than once and a value that is null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Name of the header.
    pub name: String,
    /// Its bytes, if any.
    pub value: Option<Vec<u8>>,
}

impl Header {
    /// Bytes of its name and value.
    pub fn bytes(&self) -> usize {
        self.name.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// One record of a topic partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Offset in its partition.
    pub offset: i64,
    /// The record's own timestamp (set by its producer or by the broker).
    pub timestamp: Timestamp,
    /// Key bytes; `None` for a null key.
    pub key: Option<Box<[u8]>>,
    /// Value bytes; `None` for a null value (a tombstone).
    pub value: Option<Box<[u8]>>,
    /// Headers in their order.
    pub headers: Vec<Header>,
}
