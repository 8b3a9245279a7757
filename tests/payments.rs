//! Card payments through the score role in memory: every feature of `examples/payments.toml` is what going over all
//! earlier payments gives, on any number of partitions.
//!
//! `scripts/check-payments` does the same with pandas, on whole files and on a real Kafka; for its runs in memory it has
//! the test at the end write the predictions to a file.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless::config::Config;
use driftless::data::{Prediction, Span, Timestamp};
use driftless::demo::payments::{Payment, PaymentFile, PaymentRecords, PaymentStream, Payments, PaymentsParams};
use driftless::runtime::{App, AppSetup, Roles, topic_specs};
use driftless::transport::memory::Memory;
use driftless::transport::{Outgoing, TopicPartition, Transport};

const EXAMPLE: &str = include_str!("../examples/payments.toml");
const DELAY: Span = Span::from_days(7);
const DAY: i64 = 86_400_000;
const PANES: i64 = 24;
/// Without any new prediction for so long, a run has failed.
const STALLED: Duration = Duration::from_secs(60);

fn config(text: &str, partitions: i32, store: &std::path::Path) -> Config {
    let mut config = Config::parse(text).unwrap();
    config.topics.partitions = partitions;
    config.store.path = store.to_owned();
    config
}

/// What the score role predicts when all of the payments and labels are there.
fn predicted(config: Config, payments: &[Payment]) -> Vec<Vec<u8>> {
    let config = Arc::new(config);
    let memory = Arc::new(Memory::new());
    memory.create(&topic_specs(&config)).unwrap();
    let mut publisher = memory.publisher().unwrap();
    for record in PaymentRecords::new(payments.iter().map(|payment| Ok(*payment)), DELAY) {
        let record = record.unwrap();
        let topic = match record.stream {
            PaymentStream::Event => &config.topics.events,
            PaymentStream::Label => config.topics.labels.as_ref().unwrap(),
        };
        let (key, value) = (Some(&*record.key), Some(&*record.value));
        let timestamp = Some(record.at);
        publisher.send(&Outgoing { topic, partition: None, key, value, headers: &[], timestamp }).unwrap();
    }
    publisher.flush().unwrap();
    let app = App::start(AppSetup {
        config: config.clone(),
        previous: None,
        transport: memory.clone(),
        roles: Roles { score: true, monitor: false, retrain: false },
        instance: "a".into(),
        stepped: false,
        trust_journal: false,
    })
    .unwrap();
    let partitions = 0..config.topics.partitions;
    let mut all = Vec::new();
    let (mut seen, mut news) = (0, Instant::now());
    while all.len() < payments.len() {
        assert!(app.failed().is_none(), "{:?}", app.failed());
        assert!(news.elapsed() < STALLED, "{} of {} are predicted", all.len(), payments.len());
        std::thread::sleep(Duration::from_millis(200));
        all = partitions
            .clone()
            .flat_map(|partition| memory.records(&TopicPartition::new(&config.topics.predictions, partition)))
            .collect();
        if all.len() > seen {
            (seen, news) = (all.len(), Instant::now());
        }
    }
    app.stop().unwrap();
    for partition in partitions {
        assert!(memory.records(&TopicPartition::new(&config.topics.dead_letters, partition)).is_empty());
    }
    all.into_iter().map(|record| record.value.unwrap().into_vec()).collect()
}

/// Where the window of a payment at `at` begins.
fn begin(at: Timestamp, days: i64) -> i64 {
    let pane = days * DAY / PANES;
    (at.millis().div_euclid(pane) - (PANES - 1)) * pane
}

