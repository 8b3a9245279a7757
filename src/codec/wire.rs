//! The published records, in either form.
//!
//! A reader tells the forms apart by the first byte: no datum and no frame begins with `{`, and no text that a datum
//! begins with is empty. In JSON, records are written by serde from the types of `data`, all but predictions
//! ([`super::prediction`]).

use serde::ser::Serialize;

use super::avro::{Published, PublishedDatum};
use crate::data::params::OutputForm;
use crate::data::{DriftAlert, Outcome, PerformanceRecord, Prediction};

/// A published record could not be read.
#[derive(Debug, thiserror::Error)]
#[error("not a valid {what} record: {why}")]
pub struct WireError {
    what: &'static str,
    why: String,
}

/// A frame before a datum: a zero byte and four of a schema id.
const FRAME: usize = 5;

/// Reads a published record: JSON, a datum, or a datum in a frame.
pub fn read<T: Published>(what: &'static str, bytes: Option<&[u8]>) -> Result<T, WireError> {
    let bytes = bytes.ok_or_else(|| WireError { what, why: "the value is null".to_owned() })?;
    let is_json = bytes.first() == Some(&b'{');
    let framed = bytes.get(FRAME..).filter(|_| bytes.first() == Some(&0)).and_then(T::of_datum);
    if let Some(record) = framed.or_else(|| if is_json { None } else { T::of_datum(bytes) }) {
        return Ok(record);
    }
    serde_json::from_slice(bytes).map_err(|error| WireError { what, why: without_values(&error) })
}

/// What is wrong with a text, and where, without any of its values: this is logged, and values are not.
fn without_values(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let names_only = ["missing field ", "duplicate field "].iter().any(|start| message.starts_with(start));
    if !error.is_data() || names_only {
        return message;
    }
    // What was found is quoted before it; what was expected is ours.
    let (_, expected) = message.rsplit_once(", expected ").unwrap_or(("", "what is expected"));
    match expected.contains(" at line ") {
        true => format!("a value is not {expected}"),
        false => format!("a value is not what is expected at line {} column {}", error.line(), error.column()),
    }
}

/// The fields of a datum of one of the published schemas, whichever it is.
pub fn published_json(datum: &[u8]) -> Option<serde_json::Value> {
    fn fields<T: Published + Serialize>(datum: &[u8]) -> Option<serde_json::Value> {
        serde_json::to_value(T::of_datum(datum)?).ok()
    }
    fields::<Prediction>(datum)
        .or_else(|| fields::<Outcome>(datum))
        .or_else(|| fields::<DriftAlert>(datum))
        .or_else(|| fields::<PerformanceRecord>(datum))
}

/// Appends a record in one form or the other.
pub fn write_form<T: Serialize + PublishedDatum>(form: OutputForm, record: &T, out: &mut Vec<u8>) {
    match form {
        OutputForm::Json => write(record, out),
        OutputForm::Avro => record.write_datum(out),
    }
}

/// Appends the JSON form of a record to `out`. Types whose JSON form can fail (maps with keys that are no strings) are
/// not among the published ones; should one fail all the same, what was appended is taken back.
pub fn write<T: Serialize + ?Sized>(record: &T, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, record).is_err() {
        out.truncate(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_and_what_was_expected_but_no_value() {
        let alert = |text: &str| read::<DriftAlert>("alert", Some(text.as_bytes())).unwrap_err().to_string();
        let whole = r#"{"alert_id":"a","phase":"PHASE","signal":"s"}"#;
        let variants = "one of `opened`, `ongoing`, `recovered` at line 1 column";
        let error = alert(&whole.replace("PHASE", "canary, expected canary"));
        assert!(error.contains(variants) && !error.contains("canary"), "{error}");
        let error = alert(r#"{"alert_id":"a","phase":"opened","signal":12345}"#);
        assert!(error.contains("a value is not a string at line 1 column") && !error.contains("12345"), "{error}");
        assert!(alert(r#"{"alert_id":"a"}"#).contains("missing field `phase`"));
        assert!(alert("canary").contains("expected value at line 1"), "{}", alert("canary"));
    }
}
