//! One run of records, pass by pass.

use super::decode::{Decoded, Decoders, Rows};
use super::emit::{IdAt, Predicted, Remarks};
use super::follow::{Arrival, FollowUpAt, Joining};
use super::letters::Origin;
use super::onward::{Onward, Outward};
use super::relay::Relayed;
use super::{LABELS, Pipeline, tripwire};
use crate::data::{Arm, Columns, InputIndex, Item, Outbox, Record, Reject, RejectCode, Span, Timestamp};
use crate::drift::{Batch, Reference};
use crate::features::EventRow;
use crate::labels::{Early, WaitingPrediction};
use crate::model::Model;
use crate::performance::Scored;

/// Most records handled as one set of columns.
pub const BATCH: usize = 256;

/// Memory that is used again for every run.
#[derive(Default)]
pub(super) struct Scratch {
    pub rows: Rows,
    pub decoded: Vec<Decoded>,
    /// The shard's time once each record is in.
    clocks: Vec<Timestamp>,
    pub columns: Columns,
    times: Vec<Timestamp>,
    scores: Vec<f64>,
    /// Whether a row has a value that training did not see the like of.
    outside: Vec<bool>,
    pub steps: Vec<Step>,
}

/// A record that is taken in: of an input of the application itself, or come through a hop.
#[derive(Clone, Copy)]
pub(super) struct Taken<'a> {
    /// Events or labels.
    pub input: InputIndex,
    pub record: &'a Record,
    /// Partition of the input.
    pub partition: i32,
    /// What the stages before know of it.
    pub relayed: Option<&'a Relayed>,
}

impl Taken<'_> {
    pub(super) fn origin(&self) -> Origin {
        Origin { input: self.input, partition: self.partition }
    }
}

/// What a record became, in the order in which outputs are written.
pub(super) enum Step {
    Predict { item: usize, id: IdAt, row: usize, remarks: Remarks, held: bool },
    Join(Box<Joining>),
    Onward(Onward),
    Reject { item: usize, reject: Reject },
    Late { item: usize, by: i64 },
    RejectEarly(Box<(Early, Reject)>),
}

#[derive(Clone, Copy)]
struct EventAt {
    row: usize,
    at: Timestamp,
    clock: Timestamp,
}

impl Scratch {
    pub(super) fn new(decoders: &Decoders, width: usize) -> Self {
        Scratch {
            rows: decoders.rows(),
            decoded: Vec::new(),
            clocks: Vec::new(),
            columns: Columns::new(width),
            times: Vec::new(),
            scores: Vec::new(),
            outside: Vec::new(),
            steps: Vec::new(),
        }
    }
}

