//! Several entities per event: what is computed over a chain of stages is what one place that sees everything in order
//! would compute, however many shards there are and however they get on.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless::config::Config;
use driftless::data::{Prediction, Timestamp, partition_for};
use driftless::pipeline::{LABELS, Tally};
use driftless::runtime::App;
use driftless::transport::memory::{Cue, Fault, Memory};
use driftless::transport::{Outgoing, TopicPartition};
use support::bench::Bench;
use support::chain::{Chain, Known, LATENESS_MS, Payment, Run, Stream, stream, text};

const MINUTE: i64 = 60_000;

fn config(n_hops: usize) -> Config {
    Config::parse(&text(n_hops)).unwrap()
}

/// Whether `at` lies in a window of `panes` panes that ends with the pane of `now`.
fn is_inside(at: i64, now: i64, span: i64, panes: i64) -> bool {
    let pane = span / panes;
    let (of, newest) = (at.div_euclid(pane), now.div_euclid(pane));
    of <= newest && of > newest - panes
}

struct Oracle<'a> {
    stream: &'a Stream,
    by_id: BTreeMap<&'a str, &'a Payment>,
}

impl<'a> Oracle<'a> {
    fn new(stream: &'a Stream) -> Self {
        Oracle { stream, by_id: stream.payments.iter().map(|payment| (payment.id.as_str(), payment)).collect() }
    }

    /// Payments of the same entity up to `of`, by time and id.
    fn payments(&self, of: &Payment, entity: impl Fn(&Payment) -> String, span: i64, panes: i64) -> Vec<&'a Payment> {
        let is_before = |other: &Payment| (other.at, &other.id) <= (of.at, &of.id);
        let found = self.stream.payments.iter().filter(|other| entity(other) == entity(of) && is_before(other));
        found.filter(|other| is_inside(other.at, of.at, span, panes)).collect()
    }

    /// What was known of them strictly before `of`; of an event that comes later than what is known of it, not before it.
    fn known(&self, of: &Payment, kind: &str, entity: impl Fn(&Payment) -> String, span: i64) -> Vec<&'a Known> {
        let of_entity = |known: &&Known| entity(self.by_id[known.id.as_str()]) == entity(of);
        let counts_from = |known: &Known| known.known_at.max(self.by_id[known.id.as_str()].at);
        let found = self.stream.known.iter().filter(|known| known.kind == kind && counts_from(known) < of.at);
        found.filter(of_entity).filter(|known| is_inside(known.known_at, of.at, span, 5)).collect()
    }

    fn features(&self, of: &Payment, n_hops: usize) -> BTreeMap<String, Option<f64>> {
        let terminal = |payment: &Payment| payment.terminal.clone();
        let device = |payment: &Payment| payment.device.clone();
        let mut found = BTreeMap::new();
        for (name, span) in [("1m", MINUTE), ("10m", 10 * MINUTE)] {
            let payments = self.payments(of, terminal, span, 6);
            found.insert(format!("terminal.events.count.{name}"), Some(payments.len() as f64));
            let sum = payments.iter().map(|payment| payment.amount).sum();
            found.insert(format!("terminal.events.sum_amount.{name}"), Some(sum));
        }
        let checked = self.known(of, "checked", terminal, 5 * MINUTE);
        found.insert("terminal.checked.count.5m".into(), Some(checked.len() as f64));
        found.insert("terminal.checked.sum_fraud.5m".into(), Some(checked.iter().map(|known| known.fraud).sum()));
        let latest = checked.iter().map(|known| known.known_at).max();
        found.insert("terminal.checked.max_stamp.5m".into(), latest.map(|known_at| known_at as f64));
        if n_hops > 1 {
            let payments = self.payments(of, device, 10 * MINUTE, 10);
            found.insert("device.events.count.10m".into(), Some(payments.len() as f64));
            let seen = self.known(of, "seen", device, 5 * MINUTE);
            found.insert("device.seen.count.5m".into(), Some(seen.len() as f64));
        }
        found
    }
}

fn assert_counts_add_up(tallies: &[Tally], chain: &Chain, stream: &Stream) {
    for tally in tallies {
        let left = tally.predictions + tally.passed_on + tally.event_dead_letters;
        assert_eq!(tally.events as i64, left as i64 + tally.held_back, "{tally:?}");
    }
    let ids: BTreeSet<&str> = chain.predictions.iter().map(|(_, prediction)| prediction.event_id.as_str()).collect();
    assert_eq!((chain.predictions.len(), ids.len()), (stream.payments.len(), stream.payments.len()));
}

