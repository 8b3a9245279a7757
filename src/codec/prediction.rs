//! Predictions, the hot path: written field by field from borrowed parts, to what serde and the reference implementation of
//! Avro would write.
//!
//! The fields are those of [`Prediction`](crate::data::Prediction); tests hold both forms against it.

use super::avro::{WriteDatum, arm_index};
use super::utf8::as_utf8;
use super::wire::write;
use crate::data::params::OutputForm;
use crate::data::{Arm, Pen, Timestamp};

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
    pub fn values(&self) -> impl ExactSizeIterator<Item = f64> + Clone {
        self.columns.iter().map(|column| column.get(self.row).copied().unwrap_or(f64::NAN))
    }
}

impl PredictionView<'_> {
    /// Writes it in one form or the other.
    pub fn write_form(&self, form: OutputForm, pen: &mut Pen<'_>) {
        match form {
            OutputForm::Json => pen.own(|pen| self.put_json(pen)),
            OutputForm::Avro => pen.own(|pen| self.put_datum(pen)),
        }
    }

    /// Writes the JSON form.
    #[inline(always)]
    fn put_json(&self, pen: &mut Pen<'_>) {
        pen.put(b"{\"event_id\":");
        pen.put_string(&as_utf8(self.event_id));
        pen.put(b",\"entity\":");
        pen.put_string(&as_utf8(self.entity));
        pen.put(b",\"event_time\":");
        pen.put_integer(self.event_time.millis());
        pen.put(b",\"scored_at\":");
        pen.put_integer(self.scored_at.millis());
        pen.put(b",\"model_version\":");
        pen.put_integer(i64::from(self.model_version));
        pen.put(b",\"arm\":");
        pen.put_string(self.arm.name().as_bytes());
        pen.put(b",\"score\":");
        pen.put_float(self.score);
        pen.put(b",\"scores\":[");
        for (position, score) in self.scores.iter().enumerate() {
            separate(position, pen);
            pen.put_float(*score);
        }
        pen.put(b"],\"decision\":");
        pen.copy(&self.decision.json);
        pen.put(b",\"features\":[");
        for (position, value) in self.features.values().enumerate() {
            separate(position, pen);
            pen.put_feature(value);
        }
        pen.put(b"],\"feature_layout\":");
        pen.copy(&self.feature_layout.json);
        pen.put(b",\"flags\":[");
        for (position, flag) in self.flags.iter().enumerate() {
            separate(position, pen);
            pen.put_string(flag.as_bytes());
        }
        pen.put(b"],\"source_topic\":");
        pen.copy(&self.source_topic.json);
        pen.put(b",\"source_partition\":");
        pen.put_integer(i64::from(self.source_partition));
        pen.put(b",\"source_offset\":");
        pen.put_integer(self.source_offset);
        pen.put(b"}");
    }

    /// Writes the datum. Fields stand in the order of `schemas/prediction.avsc`.
    #[inline(always)]
    fn put_datum(&self, pen: &mut Pen<'_>) {
        pen.put_bytes(&as_utf8(self.event_id));
        pen.put_bytes(&as_utf8(self.entity));
        pen.put_long(self.event_time.millis());
        pen.put_long(self.scored_at.millis());
        pen.put_long(i64::from(self.model_version));
        pen.put_long(arm_index(self.arm));
        pen.put_double(self.score);
        if !self.scores.is_empty() {
            pen.put_long(self.scores.len() as i64);
            self.scores.iter().for_each(|score| pen.put_double(*score));
        }
        pen.put_long(0);
        pen.copy(&self.decision.datum);
        let features = self.features.values();
        if features.len() > 0 {
            pen.put_long(features.len() as i64);
            pen.put_optional_doubles(features);
        }
        pen.put_long(0);
        pen.copy(&self.feature_layout.datum);
        if !self.flags.is_empty() {
            pen.put_long(self.flags.len() as i64);
            self.flags.iter().for_each(|flag| pen.put_text(flag));
        }
        pen.put_long(0);
        pen.copy(&self.source_topic.datum);
        pen.put_long(i64::from(self.source_partition));
        pen.put_long(self.source_offset);
    }
}

/// A comma before all but the first.
#[inline(always)]
fn separate(position: usize, pen: &mut Pen<'_>) {
    if position > 0 {
        pen.put(b",");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::read;
    use crate::data::{Prediction, Room};

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
        let mut room = Room::default();
        room.write(|pen| view.write_form(OutputForm::Json, pen));
        let bytes = &room[0..room.len()];
        let read: Prediction = read("prediction", Some(bytes)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.features, vec![Some(0.1 + 0.2), None, Some(-7.0), Some(1e300), Some(3e15)]);
        assert_eq!((read.event_id.as_str(), read.score.to_bits()), ("a\"\n\u{1}é", view.score.to_bits()));
        assert_eq!((read.entity.as_str(), read.source_topic.as_str()), ("JF\u{fffd}", "fl\"ights"));
        let mut by_serde = Vec::new();
        write(&read, &mut by_serde);
        let whole_numbers_short = String::from_utf8_lossy(&by_serde).replace("-7.0,", "-7,");
        assert_eq!(String::from_utf8_lossy(bytes), whole_numbers_short);
    }
}
