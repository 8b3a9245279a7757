//! The rows of the training log as Avro container files.
//!
//! The schema travels in each file. Files of the same rows at the same position are the same bytes: the marker between
//! blocks, random by default, is derived from the rows' position. The Avro record names are part of the format.

use apache_avro::{Reader, Schema, Writer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::{Arm, Timestamp};
use crate::retrain::{ExampleRow, LabelRow};

const PREDICTION_SCHEMA: &str = r#"{"type":"record","name":"ExamplePrediction","fields":[
    {"name":"offset","type":"long"},
    {"name":"event_id","type":"string"},
    {"name":"event_time","type":"long"},
    {"name":"model_version","type":"long"},
    {"name":"arm","type":"string"},
    {"name":"score","type":"double"},
    {"name":"layout","type":"string"},
    {"name":"features","type":{"type":"array","items":"double"}}]}"#;

const LABEL_SCHEMA: &str = r#"{"type":"record","name":"ExampleLabel","fields":[
    {"name":"offset","type":"long"},
    {"name":"event_id","type":"string"},
    {"name":"known_at","type":"long"},
    {"name":"label","type":"double"},
    {"name":"revision","type":"long"}]}"#;

#[derive(Serialize, Deserialize)]
#[serde(rename = "ExamplePrediction")]
struct StoredPrediction {
    offset: i64,
    event_id: String,
    event_time: i64,
    model_version: i64,
    arm: String,
    score: f64,
    layout: String,
    features: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "ExampleLabel")]
struct StoredLabel {
    offset: i64,
    event_id: String,
    known_at: i64,
    label: f64,
    revision: i64,
}

/// A row of either kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Logged {
    Prediction(ExampleRow),
    Label(LabelRow),
}

/// A row with the offset of the record it came from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LoggedAt {
    pub offset: i64,
    pub row: Logged,
}

/// Writes rows of one kind; `position` names the file and seeds its marker.
pub(super) fn encode(rows: &[LoggedAt], position: &str) -> Result<Vec<u8>, apache_avro::Error> {
    let of_labels = matches!(rows.first(), Some(LoggedAt { row: Logged::Label(_), .. }));
    let schema = Schema::parse_str(if of_labels { LABEL_SCHEMA } else { PREDICTION_SCHEMA })?;
    let mut marker = [0; 16];
    marker.iter_mut().zip(Sha256::digest(position.as_bytes())).for_each(|(to, from)| *to = from);
    let mut writer = Writer::builder().schema(&schema).writer(Vec::new()).marker(marker).build()?;
    for LoggedAt { offset, row } in rows {
        match row {
            Logged::Prediction(row) => writer.append_ser(StoredPrediction {
                offset: *offset,
                event_id: row.event_id.clone(),
                event_time: row.event_time.millis(),
                model_version: row.model_version.into(),
                arm: row.arm.name().to_owned(),
                score: row.score,
                layout: row.layout.clone(),
                features: row.features.clone(),
            })?,
            Logged::Label(row) => writer.append_ser(StoredLabel {
                offset: *offset,
                event_id: row.event_id.clone(),
                known_at: row.known_at.millis(),
                label: row.label,
                revision: row.revision.into(),
            })?,
        };
    }
    writer.into_inner()
}

/// Reads a file of either kind and hands each row to `take`.
pub(super) fn decode(bytes: &[u8], mut take: impl FnMut(LoggedAt)) -> Result<(), apache_avro::Error> {
    let reader = Reader::new(bytes)?;
    let of_labels = reader.writer_schema().name().is_some_and(|name| name.name() == "ExampleLabel");
    if of_labels {
        for row in reader.into_deser_iter::<StoredLabel>() {
            let StoredLabel { offset, event_id, known_at, label, revision } = row?;
            let (known_at, revision) = (Timestamp::from_millis(known_at), u32::try_from(revision).unwrap_or(u32::MAX));
            take(LoggedAt { offset, row: Logged::Label(LabelRow { event_id, known_at, label, revision }) });
        }
    } else {
        for row in reader.into_deser_iter::<StoredPrediction>() {
            let row = row?;
            let stored = ExampleRow {
                event_id: row.event_id,
                event_time: Timestamp::from_millis(row.event_time),
                model_version: u32::try_from(row.model_version).unwrap_or(u32::MAX),
                arm: if row.arm == Arm::Canary.name() { Arm::Canary } else { Arm::Champion },
                score: row.score,
                layout: row.layout,
                features: row.features,
            };
            take(LoggedAt { offset: row.offset, row: Logged::Prediction(stored) });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_with_missing_values_and_all_bits() {
        let row = ExampleRow {
            event_id: "é-1".into(),
            event_time: Timestamp::from_millis(-5),
            model_version: u32::MAX,
            arm: Arm::Canary,
            score: 0.1 + 0.2,
            layout: "abc".into(),
            features: vec![1.0 / 3.0, f64::NAN, f64::INFINITY, -0.0],
        };
        let label = LabelRow { event_id: "é-1".into(), known_at: Timestamp::MAX, label: 1.0, revision: 7 };
        for row in [Logged::Prediction(row), Logged::Label(label)] {
            let rows = vec![LoggedAt { offset: 41, row }];
            let bytes = encode(&rows, "p").unwrap();
            assert_eq!(bytes, encode(&rows, "p").unwrap());
            let mut found = Vec::new();
            decode(&bytes, |row| found.push(row)).unwrap();
            // NaN is not equal to itself
            assert_eq!(format!("{found:?}"), format!("{rows:?}"));
        }
    }

    #[test]
    fn damaged_files_are_errors() {
        let label = LabelRow { event_id: "a".into(), known_at: Timestamp::MAX, label: 1.0, revision: 7 };
        let bytes = encode(&[LoggedAt { offset: 1, row: Logged::Label(label) }], "p").unwrap();
        for end in [0, 3, bytes.len() - 20] {
            assert!(decode(&bytes[..end], |_| {}).is_err(), "{end}");
        }
    }
}
