//! A changed configuration takes a running application over: nothing is lost, nothing is doubled, what did not change is
//! the same bit for bit.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftless::codec::{Marker, read};
use driftless::config::Config;
use driftless::data::{Extent, Item, Machine, Outbox, Outcome, PerformanceRecord, Prediction, Sink, Timestamp};
use driftless::model::Model;
use driftless::pipeline::{FeatureChanges, Pipeline};
use driftless::runtime::{App, Roles, pipeline_params};
use driftless::transport::memory::{Cue, Fault, Memory};
use support::bench::{Bench, Published, assert_whole, differences};
use support::kept::{Kept, state_of};
use support::upgrade::{NEW_WINDOW, upgrade_one_after_the_other};
use support::{CONFIG, sequence};

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
const EVENTS: usize = 1_400;

const SETTLED: &str = r#"
[[features.windows]]
of = "settled"
by = ["shop", "card"]
spans = ["10m"]
aggregates = ["count", "mean:fee"]
panes = 10
"#;

const EARLIER_KIND: &str = r#"
[labels.kinds.appealed.fields.again]
type = "number"

[events.fields.aaa]
type = "number"

[events.fields.aab]
type = "string"
"#;

fn replaced(from: &str, to: &str) -> String {
    assert!(CONFIG.contains(from), "{from}");
    CONFIG.replace(from, to)
}

fn config_of(text: &str) -> Config {
    Config::parse(text).unwrap()
}

fn machine(text: &str) -> Pipeline {
    Pipeline::new(Arc::new(pipeline_params(&config_of(text)).unwrap()), 0)
}

#[derive(Default)]
struct Given {
    predictions: Vec<Prediction>,
    outcomes: Vec<Outcome>,
    /// Predictions made before the change.
    before: usize,
}

impl Given {
    fn take(&mut self, out: &Outbox) {
        for output in out.iter() {
            let value = output.value.unwrap_or_default();
            match output.sink {
                Sink::Predictions => self.predictions.push(serde_json::from_slice(value).unwrap()),
                Sink::Outcomes => self.outcomes.push(serde_json::from_slice(value).unwrap()),
                _ => {}
            }
        }
    }

    /// What became of the labels, whatever was predicted.
    fn labels(&self) -> BTreeSet<(String, u32, String, Timestamp)> {
        let label = |outcome: &Outcome| {
            (outcome.event_id.clone(), outcome.revision, format!("{}", outcome.label), outcome.known_at)
        };
        self.outcomes.iter().map(label).collect()
    }
}

fn run(machine: &mut Pipeline, items: &[Item<Model>], given: &mut Given) {
    for transaction in items.chunks(50) {
        let mut out = Outbox::default();
        machine.handle(transaction, NOW, &mut out);
        machine.commit();
        given.take(&out);
    }
}

/// The whole sequence under one configuration.
fn under(text: &str, items: &[Item<Model>]) -> Given {
    let mut given = Given::default();
    run(&mut machine(text), items, &mut given);
    given
}

/// The sequence under one configuration up to `at`, then under another; every step of the way is restored from a
/// checkpoint as well, and has to come to the same state.
fn changed(old: &str, new: &str, items: &[Item<Model>], at: usize) -> Given {
    let mut given = Given::default();
    let mut first = machine(old);
    run(&mut first, &items[..at], &mut given);
    let mut again = restored(&mut first, old, &items[..at]);
    assert!(state_of(&mut again) == state_of(&mut first));
    let mut second = machine(new);
    second.adopt(first);
    second.commit();
    let mut other = machine(new);
    other.adopt(again);
    other.commit();
    assert!(state_of(&mut other) == state_of(&mut second), "adopting is not a function of the state");
    let mut third = restored(&mut second, new, &items[..at]);
    let mut beside = Given::default();
    run(&mut third, &items[at..], &mut beside);
    given.before = given.predictions.len();
    run(&mut second, &items[at..], &mut given);
    assert!(given.predictions[given.before..] == beside.predictions, "a restore goes another way");
    assert!(state_of(&mut second) == state_of(&mut third));
    given
}

fn restored(from: &mut Pipeline, text: &str, items: &[Item<Model>]) -> Pipeline {
    let mut kept = Kept::default();
    kept.begin(from, Extent::All);
    while !kept.take(from, 500) {}
    let command = |item: &Item<Model>| if let Item::Command(item) = item { Some(item.clone()) } else { None };
    let control: Vec<_> = items.iter().filter_map(command).collect();
    let mut machine = machine(text);
    kept.restore(&mut machine, &control);
    machine
}

