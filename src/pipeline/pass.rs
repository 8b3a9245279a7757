//! One run of records, pass by pass.

use super::decode::{Decoded, Decoders, Rows};
use super::emit::{Joined, Predicted, Remarks, entity};
use super::{EVENTS, LABELS, Pipeline};
use crate::data::params::KindIndex;
use crate::data::{Arm, Columns, Item, Outbox, Record, Reject, RejectCode, Span, Timestamp};
use crate::drift::{Batch, Reference};
use crate::features::{EventRow, FollowUpRow};
use crate::labels::{Early, EarlyFollowUps, EventId, Join, WaitingPrediction};
use crate::model::Model;
use crate::performance::{KnownLabel, LabelChange, Scored};

/// Most records handled as one set of columns.
pub const BATCH: usize = 256;

/// Memory that is used again for every run.
#[derive(Default)]
pub(super) struct Scratch {
    pub rows: Rows,
    pub decoded: Vec<Decoded>,
    /// The shard's time once each record is in.
    clocks: Vec<Timestamp>,
    columns: Columns,
    times: Vec<Timestamp>,
    scores: Vec<f64>,
    /// Whether a row has a value that training did not see the like of.
    outside: Vec<bool>,
    steps: Vec<Step>,
}

/// What a record became, in the order in which outputs are written.
enum Step {
    Predict { item: usize, id: EventId, row: usize, remarks: Remarks, held: bool },
    Join { id: EventId, entity: Box<[u8]>, revision: u32, label: LabelChange, to: JoinedTo },
    Reject { item: usize, reject: Reject },
    Late { item: usize, by: i64 },
    RejectEarly { early: Early, reject: Reject },
}

/// The prediction that a label joined: noted at once, as its id may come again before outputs are written.
#[derive(Clone, Copy)]
struct JoinedTo {
    scored: Scored,
    positive: bool,
    /// Its row, where it is scored in the same run.
    row: Option<usize>,
}

#[derive(Clone, Copy)]
struct EventAt {
    row: usize,
    at: Timestamp,
    clock: Timestamp,
}

/// A follow-up at its turn.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    position: usize,
    record: &'a Record,
    clock: Timestamp,
}

