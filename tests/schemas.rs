//! The published records and `schemas/*.avsc` carry the same names: a full example of each record, as its JSON, is a
//! value of its schema, and has no field more or less.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use driftless::codec::{Constant, FeatureRow, PredictionView, Published, PublishedDatum, read};
use driftless::data::params::OutputForm;
use driftless::data::{
    AlertAction, Arm, ArtifactRef, DriftAlert, DriftWindow, ModelCommand, ModelRecord, Outcome, PerformanceRecord,
    PerformanceWindow, Phase, Prediction, Room, SettingChange, Summary, Timestamp, TrainingReason,
};
use driftless::stats::{BinCounts, ScoreHistogram};
use serde::Serialize;
use support::{command, evidence};

fn schema(name: &str) -> Schema {
    let path = format!("{}/schemas/{name}.avsc", env!("CARGO_MANIFEST_DIR"));
    Schema::parse_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The names below a JSON value and those below a schema, compared all the way down.
fn compare(json: &serde_json::Value, schema: &Schema, at: &str) {
    match (json, schema) {
        (serde_json::Value::Object(fields), Schema::Record(record)) => {
            let mut found: Vec<&str> = fields.keys().map(String::as_str).collect();
            let mut declared: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
            found.sort_unstable();
            declared.sort_unstable();
            assert_eq!(found, declared, "fields of {at}");
            for field in &record.fields {
                compare(&fields[&field.name], &field.schema, &format!("{at}.{}", field.name));
            }
        }
        (serde_json::Value::Array(items), Schema::Array(array)) => {
            for item in items {
                compare(item, &array.items, at);
            }
        }
        (json, Schema::Union(union)) if !json.is_null() => {
            let some = union.variants().iter().find(|variant| !matches!(variant, Schema::Null)).unwrap();
            compare(json, some, at);
        }
        _ => {}
    }
}

fn avro(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or_else(|| Value::Double(number.as_f64().unwrap()), Value::Long)
        }
        serde_json::Value::String(text) => Value::String(text.clone()),
        serde_json::Value::Array(items) => Value::Array(items.iter().map(avro).collect()),
        serde_json::Value::Object(fields) => {
            Value::Record(fields.iter().map(|(name, value)| (name.clone(), avro(value))).collect())
        }
    }
}

/// Holds the example against its schema in both directions.
fn hold<T: Serialize>(name: &str, example: &T) {
    let schema = schema(name);
    let json = serde_json::to_value(example).unwrap();
    compare(&json, &schema, name);
    let value = avro(&json);
    let resolved = value.resolve(&schema).unwrap();
    assert!(resolved.validate(&schema), "{name}");
}

/// The datum we write is the one that the reference reads, and is read back, framed or not.
fn written<T: Serialize + Published + PublishedDatum + PartialEq + std::fmt::Debug>(name: &str, example: &T) {
    hold(name, example);
    let mut datum = Vec::new();
    example.write_datum(&mut datum);
    is_read(name, &datum, &serde_json::to_value(example).unwrap());
    assert_eq!(&read::<T>("datum", Some(&datum)).unwrap(), example);
    let framed = [&[0, 0, 0, 1, 2], datum.as_slice()].concat();
    assert_eq!(&read::<T>("framed", Some(&framed)).unwrap(), example);
    assert_eq!(&read::<T>("json", Some(&serde_json::to_vec(example).unwrap())).unwrap(), example);
    for cut in 0..datum.len() {
        assert!(read::<T>("cut", Some(&datum[..cut])).is_err());
    }
}

fn is_read(name: &str, datum: &[u8], expected: &serde_json::Value) {
    let schema = schema(name);
    let mut rest = datum;
    let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "{name}");
    assert_eq!(value, avro(expected).resolve(&schema).unwrap(), "{name}");
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn a_prediction_is_a_value_of_its_schema() {
    let prediction = Prediction {
        event_id: "e1".into(),
        entity: "k".into(),
        event_time: at(1),
        scored_at: at(2),
        model_version: 3,
        arm: Arm::Champion,
        score: 0.5,
        scores: vec![0.5],
        decision: "late".into(),
        features: vec![Some(1.5), None],
        feature_layout: "00".into(),
        flags: vec!["late".into()],
        source_topic: "events".into(),
        source_partition: 1,
        source_offset: 7,
    };
    hold("prediction", &prediction);
    let columns = vec![vec![1.5], vec![f64::NAN]];
    let view = PredictionView {
        event_id: b"e1",
        entity: b"k",
        event_time: at(1),
        scored_at: at(2),
        model_version: 3,
        arm: Arm::Champion,
        score: 0.5,
        scores: &[0.5],
        decision: &Constant::new("late"),
        features: FeatureRow { columns: &columns, row: 0 },
        feature_layout: &Constant::new("00"),
        flags: &["late"],
        source_topic: &Constant::new("events"),
        source_partition: 1,
        source_offset: 7,
    };
    let mut room = Room::default();
    room.write(|pen| view.write_form(OutputForm::Avro, pen));
    let datum = &room[0..room.len()];
    is_read("prediction", datum, &serde_json::to_value(&prediction).unwrap());
    assert_eq!(read::<Prediction>("prediction", Some(datum)).unwrap(), prediction);
}

