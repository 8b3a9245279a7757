//! The score stage as a deterministic machine: events, follow-ups and commands in; predictions, outcomes, summaries and
//! dead letters out.
//!
//! A batch goes through in columns: decode and validate, windows, score, drift, join and encode, each as one pass over
//! at most [`BATCH`] rows. What comes out depends on the sequence of items alone, never on where batches or
//! transactions were cut. Everything since the last commit can be taken back.
//!
//! The shard's time is the latest event or known-at time it has taken in; its watermark is that time less the
//! configured lateness. Summaries are published when the watermark is about to pass a multiple of
//! `performance.every`, before the record that moves it, and whenever the inputs have been read to their end.

mod adopt;
mod decode;
mod emit;
mod enrich;
mod follow;
mod held;
mod letters;
mod look;
mod onward;
mod params;
mod pass;
mod relay;
mod schemas;
mod state;
mod tally;
mod traces;
mod tripwire;
mod unseen;
mod upstreams;

use std::sync::Arc;

use crate::data::params::{HopOrder, Station};
use crate::data::{
    BinaryError, ControlItem, Extent, InputIndex, Item, Machine, Outbox, Rank, Record, SchemaNeed, StateChunk,
    Timestamp,
};
use crate::drift::DriftWindows;
use crate::features::Features;
use crate::labels::{EarlyFollowUps, Waiting};
use crate::model::Model;
use crate::performance::Performance;
use crate::score::{BaseRate, Champion};
use crate::validate::Recent;

pub use adopt::{FeatureChange, FeatureChanges};
pub use look::{EventLook, FactLook};
pub use params::PipelineParams;
pub use pass::BATCH;
pub use tally::Tally;

use decode::Decoders;
use emit::Constants;
use enrich::Enrichment;
use held::HeldBack;
use pass::Scratch;
use schemas::Schemas;
use unseen::Unseen;
use upstreams::Upstreams;

/// The events topic, as an input of the stage.
pub const EVENTS: InputIndex = InputIndex(0);
/// The labels topic, as an input of the stage.
pub const LABELS: InputIndex = InputIndex(1);
/// The hop's topic, as the only input of a stage after the first.
pub const HOP: InputIndex = InputIndex(0);

/// The small part of the state that is copied whole when a transaction begins.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    time: Timestamp,
    /// The latest event time alone: how far the events themselves have come.
    events: Timestamp,
    /// The last multiple of the summary interval that the watermark has passed.
    tick: Timestamp,
    first_event: Option<Timestamp>,
    /// An event before this may read windows that have not taken in all they would hold: another configuration added
    /// them.
    whole_from: Timestamp,
    base_rate: BaseRate,
    tally: Tally,
}

/// The score stage of one shard.
pub struct Pipeline {
    params: Arc<PipelineParams>,
    shard: i32,
    decoders: Decoders,
    schemas: Schemas,
    enrichment: Enrichment,
    features: Features,
    waiting: Waiting,
    early: EarlyFollowUps,
    /// Ids of events, where those that come twice are looked for.
    recent: Option<Recent>,
    drift: DriftWindows,
    performance: Performance,
    clocks: Clocks,
    champion: Champion,
    constants: Constants,
    unseen: Unseen,
    upstreams: Upstreams,
    held: HeldBack,
    /// The last thing of the open transaction was that everything has been read.
    is_idle: bool,
    committed: (Clocks, Champion),
    scratch: Scratch,
    /// Positions of the features that go on to the next stage.
    known: Vec<usize>,
    /// Memory that is used again for every event.
    entity: Vec<u8>,
}

impl Pipeline {
    /// A pipeline that has seen nothing.
    pub fn new(params: Arc<PipelineParams>, shard: i32) -> Self {
        let clocks = Clocks {
            time: Timestamp::MIN,
            events: Timestamp::MIN,
            tick: Timestamp::MIN,
            first_event: None,
            whole_from: Timestamp::MIN,
            base_rate: BaseRate::new(params.labels.label.prior),
            tally: Tally::default(),
        };
        let decoders = Decoders::new(&params);
        let station = &params.station;
        let features = Features::of(&params.features, |grouping| station.computes(grouping), station.is_last());
        let deduplicate = params.events.deduplicate.filter(|_| station.is_first());
        Pipeline {
            shard,
            upstreams: Upstreams::new(if station.is_first() { 0 } else { station.shards }, params.events.lateness),
            held: HeldBack::default(),
            is_idle: false,
            known: if station.is_last() { Vec::new() } else { station.known(&params.features) },
            entity: Vec::new(),
            scratch: Scratch::new(&decoders, features.width()),
            decoders,
            schemas: Schemas::default(),
            enrichment: if station.is_first() { Enrichment::new(&params.facts) } else { Enrichment::default() },
            features,
            waiting: Waiting::new(params.labels.wait),
            early: EarlyFollowUps::default(),
            recent: deduplicate.map(|deduplicate| Recent::new(deduplicate.window)),
            drift: DriftWindows::new(&params.drift),
            performance: Performance::new(&params.performance),
            clocks,
            champion: Champion::default(),
            constants: Constants::new(&params),
            unseen: Unseen::new(&params.features),
            committed: (clocks, Champion::default()),
            params,
        }
    }