impl Pipeline {
    /// Handles a run of at most [`BATCH`] records of the application's inputs.
    pub(super) fn records(&mut self, items: &[Item<Model>], now: Timestamp, out: &mut Outbox) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.decoded.clear();
        let mut taken = Vec::with_capacity(items.len());
        for item in items {
            if let Item::Record { input, record } = item {
                let fact = self.enrichment.decode(*input, record);
                let decoded = fact.unwrap_or_else(|| self.decoders.take(*input, record, &mut scratch.rows));
                scratch.decoded.push(decoded);
                taken.push(Taken { input: *input, record, partition: self.shard, relayed: None });
            }
        }
        self.take_in(&taken, &mut scratch, now, out);
        self.scratch = scratch;
    }

    /// Handles records that have been decoded, publishing summaries between them where the watermark passes a tick.
    pub(super) fn take_in(&mut self, taken: &[Taken<'_>], scratch: &mut Scratch, now: Timestamp, out: &mut Outbox) {
        scratch.clocks.clear();
        let mut from = 0;
        for at in 0..scratch.decoded.len() {
            if let Some(of) = taken.get(at) {
                self.set_aside(of, at, scratch);
            }
            if let Decoded::Event { at: time, .. } | Decoded::FollowUp { at: time, .. } = scratch.decoded[at]
                && self.is_clock()
            {
                if let Some(tick) = self.tick_before(time) {
                    self.run(&taken[from..at], from, scratch, now, out);
                    from = at;
                    self.tick(tick, now, out);
                }
                self.clocks.time = self.clocks.time.max(time);
            }
            scratch.clocks.push(self.clocks.time);
        }
        self.run(&taken[from..], from, scratch, now, out);
    }

    /// The tick that the watermark passes when the shard's time moves to `time`; `None` if it passes none.
    pub(super) fn tick_before(&mut self, time: Timestamp) -> Option<Timestamp> {
        let watermark = self.clocks.time.max(time).minus(self.params.events.lateness);
        let tick = watermark.floor(self.params.performance.every, Span::default());
        if self.clocks.tick == Timestamp::MIN {
            self.clocks.tick = tick;
        }
        (tick > self.clocks.tick).then_some(tick)
    }

    pub(super) fn tick(&mut self, tick: Timestamp, now: Timestamp, out: &mut Outbox) {
        let before = std::mem::replace(&mut self.clocks.tick, tick);
        if let Some(recent) = &mut self.recent {
            recent.expire(before, tick);
        }
        self.publish(tick, false, now, out);
        let wait = self.params.labels.wait;
        for early in self.early.expire(self.clocks.events, wait) {
            let message = format!("no event with this id came within {wait}");
            let of = Origin { input: LABELS, partition: self.shard };
            self.reject(of, &early.record, &Reject::new(RejectCode::UnknownEvent, message), out);
        }
        self.drift.expire(tick);
        self.performance.expire(tick, wait);
        self.waiting.expire(tick);
        self.features.expire(before, tick, wait);
        self.enrichment.expire(before, tick);
    }

    /// The passes over a run without a tick inside. `first` is the position of its first record in the batch.
    #[expect(clippy::too_many_arguments, reason = "what a pass borrows apart from the pipeline")]
    fn run(&mut self, taken: &[Taken<'_>], first: usize, scratch: &mut Scratch, now: Timestamp, out: &mut Outbox) {
        if taken.is_empty() {
            return;
        }
        scratch.columns.clear();
        scratch.times.clear();
        scratch.scores.clear();
        scratch.steps.clear();
        self.windows(taken, first, scratch);
        if self.params.station.is_last() {
            self.score(scratch);
            self.count_drift(scratch);
            self.performance.predicted(&scratch.times, self.champion.version(), Arm::Champion);
        }
        self.write(taken, scratch, now, out);
    }

    /// In order: windows, features, joins; everything that depends on what came before.
    fn windows(&mut self, taken: &[Taken<'_>], first: usize, scratch: &mut Scratch) {
        let decoded = std::mem::take(&mut scratch.decoded);
        if self.params.station.is_first() {
            let table = &scratch.rows.events;
            let events = taken.iter().zip(&decoded[first..]).filter_map(|(taken, decoded)| match decoded {
                Decoded::Event { row, at } => {
                    let key = taken.record.key.as_deref().unwrap_or_default();
                    Some(EventRow { key, at: *at, table, row: *row })
                }
                _ => None,
            });
            self.features.look_ahead(&events);
        }
        for (position, taken) in taken.iter().enumerate() {
            if taken.relayed.is_none() {
                self.clocks.tally.consumed(self.stream(taken.input));
            }
            let clock = scratch.clocks[first + position];
            match &decoded[first + position] {
                Decoded::Rejected(reject) => {
                    scratch.steps.push(Step::Reject { item: position, reject: reject.clone() });
                }
                Decoded::Fact(fact) => {
                    let passed = clock.minus(self.params.events.lateness);
                    if let Err(reject) = self.enrichment.take(fact, taken.record, passed) {
                        scratch.steps.push(Step::Reject { item: position, reject });
                    }
                }
                Decoded::Late(by) => scratch.steps.push(Step::Late { item: position, by: *by }),
                Decoded::Duplicate => self.clocks.tally.duplicate(taken.record.offset),
                Decoded::Event { row, at } => {
                    let event = EventAt { row: *row, at: *at, clock };
                    self.event(position, taken, event, scratch);
                }
                Decoded::FollowUp { row, at, kind, label } => {
                    let follow_up = FollowUpAt { row: *row, at: *at, kind: *kind, label: *label };
                    self.follow_up(Arrival { position, taken: *taken, clock }, follow_up, scratch);
                }
            }
        }
        self.features.finish(&scratch.rows.events, &mut scratch.columns);
        scratch.decoded = decoded;
    }

    fn event(&mut self, position: usize, taken: &Taken<'_>, event: EventAt, scratch: &mut Scratch) {
        let EventAt { row, at, clock } = event;
        tripwire::entering(taken.record, taken.relayed.is_some());
        if tripwire::swallows(taken.record) {
            return;
        }
        self.enrichment.fill(taken.record.key.as_deref().unwrap_or_default(), at, &mut scratch.rows.events, row);
        let mut room = std::mem::take(&mut self.entity);
        let key = self.entity_of(taken, &scratch.rows.events, row, &mut room);
        let event = EventRow { key, at, table: &scratch.rows.events, row };
        let handles = match taken.relayed {
            Some(relayed) => self.features.take(event, relayed.known()),
            None => self.features.take(event, std::iter::empty()),
        };
        self.entity = room;
        let late = taken.relayed.map_or(at < clock.minus(self.params.events.lateness), |relayed| relayed.late);
        let warming = at < self.clocks.whole_from || taken.relayed.is_some_and(|relayed| relayed.warming);
        let remarks = Remarks { late, warming, outside: false };
        self.clocks.events = self.clocks.events.max(at);
        self.clocks.first_event = Some(self.clocks.first_event.map_or(at, |first| first.min(at)));
        let output_row = scratch.times.len();
        scratch.times.push(at);
        scratch.scores.push(self.clocks.base_rate.score());
        let id_at = match taken.relayed {
            Some(relayed) => IdAt::Own(relayed.id.clone()),
            None => self.event_id(taken.record, &scratch.rows, row),
        };
        let id = id_at.bytes(&scratch.rows.events);
        let onward = self.onward(&Outward { taken, id, at, row, output_row, remarks }, scratch);
        let waiting = WaitingPrediction {
            event_time: at,
            model_version: self.champion.version(),
            arm: Arm::Champion,
            score: if onward.is_some() { 0.0 } else { f64::NAN },
            positive: false,
            handles: match &onward {
                Some(onward) => onward.handles(&handles),
                None => handles,
            },
            trace: self.kept_place(taken),
        };
        let held = self.waiting.hold(id, &waiting);
        let early = self.early.take(id);
        match onward {
            Some(onward) => scratch.steps.push(Step::Onward(onward)),
            None => {
                self.clocks.tally.late += u64::from(late);
                scratch.steps.push(Step::Predict { item: position, id: id_at, row: output_row, remarks, held });
            }
        }
        for early in early {
            self.early_follow_up(early, scratch);
        }
    }

    /// Without a model the base rate of each row's moment stays its score.
    fn score(&mut self, scratch: &mut Scratch) {
        if let Some(model) = self.champion.model().filter(|_| scratch.columns.n_rows() > 0) {
            let columns = self.champion.columns(&scratch.columns);
            model.score_counting(&columns, &mut scratch.scores, &mut self.unseen.batch);
            self.unseen.add(model.layout());
        }
        for step in &scratch.steps {
            // One too old to be held may share its id with one that is.
            if let Step::Predict { id, row, held: true, .. } = step {
                let score = scratch.scores[*row];
                self.waiting.scored(id.bytes(&scratch.rows.events), score, self.decides(score));
            }
        }
    }

    fn count_drift(&mut self, scratch: &mut Scratch) {
        scratch.outside.clear();
        if let Some(model) = self.champion.model() {
            let reference = Reference { model_version: self.champion.version(), profile: model.profile() };
            let columns = self.champion.columns(&scratch.columns);
            model.profile().outside(columns.columns(), &mut scratch.outside);
            let batch = Batch { columns: columns.columns(), scores: &scratch.scores };
            self.drift.count(reference, batch, &scratch.times, self.clocks.tick);
        }
    }

    /// Outputs in the order of the records.
    fn write(&mut self, taken: &[Taken<'_>], scratch: &mut Scratch, now: Timestamp, out: &mut Outbox) {
        for step in scratch.steps.drain(..) {
            match step {
                Step::Predict { item, id, row, remarks, .. } => {
                    let Some(taken) = taken.get(item) else { continue };
                    let remarks = Remarks { outside: scratch.outside.get(row) == Some(&true), ..remarks };
                    let id = id.bytes(&scratch.rows.events);
                    let prediction = Predicted { taken, id, row, remarks, columns: &scratch.columns };
                    let scored = Scored {
                        event_time: scratch.times[row],
                        model_version: self.champion.version(),
                        arm: Arm::Champion,
                        score: scratch.scores[row],
                    };
                    self.predict(&prediction, &scored, now, out);
                }
                Step::Join(joining) => self.joined(*joining, &scratch.scores, out),
                Step::Onward(onward) => self.pass_on(onward, out),
                Step::Reject { item, reject } => {
                    let Some(taken) = taken.get(item) else { continue };
                    self.reject(taken.origin(), taken.record, &reject, out);
                }
                Step::Late { item, by } => {
                    let Some(taken) = taken.get(item) else { continue };
                    self.late_output(taken, by, out);
                }
                Step::RejectEarly(refused) => {
                    let (early, reject) = *refused;
                    let of = Origin { input: LABELS, partition: self.shard };
                    self.reject(of, &early.record, &reject, out);
                }
            }
        }
    }
}