#[test]
fn an_outcome_is_a_value_of_its_schema() {
    let outcome = Outcome {
        event_id: "e1".into(),
        entity: "k".into(),
        event_time: at(1),
        known_at: at(9),
        label: 1.0,
        revision: 0,
        model_version: 3,
        arm: Arm::Canary,
        score: 0.5,
        decision: "late".into(),
    };
    written("outcome", &outcome);
}

#[test]
fn an_alert_is_a_value_of_its_schema() {
    let alert = DriftAlert {
        alert_id: "a".into(),
        phase: Phase::Opened,
        signal: "temp".into(),
        segment: "all".into(),
        statistic: "psi".into(),
        value: Some(0.5),
        p_value: Some(0.001),
        effect: Some(0.4),
        threshold: Some(0.2),
        n: 1000,
        window_start: at(1),
        window_end: at(2),
        reference_version: 1,
        model_version: 1,
        top_features: vec!["temp".into()],
        incident_id: "i".into(),
        action: Some(AlertAction::Retrain),
        reason: Some(TrainingReason::Drift),
        cutoff: Some(at(3)),
        message: "m".into(),
    };
    written("drift-alert", &alert);
}

#[test]
fn a_performance_record_is_a_value_of_its_schema() {
    let record = PerformanceRecord {
        window_start: at(1),
        window_end: at(2),
        revision: 0,
        model_version: 1,
        arm: Arm::Champion,
        segment: "all".into(),
        predictions: 10,
        n: 9,
        coverage: Some(0.9),
        label_age_s: Some(60.0),
        positive_share: Some(0.2),
        auc: Some(0.7),
        auc_low: Some(0.6),
        auc_high: Some(0.8),
        log_loss: Some(0.5),
        brier: Some(0.2),
    };
    written("performance", &record);
}

#[test]
fn a_control_record_is_a_value_of_its_schema() {
    let mut record = command(ModelCommand::Registered, 2, 1);
    record.incident_id = Some("i".into());
    record.family = Some("forest".into());
    record.feature_layout = Some("00".into());
    record.artifact = Some(ArtifactRef { sha256: "00".into(), bytes: 5 });
    record.evidence = Some(evidence(0.1));
    record.setting =
        Some(SettingChange { key: "score.threshold".into(), value: Some("0.3".into()), was: Some("0.5".into()) });
    hold("model", &record);
}

/// Records of the control log by the schema before commands on settings are read by this one; the other way round all are
/// but those commands.
#[test]
fn control_records_of_the_schema_before_are_read() {
    let path = format!("{}/tests/fixtures/schemas/model-v1.avsc", env!("CARGO_MANIFEST_DIR"));
    let before = Schema::parse_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let now = schema("model");
    let mut old = command(ModelCommand::Promoted, 2, 1);
    old.evidence = Some(evidence(0.1));
    let json = |record: &ModelRecord| {
        let mut json = serde_json::to_value(record).unwrap();
        // Avro has every field; JSON leaves this one out where there is none.
        json.as_object_mut().unwrap().remove("setting");
        json
    };
    let written = avro(&json(&old)).resolve(&before).unwrap();
    let read = written.resolve(&now).unwrap();
    assert!(read.validate(&now));
    assert_eq!(read.resolve(&before).unwrap(), avro(&json(&old)).resolve(&before).unwrap());
    assert!(avro(&json(&command(ModelCommand::Set, 2, 2))).resolve(&before).is_err());
}

#[test]
fn a_summary_is_a_value_of_its_schema() {
    let mut scores = ScoreHistogram::default();
    scores.add(true, 0.7);
    scores.add(false, 0.2);
    let summary = Summary {
        shard: 1,
        clock: at(5),
        watermark: at(4),
        idle: true,
        first_event: Some(at(1)),
        labels: 7,
        drift: vec![DriftWindow {
            start: at(0),
            model_version: 1,
            signals: vec![BinCounts { bins: vec![1, 2], missing: 0 }],
        }],
        performance: vec![PerformanceWindow {
            start: at(0),
            model_version: 1,
            arm: Arm::Champion,
            predictions: 9,
            label_age_s: 60,
            scores,
        }],
    };
    hold("summary", &summary);
}
