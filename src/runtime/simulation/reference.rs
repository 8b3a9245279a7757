//! What should have been published, computed by fresh machines without a worker.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::chain;
use super::check::{journal, records};
use super::scenario::CLOSING;
use super::stock::stock;
use super::world::World;
use crate::codec::{JournalStep, read};
use crate::data::{
    ControlItem, DriftAlert, InputIndex, Item, Machine, ModelRecord, Outbox, PerformanceRecord, Prediction, Record,
    Sink, Timestamp,
};
use crate::model::Model;
use crate::monitor::Monitor;
use crate::rollout::Ledger;
use crate::runtime::history::refuse;
use crate::runtime::stage::Stage;

/// Key, value and headers of an output.
pub(super) type Written = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

/// Outputs by topic and partition; `None` for that of their shard.
pub(super) type Outputs = BTreeMap<(Sink, Option<i32>), Vec<Written>>;

pub(super) fn collect(out: &Outbox, into: &mut Outputs) {
    for output in out.iter() {
        let headers = output.headers.iter().map(|header| (header.name.clone(), header.value.clone()));
        let written = (output.key.map(<[u8]>::to_vec), output.value.map(<[u8]>::to_vec), headers.collect());
        into.entry((output.sink, output.partition)).or_default().push(written);
    }
}

pub(super) fn written(record: Record) -> Written {
    let headers = record.headers.into_iter().map(|header| (header.name, header.value));
    (record.key.map(Into::into), record.value.map(Into::into), headers.collect())
}

/// The models that commands resolve to.
#[derive(Default)]
struct Commands(Ledger);

impl Commands {
    fn item(&mut self, offset: i64, record: &ModelRecord) -> Item<Model> {
        let artifact = record.artifact.clone().or_else(|| self.0.artifact(record.version).cloned());
        self.0.apply(record);
        let model = artifact.and_then(|artifact| stock().models.load(&artifact).ok());
        Item::Command(Arc::new(ControlItem { offset, record: record.clone(), model }))
    }
}

/// A journal handled again, outputs and all.
pub(super) fn replayed<S: Stage>(world: &World, stage: &S, shard: i32) -> Result<Outputs, String> {
    let mut machine = stage.machine(shard);
    let inputs: Vec<Vec<Record>> = stage.inputs().iter().map(|topic| records(world, topic, shard)).collect();
    let mut commands = Commands::default();
    let mut outputs = Outputs::new();
    let mut out = Outbox::default();
    for record in journal(world, stage.journal(), shard)? {
        let mut batch = Vec::new();
        let mut refuse_at = None;
        for step in &record.steps {
            match step {
                JournalStep::Refuse => refuse_at = Some(batch.len()),
                JournalStep::RefuseHeld(rank) => batch.push(Item::RefusedHeld(rank.clone())),
                JournalStep::Idle => batch.push(Item::Idle),
                JournalStep::Schema(fact) => batch.push(Item::Schema(fact.clone())),
                JournalStep::Kept { input, record } => {
                    batch.push(Item::Record { input: *input, record: (**record).clone() });
                    if let Some(item) = refuse_at.take().and_then(|at: usize| batch.get_mut(at)) {
                        refuse(item);
                    }
                }
                JournalStep::Command { offset, record, .. } => batch.push(commands.item(*offset, record)),
                JournalStep::Run { input, first, last, .. } => {
                    let run = inputs[usize::from(input.0)].iter();
                    let run = run.filter(|record| (*first..=*last).contains(&record.offset));
                    batch.extend(run.map(|record| Item::Record { input: *input, record: record.clone() }));
                    if let Some(item) = refuse_at.take().and_then(|at: usize| batch.get_mut(at)) {
                        refuse(item);
                    }
                }
            }
        }
        machine.handle(&batch, record.now, &mut out);
        machine.seal(record.now, &mut out);
        machine.commit();
        if out.digest() != record.digest {
            return Err(format!(
                "{} {shard}: journal record {} has another digest: {:?}",
                stage.role(),
                record.sequence,
                record.steps
            ));
        }
        collect(&out, &mut outputs);
        out.clear();
    }
    Ok(outputs)
}

