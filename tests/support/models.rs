//! Models put in charge by hand while an application runs.

use driftless::data::{ModelCommand, ModelRecord};
use driftless::registry::Store;
use driftless::transport::Outgoing;

use super::bench::Bench;
use super::{CONFIG, command, model};

/// The settings, with trainings asked for never.
pub(crate) fn text_without_trainings() -> String {
    CONFIG.replace("min_labels = 50", "min_labels = 30000").replace("schedule = \"2h\"\n", "")
}

/// Runs the sequence; after ten minutes v1 takes charge, after ninety v2, or earlier where there are not so many steps.
pub(crate) fn run_with_models(bench: &Bench, seed: u64, n: usize) {
    let second = (n / 90).min(9);
    bench.run(seed, n, |step, app| {
        if step == 1 {
            promote(bench, 1);
        } else if step == second {
            promote(bench, 2);
        }
        app
    });
}

pub(crate) fn promote(bench: &Bench, version: u32) {
    let store = Store::local(bench.store.path()).unwrap();
    let mut registered = command(ModelCommand::Registered, version, version - 1);
    registered.artifact = Some(store.put_model(&model(version)).unwrap());
    tell(bench, &[registered, command(ModelCommand::Promoted, version, version - 1)]);
}

/// Writes records to the control log.
pub(crate) fn tell(bench: &Bench, records: &[ModelRecord]) {
    let values: Vec<Vec<u8>> = records.iter().map(|record| serde_json::to_vec(record).unwrap()).collect();
    tell_bytes(bench, &values.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

/// The same with whatever bytes.
pub(crate) fn tell_bytes(bench: &Bench, values: &[&[u8]]) {
    let mut publisher = bench.transport.publisher().unwrap();
    for value in values {
        publisher
            .send(&Outgoing {
                topic: &bench.config.topics.models,
                partition: Some(0),
                key: None,
                value: Some(value),
                headers: &[],
                timestamp: None,
            })
            .unwrap();
    }
    publisher.flush().unwrap();
}
