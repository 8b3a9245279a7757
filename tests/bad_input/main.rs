//! The bad-input matrix of `docs/faults.md`, row by row, against the running application: over the memory transport, and
//! the rows that are one record each against the real binary on the Apache Kafka in `DRIFTLESS_TEST_BROKERS` as well.
//!
//! Each test is named after its row. Rows 19 to 24 are about Avro and have their tests with the decoder.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod cases;
#[path = "../services/processes.rs"]
#[expect(dead_code, reason = "shared with tests/services")]
mod processes;
mod site;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/surroundings.rs"]
mod surroundings;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driftless::config::Config;
use driftless::data::{Item, Machine, Outbox, Record, Sink, Span, Timestamp};
use driftless::pipeline::{EVENTS, LABELS};
use driftless::runtime::{LetterFilter, Letters, Obstacle, ResendParams, resend, topic_specs};
use driftless::transport::Transport;
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::memory::Memory;

use cases::{AT, Case, cases, event};
use processes::{Service, get, output, until};
use site::{Sent, check, header_of, predictions, records, ruled, send};
use support::bench::Bench;
use support::models::tell;
use support::{forgetful, record, set};
use surroundings::{free_address, surroundings};

fn bench(more: &str) -> Bench {
    Bench::new(Arc::new(Memory::new()), Config::parse(&ruled("shops", more)).unwrap())
}

/// An event of the shop `north`, so many milliseconds after [`AT`].
fn after(ms: i64, id: &str) -> Sent {
    Sent::new(AT + ms, event(&format!("\"id\":\"{id}\",\"at\":{}", AT + ms)))
}

/// Sends events, waits until all have come to something, and stops the application.
fn run(bench: &Bench, sent: &[Sent]) {
    send(&*bench.transport, &bench.config.topics.events, sent);
    let app = bench.start_live("a");
    let topics = &bench.config.topics;
    bench.until(&app, || {
        let count = |topic: &String| records(&*bench.transport, topic).len();
        count(&topics.predictions) + count(&topics.dead_letters) + topics.late.as_ref().map_or(0, count) >= sent.len()
    });
    app.stop().unwrap();
}

/// Every case of a row, each between two good events: the process goes on, and nothing of a bad one is counted.
fn tried(row: u8) {
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.row == row).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let bench = bench("");
        run(&bench, &[after(0, "before"), Sent::of(&case), after(1_000, "after")]);
        let topics = &bench.config.topics;
        let predictions = predictions(&*bench.transport, &topics.predictions);
        let letters = records(&*bench.transport, &topics.dead_letters);
        let prediction = predictions.iter().find(|prediction| prediction.source_offset == 1);
        check(&case, prediction, letters.first());
        let last = predictions.iter().find(|prediction| prediction.source_offset == 2).unwrap();
        let is_north = case.key.as_deref() == Some(b"north");
        let counted = 2.0 + if prediction.is_some() && is_north { 1.0 } else { 0.0 };
        assert_eq!((last.features[1], last.flags.len()), (Some(counted), 0), "row {row}, {}", case.what);
    }
}

#[test]
fn row_01_an_empty_value() {
    tried(1);
}

#[test]
fn row_02_no_key() {
    tried(2);
}

#[test]
fn row_03_an_empty_or_long_key() {
    tried(3);
}

#[test]
fn row_04_a_long_value_keeps_its_beginning_and_its_hash() {
    tried(4);
}

#[test]
fn row_05_no_json() {
    tried(5);
}

#[test]
fn row_06_no_utf_8() {
    tried(6);
}

#[test]
fn row_07_deep_nesting() {
    tried(7);
}

#[test]
fn row_08_a_field_twice() {
    tried(8);
}

#[test]
fn row_09_fields_nobody_declared() {
    tried(9);
}

#[test]
fn row_10_a_required_field_is_missing() {
    tried(10);
}

#[test]
fn row_11_a_value_of_another_type() {
    tried(11);
}

#[test]
fn row_12_a_number_that_is_not_finite() {
    tried(12);
}

