//! The past computed again: what was published is reproduced, what was changed is found, what is asked otherwise is
//! compared, and nothing of the application is touched.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::sync::Arc;

use driftless::config::Config;
use driftless::data::{ModelCommand, ModelRecord, Outcome, Prediction, Timestamp};
use driftless::runtime::{
    Destination, DifferenceKind, HistoryError, ReplayParams, ReplayReport, Stretch, WhatIf, replay,
};
use driftless::transport::memory::Memory;
use driftless::transport::{Outgoing, TopicPartition, TopicSpec, Transport};
use support::bench::Bench;
use support::models::{run_with_models, text_without_trainings};

/// An application that ran for a while; v1 and then v2 took charge.
fn ran(seed: u64, n: usize) -> (Memory, Bench) {
    let memory = Memory::new();
    let bench = Bench::new(Arc::new(memory.clone()), Config::parse(&text_without_trainings()).unwrap());
    run_with_models(&bench, seed, n);
    (memory, bench)
}

fn again(bench: &Bench, params: &ReplayParams) -> Result<ReplayReport, HistoryError> {
    replay(&bench.config, &*bench.transport, params, &mut |_| {})
}

fn what_if(model: Option<u32>) -> ReplayParams {
    ReplayParams { what_if: Some(WhatIf { model }), ..ReplayParams::default() }
}

/// The same application with other settings.
fn otherwise(bench: &Bench, from: &str, to: &str) -> Config {
    let changed = text_without_trainings().replace(from, to);
    assert_ne!(changed, text_without_trainings());
    let mut config = Config::parse(&changed).unwrap();
    config.store.path.clone_from(&bench.config.store.path);
    config
}

/// The topics of `bench` with everything in them, but for what `change` does to the records of `topic`.
fn copy_with(memory: &Memory, bench: &Bench, topic: &str, change: impl Fn(usize, &mut Vec<u8>) -> bool) -> Memory {
    let copy = Memory::new();
    for named in bench.config.topics.named() {
        let partitions = memory.bounds(named.name).unwrap().unwrap().len() as i32;
        let spec = TopicSpec { name: named.name.to_owned(), partitions, replication: -1, config: Vec::new() };
        copy.create(&[spec]).unwrap();
        for partition in 0..partitions {
            let mut publisher = copy.publisher().unwrap();
            for (at, record) in memory.records(&TopicPartition::new(named.name, partition)).into_iter().enumerate() {
                let mut value = record.value.clone().map(Vec::from);
                let is_asked = named.name == topic && partition == 0;
                if is_asked && !value.as_mut().is_none_or(|value| change(at, value)) {
                    continue;
                }
                publisher
                    .send(&Outgoing {
                        topic: named.name,
                        partition: Some(partition),
                        key: record.key.as_deref(),
                        value: value.as_deref(),
                        headers: &record.headers,
                        timestamp: Some(record.timestamp),
                    })
                    .unwrap();
            }
        }
    }
    copy
}

#[test]
fn what_was_published_is_computed_again_bit_for_bit() {
    let (_, bench) = ran(31, 500);
    let report = again(&bench, &ReplayParams::default()).unwrap();
    assert!(report.identical, "{report}");
    assert_eq!(report.journals.iter().map(|journal| journal.role).collect::<Vec<_>>(), ["score", "score", "monitor"]);
    let published = bench.published();
    let compared = |suffix: &str| report.topics.iter().find(|topic| topic.topic.ends_with(suffix)).unwrap();
    let predictions = compared("predictions");
    assert_eq!(predictions.compared as usize, published.predictions.iter().flatten().count());
    assert_eq!(predictions.sha256_published, predictions.sha256_computed);
    assert_eq!(compared("outcomes").compared as usize, published.outcomes.iter().flatten().count());
    assert_eq!(compared("dead-letters").compared as usize, published.dead_letters.iter().flatten().count());
    assert_eq!(compared("performance").compared as usize, published.performance.iter().flatten().count());
    assert_eq!(compared("drift-alerts").compared as usize, published.alerts.iter().flatten().count());
    assert!(compared("drift-alerts").compared > 0);
}