/// What is not there in a row is `None`.
fn expected(payments: &[Payment], position: usize) -> BTreeMap<String, Option<f64>> {
    let payment = &payments[position];
    let mut row = BTreeMap::from([("amount".to_owned(), Some(payment.amount))]);
    let (days, hours) = (payment.at.millis().div_euclid(DAY), payment.at.millis().rem_euclid(DAY) / 3_600_000);
    // 1970-01-01 was a Thursday.
    row.insert("weekend".to_owned(), Some(f64::from((days + 3).rem_euclid(7) >= 5)));
    row.insert("night".to_owned(), Some(f64::from(hours < 6)));
    for days in [1, 7, 30] {
        let from = begin(payment.at, days);
        let own = payments[..=position].iter().filter(|own| own.customer == payment.customer);
        let amounts: Vec<f64> = own.filter(|own| own.at.millis() >= from).map(|own| own.amount).collect();
        let count = amounts.len() as f64;
        row.insert(format!("customer_id.events.count.{days}d"), Some(count));
        row.insert(format!("customer_id.events.mean_amount.{days}d"), Some(amounts.iter().sum::<f64>() / count));
        let known = |there: &&Payment| {
            let known_at = there.at.plus(DELAY);
            there.terminal == payment.terminal && known_at.millis() >= from && known_at < payment.at
        };
        let known: Vec<&Payment> = payments[..position].iter().filter(known).collect();
        let (n, frauds) = (known.len() as f64, known.iter().filter(|there| there.is_fraud()).count() as f64);
        row.insert(format!("terminal_id.label.count.{days}d"), Some(n));
        row.insert(format!("terminal_id.label.mean_fraud.{days}d"), if n > 0.0 { Some(frauds / n) } else { None });
    }
    row
}

#[test]
fn every_feature_of_every_payment_is_what_going_over_all_earlier_ones_gives() {
    let start = Timestamp::from_rfc3339("2018-04-01T00:00:00Z").unwrap();
    let crowded = PaymentsParams { customers: 30, terminals: 20, radius: 40.0, days: 50, seed: 5, start };
    // Weeks go by between two payments at a terminal: labels of a group may be known when its last event is long past.
    let sparse = PaymentsParams { customers: 12, terminals: 150, days: 100, ..crowded };
    for (sizes, partitions) in [(crowded, 1), (crowded, 6), (sparse, 2)] {
        let payments: Vec<Payment> = Payments::new(sizes).unwrap().collect();
        let store = tempfile::tempdir().unwrap();
        let config = config(EXAMPLE, partitions, store.path());
        let names = config.features.names.clone();
        let predictions = predicted(config, &payments);
        assert_eq!(predictions.len(), payments.len());
        let mut rows = BTreeMap::new();
        for prediction in predictions {
            let prediction: Prediction = serde_json::from_slice(&prediction).unwrap();
            let twice = rows.insert(prediction.event_id.clone(), prediction);
            assert!(twice.is_none(), "{twice:?}");
        }
        for (position, payment) in payments.iter().enumerate() {
            let prediction = &rows[&payment.id.to_string()];
            let expected = expected(&payments, position);
            for (name, found) in names.iter().zip(&prediction.features) {
                let right = expected[name];
                let is_near = |right: f64| found.is_some_and(|found| (found - right).abs() <= 1e-9 * right.abs());
                let is_right = right.map_or(found.is_none(), is_near);
                assert!(is_right, "{name} of {payment:?}: {found:?}, {right:?} was expected");
            }
        }
    }
}

#[test]
#[ignore = "by hand: scripts/check-payments --in-memory"]
fn predictions_are_written_to_a_file() {
    let [text, csv, to] =
        ["CONFIG", "CSV", "TO"].map(|name| std::env::var(format!("DRIFTLESS_PAYMENTS_{name}")).unwrap());
    let payments: Vec<Payment> = PaymentFile::open(csv.as_ref()).unwrap().map(Result::unwrap).collect();
    let store = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(text).unwrap();
    let partitions = Config::parse(&text).unwrap().topics.partitions;
    let mut file = std::io::BufWriter::new(std::fs::File::create(to).unwrap());
    for prediction in predicted(config(&text, partitions, store.path()), &payments) {
        file.write_all(&prediction).unwrap();
        file.write_all(b"\n").unwrap();
    }
    file.flush().unwrap();
}
