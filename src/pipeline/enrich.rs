//! Facts of the event's key: taken in from their topics, and written into the row of each event as of its time.
//!
//! Facts come before anything else that is there to read, whatever their time: a shard begins with its facts as they
//! stand, and an event waits for those that have been written. What an event is shown depends on its own time alone, so
//! taking facts early shows nothing early. They move no clock: one that counts from next month on makes nothing late.

use std::sync::Arc;

use super::decode::Decoded;
use super::tally::Stream;
use super::{EVENTS, Pipeline};
use crate::codec::FactDecoder;
use crate::data::params::{FactParams, MAX_FACT_BYTES};
use crate::data::{
    BinaryError, InputIndex, Reader, Record, Reject, RejectCode, SchemaFact, SchemaNeed, Table, Timestamp, Writer,
};
use crate::facts::{Fact, FactRow, Facts};
use crate::validate::{FieldRules, TimeReader, key, value};

/// The topics of facts of a shard; none cost nothing.
#[derive(Default)]
pub(super) struct Enrichment {
    tables: Vec<FactTable>,
}

/// One topic of facts.
struct FactTable {
    params: FactParams,
    decoder: FactDecoder,
    rules: FieldRules,
    time: Option<TimeReader>,
    /// The row that is decoded.
    row: Table,
    known: Facts,
}

/// A fact that has been decoded.
#[derive(Clone, Debug)]
pub(super) struct DecodedFact {
    table: usize,
    at: Timestamp,
    row: Option<FactRow>,
}

impl Enrichment {
    /// Nothing is known yet.
    pub(super) fn new(params: &[FactParams]) -> Self {
        let table = |params: &FactParams| {
            let decoder = FactDecoder::new(params);
            FactTable {
                rules: FieldRules::new(&params.fields),
                time: decoder.time().map(|cell| TimeReader::new(cell.column, &params.time)),
                row: decoder.table(),
                known: Facts::new(params.max_keys),
                decoder,
                params: params.clone(),
            }
        };
        Enrichment { tables: params.iter().map(table).collect() }
    }

    /// The table that an input is; `None` for events and follow-ups.
    #[inline]
    fn of(&self, input: InputIndex) -> Option<usize> {
        self.tables.iter().position(|table| table.params.input == input)
    }

    /// Whether an input is one of facts.
    #[inline]
    pub(super) fn has(&self, input: InputIndex) -> bool {
        self.of(input).is_some()
    }

    /// The topic of an input of facts.
    pub(super) fn topic(&self, input: InputIndex) -> Option<&str> {
        let table = self.of(input).and_then(|table| self.tables.get(table))?;
        Some(&table.params.topic)
    }

    /// Decodes and checks a record of an input of facts; `None` for another input.
    #[inline]
    pub(super) fn decode(&mut self, input: InputIndex, record: &Record) -> Option<Decoded> {
        let number = self.of(input)?;
        let decoded = self.tables.get_mut(number)?.decode(record);
        Some(match decoded {
            Ok((at, row)) => Decoded::Fact(Box::new(DecodedFact { table: number, at, row })),
            Err(reject) => Decoded::Rejected(reject),
        })
    }

    /// Takes a fact in; `passed` is the watermark.
    pub(super) fn take(&mut self, fact: &DecodedFact, record: &Record, passed: Timestamp) -> Result<(), Reject> {
        let Some(table) = self.tables.get_mut(fact.table) else { return Ok(()) };
        let key = record.key.as_deref().unwrap_or_default();
        let taken = table.known.take(Fact { key, at: fact.at, row: fact.row.clone(), passed });
        taken.map_err(|_| {
            let most = table.params.max_keys;
            Reject::new(RejectCode::FactsFull, format!("facts of {most} keys are known already"))
        })
    }

    /// Writes what was known of a key just before `at` into a row of the events.
    #[inline]
    pub(super) fn fill(&self, key: &[u8], at: Timestamp, events: &mut Table, row: usize) {
        for table in &self.tables {
            let Some(known) = table.known.as_of(key, at) else { continue };
            for (column, number) in known.numbers.iter().enumerate() {
                events.fill_number(table.params.first_number + column, row, *number);
            }
            for (column, text) in known.texts.iter().enumerate() {
                let Some(text) = text else { continue };
                events.fill_text(table.params.first_text + column, row, text);
            }
        }
    }