#[test]
fn a_replay_leaves_groups_and_topics_as_they_are() {
    let (memory, bench) = ran(32, 300);
    let seen = || {
        let topics: Vec<_> =
            bench.config.topics.named().iter().map(|topic| memory.bounds(topic.name).unwrap()).collect();
        let inputs =
            [&bench.config.topics.events, bench.config.topics.labels.as_ref().unwrap(), &bench.config.topics.summaries];
        let offsets: Vec<_> = ["score", "monitor"]
            .iter()
            .flat_map(|role| inputs.iter().map(|topic| (*role, TopicPartition::new(topic.as_str(), 0))))
            .map(|(role, at)| memory.committed(&bench.config.group(role), &at))
            .collect();
        (topics, offsets)
    };
    let before = seen();
    again(&bench, &ReplayParams::default()).unwrap();
    again(&bench, &what_if(Some(0))).unwrap();
    let elsewhere = Destination { file: None, app: Some("elsewhere".to_owned()) };
    let report = again(&bench, &ReplayParams { results: elsewhere.clone(), ..what_if(Some(1)) }).unwrap();
    assert_eq!(seen(), before);
    let written = memory.bounds("elsewhere.predictions").unwrap().unwrap();
    assert_eq!(written.iter().map(|bounds| bounds.end).sum::<i64>() as u64, report.what_if.unwrap().scores.compared);
    for app in ["elsewhere", "shops"] {
        let results = Destination { app: Some(app.to_owned()), ..elsewhere.clone() };
        let error = again(&bench, &ReplayParams { results, ..what_if(Some(1)) }).unwrap_err();
        assert!(matches!(error, HistoryError::Wrong(_)), "{error}");
    }
    assert_eq!(seen(), before);
}

#[test]
fn a_changed_byte_a_lost_record_and_a_second_one_are_found_where_they_are() {
    let (memory, mut bench) = ran(33, 300);
    // A copy has other offsets where transactions were, so the monitor's journal does not fit its summaries.
    let of_shards = ReplayParams { monitor: false, ..ReplayParams::default() };
    let predictions = bench.config.topics.predictions.clone();
    let changed = copy_with(&memory, &bench, &predictions, |at, value| {
        if at == 17 {
            let score = String::from_utf8_lossy(value).find("\"score\":").unwrap() + 10;
            value[score] = if value[score] == b'7' { b'8' } else { b'7' };
        }
        true
    });
    bench.transport = Arc::new(changed);
    let report = again(&bench, &of_shards).unwrap();
    let topic = report.topics.iter().find(|topic| topic.topic == predictions).unwrap();
    assert!(!report.identical && report.journals.iter().all(|journal| journal.different == 0), "{report}");
    assert_eq!((topic.changed, topic.missing, topic.extra), (1, 0, 0), "{report}");
    let first = &topic.first[0];
    assert_eq!((first.kind, first.partition, first.offset), (DifferenceKind::Changed, 0, Some(17)));
    assert_eq!(first.field.as_ref().unwrap().field, "score");
    assert_ne!(topic.sha256_published, topic.sha256_computed);

    bench.transport = Arc::new(copy_with(&memory, &bench, &predictions, |at, _| at != 20));
    let report = again(&bench, &of_shards).unwrap();
    let topic = report.topics.iter().find(|topic| topic.topic == predictions).unwrap();
    assert_eq!((topic.changed, topic.missing, topic.extra), (0, 1, 0), "{report}");

    let doubled = copy_with(&memory, &bench, &predictions, |_, _| true);
    let last = memory.records(&TopicPartition::new(predictions.as_str(), 0)).pop().unwrap();
    let outgoing = Outgoing {
        topic: &predictions,
        partition: Some(0),
        key: last.key.as_deref(),
        value: last.value.as_deref(),
        headers: &[],
        timestamp: None,
    };
    doubled.publisher().unwrap().send(&outgoing).unwrap();
    bench.transport = Arc::new(doubled);
    let report = again(&bench, &of_shards).unwrap();
    let topic = report.topics.iter().find(|topic| topic.topic == predictions).unwrap();
    assert_eq!((topic.changed, topic.missing, topic.extra), (0, 0, 1), "{report}");
}

#[test]
fn a_stretch_compares_whole_transactions_and_no_others() {
    let (_, bench) = ran(34, 400);
    let at = Timestamp::from_millis;
    let (from, to) = (at(1_200_000), at(1_800_001));
    let stretch = Stretch { from: Some(from), to: Some(to), ..Stretch::default() };
    let report = again(&bench, &ReplayParams { stretch, ..ReplayParams::default() }).unwrap();
    assert!(report.identical, "{report}");
    let all: Vec<Prediction> = bench.predicted();
    let inside = all.iter().filter(|prediction| prediction.scored_at >= from && prediction.scored_at < to).count();
    let topic = report.topics.iter().find(|topic| topic.topic.ends_with("predictions")).unwrap();
    assert_eq!((topic.compared as usize, topic.extra, topic.missing), (inside, 0, 0));
    assert!(inside > 0 && inside < all.len());

    let stretch = Stretch { from_offset: Some(5), to_offset: Some(9), ..Stretch::default() };
    let several = ReplayParams { stretch, ..ReplayParams::default() };
    assert!(matches!(again(&bench, &several).unwrap_err(), HistoryError::Wrong(_)));
    let report = again(&bench, &ReplayParams { shard: Some(0), ..several }).unwrap();
    assert!(report.identical && report.journals[0].compared == 1, "{report}");
}