/// Every published record, byte by byte.
pub(super) fn published_is_what_the_journals_say(world: &World) -> Result<(), String> {
    let topics = &stock().config.topics;
    let place = &world.workplace;
    if !topics.hops.is_empty() {
        chain::published_by_the_chain(world)?;
    }
    for shard in (0..world.scenario.shards).filter(|_| topics.hops.is_empty()) {
        let mut outputs = replayed(world, &place.chain()[0], shard)?;
        for (sink, topic) in [
            (Sink::Predictions, &topics.predictions),
            (Sink::Outcomes, &topics.outcomes),
            (Sink::DeadLetters, &topics.dead_letters),
        ] {
            let found: Vec<_> = records(world, topic, shard).into_iter().map(written).collect();
            same(topic, shard, &outputs.remove(&(sink, None)).unwrap_or_default(), &found)?;
        }
        let key = shard.to_string().into_bytes();
        let found = records(world, &topics.summaries, 0).into_iter().map(written);
        let found: Vec<_> = found.filter(|written| written.0.as_ref() == Some(&key)).collect();
        same(&topics.summaries, shard, &outputs.remove(&(Sink::Summaries, None)).unwrap_or_default(), &found)?;
    }
    if world.scenario.monitors > 0 {
        let mut outputs = replayed(world, &place.monitor(), 0)?;
        for (sink, topic) in [(Sink::DriftAlerts, &topics.drift_alerts), (Sink::Performance, &topics.performance)] {
            let found: Vec<_> = records(world, topic, 0).into_iter().map(written).collect();
            same(topic, 0, &outputs.remove(&(sink, None)).unwrap_or_default(), &found)?;
        }
    }
    Ok(())
}

pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    shard: i32,
    expected: &[T],
    found: &[T],
) -> Result<(), String> {
    let longest = expected.len().max(found.len());
    match (0..longest).find(|at| expected.get(*at) != found.get(*at)) {
        None => Ok(()),
        Some(at) => Err(format!(
            "`{what}` of shard {shard} differs at {at}: expected {:?}, found {:?}",
            expected.get(at),
            found.get(at)
        )),
    }
}

/// Everything but when it was made, which may differ.
pub(super) fn published_is_that_of_an_undisturbed_run(world: &World) -> Result<(), String> {
    let topics = &stock().config.topics;
    let place = &world.workplace;
    if !topics.hops.is_empty() {
        return chain::undisturbed_chain(world);
    }
    let mut summaries = Vec::new();
    for shard in 0..world.scenario.shards {
        let mut outputs = undisturbed(world, &place.chain()[0], shard);
        let expected = timeless(outputs.remove(&(Sink::Predictions, None)).unwrap_or_default())?;
        let found = timeless(records(world, &topics.predictions, shard).into_iter().map(written).collect())?;
        same(&topics.predictions, shard, &expected, &found)?;
        for (sink, topic) in [(Sink::Outcomes, &topics.outcomes), (Sink::DeadLetters, &topics.dead_letters)] {
            let found: Vec<_> = records(world, topic, shard).into_iter().map(written).collect();
            same(topic, shard, &outputs.remove(&(sink, None)).unwrap_or_default(), &found)?;
        }
        summaries.push(VecDeque::from(outputs.remove(&(Sink::Summaries, None)).unwrap_or_default()));
    }
    if world.scenario.monitors == 0 {
        return Ok(());
    }
    let outputs = judged(world, place.monitor().machine(0), summaries);
    let last = |values: Vec<Written>| -> Result<Vec<PerformanceRecord>, String> {
        let mut last = BTreeMap::new();
        for (_, value, _) in values {
            let mut record: PerformanceRecord =
                read("performance", value.as_deref()).map_err(|error| error.to_string())?;
            record.revision = 0;
            if record.window_start.millis() >= CLOSING {
                continue;
            }
            last.insert((record.window_start, record.model_version, record.segment.clone()), record);
        }
        Ok(last.into_values().collect())
    };
    let shards = world.scenario.shards;
    let of = |sink: Sink| outputs.get(&(sink, None)).cloned().unwrap_or_default();
    let found = |topic: &str| records(world, topic, 0).into_iter().map(written).collect::<Vec<_>>();
    same(&topics.performance, 0, &last(of(Sink::Performance))?, &last(found(&topics.performance))?)?;
    same(
        &topics.drift_alerts,
        0,
        &alerts(of(Sink::DriftAlerts), shards)?,
        &alerts(found(&topics.drift_alerts), shards)?,
    )
}