#[test]
fn row_13_negative_zero_and_subnormals() {
    tried(13);
}

#[test]
fn row_14_integers_beyond_what_a_double_holds() {
    tried(14);
}

#[test]
fn row_15_no_usable_time() {
    tried(15);
}

#[test]
fn row_16_a_time_far_ahead_moves_no_clock() {
    tried(16);
}

#[test]
fn row_17_a_late_event_is_flagged() {
    let bench = bench("");
    run(&bench, &[after(0, "a"), after(3_600_000, "b"), after(60_000, "c")]);
    let found = predictions(&*bench.transport, &bench.config.topics.predictions);
    let flags: Vec<_> = found.iter().map(|prediction| prediction.flags.join(" ")).collect();
    assert_eq!(flags, ["", "", "late"]);
}

#[test]
fn row_17_a_late_event_goes_to_its_own_topic_by_choice() {
    let bench = bench("on_late = \"side-output\"");
    let mut late = after(60_000, "c");
    late.headers = vec![cases::header("traceparent", 3)];
    run(&bench, &[after(0, "a"), after(3_600_000, "b"), late.clone(), after(3_600_001, "d")]);
    let topics = &bench.config.topics;
    let found = predictions(&*bench.transport, &topics.predictions);
    let ids: Vec<_> = found.iter().map(|prediction| prediction.event_id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "d"]);
    assert_eq!(found[2].features[1], Some(2.0), "the late one is in no window");
    let put_aside = records(&*bench.transport, topics.late.as_ref().unwrap());
    let [record] = put_aside.as_slice() else { panic!("{put_aside:?}") };
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (late.key.as_deref(), late.value.as_deref()));
    let header = |name: &str| header_of(record, name).unwrap_or_default();
    assert_eq!((header("traceparent"), header("driftless.late.by_ms")), ("hhh".into(), "3540000".into()));
    assert_eq!((header("driftless.late.topic"), header("driftless.late.offset")), ("shops.events".into(), "2".into()));
}

#[test]
fn row_18_an_id_that_comes_again_is_another_event() {
    let bench = bench("");
    run(&bench, &[after(0, "a"), after(1_000, "a")]);
    assert_eq!(bench.predicted().len(), 2);
}

#[test]
fn row_18_a_duplicate_is_left_out_or_refused_by_choice() {
    for (more, letters) in [("deduplicate = \"1h\"", 0), ("deduplicate = \"1h\"\non_duplicate = \"dead-letter\"", 1)] {
        let bench = bench(more);
        let sent = [after(0, "a"), after(1_000, "a"), after(2_000, "b"), after(7_200_000, "a")];
        send(&*bench.transport, &bench.config.topics.events, &sent);
        let app = bench.start_live("a");
        bench.until(&app, || bench.predicted().len() == 3);
        app.stop().unwrap();
        let found = bench.predicted();
        let offsets: Vec<_> = found.iter().map(|prediction| prediction.source_offset).collect();
        assert_eq!(offsets, [0, 2, 3], "{more}");
        assert_eq!(found[1].features[1], Some(2.0), "the duplicate is in no window");
        let refused = records(&*bench.transport, &bench.config.topics.dead_letters);
        assert_eq!(refused.len(), letters, "{more}");
        assert!(refused.iter().all(|letter| header_of(letter, "driftless.error.code").unwrap() == "duplicate"));
    }
}

#[test]
fn row_26_many_or_long_headers() {
    tried(26);
}

#[test]
fn row_27_control_characters_in_texts() {
    tried(27);
    let bench = bench("");
    run(&bench, &[Sent::new(AT, event("\"id\":\"a\\u0000\\n\\u001b[31m\""))]);
    assert_eq!(bench.predicted()[0].event_id, "a\0\n\u{1b}[31m", "as it came");
}

#[test]
fn row_28_a_class_never_seen() {
    tried(28);
}

