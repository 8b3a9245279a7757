//! From records to rows: decoders and rules of both inputs.

use std::collections::VecDeque;

use super::enrich::DecodedFact;
use super::{EVENTS, PipelineParams, tripwire};
use crate::codec::{EventDecoder, LabelDecoder};
use crate::data::params::{KindIndex, KindSpec, LabelSpec, MAX_VALUE_BYTES};
use crate::data::{InputIndex, Record, Reject, RejectCode, SchemaFact, SchemaNeed, Span, Table, Timestamp};
use crate::validate::{FieldRules, TimeReader, headers, key, value};

/// What a record turned out to be. Rows are those of the batch's tables.
#[derive(Clone, Debug)]
pub(super) enum Decoded {
    /// A valid event.
    Event {
        /// Row in the events table.
        row: usize,
        /// Event time.
        at: Timestamp,
    },
    /// A valid follow-up.
    FollowUp {
        /// Row in the follow-ups table.
        row: usize,
        /// When it became known.
        at: Timestamp,
        /// Its kind.
        kind: KindIndex,
        /// The label it carries, if it is of that kind.
        label: Option<bool>,
    },
    /// A valid fact.
    Fact(Box<DecodedFact>),
    /// None of these.
    Rejected(Reject),
    /// A valid event that is later than expected by so many milliseconds, and is not to be scored.
    Late(i64),
    /// A valid event that came before, and is to be left out.
    Duplicate,
}

/// The rows of a batch, and what has been decoded before its turn.
#[derive(Default)]
pub(super) struct Rows {
    pub events: Table,
    pub follow_ups: Table,
    /// Offsets and rows decoded ahead, by input.
    ahead: [VecDeque<(i64, Decoded)>; 2],
}

impl Rows {
    /// Forgets everything; what was decoded ahead is decoded again at its turn.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.follow_ups.clear();
        self.ahead.iter_mut().for_each(VecDeque::clear);
    }
}

/// Decoders and rules.
pub(super) struct Decoders {
    events: EventDecoder,
    event_rules: FieldRules,
    key_column: Option<usize>,
    labels: LabelDecoder,
    kinds: Vec<KindSpec>,
    kind_rules: Vec<FieldRules>,
    label: LabelSpec,
    /// How event time and known-at time are read; `None`: the record's own timestamp counts.
    times: [Option<TimeReader>; 2],
    max_ahead: Span,
    not_before: Option<Timestamp>,
    max_bytes: usize,
}

impl Decoders {
    pub(super) fn new(params: &PipelineParams) -> Self {
        let events = EventDecoder::new(&params.events);
        let labels = LabelDecoder::new(&params.labels);
        Decoders {
            event_rules: FieldRules::new(&params.events.fields),
            key_column: params.events.key_column.map(|column| column.0),
            kinds: params.labels.kinds.clone(),
            kind_rules: params.labels.kinds.iter().map(|kind| FieldRules::new(&kind.fields)).collect(),
            label: params.labels.label.clone(),
            times: [
                events.time().map(|cell| TimeReader::new(cell.column, &params.events.time)),
                labels.time().map(|cell| TimeReader::new(cell.column, &params.labels.time)),
            ],
            max_ahead: params.events.max_ahead,
            not_before: params.events.not_before,
            max_bytes: params.events.max_bytes,
            events,
            labels,
        }
    }

    /// Rows of both inputs, none yet.
    pub(super) fn rows(&self) -> Rows {
        Rows { events: self.events.table(), follow_ups: self.labels.table(), ahead: Default::default() }
    }

    /// Decodes a record that will be handled soon and returns the time by which it takes its place among the inputs:
    /// event time or known-at time, and for a record that is to be rejected its own timestamp.
    pub(super) fn ahead(&mut self, input: InputIndex, record: &Record, rows: &mut Rows) -> Timestamp {
        let decoded = self.decode(input, record, rows);
        let time = match decoded {
            Decoded::Event { at, .. } | Decoded::FollowUp { at, .. } => at,
            Decoded::Fact(_) | Decoded::Rejected(_) | Decoded::Late(_) | Decoded::Duplicate => record.timestamp,
        };
        rows.ahead[usize::from(input != EVENTS)].push_back((record.offset, decoded));
        time
    }

    /// The record's row: the one decoded ahead, if it is there, else a new one.
    pub(super) fn take(&mut self, input: InputIndex, record: &Record, rows: &mut Rows) -> Decoded {
        let ahead = &mut rows.ahead[usize::from(input != EVENTS)];
        match ahead.pop_front_if(|(offset, _)| *offset == record.offset) {
            Some((_, decoded)) => decoded,
            None => {
                ahead.clear();
                self.decode(input, record, rows)
            }
        }
    }

    /// Forgets what was decoded ahead of a record that is not going to be taken.
    pub(super) fn forget(&mut self, input: InputIndex, record: &Record, rows: &mut Rows) {
        let _ = rows.ahead[usize::from(input != EVENTS)].pop_front_if(|(offset, _)| *offset == record.offset);
    }

    fn decode(&mut self, input: InputIndex, record: &Record, rows: &mut Rows) -> Decoded {
        tripwire::decoding(record);
        if input == EVENTS {
            self.event(record, &mut rows.events)
        } else {
            self.follow_up(record, &mut rows.follow_ups)
        }
    }

    /// The writer schema that has to be looked up before a record can be decoded.
    #[inline]
    pub(super) fn schema_need(&self, input: InputIndex, record: &Record) -> Option<SchemaNeed> {
        let value = record.value.as_deref()?;
        if input == EVENTS { self.events.schema_need(value) } else { self.labels.schema_need(value) }
    }

