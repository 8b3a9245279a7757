//! Declared fields of a record and the columns that their values go to, whatever format they are read from.

use crate::data::params::TimeUnit;

/// What a field holds and which column takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A JSON number, into this number column. An integer beyond 2^53 that a double cannot hold is refused.
    Number(usize),
    /// `true` or `false`, into this number column as 1 or 0.
    Boolean(usize),
    /// A string, into this text column.
    Text(usize),
    /// A string or an integer, as text, into this text column.
    Identifier(usize),
    /// A number, `true` or `false`, into this number column.
    NumberOrBoolean(usize),
    /// An integer of any size, as text, into this text column.
    Whole(usize),
    /// A point in time as a number of the unit, into this number column.
    Time {
        /// The column.
        column: usize,
        /// What is counted, unless the format says it itself.
        unit: TimeUnit,
    },
}

/// A declared field and where its value goes.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub name: String,
    pub cells: Vec<Cell>,
}

/// Each name once; one that is given more than once fills all its cells.
pub(super) fn fields_of(declared: impl IntoIterator<Item = (String, Cell)>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for (name, cell) in declared {
        match fields.iter_mut().find(|field| field.name == name) {
            Some(field) => {
                if !field.cells.contains(&cell) {
                    field.cells.push(cell);
                }
            }
            None => fields.push(Field { name, cells: vec![cell] }),
        }
    }
    fields
}

/// What the first cell of a field takes, in words.
pub(super) fn wanted(field: Option<&Field>) -> &'static str {
    field.and_then(|field| field.cells.first()).map_or("nothing", |cell| expected(*cell))
}

/// What a cell takes, in words.
pub(super) fn expected(cell: Cell) -> &'static str {
    match cell {
        Cell::Number(_) | Cell::Time { .. } => "a number",
        Cell::Boolean(_) => "true or false",
        Cell::Text(_) => "a string",
        Cell::Identifier(_) => "a string or an integer",
        Cell::NumberOrBoolean(_) => "a number, true or false",
        Cell::Whole(_) => "an integer",
    }
}

/// Fields of every kind, for tests: five number columns and four of texts.
#[cfg(test)]
pub(super) fn of_every_kind() -> [(String, Cell); 9] {
    [
        ("id", Cell::Identifier(0)),
        ("amount", Cell::Number(0)),
        ("night", Cell::Boolean(1)),
        ("city", Cell::Text(1)),
        ("at", Cell::Time { column: 2, unit: TimeUnit::Millis }),
        ("nanos", Cell::Whole(2)),
        ("any", Cell::NumberOrBoolean(3)),
        ("both", Cell::Number(4)),
        ("both", Cell::Identifier(3)),
    ]
    .map(|(name, cell)| (name.to_owned(), cell))
}