    /// Number of the shard.
    pub fn shard(&self) -> i32 {
        self.shard
    }

    /// The version that answers.
    pub fn model_version(&self) -> u32 {
        self.champion.version()
    }

    /// The latest event or known-at time taken in; `None` before the first.
    pub fn time(&self) -> Option<Timestamp> {
        (self.clocks.time != Timestamp::MIN).then_some(self.clocks.time)
    }

    /// Its place in the chain of stages.
    pub fn station(&self) -> &Station {
        &self.params.station
    }

    fn watermark(&self) -> Timestamp {
        self.clocks.time.minus(self.params.events.lateness)
    }

    fn command(&mut self, item: &ControlItem<Model>) {
        self.champion.apply(item, &self.params.features.names);
    }
}

impl Machine for Pipeline {
    type Model = Model;

    fn handle(&mut self, batch: &[Item<Model>], now: Timestamp, out: &mut Outbox) {
        let mut rest = batch;
        while let Some((first, after)) = rest.split_first() {
            match first {
                Item::Record { .. } => {
                    let run = rest.iter().take(BATCH).take_while(|item| matches!(item, Item::Record { .. })).count();
                    let (records, after) = rest.split_at(run);
                    self.is_idle = false;
                    if self.params.station.is_first() {
                        self.records(records, now, out);
                    } else {
                        self.relay(records, now, out);
                    }
                    rest = after;
                }
                Item::Refused { input, record } => {
                    self.refuse(*input, record, out);
                    rest = after;
                }
                Item::RefusedHeld(rank) => {
                    self.refuse_held(rank, out);
                    rest = after;
                }
                Item::Command(item) => {
                    self.command(item);
                    rest = after;
                }
                Item::Schema(fact) => {
                    self.schema(fact);
                    rest = after;
                }
                Item::Idle => {
                    self.is_idle = true;
                    if self.tells_end() {
                        self.publish(self.watermark(), true, now, out);
                    }
                    rest = after;
                }
            }
        }
        self.scratch.rows.clear();
    }

    fn seal(&mut self, now: Timestamp, out: &mut Outbox) {
        self.tell_progress(now, out);
        self.is_idle = false;
    }

    fn commit(&mut self) {
        self.schemas.commit();
        self.upstreams.commit();
        self.held.commit();
        self.enrichment.commit();
        self.features.commit();
        self.waiting.commit();
        self.early.commit();
        self.recent.iter_mut().for_each(Recent::commit);
        self.drift.commit();
        self.performance.commit();
        self.unseen.commit();
        self.committed = (self.clocks, self.champion.clone());
    }

    fn rollback(&mut self) {
        if let Some(back) = self.schemas.rollback() {
            back.forgotten.iter().for_each(|fact| self.forget_schema(fact));
            back.held.iter().for_each(|fact| self.learn_schema(fact));
        }
        self.is_idle = false;
        self.upstreams.rollback();
        self.held.rollback();
        self.enrichment.rollback();
        self.features.rollback();
        self.waiting.rollback();
        self.early.rollback();
        self.recent.iter_mut().for_each(Recent::rollback);
        self.drift.rollback();
        self.performance.rollback();
        self.unseen.rollback();
        (self.clocks, self.champion) = self.committed.clone();
    }

    /// Event time or known-at time; facts come first. The record's own timestamp where it is to be rejected. What was decoded for it
    /// is kept for the next `handle`.
    fn order_time(&mut self, input: InputIndex, record: &Record) -> Timestamp {
        if !self.params.station.is_first() {
            return record.timestamp;
        }
        if self.is_kept(input) {
            return Timestamp::MIN;
        }
        self.decoders.ahead(input, record, &mut self.scratch.rows)
    }

    fn schema_need(&self, input: InputIndex, record: &Record) -> Option<SchemaNeed> {
        if !self.params.station.is_first() {
            return None;
        }
        self.enrichment.schema_need(input, record).or_else(|| self.decoders.schema_need(input, record))
    }

    fn is_kept(&self, input: InputIndex) -> bool {
        self.enrichment.has(input)
    }

    fn be_careful(&mut self, is_careful: bool) {
        self.held.is_careful = is_careful;
    }

    fn at_hand(&self) -> Option<&Rank> {
        self.held.at_hand.as_ref()
    }

    fn begin_checkpoint(&mut self, extent: Extent) -> Vec<u8> {
        self.begin(extent)
    }

    fn next_chunk(&mut self, size: usize) -> Option<StateChunk> {
        self.chunk(size)
    }

    fn horizon(&self) -> Timestamp {
        self.waiting.horizon()
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