fn by_id(predictions: &[Prediction]) -> BTreeMap<&str, &Prediction> {
    let by_id: BTreeMap<&str, &Prediction> =
        predictions.iter().map(|prediction| (prediction.event_id.as_str(), prediction)).collect();
    assert_eq!(by_id.len(), predictions.len(), "an event was predicted twice");
    by_id
}

fn values<'a>(names: &'a [String], prediction: &Prediction) -> BTreeMap<&'a str, Option<u64>> {
    let values = prediction.features.iter().map(|value| value.map(f64::to_bits));
    names.iter().map(String::as_str).zip(values).collect()
}

/// What a change has to leave as it was, whatever it changes.
fn assert_without_loss(old: &str, new: &str) -> Given {
    let items = sequence(29, EVENTS);
    let at = items.len() * 3 / 10;
    let (before, after) = (under(old, &items), under(new, &items));
    let given = changed(old, new, &items, at);
    let (old_config, new_config) = (config_of(old), config_of(new));
    let changes =
        FeatureChanges::between(&pipeline_params(&old_config).unwrap(), &pipeline_params(&new_config).unwrap());
    let [always_old, always_new, found] = [&before, &after, &given].map(|given: &Given| by_id(&given.predictions));
    assert!(always_old.keys().eq(found.keys()), "events were lost");
    let warms_up = changes.features.iter().any(|change| change.warms_up.is_some());
    let (mut kept, mut whole) = (0, 0);
    for (position, prediction) in given.predictions.iter().enumerate() {
        let id = prediction.event_id.as_str();
        let is_warming = prediction.flags.iter().any(|flag| flag == "warming");
        if position < given.before {
            assert_eq!(prediction, always_old[id]);
            continue;
        }
        let is = values(&new_config.features.names, prediction);
        let was = values(&old_config.features.names, always_old[id]);
        for change in changes.features.iter().filter(|change| !change.is_new && change.warms_up.is_none()) {
            assert_eq!(is[change.name.as_str()], was[change.name.as_str()], "`{}` of {id}", change.name);
            kept += 1;
        }
        if !is_warming {
            assert_eq!(is, values(&new_config.features.names, always_new[id]), "{id}");
            whole += 1;
        }
    }
    assert!(kept > 1_000, "{kept}");
    assert!(whole > 300, "{whole}");
    let warming = given.predictions.iter().filter(|found| found.flags.iter().any(|flag| flag == "warming")).count();
    assert_eq!(warming > 0, warms_up);
    assert!(warming < EVENTS / 2, "{warming}");
    given
}

fn assert_labels_join(old: &str, given: &Given) {
    let expected = under(old, &sequence(29, EVENTS));
    assert_eq!(given.outcomes.len(), expected.outcomes.len());
    assert_eq!(given.labels(), expected.labels());
}

#[test]
fn a_window_is_added() {
    let given = assert_without_loss(CONFIG, &format!("{CONFIG}{NEW_WINDOW}"));
    assert_labels_join(CONFIG, &given);
    let versions: BTreeSet<u32> = given.predictions.iter().map(|prediction| prediction.model_version).collect();
    assert_eq!(versions, BTreeSet::from([0, 1, 2]), "models whose features are all there go on answering");
    let before = under(CONFIG, &sequence(29, EVENTS));
    let scores = |given: &Given| given.predictions.iter().map(|found| found.score.to_bits()).collect::<Vec<_>>();
    assert!(scores(&given) == scores(&before));
}

#[test]
fn a_window_is_removed_and_put_back() {
    let without = replaced(SETTLED, "");
    let given = assert_without_loss(CONFIG, &without);
    assert_labels_join(CONFIG, &given);
    let at = sequence(29, EVENTS).len() * 9 / 10;
    let items = sequence(29, EVENTS);
    let mut given = Given::default();
    let mut whole = machine(CONFIG);
    run(&mut whole, &items[..at], &mut given);
    assert_eq!(whole.model_version(), 2);
    let mut less = machine(&without);
    less.adopt(whole);
    less.commit();
    assert_eq!((less.model_version(), less.unanswered()), (0, Some(2)), "a model needs all its features");
    run(&mut less, &items[at..at + 100], &mut given);
    let mut back = machine(CONFIG);
    back.adopt(less);
    back.commit();
    assert_eq!((back.model_version(), back.unanswered()), (2, None));
}

