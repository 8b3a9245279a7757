//! One past decision, computed again and laid open: the event, the windows behind its features, the row, who scored it
//! and who had put that version in charge, and what was published.
//!
//! The shard's journal is fed to a machine that has seen nothing, up to the event; just before it the windows are looked
//! at, and then the event is handled. Nothing but the topics is read, and nothing is written.

mod facts;
mod find;
mod names;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::read;
use crate::config::Config;
use crate::data::{Item, Machine, ModelRecord, Outbox, Prediction, Record, Setting, Sink};
use crate::model::Model;
use crate::pipeline::{EVENTS, EventLook, FactLook, Pipeline, PipelineParams};
use crate::rollout::{Effect, Ledger};
use crate::transport::Transport;

use super::Progress;
use super::history::{HistoryError, Moment, Past, Stretch};
use super::replay::desk::{Configured, Desk, Journalled, Tell, tell};
use super::replay::written::Written;
use super::setup::pipeline_params;
use facts::{EventFacts, JournalFacts, KnownFacts, ModelFacts, PublishedFacts, Reading};
use find::Found;
use names::Names;

pub use facts::Why;

/// Which decision is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyParams {
    /// Where to find it.
    pub sought: Sought,
}

/// Where a prediction is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// By its event, among all predictions or those of one partition.
    Event {
        /// Id of the event.
        id: String,
        /// Partition of the predictions.
        partition: Option<i32>,
    },
    /// By its place in the predictions topic.
    At {
        /// Partition.
        partition: i32,
        /// Offset.
        offset: i64,
    },
}

/// Who is in charge, as the shard knows it.
#[derive(Default)]
struct InCharge {
    ledger: Ledger,
    models: BTreeMap<u32, Arc<Model>>,
    switched: BTreeMap<u32, ModelRecord>,
}

/// The moment of the decision, computed again.
struct Decided {
    event: Record,
    look: EventLook,
    prediction: Prediction,
    written: Written,
    journal: JournalFacts,
}

/// Computes a past decision again and shows it; `tell` hears how far it is.
///
/// # Errors
/// A decision that is not there, something that is gone, another configuration, a cluster that does not answer.
pub fn why(
    config: &Config,
    transport: &dyn Transport,
    params: &WhyParams,
    tell: &mut dyn FnMut(&Progress),
) -> Result<Why, HistoryError> {
    let desk = Desk::new(config, transport)?;
    let pipeline = pipeline_params(config).map_err(|error| HistoryError::Wrong(error.to_string()))?;
    let pipeline = Arc::new(pipeline);
    let found = find::prediction(&desk, params)?;
    let mut charge = InCharge::default();
    let decided = decide(&desk, &found, &pipeline, &mut charge, tell)?;
    let labels = find::labels(&desk, &found)?;
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let key = text(decided.event.key.as_deref());
    let value = text(decided.event.value.as_deref());
    let names = Names {
        params: &pipeline,
        key: &key,
        event: &serde_json::from_str(&value).unwrap_or_default(),
        known: &decided.look.facts,
    };
    let groups = names.groups(&decided.look.groups);
    let Decided { event, look, prediction, written, journal } = decided;
    let row = pipeline.features.names.iter().zip(&prediction.features);
    let difference = found.written.difference(&written);
    Ok(Why {
        app: config.app.clone(),
        event_id: prediction.event_id.clone(),
        known: look.facts.into_iter().map(|FactLook { name, value }| KnownFacts { name, value }).collect(),
        groups,
        row: row.map(|(name, value)| Reading { name: name.clone(), value: *value }).collect(),
        model: charge.facts(&prediction, &pipeline),
        score: prediction.score,
        decision: prediction.decision,
        flags: prediction.flags,
        published: PublishedFacts {
            topic: config.topics.predictions.clone(),
            partition: found.partition,
            offset: found.written.offset.unwrap_or_default(),
            value: found
                .written
                .value
                .as_deref()
                .and_then(|value| serde_json::from_slice(value).ok())
                .unwrap_or_default(),
            is_reproduced: difference.is_none(),
            difference,
        },
        event: EventFacts {
            topic: config.topics.events.clone(),
            partition: found.prediction.source_partition,
            offset: event.offset,
            timestamp: event.timestamp,
            event_time: look.at,
            key,
            value,
        },
        journal,
        labels,
    })
}