#[derive(Clone, Copy)]
struct FollowUpAt {
    row: usize,
    at: Timestamp,
    kind: KindIndex,
    label: Option<bool>,
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
    /// Handles a run of at most [`BATCH`] records, publishing summaries between them where the watermark passes a tick.
    pub(super) fn records(&mut self, items: &[Item<Model>], now: Timestamp, out: &mut Outbox) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.decoded.clear();
        scratch.clocks.clear();
        for item in items {
            if let Item::Record { input, record } = item {
                scratch.decoded.push(self.decoders.take(*input, record, &mut scratch.rows));
            }
        }
        let mut from = 0;
        for at in 0..scratch.decoded.len() {
            self.set_aside(items.get(at), at, &mut scratch);
            if let Decoded::Event { at: time, .. } | Decoded::FollowUp { at: time, .. } = scratch.decoded[at] {
                if let Some(tick) = self.tick_before(time) {
                    self.run(&items[from..at], from, &mut scratch, now, out);
                    from = at;
                    self.tick(tick, now, out);
                }
                self.clocks.time = self.clocks.time.max(time);
            }
            scratch.clocks.push(self.clocks.time);
        }
        self.run(&items[from..], from, &mut scratch, now, out);
        self.scratch = scratch;
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
            self.reject(LABELS, &early.record, &Reject::new(RejectCode::UnknownEvent, message), out);
        }
        self.drift.expire(tick);
        self.performance.expire(tick, wait);
        self.waiting.expire(tick);
        self.features.expire(before, tick, wait);
    }

    /// The passes over a run without a tick inside. `first` is the position of its first record in the batch.
    #[expect(clippy::too_many_arguments, reason = "what a pass borrows apart from the pipeline")]
    fn run(&mut self, items: &[Item<Model>], first: usize, scratch: &mut Scratch, now: Timestamp, out: &mut Outbox) {
        if items.is_empty() {
            return;
        }
        scratch.columns.clear();
        scratch.times.clear();
        scratch.scores.clear();
        scratch.steps.clear();
        self.windows(items, first, scratch);
        self.score(scratch);
        self.count_drift(scratch);
        self.write(items, scratch, now, out);
    }

    /// In order: windows, features, joins; everything that depends on what came before.
    fn windows(&mut self, items: &[Item<Model>], first: usize, scratch: &mut Scratch) {
        let decoded = std::mem::take(&mut scratch.decoded);
        for (position, item) in items.iter().enumerate() {
            let Item::Record { input, record } = item else { continue };
            let tally = &mut self.clocks.tally;
            *(if *input == EVENTS { &mut tally.events } else { &mut tally.follow_ups }) += 1;
            match &decoded[first + position] {
                Decoded::Rejected(reject) => {
                    scratch.steps.push(Step::Reject { item: position, reject: reject.clone() });
                }
                Decoded::Late(by) => scratch.steps.push(Step::Late { item: position, by: *by }),
                Decoded::Duplicate => self.clocks.tally.duplicate(record.offset),
                Decoded::Event { row, at } => {
                    let event = EventAt { row: *row, at: *at, clock: scratch.clocks[first + position] };
                    self.event(position, record, event, scratch);
                }
                Decoded::FollowUp { row, at, kind, label } => {
                    let follow_up = FollowUpAt { row: *row, at: *at, kind: *kind, label: *label };
                    let clock = scratch.clocks[first + position];
                    self.follow_up(Arrival { position, record, clock }, follow_up, scratch);
                }
            }
        }
        scratch.decoded = decoded;
    }

    fn event(&mut self, position: usize, record: &Record, event: EventAt, scratch: &mut Scratch) {
        let EventAt { row, at, clock } = event;
        #[cfg(test)]
        assert!(record.headers.iter().all(|header| header.name != "tripwire"), "a record of a test");
        let key = record.key.as_deref().unwrap_or_default();
        let handles = self.features.event(EventRow { key, at, table: &scratch.rows.events, row }, &mut scratch.columns);
        let late = at < clock.minus(self.params.events.lateness);
        self.clocks.tally.late += u64::from(late);
        self.clocks.events = self.clocks.events.max(at);
        self.clocks.first_event = Some(self.clocks.first_event.map_or(at, |first| first.min(at)));
        let id = self.event_id(record, &scratch.rows, row);
        let waiting = WaitingPrediction {
            event_time: at,
            model_version: self.champion.version(),
            arm: Arm::Champion,
            score: f64::NAN,
            positive: false,
            handles,
        };
        let held = self.waiting.hold(&id, &waiting);
        let output_row = scratch.times.len();
        scratch.times.push(at);
        scratch.scores.push(self.clocks.base_rate.score());
        let early = self.early.take(&id);
        let remarks = Remarks { late, warming: at < self.clocks.whole_from, outside: false };
        scratch.steps.push(Step::Predict { item: position, id, row: output_row, remarks, held });
        for early in early {
            self.early_follow_up(early, scratch);
        }
    }

    fn early_follow_up(&mut self, early: Early, scratch: &mut Scratch) {
        match self.decoders.take(LABELS, &early.record, &mut scratch.rows) {
            Decoded::FollowUp { row, at, kind, label } => {
                self.join(&early.record, FollowUpAt { row, at, kind, label }, scratch);
            }
            Decoded::Rejected(reject) => scratch.steps.push(Step::RejectEarly { early, reject }),
            Decoded::Event { .. } | Decoded::Late(_) | Decoded::Duplicate => {}
        }
    }

    fn follow_up(&mut self, arrival: Arrival<'_>, follow_up: FollowUpAt, scratch: &mut Scratch) {
        let Arrival { position, record, clock } = arrival;
        if self.join(record, follow_up, scratch) {
            return;
        }
        let id = scratch.rows.follow_ups.text(self.decoders.follow_up_id_column(), follow_up.row).unwrap_or_default();
        let early = Early { since: clock, record: record.alone() };
        if self.early.hold(id, early).is_err() {
            let message = format!("{} follow-ups wait for their events already", EarlyFollowUps::CAPACITY);
            scratch.steps.push(Step::Reject { item: position, reject: Reject::new(RejectCode::WaitFull, message) });
        }
    }

    /// Gives a follow-up to its event; false if no such event is known.
    fn join(&mut self, record: &Record, follow_up: FollowUpAt, scratch: &mut Scratch) -> bool {
        let FollowUpAt { row, at, kind, label } = follow_up;
        let table = &scratch.rows.follow_ups;
        let id = table.text(self.decoders.follow_up_id_column(), row).unwrap_or_default();
        let Some(waiting) = self.waiting.get(id) else { return false };
        let first_column = self.decoders.first_column(kind);
        let to = JoinedTo {
            scored: Scored {
                event_time: waiting.event_time,
                model_version: waiting.model_version,
                arm: waiting.arm,
                score: waiting.score,
            },
            positive: waiting.positive,
            row: if waiting.score.is_nan() { row_of(id, &scratch.steps) } else { None },
        };
        self.features.follow_up(waiting.handles, FollowUpRow { kind, at, table, first_column, row });
        let Some(positive) = label else { return true };
        match self.waiting.join(id, positive, at) {
            Some(Join::First) => {
                self.clocks.base_rate.first(positive);
                self.clocks.tally.labels += 1;
                let label = LabelChange { before: None, now: KnownLabel { positive, known_at: at } };
                scratch.steps.push(Step::Join { id: id.into(), entity: entity(record), revision: 0, label, to });
            }
            Some(Join::Corrected { before, revision }) => {
                self.clocks.base_rate.corrected(positive);
                let before = KnownLabel { positive: before.positive, known_at: before.known_at };
                let label = LabelChange { before: Some(before), now: KnownLabel { positive, known_at: at } };
                scratch.steps.push(Step::Join { id: id.into(), entity: entity(record), revision, label, to });
            }
            Some(Join::Repeated) | None => {}
        }
        true
    }

    /// Without a model the base rate of each row's moment stays its score.
    fn score(&mut self, scratch: &mut Scratch) {
        if let Some(model) = self.champion.model().filter(|_| scratch.columns.n_rows() > 0) {
            model.score(&self.champion.columns(&scratch.columns), &mut scratch.scores);
        }
        for step in &scratch.steps {
            // One too old to be held may share its id with one that is.
            if let Step::Predict { id, row, held: true, .. } = step {
                let score = scratch.scores[*row];
                self.waiting.scored(id, score, self.decides(score));
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
    fn write(&mut self, items: &[Item<Model>], scratch: &mut Scratch, now: Timestamp, out: &mut Outbox) {
        for step in scratch.steps.drain(..) {
            match step {
                Step::Predict { item, id, row, remarks, .. } => {
                    let Some(Item::Record { record, .. }) = items.get(item) else { continue };
                    let remarks = Remarks { outside: scratch.outside.get(row) == Some(&true), ..remarks };
                    let prediction = Predicted { record, id: &id, row, remarks, columns: &scratch.columns };
                    let scored = Scored {
                        event_time: scratch.times[row],
                        model_version: self.champion.version(),
                        arm: Arm::Champion,
                        score: scratch.scores[row],
                    };
                    self.performance.predicted(&scored);
                    self.predict(&prediction, &scored, now, out);
                }
                Step::Join { id, entity, revision, label, to } => {
                    let JoinedTo { mut scored, mut positive, row } = to;
                    if let Some(row) = row {
                        scored.score = scratch.scores[row];
                        positive = self.decides(scored.score);
                    }
                    self.outcome(&Joined { id: &id, entity: &entity, revision, label, scored, positive }, out);
                }
                Step::Reject { item, reject } => {
                    let Some(Item::Record { input, record }) = items.get(item) else { continue };
                    self.reject(*input, record, &reject, out);
                }
                Step::Late { item, by } => {
                    let Some(Item::Record { record, .. }) = items.get(item) else { continue };
                    self.late_output(record, by, out);
                }
                Step::RejectEarly { early, reject } => self.reject(LABELS, &early.record, &reject, out),
            }
        }
    }
}

/// The row of the last event with this id in the run.
fn row_of(id: &[u8], steps: &[Step]) -> Option<usize> {
    steps.iter().rev().find_map(|step| match step {
        Step::Predict { id: of, row, .. } if **of == *id => Some(*row),
        _ => None,
    })
}