#[test]
fn a_grouping_is_added() {
    let given = assert_without_loss(&replaced(SETTLED, ""), CONFIG);
    assert_labels_join(CONFIG, &given);
}

#[test]
fn a_field_is_added_to_a_window() {
    let less = replaced("[\"count\", \"mean:fee\"]", "[\"count\"]");
    let given = assert_without_loss(&less, CONFIG);
    assert_labels_join(CONFIG, &given);
    let given = assert_without_loss(CONFIG, &less);
    assert_labels_join(CONFIG, &given);
}

#[test]
fn spans_and_panes_change() {
    for (from, to) in [
        ("spans = [\"5m\", \"20m\"]", "spans = [\"5m\", \"40m\"]"),
        ("[\"count\", \"mean:fee\"]\npanes = 10", "[\"count\", \"mean:fee\"]\npanes = 20"),
    ] {
        let given = assert_without_loss(CONFIG, &replaced(from, to));
        assert_labels_join(CONFIG, &given);
    }
}

#[test]
fn columns_move_and_kinds_change_places() {
    let text = format!("{CONFIG}{EARLIER_KIND}");
    let given = assert_without_loss(CONFIG, &text);
    assert_labels_join(CONFIG, &given);
    assert_labels_join(CONFIG, &assert_without_loss(&text, CONFIG));
}

#[test]
fn detectors_and_performance_windows_change() {
    for (from, to) in [
        ("[drift]\nwindow = \"30m\"\nmin_n = 20", "[drift]\nwindow = \"30m\"\nmin_n = 40\npsi_effect = 0.3"),
        ("[drift]\nwindow = \"30m\"", "[drift]\nwindow = \"1h\""),
        ("[performance]\nwindow = \"30m\"", "[performance]\nwindow = \"20m\""),
    ] {
        let given = assert_without_loss(CONFIG, &replaced(from, to));
        assert_labels_join(CONFIG, &given);
    }
}

#[test]
fn the_wait_changes() {
    for wait in ["2h", "30m"] {
        let text = replaced("wait = \"1h\"", &format!("wait = \"{wait}\""));
        let given = assert_without_loss(CONFIG, &text);
        assert_labels_join(CONFIG, &given);
    }
}

/// When the configuration changes in a stepped run.
const CHANGE_AT: usize = 4;
const STEPPED: usize = 800;

fn benches(new: &str) -> (Memory, Bench, Bench) {
    let memory = Memory::new();
    let old = Bench::new(Arc::new(memory.clone()), config_of(CONFIG));
    let new = old.changed(config_of(new));
    (memory, old, new)
}

/// A stepped run in which the configuration changes at a clean stop, and `disturb` may do something before every step.
fn run_changed(new: &str, disturb: impl Fn(&Memory, &Bench, usize, App) -> App) -> (Memory, Bench, Published) {
    let (memory, old, new) = benches(new);
    old.run(17, STEPPED, |step, app| {
        let app = if step == CHANGE_AT {
            app.stop().unwrap();
            new.start_as("n", Roles::ALL, true)
        } else {
            app
        };
        disturb(&memory, &new, step, app)
    });
    let published = new.published();
    (memory, new, published)
}

fn last_marker(bench: &Bench, topic: &str) -> Option<Marker> {
    let records = bench.values(topic).swap_remove(0);
    records.iter().rev().find_map(|value| Marker::decode(value).ok().filter(|marker| marker.config.len() == 64))
}

#[test]
fn a_running_application_takes_a_change_over_and_then_needs_the_old_file_no_more() {
    let new = format!("{CONFIG}{NEW_WINDOW}");
    let (_, bench, published) = run_changed(&new, |_, _, _, app| app);
    assert_whole(&published);
    let flags = |value: &Vec<u8>| serde_json::from_slice::<Prediction>(value).unwrap().flags;
    let flagged =
        published.predictions.iter().flatten().filter(|value| flags(value).contains(&"warming".to_owned())).count();
    assert!(flagged > 10, "{flagged}");
    for topic in [&bench.config.topics.state, &bench.config.topics.monitor_state] {
        assert_eq!(last_marker(&bench, topic).unwrap().config, bench.config.digest());
    }
    let app = Bench { previous: None, ..bench }.start_as("n", Roles::ALL, true);
    while !app.missing().is_empty() {
        assert!(app.failed().is_none(), "{:?}", app.failed());
        std::thread::yield_now();
    }
    app.stop().unwrap();
}

