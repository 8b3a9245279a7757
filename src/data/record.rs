//! A Kafka record as the machines see it: bytes and their position, copied out of the client at once.
//!
//! Records of one batch share one piece of memory, so a clone is cheap and a single record can keep its whole batch alive:
//! whoever holds one for long holds it [`Record::alone`].

use bytes::Bytes;

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
    pub key: Option<Payload>,
    /// Value bytes; `None` for a null value (a tombstone).
    pub value: Option<Payload>,
    /// Headers in their order.
    pub headers: Vec<Header>,
}

impl Record {
    /// The same record in memory of its own.
    pub fn alone(&self) -> Record {
        let own = |bytes: &Option<Payload>| bytes.as_deref().map(Payload::from);
        Record { key: own(&self.key), value: own(&self.value), ..self.clone() }
    }
}

/// Bytes of a key or a value: a slice of memory that clones and the records of one batch share.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payload(Bytes);

impl Payload {
    /// The bytes in a vector of their own.
    pub fn into_vec(self) -> Vec<u8> {
        self.0.into()
    }
}

impl std::ops::Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Payload(bytes)
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Payload(Bytes::copy_from_slice(bytes))
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Payload(bytes.into())
    }
}

impl From<Box<[u8]>> for Payload {
    fn from(bytes: Box<[u8]>) -> Self {
        Payload(bytes.into())
    }
}

impl From<Payload> for Vec<u8> {
    fn from(payload: Payload) -> Self {
        payload.into_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_alone_shares_no_memory_with_its_batch() {
        let batch = Bytes::from(b"keyvalue".to_vec());
        let [key, value] = [batch.slice(..3), batch.slice(3..)].map(|part| Some(part.into()));
        let record = Record { offset: 1, timestamp: Timestamp::from_millis(2), key, value, headers: Vec::new() };
        let alone = record.alone();
        assert_eq!(alone, record);
        drop(record);
        assert!(batch.is_unique());
    }
}
