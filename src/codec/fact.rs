//! Decoder of a topic of facts: a key's fields, in whatever format.
//!
//! Columns: the declared numbers, then the time if it is a number; the declared texts, then the time if it is a text.
//! That a fact may be a null, which takes back what was known, is for whoever decodes to know.

use super::cells::Cell;
use super::records::{RecordReader, TimeCell, cell, time_cell};
use crate::data::params::FactParams;
use crate::data::{Reject, SchemaNeed, SchemaVerdict, Table};

/// Decodes facts.
#[derive(Clone, Debug)]
pub struct FactDecoder {
    reader: RecordReader,
    numbers: usize,
    texts: usize,
    time: Option<TimeCell>,
}

impl FactDecoder {
    /// A decoder of the configured facts.
    pub fn new(params: &FactParams) -> Self {
        let mut cells: Vec<(String, Cell)> =
            params.fields.iter().map(|field| (field.name.clone(), cell(field, 0))).collect();
        let (mut numbers, mut texts) = (params.numbers(), params.texts());
        let time = time_cell(&params.time, &mut cells, &mut numbers, &mut texts);
        FactDecoder { reader: RecordReader::new(&params.format, cells), numbers, texts, time }
    }

    /// An empty table of the decoder's shape.
    pub fn table(&self) -> Table {
        Table::new(self.numbers, self.texts)
    }

    /// Where the time from which it counts is; `None`: the record's own timestamp does.
    pub fn time(&self) -> Option<TimeCell> {
        self.time
    }

    /// Decodes a value into a new row of `table`.
    pub fn decode(&mut self, value: &[u8], table: &mut Table) -> Result<(), Reject> {
        self.reader.read(value, table)
    }

    /// The writer schema that has to be looked up before a value can be decoded.
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
