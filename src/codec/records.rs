//! Decoders of the two input topics: which cells the configured fields fill, from which format.
//!
//! A decoder knows names and types. Whether a value is required or in range is for `validate` to say.

use super::avro::AvroReader;
use super::cells::Cell;
use super::json_object::ObjectReader;
use crate::data::params::{
    EventParams, FieldColumn, FieldKind, FieldSpec, InputFormat, LabelParams, TimeSource, TimeUnit,
};
use crate::data::{Reject, SchemaNeed, SchemaVerdict, Table};

/// Where the time of a record is found in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeCell {
    /// A text column for nanoseconds, RFC 3339 and formats; a number column for the rest.
    pub column: usize,
    /// How it is written there.
    pub unit: TimeUnit,
}

/// Reads values of one format.
#[derive(Clone, Debug)]
pub(super) enum RecordReader {
    Json(ObjectReader),
    Avro(Box<AvroReader>),
}

impl RecordReader {
    pub(super) fn new(format: &InputFormat, cells: Vec<(String, Cell)>) -> Self {
        match AvroReader::new(format, cells.iter().cloned()) {
            Some(reader) => RecordReader::Avro(Box::new(reader)),
            None => RecordReader::Json(ObjectReader::new(cells)),
        }
    }

    pub(super) fn read(&mut self, value: &[u8], table: &mut Table) -> Result<(), Reject> {
        match self {
            RecordReader::Json(reader) => reader.read(value, table),
            RecordReader::Avro(reader) => reader.read(value, table),
        }
    }

    #[inline]
    pub(super) fn schema_need(&self, value: &[u8]) -> Option<SchemaNeed> {
        match self {
            RecordReader::Json(_) => None,
            RecordReader::Avro(reader) => reader.need(value),
        }
    }

    pub(super) fn misfit(&self) -> Option<&str> {
        match self {
            RecordReader::Json(_) => None,
            RecordReader::Avro(reader) => reader.misfit(),
        }
    }

    pub(super) fn learn(&mut self, id: u32, verdict: &SchemaVerdict) {
        if let RecordReader::Avro(reader) = self {
            reader.learn(id, verdict);
        }
    }

    pub(super) fn forget(&mut self, id: u32) {
        if let RecordReader::Avro(reader) = self {
            reader.forget(id);
        }
    }
}

/// Decodes events.
///
/// Columns: the declared numbers, then the time if it is a number; the declared texts, then the id, then the time if
/// it is a text.
#[derive(Clone, Debug)]
pub struct EventDecoder {
    reader: RecordReader,
    numbers: usize,
    texts: usize,
    id: Option<usize>,
    time: Option<TimeCell>,
}

impl EventDecoder {
    /// A decoder of the configured events.
    pub fn new(params: &EventParams) -> Self {
        let mut cells: Vec<(String, Cell)> =
            params.fields.iter().map(|field| (field.name.clone(), cell(field, 0))).collect();
        let mut numbers = params.numbers();
        let mut texts = params.texts();
        let id = params.id.as_ref().map(|name| {
            cells.push((name.clone(), Cell::Identifier(texts)));
            texts += 1;
            texts - 1
        });
        let time = time_cell(&params.time, &mut cells, &mut numbers, &mut texts);
        EventDecoder { reader: RecordReader::new(&params.format, cells), numbers, texts, id, time }
    }

    /// An empty table of the decoder's shape.
    pub fn table(&self) -> Table {
        Table::new(self.numbers, self.texts)
    }

    /// Text column of the event id, where one is configured.
    pub fn id(&self) -> Option<usize> {
        self.id
    }

    /// Where event time is; `None`: the record's own timestamp counts.
    pub fn time(&self) -> Option<TimeCell> {
        self.time
    }

    /// Decodes a value into a new row of `table`.
    pub fn decode(&mut self, value: &[u8], table: &mut Table) -> Result<(), Reject> {
        self.reader.read(value, table)
    }

    /// The writer schema that has to be looked up before a value can be decoded.
    #[inline]
    pub fn schema_need(&self, value: &[u8]) -> Option<SchemaNeed> {
        self.reader.schema_need(value)
    }

    /// Takes in what is known of the writer schema of an id.
    pub fn learn(&mut self, id: u32, verdict: &SchemaVerdict) {
        self.reader.learn(id, verdict);
    }

    /// Lets go of the writer schema of an id.
    pub fn forget(&mut self, id: u32) {
        self.reader.forget(id);
    }

    /// A configured schema that does not fit the declared fields, in a sentence.
    pub fn misfit(&self) -> Option<&str> {
        self.reader.misfit()
    }
}

