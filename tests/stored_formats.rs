//! Every stored format version is read by the build that is tested, and gives what it gave when it was written.
//!
//! A fixture is never replaced: a new format version gets fixtures of its own beside the old ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftless::data::{Columns, ModelRecord};
use driftless::model::Model;
use driftless::registry::{ExampleLog, LogSettings, Store};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn models_of_every_version_score_the_bits_they_scored_when_written() {
    let expected = [
        ("model-v1-linear.json", [0.2816497744871525, 0.8135439973770425]),
        ("model-v1-forest.json", [0.3347446793716337, 0.6937775553828446]),
        ("model-v2-linear.json", [0.08528424244559021, 0.8485725815299455]),
    ];
    let mut rows = Columns::new(3);
    rows.push_row(&[8.0, 12.5, 0.1]);
    rows.push_row(&[19.0, f64::NAN, 0.8]);
    for (name, expected) in expected {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        assert_eq!(model.layout().names(), ["dep_hour", "wind", "late_share_3h"]);
        let mut scores = Vec::new();
        model.score(&rows, &mut scores);
        assert_eq!(
            scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>(),
            expected.map(f64::to_bits),
            "{name}"
        );
        assert_eq!(model.to_bytes().unwrap(), bytes, "{name} is written as it was read");
    }
}

#[test]
fn a_training_log_of_version_1_is_read_and_gone_on_with() {
    let store = Arc::new(Store::local(&fixture("training-log")).unwrap());
    let topics = ["flights.predictions", "flights.outcomes"].map(str::to_owned).to_vec();
    let log = ExampleLog::open(store, &LogSettings { topics, file_rows: 4 }).unwrap();
    assert_eq!(log.examples().n_rows(), 8);
    let resume = |topic, partition| log.resume_at(topic, partition);
    assert_eq!(resume("flights.predictions", 0), Some(7));
    assert_eq!(resume("flights.predictions", 1), Some(8));
    assert_eq!(resume("flights.outcomes", 0), Some(48));
}

/// The lines before `set` are of binaries that did not know it.
#[test]
fn control_records_are_read_and_written_as_they_were() {
    let text = std::fs::read_to_string(fixture("control-records.jsonl")).unwrap();
    let mut commands = Vec::new();
    for line in text.lines() {
        let record: ModelRecord = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
        commands.push(record.command.name());
    }
    let known =
        ["registered", "promoted", "refused", "rolled_back", "frozen", "unfrozen", "training_failed", "set", "set"];
    assert_eq!(commands, known);
}
