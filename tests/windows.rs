//! Windowed features against brute force over the raw stream: what counts, and from which moment.

mod support;

use std::collections::BTreeMap;

use driftless::data::{Item, Machine, Outbox, Prediction, Sink, Timestamp};
use support::{config, disordered, pipeline, written};

const PANES: i64 = 10;

/// An event or a checked follow-up, as the raw stream has it.
struct Raw {
    shop: String,
    at: i64,
    value: f64,
}

fn field<'a>(json: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    &json[name]
}

/// The values of a shop's window of `span_ms` for an event at `at`.
fn window(raw: &[Raw], shop: &str, at: i64, span_ms: i64, counts: impl Fn(i64) -> bool) -> Vec<f64> {
    let pane = span_ms / PANES;
    let newest = at.div_euclid(pane);
    let inside = |raw: &&Raw| {
        let of = raw.at.div_euclid(pane);
        raw.shop == shop && of <= newest && of > newest - PANES && counts(raw.at)
    };
    raw.iter().filter(inside).map(|raw| raw.value).collect()
}

#[test]
fn windows_hold_what_brute_force_finds_and_an_outcome_counts_only_after_it_was_known() {
    let names = config().features.names;
    let at_name = |name: &str| names.iter().position(|known| known == name).unwrap();
    let mut checked_windows_with_values = 0;
    for seed in 1..6 {
        let items = disordered(seed, 500, false);
        let mut machine = pipeline(0);
        let mut out = Outbox::default();
        machine.handle(&items, Timestamp::from_millis(0), &mut out);
        let mut predictions: BTreeMap<String, Prediction> = BTreeMap::new();
        for (_, _, value, _) in written(&out).into_iter().filter(|output| output.0 == Sink::Predictions) {
            let prediction: Prediction = serde_json::from_slice(&value.unwrap()).unwrap();
            predictions.insert(prediction.event_id.clone(), prediction);
        }
        let [mut events, mut checked] = [Vec::new(), Vec::new()];
        for item in &items {
            let Item::Record { input, record } = item else { continue };
            let Ok(json) = serde_json::from_slice::<serde_json::Value>(record.value.as_deref().unwrap()) else {
                continue;
            };
            let shop = String::from_utf8(record.key.as_deref().unwrap().to_vec()).unwrap();
            let id = field(&json, if input.0 == 0 { "id" } else { "event_id" }).as_str().unwrap();
            if !predictions.contains_key(id) {
                continue;
            }
            if input.0 == 0 {
                let (at, value) = (field(&json, "at").as_i64().unwrap(), field(&json, "amount").as_f64().unwrap());
                events.push(Raw { shop, at, value });
            } else if field(&json, "kind") == "checked" {
                let at = field(&json, "known_at").as_i64().unwrap();
                checked.push(Raw { shop, at, value: field(&json, "fraud").as_f64().unwrap() });
            }
        }
        for prediction in predictions.values() {
            let (shop, at) = (prediction.entity.as_str(), prediction.event_time.millis());
            let feature = |name: &str| prediction.features[at_name(name)];
            let amounts = window(&events, shop, at, 300_000, |other| other <= at);
            assert_eq!(feature("shop.events.count.5m"), Some(amounts.len() as f64));
            let sum: f64 = amounts.iter().sum();
            assert!((feature("shop.events.sum_amount.5m").unwrap() - sum).abs() < 1e-9);
            let max = amounts.iter().copied().fold(f64::MIN, f64::max);
            assert_eq!(feature("shop.events.max_amount.5m"), Some(max));
            let known = window(&checked, shop, at, 1_200_000, |known| known < at);
            assert_eq!(feature("shop.checked.count.20m"), Some(known.len() as f64), "{}", prediction.event_id);
            assert_eq!(feature("shop.checked.sum_fraud.20m"), Some(known.iter().sum()));
            checked_windows_with_values += usize::from(!known.is_empty());
        }
    }
    assert!(checked_windows_with_values > 1_000);
}