    /// Keys of which anything is known, over all tables; `None` without any.
    pub(super) fn keys(&self) -> Option<usize> {
        (!self.tables.is_empty()).then(|| self.tables.iter().map(|table| table.known.len()).sum())
    }

    pub(super) fn expire(&mut self, before: Timestamp, watermark: Timestamp) {
        self.tables.iter_mut().for_each(|table| table.known.expire(before, watermark));
    }

    pub(super) fn schema_need(&self, input: InputIndex, record: &Record) -> Option<SchemaNeed> {
        let table = self.of(input).and_then(|table| self.tables.get(table))?;
        table.decoder.schema_need(record.value.as_deref()?)
    }

    /// Takes in what was looked up of a schema; false if it is of another input.
    pub(super) fn learn(&mut self, fact: &SchemaFact) -> bool {
        let table = self.of(fact.input).and_then(|table| self.tables.get_mut(table));
        table.map(|table| table.decoder.learn(fact.id, &fact.verdict)).is_some()
    }

    /// Lets go of what was looked up of a schema; false if it is of another input.
    pub(super) fn forget_schema(&mut self, fact: &SchemaFact) -> bool {
        let table = self.of(fact.input).and_then(|table| self.tables.get_mut(table));
        table.map(|table| table.decoder.forget(fact.id)).is_some()
    }

    pub(super) fn commit(&mut self) {
        self.tables.iter_mut().for_each(|table| table.known.commit());
    }

    pub(super) fn rollback(&mut self) {
        self.tables.iter_mut().for_each(|table| table.known.rollback());
    }

    pub(super) fn begin_checkpoint(&mut self, is_whole: bool) {
        self.tables.iter_mut().for_each(|table| table.known.begin_checkpoint(is_whole));
    }

    /// Appends the next keys of a checkpoint with the number of their table; false if none is left.
    pub(super) fn write_chunk(&mut self, size: usize, out: &mut Writer) -> bool {
        let Some(number) = self.tables.iter().position(|table| table.known.has_pending()) else { return false };
        out.unsigned(number as u64);
        if let Some(table) = self.tables.get_mut(number) {
            table.known.write_chunk(size, out);
        }
        true
    }

    pub(super) fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        let number = reader.unsigned()? as usize;
        let table = self.tables.get_mut(number);
        table.ok_or(BinaryError::Invalid { what: "number of a table of facts", at: 0 })?.known.read_chunk(reader)
    }

    /// Goes on with what was known under another configuration, which has the same tables.
    pub(super) fn adopt(&mut self, old: Enrichment) {
        for (table, old) in self.tables.iter_mut().zip(old.tables) {
            table.known = old.known;
        }
    }
}

impl FactTable {
    fn decode(&mut self, record: &Record) -> Result<(Timestamp, Option<FactRow>), Reject> {
        key(record)?;
        // A null takes back what was known, from the moment it was written on: it has no field with another one.
        if record.value.is_none() {
            return Ok((record.timestamp, None));
        }
        self.row.clear();
        self.decoder.decode(value(record, MAX_FACT_BYTES)?, &mut self.row)?;
        self.rules.check(&self.row, 0, 0)?;
        let at = match &self.time {
            Some(time) => time.read(&self.row, 0)?,
            None => record.timestamp,
        };
        Ok((at, Some(FactRow::of(&self.row, 0, [self.params.numbers(), self.params.texts()]))))
    }
}

impl Pipeline {
    /// Keys of which facts are known, over all their topics; `None` where there is none.
    pub fn known_keys(&self) -> Option<usize> {
        self.enrichment.keys()
    }

    /// What the records of an input are.
    pub(super) fn stream(&self, input: InputIndex) -> Stream {
        match input {
            EVENTS => Stream::Events,
            facts if self.enrichment.has(facts) => Stream::Facts,
            _ => Stream::FollowUps,
        }
    }

    /// Takes in what was looked up of a writer schema.
    pub(super) fn schema(&mut self, fact: &Arc<SchemaFact>) {
        self.schemas.take(fact).iter().for_each(|gone| self.forget_schema(gone));
        self.learn_schema(fact);
    }

    pub(super) fn learn_schema(&mut self, fact: &SchemaFact) {
        if !self.enrichment.learn(fact) {
            self.decoders.learn(fact);
        }
    }

    pub(super) fn forget_schema(&mut self, fact: &SchemaFact) {
        if !self.enrichment.forget_schema(fact) {
            self.decoders.forget_schema(fact);
        }
    }
}