#[test]
fn features_are_those_of_one_place_that_sees_everything_in_order() {
    for n_hops in [1, 2] {
        let config = config(n_hops);
        for seed in 0..3 {
            let stream = stream(seed, 400, LATENESS_MS);
            let oracle = Oracle::new(&stream);
            let mut first = None;
            for (shards, live) in [(1, false), (2, true), (6, false), (6, true)] {
                let run = Run { seed: seed + 100 * u64::from(live), shards, live };
                let mut chain = Chain::new(&config, run);
                let tallies = chain.read(&stream);
                assert_counts_add_up(&tallies, &chain, &stream);
                let features = chain.features(&config);
                for payment in &stream.payments {
                    let found = &features[&payment.id];
                    for (name, expected) in oracle.features(payment, n_hops) {
                        assert_eq!(found[&name], expected, "{name} of {} at {}, {run:?}", payment.id, payment.at);
                    }
                }
                let first = first.get_or_insert_with(|| features.clone());
                for (id, features) in &features {
                    assert_eq!(features, &first[id], "{id}, {run:?}");
                }
                assert_eq!(chain.outcomes, stream.payments.len(), "{run:?}");
                assert_eq!(chain.dead_letters, 0, "{run:?}");
                for (partition, prediction) in &chain.predictions {
                    assert_eq!(*partition, partition_for(prediction.entity.as_bytes(), shards));
                    assert_eq!(*partition, prediction.source_partition);
                    assert!(prediction.flags.is_empty(), "{prediction:?}");
                }
            }
        }
    }
}

#[test]
fn no_outcome_reaches_an_event_at_or_before_the_moment_it_was_known() {
    for order in ["event-time", "arrival"] {
        let config = Config::parse(&text(2).replace("\"event-time\"", &format!("\"{order}\""))).unwrap();
        let mut n_known = 0;
        for seed in 0..8 {
            let stream = stream(seed, 250, 60_000);
            let run = Run { seed, shards: 1 + (seed % 4) as i32, live: seed % 3 > 0 };
            let mut chain = Chain::new(&config, run);
            let tallies = chain.read(&stream);
            assert_counts_add_up(&tallies, &chain, &stream);
            let oracle = Oracle::new(&stream);
            let features = chain.features(&config);
            for payment in &stream.payments {
                let found = &features[&payment.id];
                for (name, kind) in [("terminal.checked", "checked"), ("device.seen", "seen")] {
                    let is_by_terminal = kind == "checked";
                    let entity =
                        |payment: &Payment| if is_by_terminal { &payment.terminal } else { &payment.device }.clone();
                    let known = stream.known.iter().filter(|known| {
                        let of = oracle.by_id[known.id.as_str()];
                        known.kind == kind && known.known_at < payment.at && entity(of) == entity(payment)
                    });
                    let count = found[&format!("{name}.count.5m")].unwrap();
                    assert!(count <= known.count() as f64, "{name}: {count}, {run:?}");
                    let latest = found[&format!("{name}.max_stamp.5m")];
                    assert!(latest.is_none_or(|latest| latest < payment.at as f64), "{name} of {payment:?}, {run:?}");
                    n_known += count as usize;
                }
            }
        }
        assert!(n_known > 500, "{order}: {n_known}");
    }
}

#[test]
fn in_order_of_arrival_nothing_is_held_back() {
    let config = Config::parse(&text(1).replace("\"event-time\"", "\"arrival\"")).unwrap();
    let stream = stream(3, 300, LATENESS_MS);
    let mut chain = Chain::new(&config, Run { seed: 3, shards: 3, live: true });
    let tallies = chain.read(&stream);
    assert_counts_add_up(&tallies, &chain, &stream);
    assert!(tallies.iter().all(|tally| tally.held_back == 0));
}

/// An application over `shards` partitions with one hop or two; disorder of a second, so that the end comes soon.
fn bench(n_hops: usize, shards: i32) -> (Memory, Bench) {
    let memory = Memory::new();
    let text = text(n_hops).replace("\"5s\"", "\"1s\"").replace("\"0ms\"", "\"200ms\"");
    (memory.clone(), Bench::with_partitions(Arc::new(memory), Config::parse(&text).unwrap(), shards))
}

fn publish(bench: &Bench, stream: &Stream) {
    let mut publisher = bench.transport.publisher().unwrap();
    let topics = &bench.config.topics;
    for sent in &stream.sent {
        let outgoing = Outgoing {
            topic: if sent.input == LABELS { topics.labels.as_ref().unwrap() } else { &topics.events },
            partition: None,
            key: Some(sent.key.as_bytes()),
            value: Some(sent.value.as_bytes()),
            headers: &[],
            timestamp: Some(Timestamp::from_millis(sent.at)),
        };
        publisher.send(&outgoing).unwrap();
    }
    publisher.flush().unwrap();
}

