//! The roles over the memory transport, step by step: faults at any commit leave the same topics as an undisturbed run.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless::data::params::Delivery;
use driftless::data::{Prediction, Span};
use driftless::transport::memory::{Cue, Fault, Memory};
use driftless::transport::{TopicPartition, Transport};
use support::bench::{Bench, Published, assert_whole, differences};
use support::config;

fn bench() -> (Memory, Bench) {
    let memory = Memory::new();
    (memory.clone(), Bench::new(Arc::new(memory), config()))
}

fn undisturbed(seed: u64, n: usize) -> Published {
    let (_, bench) = bench();
    bench.run(seed, n, |_, app| app);
    bench.published()
}

#[test]
fn two_runs_over_the_same_input_publish_the_same_bytes() {
    let published = undisturbed(11, 400);
    assert_whole(&published);
    assert_eq!(differences(&published, &undisturbed(11, 400)), Vec::<String>::new());
}

#[test]
fn a_failed_commit_of_any_kind_leaves_no_trace_in_what_is_published() {
    let expected = undisturbed(12, 300);
    for (fault, nth) in [
        (Fault::RefuseCommit, 2),
        (Fault::RefuseCommit, 3),
        (Fault::LoseAnswer, 2),
        (Fault::LoseCommit, 3),
        (Fault::Kick, 2),
        (Fault::RefuseSend, 40),
    ] {
        for role in ["score", "monitor"] {
            let (memory, bench) = bench();
            memory.plan(Cue { transactional_id: format!("shops.{role}.a.0"), nth, fault });
            bench.run(12, 300, |_, app| app);
            let found = differences(&bench.published(), &expected);
            assert!(found.is_empty(), "{fault:?} at {nth} of {role}: {found:#?}");
        }
    }
}

#[test]
fn a_process_that_dies_and_starts_again_goes_on_where_its_journal_ends() {
    let expected = undisturbed(13, 300);
    let (memory, bench) = bench();
    bench.run(13, 300, |step, app| {
        if step == 0 || step % 2 == 1 {
            return app;
        }
        for role in ["score", "monitor", "retrain"] {
            memory.kill(&format!("shops.{role}.a.0"));
        }
        let _ = app.stop();
        bench.start()
    });
    let published = bench.published();
    assert_whole(&published);
    assert_eq!(differences(&published, &expected), Vec::<String>::new());
}

#[test]
fn a_clean_stop_leaves_nothing_to_replay() {
    let expected = undisturbed(14, 300);
    let (memory, bench) = bench();
    bench.run(14, 300, |step, app| {
        if step != 4 && step != 9 {
            return app;
        }
        app.stop().unwrap();
        let topics = &bench.config.topics;
        let read = [&topics.events, topics.labels.as_ref().unwrap(), &topics.summaries];
        for topic in read.into_iter().chain([&topics.journal, &topics.monitor_journal]) {
            for (partition, bounds) in memory.bounds(topic).unwrap().unwrap().into_iter().enumerate() {
                memory.trim(&TopicPartition::new(topic.as_str(), partition as i32), bounds.end).unwrap();
            }
        }
        bench.start()
    });
    assert_eq!(differences(&bench.published(), &expected), Vec::<String>::new());
}

/// The message that a role stops with, once it has been started over topics that something is missing from.
fn refusal(spoil: impl Fn(&Memory, &Bench)) -> String {
    let (memory, bench) = bench();
    let app = bench.start_live("a");
    bench.publish_slowly(0, 200);
    bench.until(&app, || bench.predicted().len() == 200);
    app.stop().unwrap();
    spoil(&memory, &bench);
    let app = bench.start_live("a");
    let until = Instant::now() + Duration::from_secs(60);
    while app.failed().is_none() && Instant::now() < until {
        std::thread::yield_now();
    }
    app.stop().unwrap_err().why
}

fn cut(memory: &Memory, topic: &str, keep: i64) {
    let end = memory.bounds(topic).unwrap().unwrap()[0].end;
    memory.trim(&TopicPartition::new(topic, 0), end - keep).unwrap();
}

#[test]
fn a_state_that_is_not_whole_is_refused() {
    let why = refusal(|memory, bench| cut(memory, &bench.config.topics.state, 3));
    assert!(why.contains("chunks of the state, and checkpoint") && why.contains("driftless reset"), "{why}");
}

#[test]
fn a_state_and_a_journal_that_are_gone_are_no_first_start() {
    let why = refusal(|memory, bench| {
        cut(memory, &bench.config.topics.state, 0);
        cut(memory, &bench.config.topics.journal, 0);
    });
    assert!(why.contains("and there is no checkpoint: its first records are gone"), "{why}");
}

