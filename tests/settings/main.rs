//! Thresholds changed by commands: at a recorded place of every shard, through restarts, in a replay, and never by a
//! record that makes no sense. Over the memory transport, and once with the real binary on a real Kafka.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up is to fail loudly")]

mod on_kafka;
#[path = "../services/processes.rs"]
mod processes;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/surroundings.rs"]
mod surroundings;

use std::sync::Arc;

use driftless::config::Config;
use driftless::data::{
    ControlItem, DriftAlert, Extent, Item, Machine, ModelCommand, ModelRecord, Outbox, Phase, Prediction,
    SettingChange, Sink, Timestamp,
};
use driftless::model::Model;
use driftless::pipeline::Pipeline;
use driftless::registry::Store;
use driftless::runtime::{App, ReplayParams, Sought, WhatIf, WhyParams, replay, why};
use driftless::transport::memory::Memory;
use support::bench::{Bench, Published, differences};
use support::models::{promote, tell, tell_bytes, text_without_trainings};
use support::{pipeline, sequence, set};

const N: usize = 900;

fn bench_of(text: &str) -> (Memory, Bench) {
    let memory = Memory::new();
    let bench = Bench::new(Arc::new(memory.clone()), Config::parse(text).unwrap());
    (memory, bench)
}

fn bench() -> (Memory, Bench) {
    bench_of(&text_without_trainings())
}

/// v1 takes charge after ten minutes. The threshold is set three steps later and given back another five later; the drift
/// detectors go blind in between.
fn commanded(bench: &Bench, step: usize) {
    match step {
        1 => promote(bench, 1),
        4 => tell(bench, &[set("score.threshold", Some("0.05")), set("drift.psi_effect", Some("1000000"))]),
        6 => tell(bench, &[set("drift.ks_effect", Some("1"))]),
        9 => tell(bench, &[set("score.threshold", None)]),
        _ => {}
    }
}

fn run(bench: &Bench, seed: u64, mut between: impl FnMut(usize, App) -> App) {
    bench.run(seed, N, |step, app| {
        let app = between(step, app);
        commanded(bench, step);
        app
    });
}

fn undisturbed(seed: u64) -> Published {
    let (_, bench) = bench();
    run(&bench, seed, |_, app| app);
    bench.published()
}

/// By which threshold predictions were decided: that of the configuration, the one commanded, or no telling.
fn by_thresholds(predictions: &[Prediction]) -> [usize; 2] {
    let between = predictions.iter().filter(|prediction| (0.05..0.5).contains(&prediction.score));
    let (commanded, configured): (Vec<&Prediction>, Vec<&Prediction>) =
        between.partition(|prediction| prediction.decision == "fraud");
    [configured.len(), commanded.len()]
}

#[test]
fn a_threshold_counts_from_its_place_in_the_sequence_on_wherever_batches_and_states_are_cut() {
    let command = |offset, value| {
        let record = set("score.threshold", value);
        Item::Command(Arc::new(ControlItem { offset, record, model: None }))
    };
    let mut items = sequence(5, 400);
    let third = items.len() / 3;
    items.insert(2 * third, command(101, None));
    items.insert(third, command(100, Some("0.05")));
    let decided = |machine: &mut Pipeline, items: &[Item<Model>]| {
        let mut out = Outbox::default();
        machine.handle(items, Timestamp::from_millis(0), &mut out);
        machine.commit();
        let predictions = out.iter().filter(|output| output.sink == Sink::Predictions);
        predictions.map(|output| serde_json::from_slice(output.value.unwrap()).unwrap()).collect::<Vec<Prediction>>()
    };
    let whole = decided(&mut pipeline(0), &items);
    let mut machine = pipeline(0);
    let mut parts = Vec::new();
    for (number, part) in items.chunks(29).enumerate() {
        parts.extend(decided(&mut machine, part));
        if number % 3 == 2 {
            let taken = &items[..(number * 29 + part.len())];
            let control: Vec<_> = taken
                .iter()
                .filter_map(|item| if let Item::Command(item) = item { Some(item.clone()) } else { None })
                .collect();
            let head = machine.begin_checkpoint(Extent::All);
            let mut chunks = Vec::new();
            while let Some(chunk) = machine.next_chunk(500) {
                chunks.push(chunk);
            }
            machine = pipeline(0);
            machine.restore_head(&head, &control).unwrap();
            chunks.iter().for_each(|chunk| machine.restore_chunk(&chunk.bytes).unwrap());
            machine.commit();
        }
    }
    assert_eq!(whole, parts);
    let [configured, commanded] = by_thresholds(&whole);
    assert!(configured > 0 && commanded > 0, "{configured} {commanded}");
}

