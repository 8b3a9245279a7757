//! Facts through the roles over the memory transport: faults, crashes, and topics that are compacted between a transaction
//! and its replay leave the same predictions, and a first start begins with what is known.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use driftless::codec::{JournalRecord, JournalStep, read};
use driftless::config::Config;
use driftless::data::{Prediction, Timestamp};
use driftless::runtime::{
    App, Beginning, ReplayParams, ResetParams, Roles, Sought, WhyParams, plan_reset, replay, why,
};
use driftless::stats::SplitMix64;
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::memory::{Cue, Fault, Memory};
use driftless::transport::{Outgoing, TopicPartition, TopicSpec, Transport};
use support::bench::{Bench, Published, assert_whole, differences};
use support::cards::cards;

const STEP_MS: i64 = 600_000;
const STEPS: usize = 6;
const SCORE: Roles = Roles { score: true, monitor: false, retrain: false };

fn application() -> String {
    cards("0s", REST)
}

const REST: &str = r#"
[[features.windows]]
kind = "ever"
by = ["card", "customer.country"]
aggregates = ["count"]

[score]
checkpoint = "10ms"

[performance]
window = "30m"
every = "10m"
min_n = 20
"#;

fn bench(text: &str) -> (Memory, Bench) {
    let memory = Memory::new();
    (memory.clone(), Bench::new(Arc::new(memory), Config::parse(text).unwrap()))
}

/// A record of one of the inputs, 0 events, 1 account, 2 customer.
struct Sent {
    to: usize,
    at: i64,
    card: String,
    value: Option<String>,
}

/// What is sent in a step, in the order of its time.
fn sent(seed: u64, step: usize) -> Vec<Sent> {
    let mut random = SplitMix64::new(seed + 1_000 * step as u64);
    let mut all: Vec<Sent> = Vec::new();
    for number in 0..90 {
        let at = step as i64 * STEP_MS + random.below(STEP_MS as u64) as i64;
        let card = format!("c{}", random.below(8));
        let of_customer = |random: &mut SplitMix64| {
            // Some count from a later step on.
            let since = at + if random.below(4) == 0 { random.below(2 * STEP_MS as u64) as i64 } else { 0 };
            let country = ["DE", "FR"][random.below(2) as usize];
            format!("{{\"since\":{since},\"country\":\"{country}\",\"limit\":{}}}", random.below(100))
        };
        let (to, value) = match random.below(8) {
            0 => (1, Some(format!("{{\"level\":{}}}", random.below(9)))),
            1 => (2, Some(of_customer(&mut random))),
            2 if random.below(3) == 0 => (1 + random.below(2) as usize, None),
            2 if random.below(3) == 0 => (2, Some("{\"limit\":-1}".to_owned())),
            _ => (0, Some(format!("{{\"id\":\"e{step}-{number}\",\"at\":{at},\"amount\":{}}}", random.below(900)))),
        };
        all.push(Sent { to, at, card, value });
    }
    all.sort_by_key(|sent| sent.at);
    all
}

fn publish(bench: &Bench, records: &[Sent]) {
    let topics = &bench.config.topics;
    let facts: Vec<&String> = topics.facts.iter().map(|topic| &topic.name).collect();
    let mut publisher = bench.transport.publisher().unwrap();
    for Sent { to, at, card, value } in records {
        let topic = if *to == 0 { &topics.events } else { facts[to - 1] };
        let (key, value) = (Some(card.as_bytes()), value.as_ref().map(String::as_bytes));
        let timestamp = Some(Timestamp::from_millis(*at));
        publisher.send(&Outgoing { topic, partition: None, key, value, headers: &[], timestamp }).unwrap();
    }
    publisher.flush().unwrap();
}

fn run(bench: &Bench, seed: u64, mut between: impl FnMut(usize, App) -> App) -> Published {
    let mut app = bench.start();
    for step in 0..STEPS {
        app = between(step, app);
        publish(bench, &sent(seed, step));
        bench.step(&app, (step as i64 + 1) * STEP_MS);
    }
    app.stop().unwrap();
    bench.published()
}

fn undisturbed(seed: u64) -> Published {
    run(&bench(&application()).1, seed, |_, app| app)
}

/// What the last fact of a card says that counts from before a time.
fn as_of(all: &[Sent], of: usize, card: &str, at: i64) -> serde_json::Value {
    let mut found = (i64::MIN, serde_json::Value::Null);
    for sent in all.iter().filter(|sent| sent.to == of && sent.card == card) {
        let value: serde_json::Value =
            sent.value.as_ref().map_or(serde_json::Value::Null, |text| serde_json::from_str(text).unwrap());
        let since = value["since"].as_i64().unwrap_or(sent.at);
        if value["limit"] != -1 && since < at && since >= found.0 {
            found = (since, value);
        }
    }
    found.1
}

