//! What the pipeline publishes: predictions, outcomes, summaries.

use super::decode::Rows;
use super::pass::Taken;
use super::{Pipeline, PipelineParams};
use crate::codec::{Constant, FeatureRow, PredictionView, write, write_form};
use crate::data::{Columns, Deed, Outbox, Outcome, Record, Route, Sink, Summary, Table, Timestamp, Traced};
use crate::labels::EventId;
use crate::performance::{LabelChange, Scored};

/// A scored event.
pub(super) struct Predicted<'a> {
    pub taken: &'a Taken<'a>,
    pub id: &'a [u8],
    /// Row of its features.
    pub row: usize,
    pub remarks: Remarks,
    pub columns: &'a Columns,
}

/// Where the id of an event is.
pub(super) enum IdAt {
    /// In a text column of the decoded events.
    Table { column: usize, row: usize },
    /// It came through a hop, or is made of where the record was.
    Own(EventId),
}

impl IdAt {
    pub(super) fn bytes<'a>(&'a self, events: &'a Table) -> &'a [u8] {
        match self {
            IdAt::Table { column, row } => events.text(*column, *row).unwrap_or_default(),
            IdAt::Own(id) => id,
        }
    }
}

/// What a prediction says of itself.
#[derive(Clone, Copy)]
pub(super) struct Remarks {
    /// It came later than the configured lateness.
    pub late: bool,
    /// A window behind it may not hold all it would.
    pub warming: bool,
    /// A feature lies outside what the model saw in training.
    pub outside: bool,
}

impl Remarks {
    /// The flags it says them with.
    fn flags(self) -> &'static [&'static str] {
        match (self.late, self.warming, self.outside) {
            (false, false, false) => &[],
            (false, false, true) => &["ood"],
            (false, true, false) => &["warming"],
            (false, true, true) => &["warming", "ood"],
            (true, false, false) => &["late"],
            (true, false, true) => &["late", "ood"],
            (true, true, false) => &["late", "warming"],
            (true, true, true) => &["late", "warming", "ood"],
        }
    }
}

/// What stands in every prediction of a pipeline, or in many.
pub(super) struct Constants {
    positive: Constant,
    negative: Constant,
    layout: Constant,
    topic: Constant,
}

impl Constants {
    pub(super) fn new(params: &PipelineParams) -> Self {
        let label = &params.labels.label;
        Constants {
            positive: Constant::new(&label.positive),
            negative: Constant::new(&label.negative),
            layout: Constant::new(&params.layout),
            topic: Constant::new(&params.events.topic),
        }
    }
}

/// A label that found its prediction.
pub(super) struct Joined<'a> {
    pub id: &'a [u8],
    pub entity: &'a [u8],
    /// Partition of the labels topic that it came by.
    pub partition: i32,
    pub revision: u32,
    pub label: LabelChange,
    /// The prediction as it was published.
    pub scored: Scored,
    /// Whether its decision was the positive class.
    pub positive: bool,
}

impl Pipeline {
    pub(super) fn predict(&mut self, predicted: &Predicted<'_>, scored: &Scored, now: Timestamp, out: &mut Outbox) {
        let Taken { record, partition, .. } = *predicted.taken;
        let key = record.key.as_deref().unwrap_or_default();
        let is_positive = self.decides(scored.score);
        let view = PredictionView {
            event_id: predicted.id,
            entity: key,
            event_time: scored.event_time,
            scored_at: now,
            model_version: scored.model_version,
            arm: scored.arm,
            score: scored.score,
            scores: &[],
            decision: if is_positive { &self.constants.positive } else { &self.constants.negative },
            features: FeatureRow { columns: predicted.columns.columns(), row: predicted.row },
            feature_layout: &self.constants.layout,
            flags: predicted.remarks.flags(),
            source_topic: &self.constants.topic,
            source_partition: partition,
            source_offset: record.offset,
        };
        let (form, to) = (self.params.outputs, self.to(Sink::Predictions, partition));
        out.write(to, Some(key), record.headers.clone(), |pen| view.write_form(form, pen));
        let deed = || Deed::Scored { model_version: scored.model_version, decision: self.class(is_positive).into() };
        if let Some(at) = self.note_event(record, partition, deed, out) {
            out.place(at);
        }
        self.clocks.tally.predictions += 1;
    }

    pub(super) fn outcome(&mut self, joined: &Joined<'_>, traced: Option<Box<Traced>>, out: &mut Outbox) {
        let scored = joined.scored;
        let outcome = Outcome {
            event_id: String::from_utf8_lossy(joined.id).into_owned(),
            entity: String::from_utf8_lossy(joined.entity).into_owned(),
            event_time: scored.event_time,
            known_at: joined.label.now.known_at,
            label: f64::from(u8::from(joined.label.now.positive)),
            revision: joined.revision,
            model_version: scored.model_version,
            arm: scored.arm,
            score: scored.score,
            decision: self.class(joined.positive).to_owned(),
        };
        let (form, to) = (self.params.outputs, self.to(Sink::Outcomes, joined.partition));
        out.push(to, Some(joined.entity), Vec::new(), |bytes| write_form(form, &outcome, bytes));
        if let Some(traced) = traced {
            out.place(traced.at);
            out.note(*traced);
        }
        self.performance.labelled(&scored, joined.label);
    }

    /// The configured id, else `topic:partition:offset`.
    pub(super) fn event_id(&self, record: &Record, rows: &Rows, row: usize) -> IdAt {
        match self.decoders.event_id_column().filter(|column| rows.events.text(*column, row).is_some()) {
            Some(column) => IdAt::Table { column, row },
            None => {
                let place = format!("{}:{}:{}", self.params.events.topic, self.shard, record.offset);
                IdAt::Own(place.into_bytes().into())
            }
        }
    }

    /// The decision of who answers.
    pub(super) fn decides(&self, score: f64) -> bool {
        self.champion.decides_positive(score, self.params.score.threshold)
    }

    /// Where something that belongs to one record goes: to the partition number that the record came by, whichever
    /// shard of the last stage writes it.
    pub(super) fn to(&self, sink: Sink, partition: i32) -> Route {
        Route { sink, partition: (!self.params.station.is_alone()).then_some(partition) }
    }

    fn class(&self, positive: bool) -> &str {
        let label = &self.params.labels.label;
        if positive { &label.positive } else { &label.negative }
    }

    /// Publishes what changed in the windows, with the promise that no window up to `watermark` will change through an
    /// event that comes in time.
    pub(super) fn publish(&mut self, watermark: Timestamp, idle: bool, _now: Timestamp, out: &mut Outbox) {
        if !self.params.station.is_last() {
            return;
        }
        let summary = Summary {
            shard: self.shard,
            clock: self.clocks.time,
            watermark,
            idle,
            first_event: self.clocks.first_event,
            labels: self.clocks.tally.labels,
            drift: self.drift.take_changed(),
            performance: self.performance.take_changed(),
        };
        let key = self.shard.to_string();
        out.push(Sink::Summaries, Some(key.as_bytes()), Vec::new(), |bytes| write(&summary, bytes));
    }
}