pub(super) fn timeless(written: Vec<Written>) -> Result<Vec<Prediction>, String> {
    let read = written.into_iter().map(|(_, value, _)| {
        let prediction: Prediction = read("prediction", value.as_deref())?;
        Ok(Prediction { scored_at: Timestamp::from_millis(0), ..prediction })
    });
    read.collect::<Result<_, crate::codec::WireError>>().map_err(|error| error.to_string())
}

/// All alerts of one shard. Of several, those of drift windows: what is asked for and measured between them depends on
/// which shard has reported what by then.
fn alerts(written: Vec<Written>, shards: i32) -> Result<Vec<DriftAlert>, String> {
    let mut alerts = Vec::new();
    for (_, value, _) in written {
        let mut alert: DriftAlert = read("alert", value.as_deref()).map_err(|error| error.to_string())?;
        if shards > 1 {
            if ["training", "performance"].contains(&alert.signal.as_str()) {
                continue;
            }
            alert.incident_id.clear();
        }
        alerts.push(alert);
    }
    Ok(alerts)
}

/// The inputs in their canonical order, straight into a machine.
fn undisturbed<S: Stage>(world: &World, stage: &S, shard: i32) -> Outputs {
    let mut machine = stage.machine(shard);
    let mut batch = canonical(world, stage, shard);
    batch.push(Item::Idle);
    let mut out = Outbox::default();
    machine.handle(&batch, Timestamp::from_millis(0), &mut out);
    let mut outputs = Outputs::new();
    collect(&out, &mut outputs);
    outputs
}

/// The control log, then the inputs by time.
pub(super) fn canonical<S: Stage>(world: &World, stage: &S, shard: i32) -> Vec<Item<Model>> {
    let mut clock = stage.machine(shard);
    let mut queues = Vec::new();
    for (index, topic) in stage.inputs().iter().enumerate() {
        let input = InputIndex(index as u8);
        let is_fact = stock().config.topics.facts.iter().any(|facts| facts.name == *topic);
        let records = match world.facts.borrow().get(shard as usize).filter(|_| is_fact) {
            Some(facts) => facts.clone(),
            None => records(world, topic, shard),
        };
        let timed = records.into_iter().map(|record| (clock.order_time(input, &record), record));
        queues.push(timed.collect::<VecDeque<_>>());
    }
    let mut batch = control_log(world);
    loop {
        let heads = queues.iter().enumerate().filter_map(|(index, queue)| queue.front().map(|head| (head.0, index)));
        let Some((_, index)) = heads.min() else { break };
        if let Some((_, record)) = queues[index].pop_front() {
            batch.push(Item::Record { input: InputIndex(index as u8), record });
        }
    }
    batch
}

pub(super) fn control_log(world: &World) -> Vec<Item<Model>> {
    let mut commands = Commands::default();
    let log = records(world, &stock().config.topics.models, 0);
    let read = log.iter().filter_map(|record| {
        let command = read::<ModelRecord>("control", record.value.as_deref()).ok()?;
        Some((record.offset, command))
    });
    read.filter(|(_, command)| command.by == "simulation")
        .map(|(offset, command)| commands.item(offset, &command))
        .collect()
}

/// The summaries of all shards, one of each in turn, straight into a monitor.
fn judged(world: &World, mut monitor: Monitor, mut summaries: Vec<VecDeque<Written>>) -> Outputs {
    let mut batch = control_log(world);
    while summaries.iter().any(|queue| !queue.is_empty()) {
        for queue in &mut summaries {
            if let Some((key, value, _)) = queue.pop_front() {
                let record = Record {
                    offset: 0,
                    timestamp: Timestamp::from_millis(0),
                    key: key.map(Into::into),
                    value: value.map(Into::into),
                    headers: Vec::new(),
                };
                batch.push(Item::Record { input: InputIndex(0), record });
            }
        }
    }
    let mut out = Outbox::default();
    monitor.handle(&batch, Timestamp::from_millis(0), &mut out);
    let mut outputs = Outputs::new();
    collect(&out, &mut outputs);
    outputs
}
