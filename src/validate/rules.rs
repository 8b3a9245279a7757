//! Rules for the parts of a record: key, value, headers.

use crate::data::{Header, Record, Reject, RejectCode};

/// The longest key that is taken.
pub const MAX_KEY_BYTES: usize = 256;
/// The most headers that are taken: they travel to the prediction.
pub const MAX_HEADERS: usize = 64;
/// The most bytes of headers that are taken, names and values together.
pub const MAX_HEADER_BYTES: usize = 16 << 10;

/// The record's key, if it is one that is taken.
pub fn key(record: &Record) -> Result<&[u8], Reject> {
    let key = record.key.as_deref().ok_or_else(|| Reject::new(RejectCode::KeyMissing, "the record has no key"))?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        let message = format!("the key has {} bytes; 1 to {MAX_KEY_BYTES} are taken", key.len());
        return Err(Reject::new(RejectCode::KeySize, message));
    }
    if std::str::from_utf8(key).is_err() {
        return Err(Reject::new(RejectCode::Decode, "the key is not UTF-8"));
    }
    Ok(key)
}

/// Refuses a record with more headers than can be carried along.
pub fn headers(record: &Record) -> Result<(), Reject> {
    if record.headers.is_empty() {
        return Ok(());
    }
    if record.headers.len() > MAX_HEADERS {
        let message = format!("the record has {} headers; at most {MAX_HEADERS} are taken", record.headers.len());
        return Err(Reject::new(RejectCode::Headers, message));
    }
    let bytes: usize = record.headers.iter().map(Header::bytes).sum();
    if bytes > MAX_HEADER_BYTES {
        let message = format!("the headers have {bytes} bytes; at most {MAX_HEADER_BYTES} are taken");
        return Err(Reject::new(RejectCode::Headers, message));
    }
    Ok(())
}

/// The record's value, if it has one of at most `max_bytes`.
pub fn value(record: &Record, max_bytes: usize) -> Result<&[u8], Reject> {
    match record.value.as_deref() {
        None | Some([]) => Err(Reject::new(RejectCode::Empty, "the record has no value")),
        Some(value) if value.len() > max_bytes => {
            let message = format!("the value has {} bytes; at most {max_bytes} are taken", value.len());
            Err(Reject::new(RejectCode::ValueSize, message))
        }
        Some(value) => Ok(value),
    }
}
