//! A topic of facts: what is known of a key from some time on, such as the home country of a card's owner.
//!
//! The fields of all tables follow those of the event in its row, so whatever reads a column of the event reads a fact in
//! the same way.

use serde::Serialize;

use super::{FieldColumn, FieldSpec, InputFormat, NumberIndex, TextIndex, TimeSource};
use crate::data::InputIndex;

/// The longest value of a fact that is taken: the journal holds facts in full.
pub const MAX_FACT_BYTES: usize = 64 << 10;

/// One topic of facts, keyed as the events are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FactParams {
    /// Its name: features call a field of it `NAME.FIELD`.
    pub name: String,
    /// Topic name.
    pub topic: String,
    /// Number of the input that it is.
    #[serde(skip)]
    pub input: InputIndex,
    /// How a fact is written.
    #[serde(skip_serializing_if = "InputFormat::is_json")]
    pub format: InputFormat,
    /// From when on it counts.
    pub time: TimeSource,
    /// Most keys that a shard knows facts of.
    pub max_keys: u32,
    /// Declared fields, in the order of their names, each with its column among those of this table.
    pub fields: Vec<FieldSpec>,
    /// The first column of its numbers in the row of an event.
    pub first_number: usize,
    /// The first column of its texts in the row of an event.
    pub first_text: usize,
}

impl FactParams {
    /// Its fields as columns of the event, by the names that features call them.
    pub fn columns(&self) -> impl Iterator<Item = FieldSpec> + '_ {
        self.fields.iter().map(|field| FieldSpec {
            name: format!("{}.{}", self.name, field.name),
            column: match field.column {
                FieldColumn::Number(column) => FieldColumn::Number(NumberIndex(self.first_number + column.0)),
                FieldColumn::Text(column) => FieldColumn::Text(TextIndex(self.first_text + column.0)),
            },
            ..field.clone()
        })
    }

    /// Number of numeric columns.
    pub fn numbers(&self) -> usize {
        self.fields.iter().filter(|field| matches!(field.column, FieldColumn::Number(_))).count()
    }

    /// Number of text columns.
    pub fn texts(&self) -> usize {
        self.fields.len() - self.numbers()
    }
}