/// Decodes follow-ups.
///
/// Columns: the numbers of each kind one after the other, then the time if it is a number; the texts are the event id,
/// the kind, then the time if it is a text.
#[derive(Clone, Debug)]
pub struct LabelDecoder {
    reader: RecordReader,
    numbers: usize,
    texts: usize,
    first_columns: Vec<usize>,
    has_kind: bool,
    time: Option<TimeCell>,
}

impl LabelDecoder {
    /// A decoder of the configured follow-ups.
    pub fn new(params: &LabelParams) -> Self {
        let mut cells = vec![(params.event_id.clone(), Cell::Identifier(0))];
        let mut texts = 1;
        if let Some(kind) = &params.kind {
            cells.push((kind.clone(), Cell::Text(texts)));
            texts += 1;
        }
        let mut numbers = 0;
        let mut first_columns = Vec::new();
        for kind in &params.kinds {
            first_columns.push(numbers);
            for field in &kind.fields {
                let others = params.kinds.iter().flat_map(|kind| &kind.fields).filter(|other| other.name == field.name);
                let mixed = others.clone().any(|other| other.kind != field.kind);
                let cell = match cell(field, numbers) {
                    Cell::Number(column) | Cell::Boolean(column) if mixed => Cell::NumberOrBoolean(column),
                    cell => cell,
                };
                cells.push((field.name.clone(), cell));
            }
            numbers += kind.fields.iter().filter(|field| matches!(field.column, FieldColumn::Number(_))).count();
        }
        let time = time_cell(&params.time, &mut cells, &mut numbers, &mut texts);
        LabelDecoder {
            reader: RecordReader::new(&params.format, cells),
            numbers,
            texts,
            first_columns,
            has_kind: params.kind.is_some(),
            time,
        }
    }

    /// An empty table of the decoder's shape.
    pub fn table(&self) -> Table {
        Table::new(self.numbers, self.texts)
    }

    /// Text column of the event id.
    pub fn event_id(&self) -> usize {
        0
    }

    /// Text column of the kind, where kinds are told apart by a field.
    pub fn kind(&self) -> Option<usize> {
        self.has_kind.then_some(1)
    }

    /// Where the known-at time is; `None`: the record's own timestamp counts.
    pub fn time(&self) -> Option<TimeCell> {
        self.time
    }

    /// Where the number columns of a kind start.
    pub fn first_column(&self, kind: usize) -> usize {
        self.first_columns.get(kind).copied().unwrap_or(self.numbers)
    }

    /// Decodes a value into a new row of `table`.
    pub fn decode(&mut self, value: &[u8], table: &mut Table) -> Result<(), Reject> {
        self.reader.read(value, table)
    }

    /// The writer schema that has to be looked up before a value can be decoded.
    #[inline]
    pub fn schema_need(&self, value: &[u8]) -> Option<SchemaNeed> {
        self.reader.schema_need(value)
    }

    /// Takes in what is known of the writer schema of an id.
    pub fn learn(&mut self, id: u32, verdict: &SchemaVerdict) {
        self.reader.learn(id, verdict);
    }

    /// Lets go of the writer schema of an id.
    pub fn forget(&mut self, id: u32) {
        self.reader.forget(id);
    }

    /// A configured schema that does not fit the declared fields, in a sentence.
    pub fn misfit(&self) -> Option<&str> {
        self.reader.misfit()
    }
}

pub(super) fn cell(field: &FieldSpec, first_number: usize) -> Cell {
    match (field.column, field.kind) {
        (FieldColumn::Number(column), FieldKind::Boolean) => Cell::Boolean(first_number + column.0),
        (FieldColumn::Number(column), _) => Cell::Number(first_number + column.0),
        (FieldColumn::Text(column), _) => Cell::Text(column.0),
    }
}

pub(super) fn time_cell(
    time: &TimeSource,
    cells: &mut Vec<(String, Cell)>,
    numbers: &mut usize,
    texts: &mut usize,
) -> Option<TimeCell> {
    let TimeSource::Field { name, unit, .. } = time else { return None };
    let is_text = unit.is_text() || *unit == TimeUnit::Nanos;
    let columns = if is_text { texts } else { numbers };
    let column = *columns;
    *columns += 1;
    let cell = match unit {
        // A double does not hold as many digits.
        TimeUnit::Nanos => Cell::Whole(column),
        _ if is_text => Cell::Text(column),
        _ => Cell::Time { column, unit: *unit },
    };
    cells.push((name.clone(), cell));
    Some(TimeCell { column, unit: *unit })
}