#[test]
fn row_30_one_key_with_all_the_traffic() {
    let bench = bench("");
    let sent: Vec<Sent> = (0..2_000).map(|number| after(number * 10, &format!("e{number}"))).collect();
    run(&bench, &sent);
    let found = bench.predicted();
    assert!(found.iter().zip(0..).all(|(prediction, offset)| prediction.source_offset == offset), "in their order");
    assert_eq!((found.len(), found[1_999].features[1]), (2_000, Some(2_000.0)));
}

#[test]
fn row_31_very_many_keys() {
    let mut machine = forgetful();
    let mut held = Vec::new();
    for round in 0..6 {
        let items: Vec<Item<_>> = (0..4_000)
            .map(|number| {
                let number = round * 4_000 + number;
                let at = number * 100;
                let value = format!("{{\"id\":\"e{number}\",\"at\":{at},\"amount\":1,\"card\":\"c\"}}");
                Item::Record { input: EVENTS, record: record(number, at, &format!("shop {number}"), value) }
            })
            .collect();
        machine.handle(&items, now(), &mut Outbox::muted());
        machine.commit();
        held.push(machine.held()[0]);
    }
    assert!(held[5] <= held[2] && held[5] < 24_000, "groups go with their windows: {held:?}");
}

fn now() -> Timestamp {
    Timestamp::from_millis(AT)
}

/// A label, as a record of the labels topic.
fn label(offset: i64, at: i64, id: &str) -> Record {
    let value = format!("{{\"event_id\":\"{id}\",\"known_at\":{at},\"kind\":\"checked\",\"fraud\":1}}");
    record(offset, at, "north", value)
}

#[test]
fn row_33_a_label_whose_event_never_comes() {
    let mut machine = forgetful();
    let event = |offset: i64, at: i64| Item::Record {
        input: EVENTS,
        record: record(offset, at, "north", format!("{{\"id\":\"e{offset}\",\"at\":{at},\"amount\":1}}")),
    };
    let mut out = Outbox::default();
    let lone = Item::Record { input: LABELS, record: label(0, 1_000, "never") };
    let events = [event(0, 500), lone, event(1, 50_000), event(2, 3_600_000), event(3, 7_200_000)];
    machine.handle(&events, now(), &mut out);
    let letters: Vec<_> = support::written(&out).into_iter().filter(|output| output.0 == Sink::DeadLetters).collect();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].3.contains(&("driftless.error.code".to_owned(), Some(b"unknown_event".to_vec()))));
    assert_eq!(machine.held()[2], 0);
}

#[test]
fn row_34_a_flood_of_labels_without_events() {
    const ROOM: i64 = 100_000;
    let mut machine = forgetful();
    let mut letters = 0;
    for from in (0..ROOM + 500).step_by(500) {
        let labels: Vec<Item<_>> = (from..from + 500)
            .map(|number| Item::Record { input: LABELS, record: label(number, 1_000, &format!("n{number}")) })
            .collect();
        let mut out = Outbox::default();
        machine.handle(&labels, now(), &mut out);
        machine.commit();
        letters += out.iter().filter(|output| output.sink == Sink::DeadLetters).count();
    }
    assert_eq!((machine.held()[2] as i64, letters), (ROOM, 500), "as many wait as there is room for");
}

#[test]
fn row_35_a_dead_letter_sent_again_stays_after_three_times() {
    let bench = bench("");
    let (transport, config) = (&*bench.transport, &*bench.config);
    let topics = &config.topics;
    let mut bad = Sent::new(AT, event("\"amount\":null"));
    bad.headers = vec![cases::header("traceparent", 3)];
    send(transport, &topics.events, &[bad.clone()]);
    let app = bench.start_live("a");
    for hops in 0..=3 {
        bench.until(&app, || records(transport, &topics.dead_letters).len() == hops + 1);
        let letters = records(transport, &topics.dead_letters);
        let letter = letters.last().unwrap();
        assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (bad.key.as_deref(), bad.value.as_deref()));
        assert_eq!(header_of(letter, "traceparent").as_deref(), Some("hhh"));
        assert_eq!(header_of(letter, "driftless.dlq.hops"), (hops > 0).then(|| hops.to_string()));
        let mut letters = Letters::open(transport, config, LetterFilter::default()).unwrap();
        for _ in 0..hops {
            letters.next().unwrap();
        }
        let resent = resend(&mut letters, transport, config, ResendParams::default()).unwrap();
        assert_eq!(
            (resent.total(), resent.left.get(&Obstacle::Hops)),
            if hops < 3 { (1, None) } else { (0, Some(&1)) }
        );
    }
    app.stop().unwrap();
    let events = records(transport, &topics.events);
    assert!(events.iter().all(|event| event.timestamp.millis() == AT), "with the timestamp they came with");
    assert_eq!(events.len(), 4);
}