#[test]
fn what_commands_changed_is_published_alike_through_deaths_and_stops() {
    let expected = undisturbed(61);
    let predictions: Vec<Prediction> =
        expected.predictions.iter().flatten().map(|value| serde_json::from_slice(value).unwrap()).collect();
    let [configured, commanded] = by_thresholds(&predictions);
    assert!(configured > 0 && commanded > 0, "{configured} {commanded}");
    for offset in 0..2 {
        let (memory, bench) = bench();
        run(&bench, 61, |step, app| {
            if step % 2 == offset || step == 0 {
                return app;
            }
            if step % 4 < 2 {
                app.stop().unwrap();
            } else {
                for role in ["score", "monitor", "retrain"] {
                    memory.kill(&format!("shops.{role}.a.0"));
                }
                let _ = app.stop();
            }
            bench.start()
        });
        assert_eq!(differences(&bench.published(), &expected), Vec::<String>::new(), "{offset}");
    }
}

#[test]
fn a_past_with_commands_is_computed_again_and_a_decision_names_the_one_that_counted() {
    let (_, bench) = bench();
    run(&bench, 62, |_, app| app);
    let again =
        |config: &Config, params: &ReplayParams| replay(config, &*bench.transport, params, &mut |_| {}).unwrap();
    let report = again(&bench.config, &ReplayParams::default());
    assert!(report.identical, "{report}");
    let what_if = ReplayParams { what_if: Some(WhatIf { model: None }), ..ReplayParams::default() };
    let report = again(&bench.config, &what_if);
    assert!(report.identical && !report.notes.iter().any(|note| note.contains("a command")), "{report}");
    // Of another file it is asked what that file alone would have brought about.
    let mut other = Config::parse(&text_without_trainings()).unwrap();
    other.score.threshold = 0.25;
    other.store.path.clone_from(&bench.config.store.path);
    let report = again(&other, &what_if);
    assert!(report.notes.iter().any(|note| note.starts_with("8 times a command had changed a setting")), "{report}");

    let mut named = [0, 0];
    for prediction in bench.predicted().iter().step_by(23) {
        let sought = Sought::Event { id: prediction.event_id.clone(), partition: None };
        let why = why(&bench.config, &*bench.transport, &WhyParams { sought }, &mut |_| {}).unwrap();
        assert!(why.is_reproduced(), "{why}");
        assert_eq!(why.decision == "fraud", why.score >= why.model.threshold, "{why}");
        let is_commanded = why.model.threshold_by.is_some();
        assert_eq!(why.model.threshold, if is_commanded { 0.05 } else { 0.5 });
        assert_eq!(
            why.to_string().contains("threshold set to 0.05 at 1970-01-01T00:00:00Z by test: test"),
            is_commanded
        );
        named[usize::from(is_commanded)] += 1;
    }
    assert!(named[0] > 0 && named[1] > 0, "{named:?}");
}

#[test]
fn detectors_are_judged_by_what_counts_when_a_window_is_whole() {
    let opened = |bench: &Bench| -> Vec<DriftAlert> {
        let values = bench.values(&bench.config.topics.drift_alerts).remove(0);
        let alerts = values.iter().map(|value| serde_json::from_slice::<DriftAlert>(value).unwrap());
        alerts.filter(|alert| alert.phase == Phase::Opened).collect()
    };
    let (_, usual) = bench();
    usual.run(63, N, |step, app| {
        if step == 1 {
            promote(&usual, 1);
        }
        app
    });
    assert!(!opened(&usual).is_empty());
    let (_, blind) = bench();
    blind.run(63, N, |step, app| {
        if step == 1 {
            tell(&blind, &[set("drift.min_n", Some("1000000")), set("performance.min_n", Some("1000000"))]);
            promote(&blind, 1);
        }
        app
    });
    assert_eq!(opened(&blind), Vec::new());
    assert_eq!(usual.published().predictions, blind.published().predictions, "nothing else changed");
}

