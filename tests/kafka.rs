//! The roles on a real Apache Kafka, whose address is in `DRIFTLESS_TEST_BROKERS`.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use driftless::config::Config;
use driftless::data::params::Delivery;
use driftless::data::{Prediction, Span, Timestamp};
use driftless::pipeline::LABELS;
use driftless::runtime::{ReplayParams, Sought, WhatIf, WhyParams, replay, why};
use driftless::telemetry::{install_metrics, render};
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::memory::Memory;
use driftless::transport::{Bounds, MemberSpec, Outgoing, Transport};
use support::bench::{Bench, Published, assert_whole, differences};
use support::chain;
use support::models::{run_with_models, text_without_trainings};
use support::upgrade::{NEW_WINDOW, upgrade_one_after_the_other};
use support::{CONFIG, config_of};

fn kafka() -> Arc<dyn Transport> {
    let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").unwrap();
    let params = KafkaParams::new(brokers, "driftless-test");
    Arc::new(Kafka::new(params).unwrap())
}

/// A name that no earlier run on the same broker has used.
fn fresh(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{name}-{}", now.as_millis())
}

fn in_memory(app: &str, seed: u64, n: usize) -> Published {
    let bench = Bench::new(Arc::new(Memory::new()), config_of(app));
    bench.run(seed, n, |_, app| app);
    bench.published()
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_run_on_kafka_publishes_the_bytes_of_a_run_in_memory() {
    let app = fresh("shops");
    let bench = Bench::new(kafka(), config_of(&app));
    bench.run(21, 400, |_, app| app);
    let published = bench.published();
    assert_whole(&published);
    assert_eq!(differences(&published, &in_memory(&app, 21, 400)), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_run_that_is_stopped_and_started_again_restores_from_its_journal() {
    let app = fresh("shops");
    let bench = Bench::new(kafka(), config_of(&app));
    bench.run(22, 300, |step, app| {
        if step % 2 == 0 {
            return app;
        }
        app.stop().unwrap();
        bench.start()
    });
    let published = bench.published();
    assert_whole(&published);
    assert_eq!(differences(&published, &in_memory(&app, 22, 300)), Vec::<String>::new());
}

/// Where every topic ends and what the groups have committed.
fn touched(bench: &Bench) -> String {
    let topics = bench.config.topics.named();
    let ends: Vec<_> = topics.iter().map(|topic| bench.transport.bounds(topic.name).unwrap()).collect();
    let committed = ["score", "monitor"].map(|role| {
        let inputs = match role {
            "score" => vec![bench.config.topics.events.clone(), bench.config.topics.labels.clone().unwrap()],
            _ => vec![bench.config.topics.summaries.clone()],
        };
        let partitions: &[i32] = if role == "score" { &[0, 1] } else { &[0] };
        let transactional_id = format!("{}.probe", bench.config.app);
        let spec = MemberSpec { group: bench.config.group(role), transactional_id, inputs };
        let mut member = bench.transport.join(&spec).unwrap();
        let mut committed = member.committed(partitions).unwrap();
        committed.sort_by_key(|committed| (committed.input, committed.partition));
        member.close();
        committed
    });
    format!("{ends:?} {committed:?}")
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_past_on_kafka_is_computed_again_and_left_as_it_is() {
    let text = text_without_trainings().replace("\"shops\"", &format!("\"{}\"", fresh("shops")));
    let bench = Bench::new(kafka(), driftless::config::Config::parse(&text).unwrap());
    run_with_models(&bench, 23, 900);
    let before = touched(&bench);
    let report = replay(&bench.config, &*bench.transport, &ReplayParams::default(), &mut |_| {}).unwrap();
    assert!(report.identical, "{report}");
    assert!(report.topics.iter().all(|topic| topic.sha256_published == topic.sha256_computed), "{report}");
    let what_if = ReplayParams { what_if: Some(WhatIf { model: Some(2) }), ..ReplayParams::default() };
    let report = replay(&bench.config, &*bench.transport, &what_if, &mut |_| {}).unwrap();
    assert!(report.what_if.as_ref().is_some_and(|what_if| what_if.scores.differing > 0), "{report}");
    let id = bench.predicted()[100].event_id.clone();
    let sought = Sought::Event { id, partition: None };
    let decision = why(&bench.config, &*bench.transport, &WhyParams { sought }, &mut |_| {}).unwrap();
    assert!(decision.is_reproduced(), "{decision}");
    assert_eq!(touched(&bench), before);
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_prediction_sent_ahead_is_seen_before_its_transaction_commits() {
    const N: usize = 8;
    let app = fresh("shops");
    let mut config = config_of(&app);
    config.score.delivery = Delivery::AtLeastOnce;
    config.score.transaction = Span::from_millis(5_000);
    let bench = Bench::new(kafka(), config);
    let ends =
        |topic: &str| bench.transport.bounds(topic).unwrap().unwrap().iter().map(|bounds| bounds.end).sum::<i64>();
    let (journal, letters) = (&bench.config.topics.journal, &bench.config.topics.dead_letters);
    let app = bench.start_live("a");
    // A commit has just been: the next transaction has its time before it.
    bench.until(&app, || app.missing().is_empty() && ends(journal) > 0);
    let broken = Outgoing {
        topic: &bench.config.topics.events,
        partition: None,
        key: Some(b"north"),
        value: Some(b"{"),
        headers: &[],
        timestamp: None,
    };
    let mut publisher = bench.transport.publisher().unwrap();
    publisher.send(&broken).unwrap();
    publisher.flush().unwrap();
    bench.publish_slowly(0, N);
    bench.until(&app, || bench.predicted().len() == N);
    assert_eq!(ends(letters), 0, "the transaction was committed before its predictions were seen");
    app.stop().unwrap();
    assert!(ends(letters) > 0);
    assert_eq!(bench.predicted().len(), N);
}

/// Events that wait, by the metrics of this process: over all partitions.
fn lag() -> Option<f64> {
    let page = render();
    let lines = page.lines().filter(|line| line.starts_with("driftless_lag_records{"));
    lines.map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn events_behind_a_transaction_that_hangs_are_lag() {
    const N: usize = 8;
    install_metrics().unwrap();
    let bench = Bench::new(kafka(), config_of(&fresh("shops")));
    let app = bench.start_live("a");
    bench.publish_slowly(0, N);
    bench.until(&app, || bench.predicted().len() == N && lag() == Some(0.0));
    let events = &bench.config.topics.events;
    let partitions = bench.transport.bounds(events).unwrap().unwrap().len();
    let mut somebody = bench
        .transport
        .join(&MemberSpec {
            group: format!("{}.somebody", bench.config.app),
            transactional_id: format!("{}.somebody", bench.config.app),
            inputs: vec![bench.config.topics.models.clone()],
        })
        .unwrap();
    somebody.begin().unwrap();
    for partition in 0..partitions {
        let partition = Some(partition as i32);
        let event =
            Outgoing { topic: events, partition, key: Some(b"k"), value: Some(b"{}"), headers: &[], timestamp: None };
        somebody.send(&event).unwrap();
    }
    let one_each = |bounds: &[Bounds]| bounds.iter().all(|bounds| bounds.high == bounds.end + 1);
    bench.until(&app, || one_each(&bench.transport.bounds(events).unwrap().unwrap()));
    // Whole events come after it, and cannot be read either: only the high watermark tells of them.
    bench.publish_slowly(N, N);
    bench.until(&app, || lag() == Some((partitions + N) as f64));
    assert_eq!(bench.predicted().len(), N);
    somebody.abort().unwrap();
    bench.until(&app, || bench.predicted().len() == 2 * N && lag() == Some(0.0));
    app.stop().unwrap();
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn two_instances_are_upgraded_one_after_the_other() {
    let app = fresh("shops");
    let old = Bench::new(kafka(), config_of(&app));
    let text = format!("{CONFIG}{NEW_WINDOW}").replace("\"shops\"", &format!("\"{app}\""));
    let new = old.changed(driftless::config::Config::parse(&text).unwrap());
    upgrade_one_after_the_other(&old, &new, |a| a.stop().unwrap());
}

/// Payments that go through a hop over so many partitions of a real Kafka, with two instances; the first dies on the way
/// where `dies`.
fn through_a_hop(partitions: i32, dies: bool) -> (BTreeMap<String, Prediction>, usize) {
    let text = chain::text(1).replace("\"payments\"", &format!("\"{}\"", fresh("payments")));
    let text = text.replace("\"5s\"", "\"2s\"").replace("\"0ms\"", "\"1s\"").replace("\"10ms\"", "\"50ms\"");
    let bench = Bench::with_partitions(kafka(), Config::parse(&text).unwrap(), partitions);
    let stream = chain::stream(31, 3_000, 2_000);
    let mut publisher = bench.transport.publisher().unwrap();
    let topics = &bench.config.topics;
    for sent in &stream.sent {
        let outgoing = Outgoing {
            topic: if sent.input == LABELS { topics.labels.as_ref().unwrap() } else { &topics.events },
            partition: None,
            key: Some(sent.key.as_bytes()),
            value: Some(sent.value.as_bytes()),
            headers: &[],
            timestamp: Some(Timestamp::from_millis(sent.at.max(0))),
        };
        publisher.send(&outgoing).unwrap();
    }
    publisher.flush().unwrap();
    let n = stream.payments.len();
    let count = |topic: &str| bench.values(topic).iter().map(Vec::len).sum::<usize>();
    let outcomes = || count(&topics.outcomes);
    let mut app = bench.start_live("a");
    let other = bench.start_live("b");
    let mut has_died = !dies;
    let until = Instant::now() + Duration::from_secs(120);
    while bench.predicted().len() < n || outcomes() < n {
        assert!(other.failed().is_none() && Instant::now() < until, "{:?}", other.missing());
        let written = count(&topics.hops[0].records);
        if !has_died && written > 200 {
            // Its producers are shut out in the middle of what they do, as those of a process that is gone.
            for role in ["score", "hop.terminal"] {
                bench.transport.fence(&format!("{}.{role}.a.0", bench.config.app)).unwrap();
            }
            let _ = app.stop();
            app = bench.start_live("c");
            has_died = true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    app.stop().unwrap();
    other.stop().unwrap();
    assert_eq!((bench.predicted().len(), outcomes()), (n, n));
    let predictions = bench.predicted().into_iter().map(|prediction| (prediction.event_id.clone(), prediction));
    (predictions.collect(), n)
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn payments_through_a_hop_have_the_same_features_over_1_and_6_partitions_and_with_an_instance_killed() {
    let (expected, n) = through_a_hop(1, false);
    assert_eq!(expected.len(), n);
    for dies in [false, true] {
        let (found, _) = through_a_hop(6, dies);
        for (id, expected) in &expected {
            assert_eq!((&found[id].features, &found[id].flags), (&expected.features, &expected.flags), "{id}, {dies}");
        }
    }
}
