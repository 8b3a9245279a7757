//! The published records, in either form.
//!
//! A reader tells the forms apart by the first byte: no datum and no frame begins with `{`, and no text that a datum
//! begins with is empty. In JSON, most records are written by serde from the types of `data`. Predictions are the hot path: [`PredictionView`] writes
//! them from borrowed columns, field by field, to the same bytes that serde would; its fields are those of
//! [`Prediction`](crate::data::Prediction).

use serde::ser::Serialize;

use super::avro::{Published, PublishedDatum};
use super::json_words::{needs_no_escape, push_integer, push_thousandths};
use crate::data::params::OutputForm;
use crate::data::{Arm, DriftAlert, Outcome, PerformanceRecord, Prediction, Timestamp};

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

/// A prediction as borrowed parts.
pub struct PredictionView<'a> {
    /// See [`Prediction`](crate::data::Prediction), here and below.
    pub event_id: &'a str,
    /// The event's key.
    pub entity: &'a str,
    /// Event time.
    pub event_time: Timestamp,
    /// Wall time of the transaction.
    pub scored_at: Timestamp,
    /// Version of the model.
    pub model_version: u32,
    /// Its part.
    pub arm: Arm,
    /// Probability of the positive class.
    pub score: f64,
    /// Scores of all classes, or empty.
    pub scores: &'a [f64],
    /// Name of the class decided for.
    pub decision: &'a str,
    /// The feature row.
    pub features: FeatureRow<'a>,
    /// Fingerprint of the layout.
    pub feature_layout: &'a str,
    /// Remarks.
    pub flags: &'a [&'a str],
    /// Topic of the event.
    pub source_topic: &'a str,
    /// Partition of the event.
    pub source_partition: i32,
    /// Offset of the event.
    pub source_offset: i64,
}

/// One row of a batch of feature columns; NaN is written as null.
#[derive(Clone, Copy, Debug)]
pub struct FeatureRow<'a> {
    /// Columns in layout order.
    pub columns: &'a [Vec<f64>],
    /// The row.
    pub row: usize,
}

impl FeatureRow<'_> {
    /// The values of the row in layout order; NaN where one is missing.
    pub fn values(&self) -> impl ExactSizeIterator<Item = f64> {
        self.columns.iter().map(|column| column.get(self.row).copied().unwrap_or(f64::NAN))
    }
}

impl PredictionView<'_> {
    /// Appends it to `out` in one form or the other.
    pub fn write_form(&self, form: OutputForm, out: &mut Vec<u8>) {
        match form {
            OutputForm::Json => self.write(out),
            OutputForm::Avro => self.write_datum(out),
        }
    }

    /// Appends the JSON form to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(ROOM + ROOM_OF_A_NUMBER * self.features.columns.len());
        out.extend_from_slice(b"{\"event_id\":");
        text(self.event_id, out);
        out.extend_from_slice(b",\"entity\":");
        text(self.entity, out);
        out.extend_from_slice(b",\"event_time\":");
        push_integer(self.event_time.millis(), out);
        out.extend_from_slice(b",\"scored_at\":");
        push_integer(self.scored_at.millis(), out);
        out.extend_from_slice(b",\"model_version\":");
        push_integer(i64::from(self.model_version), out);
        out.extend_from_slice(b",\"arm\":");
        text(self.arm.name(), out);
        out.extend_from_slice(b",\"score\":");
        float(self.score, out);
        out.extend_from_slice(b",\"scores\":[");
        for (position, score) in self.scores.iter().enumerate() {
            separate(position, out);
            float(*score, out);
        }
        out.extend_from_slice(b"],\"decision\":");
        text(self.decision, out);
        out.extend_from_slice(b",\"features\":[");
        for (position, value) in self.features.values().enumerate() {
            separate(position, out);
            feature(value, out);
        }
        out.extend_from_slice(b"],\"feature_layout\":");
        text(self.feature_layout, out);
        out.extend_from_slice(b",\"flags\":[");
        for (position, flag) in self.flags.iter().enumerate() {
            separate(position, out);
            text(flag, out);
        }
        out.extend_from_slice(b"],\"source_topic\":");
        text(self.source_topic, out);
        out.extend_from_slice(b",\"source_partition\":");
        push_integer(i64::from(self.source_partition), out);
        out.extend_from_slice(b",\"source_offset\":");
        push_integer(self.source_offset, out);
        out.push(b'}');
    }
}