#[test]
fn trainings_and_promotions_go_by_the_command() {
    // Of trainings asked for, promotions and refusals; a candidate with a gain of 0.1, of 0.05 at least, is registered.
    let counts = |commands: &[ModelRecord]| {
        let (_, bench) = bench_of(support::CONFIG);
        bench.run(64, 600, |step, app| {
            if step == 1 {
                tell(&bench, commands);
                let mut registered = support::command(ModelCommand::Registered, 1, 0);
                let store = Store::local(bench.store.path()).unwrap();
                registered.artifact = Some(store.put_model(&support::model(1)).unwrap());
                registered.evidence = Some(support::evidence(0.1));
                tell(&bench, &[registered]);
            }
            app
        });
        let values = bench.values(&bench.config.topics.drift_alerts).remove(0);
        let alerts = values.iter().map(|value| serde_json::from_slice::<DriftAlert>(value).unwrap());
        let asked = alerts.filter(|alert| alert.action.is_some()).count();
        let values = bench.values(&bench.config.topics.models).remove(0);
        let records = values.iter().map(|value| serde_json::from_slice::<ModelRecord>(value).unwrap().command);
        let count = |wanted| records.clone().filter(|command| *command == wanted).count();
        (asked > 0, count(ModelCommand::Promoted), count(ModelCommand::Refused))
    };
    assert_eq!(counts(&[]), (true, 1, 0));
    assert_eq!(counts(&[set("promote.min_gain", Some("0.2"))]), (true, 0, 1));
    assert_eq!(counts(&[set("retrain.min_labels", Some("1000000000"))]), (false, 1, 0));
}

#[test]
fn a_record_that_makes_no_sense_changes_and_stops_nothing() {
    let expected = undisturbed(65);
    let (_, bench) = bench();
    let nonsense = [
        set("score.threshold", Some("1.5")),
        set("score.threshold", Some("much")),
        set("drift.window", Some("1h")),
        set("a.key.of.a.newer.version", Some("1")),
        set("promote.min_gain", None),
        ModelRecord { setting: None, ..set("score.threshold", None) },
        ModelRecord { command: ModelCommand::Frozen, ..set("score.threshold", Some("0")) },
        ModelRecord { command: ModelCommand::Unfrozen, ..set("score.threshold", Some("0")) },
    ];
    run(&bench, 65, |step, app| {
        if step == 3 || step == 5 {
            tell(&bench, &nonsense);
            tell_bytes(
                &bench,
                &[b"{", b"{\"command\":\"set\"}", b"\xff", b"{\"command\":\"of_a_newer_version\",\"version\":1}", b""],
            );
        }
        if step == 7 {
            app.stop().unwrap();
            return bench.start();
        }
        app
    });
    assert_eq!(differences(&bench.published(), &expected), Vec::<String>::new());
}

#[test]
fn a_later_configuration_does_not_end_a_command_and_giving_it_back_goes_to_that_one() {
    let (_, bench) = bench();
    let mut config = (*bench.config).clone();
    config.score.threshold = 0.75;
    config.drift.min_n = 30;
    let changed = bench.changed(config);
    let mut published = 0;
    let mut feed = |bench: &Bench, app: &App| -> Vec<bool> {
        bench.publish_slowly(published, 40);
        published += 40;
        bench.until(app, || bench.predicted().len() == published);
        let mut predicted = bench.predicted();
        predicted.sort_by_key(|prediction| prediction.event_time);
        predicted.split_off(published - 40).iter().map(|prediction| prediction.decision == "fraud").collect()
    };
    // The base rate answers, with 0.1.
    let app = bench.start_live("a");
    assert_eq!(feed(&bench, &app), [false; 40]);
    tell(&bench, &[set("score.threshold", Some("0.05"))]);
    settled(&bench, &app, &mut feed, true);
    app.stop().unwrap();
    let app = changed.start_live("a");
    assert_eq!(feed(&changed, &app), [true; 40], "the command counts, whatever the file says by now");
    tell(&changed, &[set("score.threshold", None)]);
    settled(&changed, &app, &mut feed, false);
    app.stop().unwrap();
    let app = changed.start_live("b");
    assert_eq!(feed(&changed, &app), [false; 40]);
    app.stop().unwrap();
}

/// Feeds until every shard has taken the command.
fn settled(bench: &Bench, app: &App, feed: &mut impl FnMut(&Bench, &App) -> Vec<bool>, wanted: bool) {
    for _ in 0..200 {
        if feed(bench, app).iter().all(|decided| *decided == wanted) {
            return;
        }
    }
    panic!("no shard takes the command");
}

#[test]
fn a_change_says_what_it_was() {
    let change = SettingChange { key: "drift.min_n".into(), value: Some("300".into()), was: Some("500".into()) };
    assert_eq!(change.to_string(), "`drift.min_n` is 300 from now on, it was 500");
    let back = SettingChange { value: None, was: None, ..change };
    assert_eq!(back.to_string(), "`drift.min_n` is what the configuration says from now on");
}