    /// Takes in what was looked up.
    pub(super) fn learn(&mut self, fact: &SchemaFact) {
        if fact.input == EVENTS {
            self.events.learn(fact.id, &fact.verdict);
        } else {
            self.labels.learn(fact.id, &fact.verdict);
        }
    }

    /// Lets go of what was looked up.
    pub(super) fn forget_schema(&mut self, fact: &SchemaFact) {
        if fact.input == EVENTS {
            self.events.forget(fact.id);
        } else {
            self.labels.forget(fact.id);
        }
    }

    /// Text column of the event id among the events.
    pub(super) fn event_id_column(&self) -> Option<usize> {
        self.events.id()
    }

    /// Text column of the event id among the follow-ups.
    pub(super) fn follow_up_id_column(&self) -> usize {
        self.labels.event_id()
    }

    /// Where the number columns of a kind start.
    pub(super) fn first_column(&self, kind: KindIndex) -> usize {
        self.labels.first_column(kind.0)
    }

    /// Decodes and checks an event into a new row of `table`; a rejected one leaves no row.
    fn event(&mut self, record: &Record, table: &mut Table) -> Decoded {
        let rows = table.rows();
        match self.try_event(record, table) {
            Ok(decoded) => decoded,
            Err(reject) => {
                if table.rows() > rows {
                    table.drop_last();
                }
                Decoded::Rejected(reject)
            }
        }
    }

    fn try_event(&mut self, record: &Record, table: &mut Table) -> Result<Decoded, Reject> {
        let key = key(record)?;
        headers(record)?;
        let row = table.rows();
        self.events.decode(value(record, self.max_bytes)?, table)?;
        self.event_rules.check(table, row, 0)?;
        if let Some(field) = self.key_column.and_then(|column| table.text(column, row))
            && field != key
        {
            let message = "the record key differs from the field that names it";
            return Err(Reject::new(RejectCode::KeyMismatch, message));
        }
        if self.events.id().is_some_and(|column| table.text(column, row).is_none_or(<[u8]>::is_empty)) {
            return Err(Reject::new(RejectCode::Missing, "the event id is missing"));
        }
        let [reader, _] = &self.times;
        let at = self.time(record, table, TimeOf { row, reader: reader.as_ref() })?;
        if let Some(earliest) = self.not_before.filter(|earliest| at < *earliest) {
            return Err(Reject::new(RejectCode::Past, format!("the time lies before {earliest}")));
        }
        Ok(Decoded::Event { row, at })
    }

    /// Decodes and checks a follow-up into a new row of `table`; a rejected one leaves no row.
    pub(super) fn follow_up(&mut self, record: &Record, table: &mut Table) -> Decoded {
        let rows = table.rows();
        match self.try_follow_up(record, table) {
            Ok(decoded) => decoded,
            Err(reject) => {
                if table.rows() > rows {
                    table.drop_last();
                }
                Decoded::Rejected(reject)
            }
        }
    }

    fn try_follow_up(&mut self, record: &Record, table: &mut Table) -> Result<Decoded, Reject> {
        key(record)?;
        headers(record)?;
        let row = table.rows();
        self.labels.decode(value(record, MAX_VALUE_BYTES)?, table)?;
        let kind = self.kind(table, row)?;
        let first_column = self.first_column(kind);
        if let Some(rules) = self.kind_rules.get(kind.0) {
            rules.check(table, row, first_column)?;
        }
        if table.text(self.labels.event_id(), row).is_none_or(<[u8]>::is_empty) {
            return Err(Reject::new(RejectCode::Missing, "the event id is missing"));
        }
        let [_, reader] = &self.times;
        let at = self.time(record, table, TimeOf { row, reader: reader.as_ref() })?;
        let label = if kind == self.label.kind { Some(self.label(table, row, first_column)?) } else { None };
        Ok(Decoded::FollowUp { row, at, kind, label })
    }

    fn kind(&self, table: &Table, row: usize) -> Result<KindIndex, Reject> {
        let Some(column) = self.labels.kind() else { return Ok(self.label.kind) };
        let Some(name) = table.text(column, row) else {
            return Err(Reject::new(RejectCode::UnknownKind, "the kind of the follow-up is missing"));
        };
        let found = self.kinds.iter().position(|kind| kind.name.as_bytes() == name);
        found
            .map(KindIndex)
            .ok_or_else(|| Reject::new(RejectCode::UnknownKind, "the kind of the follow-up is not configured"))
    }

    fn label(&self, table: &Table, row: usize, first_column: usize) -> Result<bool, Reject> {
        match table.number(first_column + self.label.field.0, row) {
            1.0 => Ok(true),
            0.0 => Ok(false),
            value if value.is_nan() => Err(Reject::new(RejectCode::Missing, "the label is missing")),
            _ => Err(Reject::new(RejectCode::Range, "the label is neither 0 nor 1")),
        }
    }

    fn time(&self, record: &Record, table: &Table, of: TimeOf<'_>) -> Result<Timestamp, Reject> {
        let Some(reader) = of.reader else { return Ok(record.timestamp) };
        let at = reader.read(table, of.row)?;
        if at > record.timestamp.plus(self.max_ahead) {
            let message = format!("the time lies more than {} ahead of the record's timestamp", self.max_ahead);
            return Err(Reject::new(RejectCode::Future, message));
        }
        Ok(at)
    }
}

#[derive(Clone, Copy)]
struct TimeOf<'a> {
    row: usize,
    reader: Option<&'a TimeReader>,
}