/// Predictions by event id, but for when they were made; their partition is that of the event.
fn predicted(bench: &Bench) -> BTreeMap<String, Prediction> {
    let mut found = BTreeMap::new();
    for (partition, values) in bench.values(&bench.config.topics.predictions).into_iter().enumerate() {
        for value in values {
            let mut prediction: Prediction = serde_json::from_slice(&value).unwrap();
            assert_eq!(prediction.source_partition, partition as i32);
            prediction.scored_at = Timestamp::from_millis(0);
            let id = prediction.event_id.clone();
            assert!(found.insert(id, prediction).is_none(), "an event was predicted twice");
        }
    }
    found
}

/// Outcomes, sorted.
fn outcomes(bench: &Bench) -> Vec<Vec<u8>> {
    let mut outcomes: Vec<_> = bench.values(&bench.config.topics.outcomes).into_iter().flatten().collect();
    outcomes.sort();
    outcomes
}

/// Lets an application run until everything is predicted and joined; `between` is called all the time.
fn run(bench: &Bench, stream: &Stream, mut between: impl FnMut(App) -> App) {
    let mut app = bench.start_live("a");
    let until = Instant::now() + Duration::from_secs(120);
    let n = stream.payments.len();
    loop {
        assert!(app.failed().is_none(), "{:?}", app.failed());
        let count = |topic: &str| bench.values(topic).iter().map(Vec::len).sum::<usize>();
        if count(&bench.config.topics.predictions) >= n && count(&bench.config.topics.outcomes) >= n {
            break;
        }
        assert!(Instant::now() < until, "not all is predicted; missing: {:?}", app.missing());
        std::thread::sleep(Duration::from_millis(10));
        app = between(app);
    }
    app.stop().unwrap();
}

#[test]
fn an_application_gives_the_features_of_the_oracle_over_any_number_of_partitions() {
    let stream = stream(21, 500, 1_000);
    let oracle = Oracle::new(&stream);
    for (n_hops, shards) in [(1, 1), (1, 6), (2, 2)] {
        let (_, bench) = bench(n_hops, shards);
        publish(&bench, &stream);
        run(&bench, &stream, |app| app);
        let predicted = predicted(&bench);
        assert_eq!(predicted.len(), stream.payments.len());
        let names = &bench.config.features.names;
        for payment in &stream.payments {
            let prediction = &predicted[&payment.id];
            assert_eq!((prediction.flags.len(), &prediction.entity), (0, &payment.card));
            for (name, expected) in oracle.features(payment, n_hops) {
                let at = names.iter().position(|known| *known == name).unwrap();
                assert_eq!(prediction.features[at], expected, "{name} of {}, {shards} shards", payment.id);
            }
        }
    }
}

#[test]
fn faults_and_deaths_at_any_stage_change_nothing_that_is_published() {
    let stream = stream(22, 600, 1_000);
    let expected = {
        let (_, bench) = bench(2, 2);
        publish(&bench, &stream);
        run(&bench, &stream, |app| app);
        (predicted(&bench), outcomes(&bench))
    };
    let roles = ["score", "hop.terminal", "hop.device"];
    let faults = [Fault::RefuseCommit, Fault::LoseAnswer, Fault::LoseCommit, Fault::Kick, Fault::Kill];
    for fault in faults {
        let (memory, bench) = bench(2, 2);
        publish(&bench, &stream);
        for role in roles {
            for nth in [2, 5] {
                memory.plan(Cue { transactional_id: format!("payments.{role}.a.0"), nth, fault });
            }
        }
        run(&bench, &stream, |app| app);
        assert_eq!(predicted(&bench), expected.0, "{fault:?}");
        assert_eq!(outcomes(&bench), expected.1, "{fault:?}");
    }
    let (memory, bench) = bench(2, 2);
    publish(&bench, &stream);
    let mut turns = 0;
    run(&bench, &stream, |app| {
        turns += 1;
        if turns > 90 || turns % 30 != 0 {
            return app;
        }
        for role in roles {
            memory.kill(&format!("payments.{role}.a.0"));
        }
        let _ = app.stop();
        bench.start_live("a")
    });
    assert_eq!((predicted(&bench), outcomes(&bench)), expected);
    let topics = &bench.config.topics;
    let journals: Vec<&String> =
        std::iter::once(&topics.journal).chain(topics.hops.iter().map(|hop| &hop.journal)).collect();
    for journal in journals {
        assert!(!memory.records(&TopicPartition::new(journal.as_str(), 0)).is_empty(), "{journal}");
    }
}