/// The last revision of every performance window: one that is under way at the change may be published before every shard
/// has come over, and is then revised.
fn settled(mut published: Published) -> Published {
    let mut last = BTreeMap::new();
    for value in published.performance.iter().flatten() {
        let mut record: PerformanceRecord = read("performance", Some(value)).unwrap();
        record.revision = 0;
        let bytes = serde_json::to_vec(&record).unwrap();
        last.insert((record.window_start, record.window_end, record.model_version, record.arm), bytes);
    }
    published.performance = vec![last.into_values().collect()];
    published
}

#[test]
fn a_process_that_dies_around_the_change_leaves_no_trace() {
    for new in [
        format!("{CONFIG}{NEW_WINDOW}"),
        replaced("min_n = 20\n\n[performance]\nwindow = \"30m\"", "min_n = 30\n\n[performance]\nwindow = \"20m\""),
    ] {
        let (_, _, expected) = run_changed(&new, |_, _, _, app| app);
        let expected = settled(expected);
        for nth in 1..=4 {
            let (_, bench, published) = run_changed(&new, |memory, bench, step, app| {
                if step == CHANGE_AT {
                    // Before the journal names the new configuration, and before, in and after its first checkpoint.
                    for role in ["score", "monitor"] {
                        let transactional_id = format!("shops.{role}.n.0");
                        memory.plan(Cue { transactional_id, nth, fault: Fault::LoseCommit });
                    }
                }
                if step != CHANGE_AT + 3 {
                    return app;
                }
                for role in ["score", "monitor", "retrain"] {
                    memory.kill(&format!("shops.{role}.n.0"));
                }
                let _ = app.stop();
                bench.start_as("n", Roles::ALL, true)
            });
            assert_whole(&published);
            assert_eq!(differences(&settled(published), &expected), Vec::<String>::new(), "commit {nth}");
            let state = &bench.config.topics.state;
            assert_eq!(last_marker(&bench, state).unwrap().config, bench.config.digest());
        }
    }
}

/// Why a role that starts live stops by itself.
fn refusal(bench: &Bench) -> String {
    let app = bench.start_live("z");
    let until = Instant::now() + Duration::from_secs(60);
    while app.failed().is_none() && Instant::now() < until {
        std::thread::yield_now();
    }
    app.stop().unwrap_err().why
}

#[test]
fn another_configuration_is_refused_without_the_one_before_and_the_old_one_after_the_change() {
    let (_, old, mut new) = benches(&format!("{CONFIG}{NEW_WINDOW}"));
    let app = old.start_live("a");
    old.publish_slowly(0, 100);
    old.until(&app, || old.predicted().len() == 100);
    app.stop().unwrap();
    let previous = new.previous.take();
    let why = refusal(&new);
    assert!(why.contains("`driftless run --previous FILE`") && why.contains("driftless reset"), "{why}");
    new.previous = Some(Arc::new(config_of(&replaced("min_n = 20", "min_n = 21"))));
    let why = refusal(&new);
    assert!(why.contains("neither this configuration nor the one given as `--previous`"), "{why}");
    new.previous = previous;
    let app = new.start_live("a");
    new.publish_slowly(100, 100);
    new.until(&app, || new.predicted().len() == 200);
    app.stop().unwrap();
    let why = refusal(&old);
    assert!(why.contains("if a newer configuration has it, start this instance with that one"), "{why}");
}

#[test]
fn an_old_instance_that_finds_the_journal_of_a_newer_one_says_so() {
    let (memory, old, new) = benches(&format!("{CONFIG}{NEW_WINDOW}"));
    let app = old.start_live("a");
    old.publish_slowly(0, 100);
    old.until(&app, || old.predicted().len() == 100);
    app.stop().unwrap();
    // One commit with a journal record goes through, and the checkpoint after it does not.
    memory.plan(Cue { transactional_id: "shops.score.n.0".into(), nth: 2, fault: Fault::Kill });
    let journaled = || new.values(&new.config.topics.journal).iter().map(Vec::len).sum::<usize>();
    let before = journaled();
    let app = new.start_live("n");
    new.publish_slowly(100, 1);
    new.until(&app, || journaled() > before);
    memory.kill("shops.score.n.0");
    let _ = app.stop();
    let why = refusal(&old);
    assert!(why.contains("a newer configuration has it: journal record"), "{why}");
}

#[test]
fn two_instances_are_upgraded_one_after_the_other() {
    let (memory, old, new) = benches(&format!("{CONFIG}{NEW_WINDOW}"));
    upgrade_one_after_the_other(&old, &new, |a| {
        memory.kill("shops.score.a.0");
        let _ = a.stop();
    });
}
