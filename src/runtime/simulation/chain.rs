//! What the stages of a chain should have published together, computed by fresh machines without a worker.

use super::check::records;
use super::reference::{Outputs, canonical, collect, control_log, replayed, same, timeless, written};
use super::stock::stock;
use super::world::World;
use crate::data::{InputIndex, Item, Machine, Outbox, Record, Sink, Timestamp};
use crate::runtime::stage::Stage;

/// Several shards write to each partition: what they have written together, in whatever order.
pub(super) fn published_by_the_chain(world: &World) -> Result<(), String> {
    let topics = &stock().config.topics;
    let mut all = Outputs::new();
    for stage in world.workplace.chain() {
        for shard in 0..world.scenario.shards {
            for ((sink, partition), outputs) in replayed(world, &stage, shard)? {
                all.entry((sink, partition.or(Some(0)))).or_default().extend(outputs);
            }
        }
    }
    let hops = topics.hops.iter().map(|hop| (Sink::Hop, &hop.records, world.scenario.shards));
    let sinks = [
        (Sink::Predictions, &topics.predictions, world.scenario.shards),
        (Sink::Outcomes, &topics.outcomes, world.scenario.shards),
        (Sink::DeadLetters, &topics.dead_letters, world.scenario.shards),
        (Sink::Summaries, &topics.summaries, 1),
    ];
    for (sink, topic, partitions) in sinks.into_iter().chain(hops) {
        for partition in 0..partitions {
            let mut expected = all.remove(&(sink, Some(partition))).unwrap_or_default();
            let mut found: Vec<_> = records(world, topic, partition).into_iter().map(written).collect();
            expected.sort();
            found.sort();
            same(topic, partition, &expected, &found)?;
        }
    }
    Ok(())
}

/// The chain without a worker: each stage takes everything at once, and nothing comes after it for an hour.
pub(super) fn undisturbed_chain(world: &World) -> Result<(), String> {
    let topics = &stock().config.topics;
    let chain = world.workplace.chain();
    let shards = 0..world.scenario.shards;
    let mut hop = Vec::new();
    let mut all = Outputs::new();
    for shard in shards.clone() {
        let mut machine = chain[0].machine(shard);
        let mut batch = canonical(world, &chain[0], shard);
        let mut out = Outbox::default();
        for now in [0, 3_600_000] {
            batch.push(Item::Idle);
            machine.handle(&batch, Timestamp::from_millis(now), &mut out);
            machine.seal(Timestamp::from_millis(now), &mut out);
            batch.clear();
        }
        hop.extend(out.iter().filter(|output| output.sink == Sink::Hop).map(|output| {
            let (key, value) = (output.key.map(Into::into), output.value.map(Into::into));
            let record = Record { offset: 0, timestamp: Timestamp::from_millis(0), key, value, headers: Vec::new() };
            (output.partition, Item::Record { input: InputIndex(0), record })
        }));
        collect(&out, &mut all);
    }
    for shard in shards.clone() {
        let mut machine = chain[1].machine(shard);
        let mut batch = control_log(world);
        let of_shard = hop.iter().filter(|(partition, _)| *partition == Some(shard));
        batch.extend(of_shard.map(|(_, item)| item.clone()));
        let mut out = Outbox::default();
        machine.handle(&batch, Timestamp::from_millis(0), &mut out);
        collect(&out, &mut all);
    }
    for shard in shards {
        let mut expected = timeless(all.remove(&(Sink::Predictions, Some(shard))).unwrap_or_default())?;
        let mut found = timeless(records(world, &topics.predictions, shard).into_iter().map(written).collect())?;
        expected.sort_by_key(|prediction| prediction.source_offset);
        found.sort_by_key(|prediction| prediction.source_offset);
        same(&topics.predictions, shard, &expected, &found)?;
        for (sink, topic) in [(Sink::Outcomes, &topics.outcomes), (Sink::DeadLetters, &topics.dead_letters)] {
            let mut expected = all.remove(&(sink, Some(shard))).unwrap_or_default();
            let mut found: Vec<_> = records(world, topic, shard).into_iter().map(written).collect();
            expected.sort();
            found.sort();
            same(topic, shard, &expected, &found)?;
        }
    }
    Ok(())
}