fn distinct(predictions: &[Prediction]) -> usize {
    predictions.iter().map(|prediction| prediction.event_id.as_str()).collect::<BTreeSet<_>>().len()
}

#[test]
fn a_live_run_is_restored_though_its_batches_were_handled_at_different_times() {
    let (_, bench) = bench();
    let app = bench.start_live("a");
    bench.publish_slowly(0, 60);
    bench.until(&app, || bench.predicted().len() == 60);
    app.stop().unwrap();
    let again = bench.start_live("a");
    bench.publish_slowly(60, 1);
    bench.until(&again, || bench.predicted().len() == 61);
    again.stop().unwrap();
    assert_eq!(distinct(&bench.predicted()), 61);
}

#[test]
fn a_commit_lost_while_shards_are_revoked_publishes_nothing_twice() {
    const N: usize = 40;
    let memory = Memory::new();
    let mut config = config();
    // Nothing is committed but for a rebalance or a stop.
    config.score.transaction = Span::from_millis(3_600_000);
    let mut bench = Bench::new(Arc::new(memory.clone()), config);
    let one = bench.start_live("a");
    bench.publish_slowly(0, N);
    bench.until(&one, || bench.written() >= N as i64);
    memory.plan(Cue { transactional_id: "shops.score.a.0".into(), nth: 1, fault: Fault::LoseCommit });
    let other = bench.start_live("b");
    bench.until(&other, || other.missing().is_empty() && bench.written() >= 3 * N as i64 / 2);
    one.stop().unwrap();
    other.stop().unwrap();
    Arc::make_mut(&mut bench.config).score.transaction = Span::from_millis(20);
    let last = bench.start_live("c");
    bench.until(&last, || distinct(&bench.predicted()) == N);
    last.stop().unwrap();
    assert_eq!(bench.predicted().len(), N, "an event was predicted twice");
}

/// With predictions that go ahead of transactions of this age.
fn ahead(transaction: Span) -> (Memory, Bench) {
    let memory = Memory::new();
    let mut config = config();
    config.score.delivery = Delivery::AtLeastOnce;
    config.score.transaction = transaction;
    (memory.clone(), Bench::new(Arc::new(memory), config))
}

fn event_id(value: &[u8]) -> String {
    serde_json::from_slice::<Prediction>(value).unwrap().event_id
}

/// The last prediction of every event, in the order in which the last ones came; and how many came before them.
fn last_of_each(mut published: Published) -> (Published, usize) {
    let mut repeated = 0;
    for partition in &mut published.predictions {
        let mut seen = BTreeSet::new();
        let all = std::mem::take(partition);
        repeated += all.len();
        partition.extend(all.into_iter().rev().filter(|value| seen.insert(event_id(value))));
        partition.reverse();
        repeated -= partition.len();
    }
    (published, repeated)
}

#[test]
fn predictions_sent_ahead_come_again_after_a_failure_and_all_else_is_exactly_once() {
    let expected = undisturbed(15, 300);
    for fault in
        [Fault::RefuseCommit, Fault::LoseCommit, Fault::Kick, Fault::Kill, Fault::RefuseSend, Fault::LoseAnswer]
    {
        let (memory, bench) = ahead(Span::from_millis(100));
        // Some of these commits hold no predictions.
        for nth in if fault == Fault::RefuseSend { [40, 120, 121, 300] } else { [2, 5, 6, 9] } {
            memory.plan(Cue { transactional_id: "shops.score.a.0".to_owned(), nth, fault });
        }
        bench.run(15, 300, |_, app| app);
        let (found, repeated) = last_of_each(bench.published());
        assert_eq!(repeated > 0, fault != Fault::LoseAnswer, "{fault:?}: {repeated} came again");
        let found = differences(&found, &expected);
        assert!(found.is_empty(), "{fault:?}: {found:#?}");
    }
}

#[test]
fn predictions_sent_ahead_are_seen_before_their_transaction_commits() {
    const N: usize = 40;
    // Nothing is committed but for a stop.
    let (memory, bench) = ahead(Span::from_millis(3_600_000));
    let committed = || {
        let at = |partition| TopicPartition::new(bench.config.topics.events.as_str(), partition);
        (0..2).filter_map(|partition| memory.committed("shops.score", &at(partition))).sum::<i64>()
    };
    let app = bench.start_live("a");
    bench.publish_slowly(0, N);
    bench.until(&app, || bench.predicted().len() == N);
    assert_eq!(committed(), 0);
    memory.kill("shops.score.a.0");
    bench.until(&app, || bench.predicted().len() == 2 * N);
    assert_eq!((committed(), distinct(&bench.predicted())), (0, N));
    app.stop().unwrap();
    assert_eq!(committed(), N as i64);
    assert_eq!((bench.predicted().len(), distinct(&bench.predicted())), (2 * N, N));
}