#[test]
fn every_event_is_scored_with_what_was_known_just_before_it() {
    let published = undisturbed(1);
    assert_whole(&published);
    let all: Vec<Sent> = (0..STEPS).flat_map(|step| sent(1, step)).collect();
    let mut known = 0;
    for value in published.predictions.iter().flatten() {
        let prediction: Prediction = read("prediction", Some(value)).unwrap();
        let at = prediction.event_time.millis();
        let level = as_of(&all, 1, &prediction.entity, at)["level"].as_f64();
        let limit = as_of(&all, 2, &prediction.entity, at)["limit"].as_f64();
        assert_eq!(prediction.features[1..3], [level, limit], "{}", prediction.event_id);
        known += usize::from(limit.is_some());
    }
    assert!(known > 50, "{known}");
    assert!(published.dead_letters.iter().flatten().count() > 2);
}

#[test]
fn a_failed_commit_of_any_kind_leaves_no_trace_in_what_is_published() {
    let expected = undisturbed(2);
    for (fault, nth) in [
        (Fault::RefuseCommit, 2),
        (Fault::LoseAnswer, 2),
        (Fault::LoseCommit, 3),
        (Fault::Kick, 2),
        (Fault::RefuseSend, 30),
    ] {
        let (memory, bench) = bench(&application());
        memory.plan(Cue { transactional_id: "cards.score.a.0".to_owned(), nth, fault });
        let found = differences(&run(&bench, 2, |_, app| app), &expected);
        assert!(found.is_empty(), "{fault:?} at {nth}: {found:#?}");
    }
}

fn compact(memory: &Memory, bench: &Bench) {
    for topic in &bench.config.topics.facts {
        for partition in 0..2 {
            memory.compact(&TopicPartition::new(topic.name.as_str(), partition)).unwrap();
        }
    }
}

/// Without a checkpoint everything is computed again from the journal, which holds the facts that are gone.
#[test]
fn a_process_that_dies_goes_on_though_facts_it_had_read_have_been_compacted_away() {
    let expected = undisturbed(3);
    for checkpoint in ["10ms", "1h"] {
        let (memory, bench) = bench(&application().replace("10ms", checkpoint));
        let published = run(&bench, 3, |step, app| {
            if step == 0 {
                return app;
            }
            for role in ["score", "monitor", "retrain"] {
                memory.kill(&format!("cards.{role}.a.0"));
            }
            let _ = app.stop();
            compact(&memory, &bench);
            bench.start()
        });
        assert_whole(&published);
        assert_eq!(differences(&published, &expected), Vec::<String>::new(), "checkpoint every {checkpoint}");
    }
}

#[test]
fn the_past_is_computed_again_from_the_journal_though_facts_have_been_compacted_away() {
    let (memory, bench) = bench(&application());
    run(&bench, 4, |_, app| app);
    compact(&memory, &bench);
    let report = replay(&bench.config, &*bench.transport, &ReplayParams::default(), &mut |_| {}).unwrap();
    assert!(report.identical, "{report}");
    let predictions = bench.predicted();
    let prediction = predictions.iter().rfind(|prediction| prediction.features[2].is_some()).unwrap();
    let sought = Sought::Event { id: prediction.event_id.clone(), partition: None };
    let why = why(&bench.config, &*bench.transport, &WhyParams { sought }, &mut |_| {}).unwrap();
    assert!(why.is_reproduced(), "{why}");
    let limit = why.known.iter().find(|known| known.name == "customer.limit").unwrap();
    assert_eq!(limit.value, prediction.features[2].map(|limit| limit.to_string()));
    assert!(why.to_string().contains("known       customer.country = "), "{why}");
}

