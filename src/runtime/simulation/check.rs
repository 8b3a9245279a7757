//! What has to hold once a world has come to rest, found out from the committed records alone.
//!
//! Counts and orders are taken from the inputs; everything published is computed again from the journals by fresh
//! machines; and where the order of the inputs is canonical, from the inputs without any journal.

use std::collections::BTreeMap;

use super::crew::Role;
use super::reference;
use super::stock::stock;
use super::world::World;
use crate::codec::{JournalRecord, read};
use crate::data::{AlertAction, DriftAlert, Prediction, Record};
use crate::transport::TopicPartition;

pub(super) fn check(world: &World) -> Result<(), String> {
    for shard in 0..world.scenario.shards {
        every_event_has_one_result(world, shard)?;
    }
    journals_are_whole(world)?;
    reference::published_is_what_the_journals_say(world)?;
    one_training_per_incident(world)?;
    if !world.scenario.live {
        reference::published_is_that_of_an_undisturbed_run(world)?;
    }
    Ok(())
}

pub(super) fn records(world: &World, topic: &str, partition: i32) -> Vec<Record> {
    world.memory.records(&TopicPartition::new(topic, partition))
}

/// Every valid event one prediction, every other one a dead letter, both in the order of the events per key.
fn every_event_has_one_result(world: &World, shard: i32) -> Result<(), String> {
    let topics = &stock().config.topics;
    let sent = &world.sent.borrow()[shard as usize];
    let mut predicted = vec![0; sent.len()];
    let mut rejected = vec![0; sent.len()];
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    for record in records(world, &topics.predictions, shard) {
        let prediction: Prediction = read("prediction", record.value.as_deref()).map_err(|error| error.to_string())?;
        let at = prediction.source_offset;
        let event =
            sent.get(at as usize).ok_or_else(|| format!("shard {shard} predicts an event that is not there"))?;
        if event.id.as_ref() != Some(&prediction.event_id) || event.key != prediction.entity {
            return Err(format!("shard {shard} offset {at} is {event:?}, but the prediction says otherwise"));
        }
        predicted[at as usize] += 1;
        let is_behind = last.insert(prediction.entity.clone(), at).is_some_and(|before| before >= at);
        // Shards of a hop score the events of one key side by side.
        if is_behind && topics.hops.is_empty() {
            return Err(format!("shard {shard} predicts {} out of order at offset {at}", prediction.entity));
        }
    }
    for at in rejected_events(world, shard) {
        let count = at.and_then(|at| rejected.get_mut(at)).ok_or("a dead letter names no event")?;
        *count += 1;
    }
    for (at, event) in sent.iter().enumerate() {
        let expected = if event.id.is_some() { (1, 0) } else { (0, 1) };
        if (predicted[at], rejected[at]) != expected {
            return Err(format!(
                "shard {shard} offset {at}, {event:?}, has {} predictions and {} dead letters",
                predicted[at], rejected[at]
            ));
        }
    }
    Ok(())
}

/// The offsets of the events of a partition that went to the dead letters; `None` where one names no offset.
pub(super) fn rejected_events(world: &World, shard: i32) -> Vec<Option<usize>> {
    let topics = &stock().config.topics;
    let mut rejected = Vec::new();
    for record in records(world, &topics.dead_letters, shard) {
        let header = |name: &str| {
            let header = record.headers.iter().find(|header| header.name == name)?;
            String::from_utf8(header.value.clone()?).ok()
        };
        if header("driftless.error.topic").as_ref() == Some(&topics.events) {
            rejected.push(header("driftless.error.offset").and_then(|offset| offset.parse().ok()));
        }
    }
    rejected
}

pub(super) fn journal(world: &World, topic: &str, shard: i32) -> Result<Vec<JournalRecord>, String> {
    let values = records(world, topic, shard).into_iter();
    let decoded = values.map(|record| JournalRecord::decode(record.value.as_deref().unwrap_or_default()));
    decoded.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// No gaps, and the group has committed what the last record says.
fn journals_are_whole(world: &World) -> Result<(), String> {
    let config = &stock().config;
    let shards = || 0..world.scenario.shards;
    let score: Vec<&String> = config.topics.inputs().collect();
    let mut all: Vec<_> = shards().map(|shard| (&config.topics.journal, shard, "score", &score[..])).collect();
    let hops: Vec<_> = config.topics.hops.iter().map(|hop| (hop, [&hop.records])).collect();
    for (hop, inputs) in &hops {
        all.extend(shards().map(|shard| (&hop.journal, shard, Role::Hop.name(), &inputs[..])));
    }
    let summaries = [&config.topics.summaries];
    if world.scenario.monitors > 0 {
        all.push((&config.topics.monitor_journal, 0, "monitor", &summaries[..]));
    }
    for (topic, shard, role, inputs) in all {
        let journal = journal(world, topic, shard)?;
        if let Some(at) = (0..journal.len()).find(|at| journal[*at].sequence != *at as u64) {
            return Err(format!("`{topic}` of shard {shard} has record {} at place {at}", journal[at].sequence));
        }
        for (input, name) in inputs.iter().enumerate() {
            let said = journal.last().map(|last| last.positions[input]);
            let committed = world.memory.committed(&config.group(role), &TopicPartition::new(name.as_str(), shard));
            if said != committed {
                return Err(format!(
                    "`{topic}` of shard {shard} ends at {said:?} of `{name}`, committed is {committed:?}"
                ));
            }
        }
    }
    Ok(())
}

fn one_training_per_incident(world: &World) -> Result<(), String> {
    let mut asked: BTreeMap<String, u32> = BTreeMap::new();
    for record in records(world, &stock().config.topics.drift_alerts, 0) {
        let alert: DriftAlert = read("alert", record.value.as_deref()).map_err(|error| error.to_string())?;
        if alert.action == Some(AlertAction::Retrain) {
            *asked.entry(alert.incident_id).or_default() += 1;
        }
    }
    match asked.iter().find(|(_, count)| **count > 1) {
        Some((incident, count)) => Err(format!("incident {incident} has {count} requests for a training")),
        None => Ok(()),
    }
}

/// Prints the journals of the score stage, for whoever looks for the cause of a breach.
pub(super) fn tell_journals(world: &World) {
    let topics = &stock().config.topics;
    let journals = std::iter::once(&topics.journal).chain(topics.hops.iter().map(|hop| &hop.journal));
    for (topic, shard) in journals.flat_map(|topic| (0..world.scenario.shards).map(move |shard| (topic, shard))) {
        for record in journal(world, topic, shard).unwrap_or_default() {
            let JournalRecord { sequence, now, transactional_id, steps, positions, .. } = record;
            println!("{topic} {shard} {sequence} at {now} by {transactional_id}: {steps:?} to {positions:?}");
        }
    }
}
