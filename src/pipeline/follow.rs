//! Follow-ups on their way to their event: joined, passed on, or put on hold until it comes.

use super::decode::Decoded;
use super::emit::Joined;
use super::pass::{Scratch, Step, Taken};
use super::{LABELS, Pipeline};
use crate::data::params::KindIndex;
use crate::data::{Deed, Outbox, Record, Reject, RejectCode, Timestamp, Traced};
use crate::features::FollowUpRow;
use crate::labels::{Early, EarlyFollowUps, EventId, Join};
use crate::performance::{KnownLabel, LabelChange, Scored};

/// The prediction that a label joined: noted at once, as its id may come again before outputs are written.
#[derive(Clone, Copy)]
pub(super) struct JoinedTo {
    pub scored: Scored,
    pub positive: bool,
    /// Its row, where it is scored in the same run.
    pub row: Option<usize>,
}

/// A label with the prediction it joined, until outputs are written.
pub(super) struct Joining {
    pub id: EventId,
    pub entity: Box<[u8]>,
    pub partition: i32,
    pub revision: u32,
    pub label: LabelChange,
    pub to: JoinedTo,
    pub traced: Option<Box<Traced>>,
}

/// A follow-up at its turn.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub position: usize,
    pub taken: Taken<'a>,
    pub clock: Timestamp,
}

/// What a follow-up follows up on, and the label it carries.
#[derive(Clone, Copy)]
pub(super) struct FollowsUp<'a> {
    pub id: &'a [u8],
    pub label: Option<bool>,
}

#[derive(Clone, Copy)]
pub(super) struct FollowUpAt {
    pub row: usize,
    pub at: Timestamp,
    pub kind: KindIndex,
    pub label: Option<bool>,
}

impl Pipeline {
    pub(super) fn early_follow_up(&mut self, early: Early, scratch: &mut Scratch) {
        match self.decoders.take(LABELS, &early.record, &mut scratch.rows) {
            Decoded::FollowUp { row, at, kind, label } => {
                let taken = Taken { input: LABELS, record: &early.record, partition: self.shard, relayed: None };
                self.join(&taken, FollowUpAt { row, at, kind, label }, scratch);
            }
            Decoded::Rejected(reject) => scratch.steps.push(Step::RejectEarly(Box::new((early, reject)))),
            Decoded::Event { .. } | Decoded::Fact(_) | Decoded::Late(_) | Decoded::Duplicate => {}
        }
    }

    pub(super) fn follow_up(&mut self, arrival: Arrival<'_>, follow_up: FollowUpAt, scratch: &mut Scratch) {
        let Arrival { position, taken, clock } = arrival;
        if self.join(&taken, follow_up, scratch) {
            return;
        }
        let reject = |code, message: String| Step::Reject { item: position, reject: Reject::new(code, message) };
        if taken.relayed.is_some() {
            let message = format!("its event is known no longer, {} after it", self.params.labels.wait);
            scratch.steps.push(reject(RejectCode::UnknownEvent, message));
            return;
        }
        let id = scratch.rows.follow_ups.text(self.decoders.follow_up_id_column(), follow_up.row).unwrap_or_default();
        let early = Early { since: clock, record: taken.record.alone() };
        if self.early.hold(id, early).is_err() {
            let message = format!("{} follow-ups wait for their events already", EarlyFollowUps::CAPACITY);
            scratch.steps.push(reject(RejectCode::WaitFull, message));
        }
    }

    /// Gives a follow-up to its event; false if no such event is known.
    fn join(&mut self, taken: &Taken<'_>, follow_up: FollowUpAt, scratch: &mut Scratch) -> bool {
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
            row: if waiting.score.is_nan() { row_of(id, scratch) } else { None },
        };
        let predicted = waiting.trace;
        let follow_up = FollowUpRow { kind, at, table, first_column, row };
        let onward = self.follow_up_onward(taken, &waiting, &follow_up, FollowsUp { id, label });
        self.features.follow_up(waiting.handles, follow_up);
        if let Some(onward) = onward {
            scratch.steps.push(Step::Onward(onward));
            return true;
        }
        let Some(positive) = label else { return true };
        let (before, revision) = match self.waiting.join(id, positive, at) {
            Some(Join::First) => {
                self.clocks.base_rate.first(positive);
                self.clocks.tally.labels += 1;
                (None, 0)
            }
            Some(Join::Corrected { before, revision }) => {
                self.clocks.base_rate.corrected(positive);
                (Some(KnownLabel { positive: before.positive, known_at: before.known_at }), revision)
            }
            Some(Join::Repeated) | None => return true,
        };
        let label = LabelChange { before, now: KnownLabel { positive, known_at: at } };
        let traced = self.meeting(taken, predicted, Deed::Joined { model_version: to.scored.model_version, revision });
        let (id, entity) = (id.into(), entity(taken.record));
        let partition = taken.partition;
        let joining = Joining { id, entity, partition, revision, label, to, traced };
        scratch.steps.push(Step::Join(Box::new(joining)));
        true
    }
}

impl Pipeline {
    /// Publishes the outcome of a label that joined, with the score that its prediction has by now.
    pub(super) fn joined(&mut self, joining: Joining, scores: &[f64], out: &mut Outbox) {
        let Joining { id, entity, partition, revision, label, to, traced } = joining;
        let JoinedTo { mut scored, mut positive, row } = to;
        if let Some(row) = row {
            scored.score = scores[row];
            positive = self.decides(scored.score);
        }
        let joined = Joined { id: &id, entity: &entity, partition, revision, label, scored, positive };
        self.outcome(&joined, traced, out);
    }
}

/// The row of the last event with this id in the run.
fn row_of(id: &[u8], scratch: &Scratch) -> Option<usize> {
    scratch.steps.iter().rev().find_map(|step| match step {
        Step::Predict { id: of, row, .. } if of.bytes(&scratch.rows.events) == id => Some(*row),
        _ => None,
    })
}

fn entity(record: &Record) -> Box<[u8]> {
    record.key.as_deref().unwrap_or_default().into()
}
