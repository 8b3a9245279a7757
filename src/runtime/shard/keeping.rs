//! Records that a transaction journals in full, within what a journal record can hold.
//!
//! A record of a compacted topic may be gone when a restore wants it again, so the journal has it. What no machine would
//! take anyway, as it is too long, is cut to a length at which it still is too long.

use crate::data::params::MAX_FACT_BYTES;
use crate::data::{Header, Payload, Record};
use crate::validate::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_KEY_BYTES};

/// Bytes of such records in one transaction.
const KEPT_BYTES: usize = 400 * 1024;

/// What the open transaction keeps in full.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    bytes: usize,
    /// The next record did not fit.
    is_full: bool,
}

impl Keeping {
    /// Whether a record still fits; the first one always does.
    pub(super) fn admit(&mut self, record: &Record) -> bool {
        let bytes = size(record);
        self.is_full = self.bytes > 0 && self.bytes + bytes > KEPT_BYTES;
        if !self.is_full {
            self.bytes += bytes;
        }
        !self.is_full
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }
}

/// The most of a record that is kept: without headers where they are too many.
pub(super) fn cut(mut record: Record) -> Record {
    let header_bytes: usize = record.headers.iter().map(Header::bytes).sum();
    if record.headers.len() > MAX_HEADERS || header_bytes > MAX_HEADER_BYTES {
        record.headers.clear();
    }
    for (bytes, most) in [(&mut record.key, MAX_KEY_BYTES), (&mut record.value, MAX_FACT_BYTES)] {
        if let Some(part) = bytes.as_deref().and_then(|bytes| bytes.get(..=most)).map(Payload::from) {
            *bytes = Some(part);
        }
    }
    record
}

fn size(record: &Record) -> usize {
    let len = |bytes: &Option<Payload>, most: usize| bytes.as_deref().map_or(0, <[u8]>::len).min(most + 1);
    let headers: usize = record.headers.iter().map(Header::bytes).sum();
    32 + len(&record.key, MAX_KEY_BYTES) + len(&record.value, MAX_FACT_BYTES) + headers.min(MAX_HEADER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Timestamp;

    fn record(key: usize, value: usize, headers: usize) -> Record {
        let header = Header { name: "h".to_owned(), value: Some(vec![0; 1_000]) };
        Record {
            offset: 0,
            timestamp: Timestamp::default(),
            key: Some(vec![b'k'; key].into()),
            value: Some(vec![b'v'; value].into()),
            headers: vec![header; headers],
        }
    }

    #[test]
    fn what_is_too_long_stays_too_long_and_the_rest_as_it_is() {
        let kept = cut(record(MAX_KEY_BYTES, MAX_FACT_BYTES, 16));
        assert_eq!(kept, record(MAX_KEY_BYTES, MAX_FACT_BYTES, 16));
        assert_eq!(cut(record(5_000, 5_000_000, 17)), record(MAX_KEY_BYTES + 1, MAX_FACT_BYTES + 1, 0));
    }

    #[test]
    fn a_transaction_is_full_when_the_next_record_does_not_fit() {
        let mut keeping = Keeping::default();
        assert!(keeping.admit(&record(5_000, 5_000_000, 17)));
        let next = record(10, 60_000, 0);
        let admitted = (0..20).filter(|_| keeping.admit(&next)).count();
        assert_eq!((admitted, keeping.is_full()), (5, true));
    }
}
