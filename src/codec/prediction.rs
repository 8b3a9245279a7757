//! Predictions, the hot path: written field by field from borrowed parts, to the same bytes that serde would write.

use std::borrow::Cow;

use super::avro::{PublishedDatum, WriteDatum};
use super::json_words::{needs_no_escape, push_integer, push_thousandths};
use super::wire::write;
use crate::data::params::OutputForm;
use crate::data::{Arm, Timestamp};

/// A text that stands in many records, in both forms.
#[derive(Clone, Debug)]
pub struct Constant {
    json: Box<[u8]>,
    datum: Box<[u8]>,
}

impl Constant {
    /// A text in both forms.
    pub fn new(text: &str) -> Self {
        let (mut json, mut datum) = (Vec::new(), Vec::new());
        write(text, &mut json);
        datum.put_text(text);
        Constant { json: json.into(), datum: datum.into() }
    }

    /// As an Avro string.
    pub(super) fn datum(&self) -> &[u8] {
        &self.datum
    }
}

/// A prediction as borrowed parts. What is not UTF-8 of texts given as bytes, which is rare, is written with replacement
/// characters.
pub struct PredictionView<'a> {
    /// See [`Prediction`](crate::data::Prediction), here and below.
    pub event_id: &'a [u8],
    /// The event's key.
    pub entity: &'a [u8],
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
    pub decision: &'a Constant,
    /// The feature row.
    pub features: FeatureRow<'a>,
    /// Fingerprint of the layout.
    pub feature_layout: &'a Constant,
    /// Remarks.
    pub flags: &'a [&'a str],
    /// Topic of the event.
    pub source_topic: &'a Constant,
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
        text(&utf8(self.event_id), out);
        out.extend_from_slice(b",\"entity\":");
        text(&utf8(self.entity), out);
        out.extend_from_slice(b",\"event_time\":");
        push_integer(self.event_time.millis(), out);
        out.extend_from_slice(b",\"scored_at\":");
        push_integer(self.scored_at.millis(), out);
        out.extend_from_slice(b",\"model_version\":");
        push_integer(i64::from(self.model_version), out);
        out.extend_from_slice(b",\"arm\":");
        text(self.arm.name().as_bytes(), out);
        out.extend_from_slice(b",\"score\":");
        float(self.score, out);
        out.extend_from_slice(b",\"scores\":[");
        for (position, score) in self.scores.iter().enumerate() {
            separate(position, out);
            float(*score, out);
        }
        out.extend_from_slice(b"],\"decision\":");
        out.extend_from_slice(&self.decision.json);
        out.extend_from_slice(b",\"features\":[");
        for (position, value) in self.features.values().enumerate() {
            separate(position, out);
            feature(value, out);
        }
        out.extend_from_slice(b"],\"feature_layout\":");
        out.extend_from_slice(&self.feature_layout.json);
        out.extend_from_slice(b",\"flags\":[");
        for (position, flag) in self.flags.iter().enumerate() {
            separate(position, out);
            text(flag.as_bytes(), out);
        }
        out.extend_from_slice(b"],\"source_topic\":");
        out.extend_from_slice(&self.source_topic.json);
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

/// A text as it is published.
#[inline]
pub(super) fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into_bytes())
}

/// A string, which is UTF-8; only one with something to escape goes the long way.
fn text(text: &[u8], out: &mut Vec<u8>) {
    if !needs_no_escape(text) {
        return write(&String::from_utf8_lossy(text), out);
    }
    out.push(b'"');
    out.extend_from_slice(text);
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
    use crate::codec::read;
    use crate::data::Prediction;
    use crate::stats::SplitMix64;

    #[test]
    fn a_view_reads_back_as_a_prediction_bit_for_bit() {
        let columns = vec![vec![0.1 + 0.2], vec![f64::NAN], vec![-7.0], vec![1e300], vec![3e15]];
        let view = PredictionView {
            event_id: "a\"\n\u{1}é".as_bytes(),
            entity: b"JF\xff",
            event_time: Timestamp::from_millis(-1),
            scored_at: Timestamp::from_millis(2),
            model_version: 3,
            arm: Arm::Champion,
            score: 0.123_456_789_012_345_68,
            scores: &[],
            decision: &Constant::new("late"),
            features: FeatureRow { columns: &columns, row: 0 },
            feature_layout: &Constant::new("00ff"),
            flags: &["late"],
            source_topic: &Constant::new("fl\"ights"),
            source_partition: 1,
            source_offset: 42,
        };
        let mut bytes = Vec::new();
        view.write(&mut bytes);
        let read: Prediction = read("prediction", Some(&bytes)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.features, vec![Some(0.1 + 0.2), None, Some(-7.0), Some(1e300), Some(3e15)]);
        assert_eq!((read.event_id.as_str(), read.score.to_bits()), ("a\"\n\u{1}é", view.score.to_bits()));
        assert_eq!((read.entity.as_str(), read.source_topic.as_str()), ("JF\u{fffd}", "fl\"ights"));
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
}
