//! A Kafka record as the machines see it: bytes and their position, copied out of the client at once.
//!
//! Records of one batch share one piece of memory, so a clone is cheap and a single record can keep its whole batch alive:
//! whoever holds one for long holds it [`Record::alone`].

use bytes::Bytes;

use super::{BinaryError, Reader, Timestamp, Writer};

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

    /// Appends the binary form of a record's headers.
    pub fn write_all(headers: &[Header], out: &mut Writer) {
        out.unsigned(headers.len() as u64);
        for header in headers {
            out.slice(header.name.as_bytes());
            out.optional(header.value.as_deref());
        }
    }

    /// Takes what [`Header::write_all`] wrote.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Header>, BinaryError> {
        let mut headers = Vec::new();
        for _ in 0..reader.count()? {
            let name = reader.text()?.to_owned();
            headers.push(Header { name, value: reader.optional()?.map(Into::into) });
        }
        Ok(headers)
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
    /// Bytes of its key, value and headers.
    pub fn bytes(&self) -> usize {
        let len = |bytes: &Option<Payload>| bytes.as_deref().map_or(0, <[u8]>::len);
        len(&self.key) + len(&self.value) + self.headers.iter().map(Header::bytes).sum::<usize>()
    }

    /// The same record in memory of its own.
    pub fn alone(&self) -> Record {
        let own = |bytes: &Option<Payload>| bytes.as_deref().map(Payload::from);
        Record { key: own(&self.key), value: own(&self.value), ..self.clone() }
    }

    /// Appends its binary form.
    pub fn write(&self, out: &mut Writer) {
        out.signed(self.offset);
        out.signed(self.timestamp.millis());
        out.optional(self.key.as_deref());
        out.optional(self.value.as_deref());
        Header::write_all(&self.headers, out);
    }

    /// Takes its binary form.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let offset = reader.signed()?;
        let timestamp = Timestamp::from_millis(reader.signed()?);
        let key = reader.optional()?.map(Into::into);
        let value = reader.optional()?.map(Into::into);
        Ok(Record { offset, timestamp, key, value, headers: Header::read_all(reader)? })
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

    #[test]
    fn the_binary_form_is_as_it_was_published() {
        let header = |name: &str, value: Option<&[u8]>| Header { name: name.into(), value: value.map(Into::into) };
        let record = Record {
            offset: 7,
            timestamp: Timestamp::from_millis(-5),
            key: Some(b"card"[..].into()),
            value: Some(b"{}"[..].into()),
            headers: vec![header("trace", None), header("by", Some(b"bank"))],
        };
        let mut out = Writer::default();
        record.write(&mut out);
        let bytes = out.finish();
        assert_eq!(bytes, b"\x0e\x09\x01\x04card\x01\x02{}\x02\x05trace\x00\x02by\x01\x04bank");
        assert_eq!(Record::read(&mut Reader::new(&bytes)), Ok(record));
    }
}