/// Bytes of most predictions without their features, and of a feature.
const ROOM: usize = 512;
const ROOM_OF_A_NUMBER: usize = 24;

/// A comma before all but the first.
#[inline(always)]
fn separate(position: usize, out: &mut Vec<u8>) {
    if position > 0 {
        out.push(b',');
    }
}

/// A string; only one with something to escape goes the long way.
fn text(text: &str, out: &mut Vec<u8>) {
    if !needs_no_escape(text.as_bytes()) {
        return write(text, out);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// A double; what has few decimals goes a short way to the same text.
#[inline(always)]
fn float(value: f64, out: &mut Vec<u8>) {
    if !push_thousandths(value, out) {
        write(&value, out);
    }
}

/// A value of the feature row. Whole numbers go without a fraction: shorter, and the same double when read back.
#[inline(always)]
fn feature(value: f64, out: &mut Vec<u8>) {
    let whole = value as i64;
    if value.is_nan() {
        out.extend_from_slice(b"null");
    } else if whole as f64 == value && value.abs() < 1e15 {
        push_integer(whole, out);
    } else {
        float(value, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Prediction;
    use crate::stats::SplitMix64;

    #[test]
    fn a_view_reads_back_as_a_prediction_bit_for_bit() {
        let columns = vec![vec![0.1 + 0.2], vec![f64::NAN], vec![-7.0], vec![1e300], vec![3e15]];
        let view = PredictionView {
            event_id: "a\"\n\u{1}é",
            entity: "JFK",
            event_time: Timestamp::from_millis(-1),
            scored_at: Timestamp::from_millis(2),
            model_version: 3,
            arm: Arm::Champion,
            score: 0.123_456_789_012_345_68,
            scores: &[],
            decision: "late",
            features: FeatureRow { columns: &columns, row: 0 },
            feature_layout: "00ff",
            flags: &["late"],
            source_topic: "flights",
            source_partition: 1,
            source_offset: 42,
        };
        let mut bytes = Vec::new();
        view.write(&mut bytes);
        let read: Prediction = read("prediction", Some(&bytes)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.features, vec![Some(0.1 + 0.2), None, Some(-7.0), Some(1e300), Some(3e15)]);
        assert_eq!((read.event_id.as_str(), read.score.to_bits()), ("a\"\n\u{1}é", view.score.to_bits()));
        let mut by_serde = Vec::new();
        write(&read, &mut by_serde);
        let whole_numbers_short = String::from_utf8_lossy(&by_serde).replace("-7.0,", "-7,");
        assert_eq!(String::from_utf8_lossy(&bytes), whole_numbers_short);
    }

    /// What serde makes of a value of the feature row.
    fn by_serde(value: f64) -> String {
        let is_short = value.fract() == 0.0 && value.abs() < 1e15;
        let text = if is_short { serde_json::to_string(&(value as i64)) } else { serde_json::to_string(&value) };
        text.unwrap_or_default()
    }

    #[test]
    fn every_double_is_written_as_serde_does() {
        let mut random = SplitMix64::new(1);
        let mut written = Vec::new();
        let mut check = |value: f64| {
            written.clear();
            float(value, &mut written);
            assert_eq!(String::from_utf8_lossy(&written), serde_json::to_string(&value).unwrap_or_default());
            written.clear();
            feature(value, &mut written);
            assert_eq!(String::from_utf8_lossy(&written), by_serde(value));
        };
        for edge in [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e-7] {
            check(edge);
        }
        for power in -324..309 {
            let power: f64 = format!("1e{power}").parse().unwrap_or_default();
            for value in [power, -power, power.next_up(), power.next_down(), 1.5 * power, 123.0 * power] {
                check(value);
            }
        }
        for _ in 0..50_000 {
            let bits = random.below(u64::MAX);
            check(f64::from_bits(bits));
            check(f64::from_bits(bits >> 12));
            let whole = (bits >> (bits & 63)) as i64 as f64;
            for value in [whole, -whole, whole / 10.0, whole / 100.0, whole / 1_000.0, whole / 1e4, whole * 0.001] {
                check(value);
                check(value.next_up());
            }
        }
    }

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