#[test]
fn what_is_gone_is_named_with_where_the_rest_begins() {
    let (memory, bench) = ran(35, 300);
    let said = || again(&bench, &ReplayParams::default()).unwrap_err().to_string();
    memory.trim(&TopicPartition::new(bench.config.topics.events.as_str(), 1), 40).unwrap();
    let message = said();
    assert!(message.contains("begins at offset 40") && message.contains("whole from record"), "{message}");
    memory.trim(&TopicPartition::new(bench.config.topics.journal.as_str(), 0), 3).unwrap();
    let message = said();
    assert!(message.contains("partition 0 begins with record") && message.contains("are gone"), "{message}");
}

#[test]
fn outputs_that_are_gone_by_age_are_no_difference() {
    let (memory, bench) = ran(36, 300);
    memory.trim(&TopicPartition::new(bench.config.topics.predictions.as_str(), 0), 30).unwrap();
    let report = again(&bench, &ReplayParams::default()).unwrap();
    let topic = report.topics.iter().find(|topic| topic.topic.ends_with("predictions")).unwrap();
    assert!(report.identical && topic.gone > 0, "{report}");
}

#[test]
fn another_configuration_is_refused_unless_it_is_a_what_if() {
    let (_, bench) = ran(37, 1_200);
    let other = otherwise(&bench, "min_n = 20\n\n[performance]", "min_n = 1000000\n\n[performance]");
    let error = replay(&other, &*bench.transport, &ReplayParams::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(&error, HistoryError::Impossible(why) if why.contains("another configuration")), "{error}");
    let report = replay(&other, &*bench.transport, &what_if(None), &mut |_| {}).unwrap();
    let what_if = report.what_if.clone().unwrap();
    assert!(what_if.other_config);
    assert_eq!(what_if.scores.differing, 0, "{report}");
    let alerts = what_if.alerts.unwrap();
    assert!(alerts.published > 0 && alerts.computed < alerts.published, "{report}");
}

#[test]
fn a_what_if_without_a_difference_finds_none() {
    let (_, bench) = ran(38, 1_200);
    let report = again(&bench, &what_if(None)).unwrap();
    assert!(report.identical, "{report}");
    let what_if = report.what_if.unwrap();
    assert!(!what_if.other_config && what_if.scores.labelled > 0);
    assert_eq!(what_if.scores.published, what_if.scores.computed);
    let alerts = what_if.alerts.unwrap();
    assert!(alerts.published > 0 && alerts.both == alerts.published && alerts.both == alerts.computed);
}

#[test]
fn another_feature_set_is_scored_by_the_base_rate_and_says_so() {
    let (_, bench) = ran(39, 1_200);
    let other = otherwise(&bench, "spans = [\"5m\", \"20m\"]", "spans = [\"5m\", \"40m\"]");
    let report = replay(&other, &*bench.transport, &what_if(None), &mut |_| {}).unwrap();
    assert!(
        report.notes.iter().any(|note| note.contains("needs a feature that this configuration does not compute")),
        "{report}"
    );
    let error = replay(&other, &*bench.transport, &what_if(Some(1)), &mut |_| {}).unwrap_err();
    assert!(matches!(error, HistoryError::Wrong(_)), "{error}");
}

#[test]
fn every_event_is_scored_by_the_version_that_is_asked_about() {
    let (memory, bench) = ran(40, 1_200);
    let commands: Vec<ModelRecord> = memory
        .records(&TopicPartition::new(bench.config.topics.models.as_str(), 0))
        .iter()
        .map(|record| serde_json::from_slice(record.value.as_deref().unwrap()).unwrap())
        .collect();
    assert!(commands.iter().any(|command| command.command == ModelCommand::Registered && command.version == 1));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v1.jsonl");
    let results = Destination { file: Some(file.clone()), app: None };
    let report = again(&bench, &ReplayParams { results, ..what_if(Some(1)) }).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let computed: Vec<Prediction> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let scores = report.what_if.clone().unwrap().scores;
    assert_eq!(computed.len() as u64, scores.compared);
    assert!(computed.iter().all(|prediction| prediction.model_version == 1));
    // Only what the base rate had scored differs from what was published under v1.
    let published = bench.predicted();
    let by_others = published.iter().filter(|prediction| prediction.model_version != 1).count() as u64;
    assert!(scores.differing > 0 && scores.differing <= by_others, "{report}");
    let labels: std::collections::BTreeSet<String> = bench
        .values(&bench.config.topics.outcomes)
        .iter()
        .flatten()
        .map(|value| serde_json::from_slice::<Outcome>(value).unwrap().event_id)
        .collect();
    assert_eq!(scores.labelled, labels.len() as u64);
    let error = again(&bench, &what_if(Some(99))).unwrap_err();
    assert!(matches!(error, HistoryError::Wrong(_)), "{error}");
}