#[test]
fn a_topic_gone_bad_is_held_back_until_somebody_says_otherwise() {
    let mut bench = bench("max_rejected = 0.5\nreject_window = 100");
    let config = Arc::make_mut(&mut bench.config);
    (config.score.max_batch, config.score.transaction) = (16, Span::from_millis(1));
    let bad = |number: i64| Sent::new(AT + number, event("\"amount\":null"));
    let sent: Vec<Sent> =
        (0..30).map(|number| after(number, &format!("e{number}"))).chain((30..2_000).map(bad)).collect();
    let topics = bench.config.topics.clone();
    send(&*bench.transport, &topics.events, &sent);
    let app = bench.start_live("a");
    bench.until(&app, || app.missing().iter().any(|why| why.starts_with("shard 0 is held back: ")));
    let letters = records(&*bench.transport, &topics.dead_letters).len();
    assert!((50..1_970).contains(&letters), "{letters} became dead letters");
    app.stop().unwrap();
    assert_eq!(records(&*bench.transport, &topics.dead_letters).len(), letters, "nothing more is taken");

    Arc::make_mut(&mut bench.config).score.breaker.max_rejected = 1.0;
    let app = bench.start_live("a");
    bench.until(&app, || records(&*bench.transport, &topics.dead_letters).len() == 1_970);
    assert_eq!(app.missing(), Vec::<String>::new());
    app.stop().unwrap();
    assert_eq!(bench.predicted().len(), 30, "nothing is lost and nothing comes twice");
}

#[test]
fn a_command_lets_a_shard_go_on_that_is_held_back() {
    let mut bench = bench("max_rejected = 0.5\nreject_window = 100");
    let config = Arc::make_mut(&mut bench.config);
    (config.score.max_batch, config.score.transaction) = (16, Span::from_millis(1));
    let bad: Vec<Sent> = (0..2_000).map(|number| Sent::new(AT + number, event("\"amount\":null"))).collect();
    let topics = bench.config.topics.clone();
    send(&*bench.transport, &topics.events, &bad);
    let app = bench.start_live("a");
    let letters = || records(&*bench.transport, &topics.dead_letters).len();
    bench.until(&app, || app.missing().iter().any(|why| why.starts_with("shard 0 is held back: ")));
    tell(&bench, &[set("events.max_rejected", Some("0.9"))]);
    std::thread::sleep(Duration::from_millis(300));
    assert!(letters() < 2_000, "all were refused, which is more");
    tell(&bench, &[set("events.max_rejected", Some("1"))]);
    bench.until(&app, || letters() == 2_000);
    assert_eq!(app.missing(), Vec::<String>::new());
    tell(&bench, &[set("events.max_rejected", None)]);
    bench.until(&app, || {
        send(&*bench.transport, &topics.events, &bad[..10]);
        app.missing().iter().any(|why| why.starts_with("shard 0 is held back: "))
    });
    app.stop().unwrap();
}

#[test]
fn rules_of_the_configuration() {
    tried(0);
}