/// Feeds the shard up to the event, looks, and handles it.
fn decide(
    desk: &Desk<'_>,
    found: &Found,
    params: &Arc<PipelineParams>,
    charge: &mut InCharge,
    listener: Tell<'_>,
) -> Result<Decided, HistoryError> {
    let Prediction { source_offset: offset, source_partition: shard, .. } = found.prediction;
    let of = Journalled::Score(shard);
    let stretch = Stretch { from_offset: Some(offset), to_offset: Some(offset + 1), ..Stretch::default() };
    let mut past: Past = desk.past(of, stretch, Configured::AsRecorded)?;
    let mut machine = Pipeline::new(params.clone(), shard);
    while let Some(moment) = past.next()? {
        charge.take(moment.items.get(..place(&moment, offset).unwrap_or(moment.items.len())).unwrap_or_default());
        if let Some(decided) = handle(&mut machine, &moment, offset)? {
            return Ok(decided);
        }
        tell(listener, of, moment.record.sequence + 1, &past, moment.record.now);
    }
    Err(HistoryError::Impossible(format!(
        "no journal record of shard {shard} took offset {offset} of `{}`, which the prediction names",
        desk.config.topics.events
    )))
}

/// Where the event is among the items of a moment.
fn place(moment: &Moment, offset: i64) -> Option<usize> {
    let is_it = |item: &Item<Model>| matches!(item, Item::Record { input, record } if *input == EVENTS && record.offset == offset);
    moment.items.iter().position(is_it)
}

/// Handles a moment; the decision if the event is in it.
fn handle(machine: &mut Pipeline, moment: &Moment, offset: i64) -> Result<Option<Decided>, HistoryError> {
    let Moment { record: journal, items, .. } = moment;
    let mut out = Outbox::default();
    let Some(at) = place(moment, offset) else {
        machine.handle(items, journal.now, &mut out);
        machine.commit();
        return Ok(None);
    };
    let (before, from) = items.split_at(at);
    let Some((Item::Record { record: event, .. }, after)) = from.split_first() else { return Ok(None) };
    machine.handle(before, journal.now, &mut out);
    let look = machine.look(event, journal.now, &mut out);
    let first = out.len();
    machine.handle(&from[..1], journal.now, &mut out);
    let output = out.iter().skip(first).find(|output| output.sink == Sink::Predictions);
    let found = output
        .and_then(|output| Some((read::<Prediction>("prediction", output.value).ok()?, Written::computed(&output))));
    machine.handle(after, journal.now, &mut out);
    machine.commit();
    let (Some(look), Some((prediction, written))) = (look, found) else {
        let why = format!(
            "offset {offset} is no valid event now, though it has a prediction: this binary computes differently"
        );
        return Err(HistoryError::Impossible(why));
    };
    let journal =
        JournalFacts { sequence: journal.sequence, now: journal.now, is_reproduced: out.digest() == journal.digest };
    Ok(Some(Decided { event: event.clone(), look, prediction, written, journal }))
}

impl InCharge {
    fn take(&mut self, items: &[Item<Model>]) {
        for item in items {
            let Item::Command(command) = item else { continue };
            if let Some(model) = &command.model {
                self.models.insert(command.record.version, model.clone());
            }
            if self.ledger.apply(&command.record) == Effect::Switched {
                self.switched.insert(command.record.version, command.record.clone());
            }
        }
    }

    fn facts(&self, prediction: &Prediction, params: &PipelineParams) -> ModelFacts {
        let version = prediction.model_version;
        let model = self.models.get(&version);
        let settings = self.ledger.settings();
        ModelFacts {
            version,
            family: model.map(|model| model.family().name()),
            arm: prediction.arm,
            threshold: settings
                .threshold()
                .unwrap_or_else(|| model.map_or(params.score.threshold, |model| model.threshold())),
            threshold_by: settings.get(Setting::ScoreThreshold).cloned(),
            in_charge_by: self.switched.get(&version).cloned(),
        }
    }
}
