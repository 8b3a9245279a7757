//! One past decision laid open: what the windows show is what the model saw.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless::data::{Outcome, Prediction};
use driftless::runtime::{HistoryError, Sought, Why, WhyParams, why};
use driftless::transport::memory::Memory;
use support::bench::Bench;
use support::config;
use support::models::{run_with_models, text_without_trainings};

fn ran(seed: u64, n: usize) -> Bench {
    let config = driftless::config::Config::parse(&text_without_trainings()).unwrap();
    let bench = Bench::new(Arc::new(Memory::new()), config);
    run_with_models(&bench, seed, n);
    bench
}

fn ask(bench: &Bench, sought: Sought) -> Result<Why, HistoryError> {
    why(&bench.config, &*bench.transport, &WhyParams { sought }, &mut |_| {})
}

fn of(bench: &Bench, id: &str) -> Why {
    ask(bench, Sought::Event { id: id.to_owned(), partition: None }).unwrap()
}

/// All readings by the name of their feature.
fn readings(why: &Why) -> BTreeMap<String, Option<f64>> {
    let windows = why.groups.iter().flat_map(|group| &group.windows).flat_map(|window| &window.readings);
    let since = why.groups.iter().flat_map(|group| &group.since_last).map(|since| &since.reading);
    windows.chain(since).map(|reading| (reading.name.clone(), reading.value)).collect()
}

#[test]
fn what_the_windows_show_is_the_row_that_was_published() {
    let bench = ran(51, 700);
    let predictions = bench.predicted();
    let names = &bench.config.features.names;
    let (mut late, mut versions) = (0, std::collections::BTreeSet::new());
    for prediction in predictions.iter().step_by(37) {
        let why = of(&bench, &prediction.event_id);
        assert!(why.is_reproduced(), "{why}");
        let readings = readings(&why);
        let row = names.iter().zip(&prediction.features).skip(bench.config.features.fields.len());
        for (name, value) in row {
            let shown = readings.get(name).unwrap_or_else(|| panic!("`{name}` is not shown"));
            assert_eq!(shown.map(f64::to_bits), value.map(f64::to_bits), "`{name}` of {why}");
        }
        // Whole windows of counts are the sums of their panes.
        for window in why.groups.iter().flat_map(|group| &group.windows) {
            let count: u64 = window.panes.iter().filter(|pane| pane.is_read).map(|pane| pane.count).sum();
            for reading in window.readings.iter().filter(|reading| reading.name.contains(".count")) {
                assert_eq!(reading.value, Some(count as f64), "{why}");
            }
        }
        versions.insert(why.model.version);
        assert_eq!(why.model.in_charge_by.is_some(), why.model.version > 0);
        late += usize::from(why.flags.iter().any(|flag| flag == "late"));
    }
    assert_eq!((late, versions.len()), (0, 3));
}

#[test]
fn a_decision_is_shown_with_its_event_its_model_and_its_labels() {
    let bench = ran(52, 700);
    let outcomes: Vec<Outcome> = bench
        .values(&bench.config.topics.outcomes)
        .iter()
        .flatten()
        .map(|value| serde_json::from_slice(value).unwrap())
        .collect();
    let corrected = outcomes.iter().rfind(|outcome| outcome.revision == 1).unwrap();
    let prediction: Prediction =
        bench.predicted().into_iter().find(|prediction| prediction.event_id == corrected.event_id).unwrap();
    let why = of(&bench, &corrected.event_id);
    assert_eq!((why.score.to_bits(), &why.decision), (prediction.score.to_bits(), &prediction.decision));
    assert_eq!((why.event.offset, why.event.partition), (prediction.source_offset, prediction.source_partition));
    assert_eq!((&why.event.key, why.event.event_time), (&prediction.entity, prediction.event_time));
    assert!(why.event.value.contains(&corrected.event_id));
    assert_eq!(why.labels.iter().map(|label| label.revision).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(why.model.version, prediction.model_version);
    let at = Sought::At { partition: why.published.partition, offset: why.published.offset };
    assert_eq!(ask(&bench, at).unwrap(), why);
    let text = why.to_string();
    for part in ["computed again bit for bit", "promoted at", "shop_card", "amount = "] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let mut bench = ran(53, 60);
    let error = ask(&bench, Sought::Event { id: "nobody".to_owned(), partition: None }).unwrap_err();
    assert!(matches!(&error, HistoryError::Wrong(why) if why.contains("shops.dead-letters")), "{error}");
    let error = ask(&bench, Sought::At { partition: 0, offset: 9_999 }).unwrap_err();
    assert!(matches!(error, HistoryError::Wrong(_)), "{error}");
    let mut other = config();
    other.store.path = bench.store.path().to_owned();
    bench.config = Arc::new(other);
    let id = bench.predicted()[0].event_id.clone();
    let error = ask(&bench, Sought::Event { id, partition: None }).unwrap_err();
    assert!(matches!(&error, HistoryError::Impossible(why) if why.contains("another configuration")), "{error}");
}