#[test]
fn follow_ups_are_held_to_the_same_rules() {
    let bench = bench("");
    let body = |members: &str| format!("{{\"event_id\":\"a\",\"known_at\":{AT},\"kind\":\"checked\"{members}}}");
    let mut headed = Sent::new(AT, body(",\"fraud\":1"));
    headed.headers = vec![cases::header("long", 17 << 10)];
    let sent = [
        (Sent { key: None, ..Sent::new(AT, body(",\"fraud\":1")) }, "key_missing"),
        (Sent { value: None, ..Sent::new(AT, "") }, "empty"),
        (Sent::new(AT, body(",\"fraud\":\"1\"")), "type"),
        (Sent::new(AT, body("")), "missing"),
        (Sent::new(AT, body(",\"fraud\":7")), "range"),
        (Sent::new(AT, body(",\"fraud\":1e999")), "non_finite"),
        (Sent::new(AT, body(&format!(",\"x\":{}{}", "[".repeat(40), "]".repeat(40)))), "depth"),
        (Sent::new(AT, body(",\"x\":1,\"x\":1,\"fraud\":1")), "duplicate_field"),
        (Sent::new(AT, body(",\"fraud\":1").replace("checked", "other")), "unknown_kind"),
        (headed, "headers"),
    ];
    let topics = &bench.config.topics;
    let records_sent: Vec<Sent> = sent.iter().map(|(sent, _)| sent.clone()).collect();
    send(&*bench.transport, topics.labels.as_ref().unwrap(), &records_sent);
    let app = bench.start_live("a");
    bench.until(&app, || records(&*bench.transport, &topics.dead_letters).len() == sent.len());
    app.stop().unwrap();
    let letters = records(&*bench.transport, &topics.dead_letters);
    let codes: Vec<_> = letters.iter().map(|letter| header_of(letter, "driftless.error.code").unwrap()).collect();
    assert_eq!(codes, sent.map(|(_, code)| code));
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn the_running_binary_says_the_same_of_every_row_on_kafka() {
    let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").unwrap();
    let kafka = Kafka::new(KafkaParams::new(brokers.clone(), "driftless-test")).unwrap();
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let directory = tempfile::tempdir().unwrap();
    let http = free_address();
    let surroundings = surroundings(&brokers, directory.path(), http);
    let text = format!("{}\n{surroundings}", ruled(&format!("bad-input-{stamp}"), ""));
    let file = directory.path().join("driftless.toml");
    std::fs::write(&file, &text).unwrap();
    let config = Config::parse(&text).unwrap();
    kafka.create(&topic_specs(&config)).unwrap();

    let cases: Vec<Case> = cases().into_iter().filter(|case| !case.is_huge).collect();
    let sent: Vec<Sent> = cases.iter().map(Sent::of).chain([after(1_000, "after")]).collect();
    let topics = &config.topics;
    send(&kafka, &topics.events, &sent);
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    command.args(["run", "--role", "score", "--instance", "x", "--config"]).arg(&file).env_remove("DRIFTLESS_LOG");
    let mut service = Service::start("score", command, directory.path().join("score.log"));
    until("every record has come to something", &[&service], || {
        records(&kafka, &topics.predictions).len() + records(&kafka, &topics.dead_letters).len() >= sent.len()
    });
    until("the counts add up", &[&service], || {
        let (status, page) = get(http, "/metrics");
        let consumed = format!("driftless_consumed_total{{input=\"events\"}} {}", sent.len());
        status == 200 && page.contains(&consumed) && page.contains("driftless_count_identity_difference 0")
    });
    service.stop(Duration::from_secs(15));

    let predictions = predictions(&kafka, &topics.predictions);
    let letters = records(&kafka, &topics.dead_letters);
    for (offset, case) in (0..).zip(&cases) {
        let prediction = predictions.iter().find(|prediction| prediction.source_offset == offset);
        let position = offset.to_string();
        let letter =
            letters.iter().find(|letter| header_of(letter, "driftless.error.offset").as_ref() == Some(&position));
        check(case, prediction, letter);
    }
    assert_eq!(predictions.len() + letters.len(), sent.len());
    let log = String::from_utf8(output(Command::new("cat").arg(directory.path().join("score.log")))).unwrap();
    assert!(!log.contains("never seen") && !log.contains('\u{1b}'), "values of records are in the log");
}
