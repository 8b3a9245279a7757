//! The monitor as a deterministic machine: summaries and commands in; alerts, performance records, training requests
//! and promotions out.
//!
//! It merges what the shards report, and acts when every shard's watermark has passed a point: then windows up to that
//! point are whole, so a verdict never depends on which shard reported first. A shard that has read its inputs to the
//! end is not waited for; one that has not reported at all is.

mod adopt;
mod alerts;
mod drift;
mod figures;
mod merge;
mod performance;
mod promotion;
mod saved;
mod training;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::{PublishedDatum, read, write, write_form};
use crate::data::params::{DriftParams, OutputForm, PerformanceParams, PromoteParams, RetrainParams};
use crate::data::{
    BinaryError, ControlItem, Extent, Item, Machine, ModelCommand, Outbox, Sink, StateChunk, Summary, Timestamp,
    Tracked,
};
use crate::model::Model;
use crate::rollout::{Effect, Ledger};

pub use figures::PerformanceFigures;

use alerts::Alerts;
use figures::Effects;
use merge::Shards;
use performance::{Due, Key, Merged};
use training::Trainings;

/// What a monitor is built from.
#[derive(Clone, Debug)]
pub struct MonitorParams {
    /// Number of shards of the score stage that summaries come from.
    pub shards: i32,
    /// When a signal counts as drifted.
    pub drift: DriftParams,
    /// When performance counts as lost.
    pub performance: PerformanceParams,
    /// When a training is asked for.
    pub retrain: RetrainParams,
    /// What is promoted.
    pub promote: PromoteParams,
    /// The form of drift alerts and performance.
    pub outputs: OutputForm,
}

/// What is copied whole before a transaction changes it; performance windows, which are many, are not in it.
#[derive(Clone, Debug, Default)]
struct State {
    shards: Shards,
    due: Due,
    drift: drift::Counts,
    alerts: Alerts,
    trainings: Trainings,
    ledger: Ledger,
    champion: Option<Arc<Model>>,
    tally: Tally,
}

/// What the runtime counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Summaries taken in.
    pub summaries: u64,
    /// Records of the summaries topic that are no summaries.
    pub unreadable: u64,
    /// Trainings asked for.
    pub trainings_asked: u64,
    /// Candidates promoted.
    pub promoted: u64,
    /// Candidates refused.
    pub refused: u64,
}

/// The monitor.
pub struct Monitor {
    params: Arc<MonitorParams>,
    state: State,
    committed: Option<Box<State>>,
    windows: Tracked<Key, Merged>,
    effects: Effects,
}

/// When and where a machine writes.
struct Sheet<'a> {
    now: Timestamp,
    form: OutputForm,
    out: &'a mut Outbox,
}

impl Sheet<'_> {
    fn put<T: serde::Serialize>(&mut self, sink: Sink, key: &str, record: &T) {
        self.out.push(sink, Some(key.as_bytes()), Vec::new(), |bytes| write(record, bytes));
    }

    /// A record that is published in the configured form.
    fn publish<T: serde::Serialize + PublishedDatum>(&mut self, sink: Sink, key: &str, record: &T) {
        let form = self.form;
        self.out.push(sink, Some(key.as_bytes()), Vec::new(), |bytes| write_form(form, record, bytes));
    }
}

impl Monitor {
    /// A monitor that has seen nothing.
    pub fn new(params: Arc<MonitorParams>) -> Self {
        Monitor {
            params,
            state: State::default(),
            committed: None,
            windows: Tracked::default(),
            effects: Effects::default(),
        }
    }

    /// Counts since the monitor was made.
    pub fn tally(&self) -> Tally {
        self.state.tally
    }

    /// Signals with an open alert.
    pub fn open_alerts(&self) -> usize {
        self.state.alerts.open()
    }

    /// The version in charge.
    pub fn model_version(&self) -> u32 {
        self.state.ledger.champion()
    }

    fn summary(&mut self, value: Option<&[u8]>, sheet: &mut Sheet<'_>) {
        let state = &mut self.state;
        let Ok(summary) = read::<Summary>("summary", value) else {
            state.tally.unreadable += 1;
            return;
        };
        state.tally.summaries += 1;
        state.shards.report(&summary);
        for window in summary.drift {
            if self.params.drift.has(window.start) {
                state.drift.report(summary.shard, window, state.ledger.champion());
            }
        }
        for window in summary.performance {
            if self.params.performance.has(window.start) {
                self.report_performance(summary.shard, window);
            }
        }
        if let Some(reached) = self.state.shards.advance(self.params.shards, self.params.performance.every) {
            self.evaluate(reached, sheet);
        }
    }

    /// Every shard has passed `reached`.
    fn evaluate(&mut self, reached: Timestamp, sheet: &mut Sheet<'_>) {
        self.publish_performance(reached, sheet);
        self.judge_drift(reached, sheet);
        self.judge_performance(reached, sheet);
        self.ask_for_training(reached, sheet);
    }

    fn command(&mut self, item: &ControlItem<Model>, sheet: &mut Sheet<'_>) {
        let record = &item.record;
        let before = self.state.ledger.champion();
        match self.state.ledger.apply(record) {
            Effect::Void => return,
            Effect::Switched => {
                self.state.champion = item.model.clone();
                self.close_all(before, sheet);
                self.state.drift.keep_only(record.version);
                self.effects.clear();
            }
            Effect::Noted => {}
        }
        match record.command {
            ModelCommand::Registered => {
                self.state.trainings.concluded(record.incident_id.as_deref());
                self.decide(record, sheet);
            }
            ModelCommand::TrainingFailed => self.state.trainings.concluded(record.incident_id.as_deref()),
            _ => {}
        }
    }

    /// Keeps the state as of the last commit aside before the first change.
    fn keep(&mut self) {
        if self.committed.is_none() {
            self.committed = Some(Box::new(self.state.clone()));
        }
    }
}

impl Machine for Monitor {
    type Model = Model;

    fn handle(&mut self, batch: &[Item<Model>], now: Timestamp, out: &mut Outbox) {
        if batch.is_empty() {
            return;
        }
        self.keep();
        let mut sheet = Sheet { now, form: self.params.outputs, out };
        for item in batch {
            match item {
                Item::Record { record, .. } => self.summary(record.value.as_deref(), &mut sheet),
                Item::Command(item) => self.command(item, &mut sheet),
                Item::Schema(_) | Item::Refused { .. } | Item::RefusedHeld(_) | Item::Idle => {}
            }
        }
    }

    fn commit(&mut self) {
        self.committed = None;
        self.windows.commit();
    }

    fn rollback(&mut self) {
        if let Some(state) = self.committed.take() {
            self.state = *state;
        }
        self.windows.rollback();
    }

    fn begin_checkpoint(&mut self, extent: Extent) -> Vec<u8> {
        self.windows.begin_checkpoint(extent != Extent::Changes);
        self.encode_head()
    }

    fn next_chunk(&mut self, size: usize) -> Option<StateChunk> {
        self.write_chunk(size)
    }

    fn horizon(&self) -> Timestamp {
        Timestamp::MIN
    }

    fn adopt(&mut self, old: Self) {
        self.take_over(old);
    }

    fn restore_head(&mut self, head: &[u8], control: &[Arc<ControlItem<Model>>]) -> Result<(), BinaryError> {
        self.read_head(head, control)
    }

    fn restore_chunk(&mut self, chunk: &[u8]) -> Result<(), BinaryError> {
        self.read_chunk(chunk)
    }
}