/// Without labels as well: facts are then the second input. Long ones, so that they take more than one transaction.
#[test]
fn a_first_start_reads_the_facts_as_they_stand_before_the_first_event() {
    let text = application();
    let (before, rest) = text.split_once("[labels.kinds").unwrap();
    let text = format!("{before}[events.fields{}", rest.split_once("[events.fields").unwrap().1);
    assert!(!text.contains("[labels") && text.contains("[facts.account"));
    let (_, bench) = bench(&text);
    let card = |n: usize| format!("c{n}");
    let pad = "x".repeat(1_000);
    let events: Vec<Sent> = (0..200)
        .map(|n| Sent {
            to: 0,
            at: 5_000,
            card: card(n * 9),
            value: Some(format!("{{\"id\":\"e{n}\",\"at\":5000,\"amount\":1}}")),
        })
        .collect();
    let level = |n: usize| Some(format!("{{\"level\":{n},\"pad\":\"{pad}\"}}"));
    let facts: Vec<Sent> = (0..2_000).map(|n| Sent { to: 1, at: 0, card: card(n), value: level(n) }).collect();
    publish(&bench, &events);
    publish(&bench, &facts);
    let app = bench.start_live("a");
    bench.until(&app, || bench.predicted().len() == 200);
    app.stop().unwrap();
    for prediction in bench.predicted() {
        let n: f64 = prediction.entity[1..].parse().unwrap();
        assert_eq!(prediction.features[1], Some(n));
    }
    for journal in bench.values(&bench.config.topics.journal) {
        let of = |bytes: &Vec<u8>| {
            let record = JournalRecord::decode(bytes).unwrap();
            record.steps.iter().filter(|step| matches!(step, JournalStep::Kept { .. })).count()
        };
        assert!(journal.iter().filter(|bytes| of(bytes) > 0).count() > 2);
        assert!(journal.iter().all(|bytes| bytes.len() < 450 * 1024));
    }
}

#[test]
fn a_reset_that_passes_over_all_events_reads_the_facts_as_they_stand() {
    let (memory, bench) = bench(&application());
    let event = |n: usize| Sent {
        to: 0,
        at: 5_000,
        card: format!("c{}", n % 8),
        value: Some(format!("{{\"id\":\"e{n}\",\"at\":5000,\"amount\":1}}")),
    };
    let level = |n: usize| Sent { to: 1, at: 0, card: format!("c{n}"), value: Some(format!("{{\"level\":{n}}}")) };
    publish(&bench, &(0..8).map(level).collect::<Vec<_>>());
    publish(&bench, &(0..8).map(event).collect::<Vec<_>>());
    let plan = plan_reset(&memory, &bench.config, ResetParams { score: true, monitor: true, to: Beginning::Latest });
    plan.unwrap().carry_out(&memory, &bench.config).unwrap();
    let app = bench.start_live("a");
    publish(&bench, &(8..16).map(event).collect::<Vec<_>>());
    bench.until(&app, || bench.predicted().len() == 8);
    app.stop().unwrap();
    for prediction in bench.predicted() {
        assert_eq!(prediction.features[1], prediction.entity[1..].parse().ok(), "{}", prediction.event_id);
    }
}

#[test]
fn a_topic_of_facts_is_compacted_and_has_the_partitions_of_the_events() {
    for (partitions, expected) in
        [(2, None), (3, Some("`cards.facts.account` has 3 partitions and `cards.events` has 2"))]
    {
        let memory = Memory::new();
        let config = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
        let spec = TopicSpec { name: "cards.facts.account".to_owned(), partitions, replication: -1, config };
        memory.create(&[spec]).unwrap();
        let bench = Bench::new(Arc::new(memory), Config::parse(&application()).unwrap());
        match (bench.try_start("a", SCORE), expected) {
            (Ok(app), None) => app.stop().unwrap(),
            (Err(error), Some(why)) => assert!(error.why.contains(why), "{}", error.why),
            (started, _) => panic!("{partitions}: {:?}", started.err()),
        }
    }
}

/// On Kafka itself, with topics of facts that are compacted, and restarts.
#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_run_on_kafka_publishes_the_bytes_of_a_run_in_memory() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let text = application().replace("\"cards\"", &format!("\"cards-{}\"", now.as_millis()));
    let config = Config::parse(&text).unwrap();
    let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").unwrap();
    let kafka = Kafka::new(KafkaParams::new(brokers, "driftless-test")).unwrap();
    let policy = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    let spec = |name: &str| TopicSpec { name: name.to_owned(), partitions: 2, replication: -1, config: policy.clone() };
    let specs: Vec<TopicSpec> = config.topics.facts.iter().map(|topic| spec(&topic.name)).collect();
    kafka.create(&specs).unwrap();
    let on_kafka = Bench::new(Arc::new(kafka), config);
    let published = run(&on_kafka, 5, |step, app| {
        if step % 2 == 0 {
            return app;
        }
        app.stop().unwrap();
        on_kafka.start()
    });
    assert_whole(&published);
    let (_, in_memory) = bench(&text);
    assert_eq!(differences(&published, &run(&in_memory, 5, |_, app| app)), Vec::<String>::new());
}
