//! Reads the declared fields of a JSON object straight into columns.
//!
//! Parsing is serde_json's; what is ours is that nothing is built on the way: each declared field is written into its
//! cell, everything else is skipped. Fields usually come in the same order, so the one that followed last time is tried
//! before names are compared. Types are not coerced: `"12"` is not a number and `1` is not a boolean.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::data::params::TimeUnit;
use crate::data::{Reject, RejectCode, Table};

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
    /// A point in time as a number of the unit, into this number column.
    Time {
        /// The column.
        column: usize,
        /// What is counted, unless the format says it itself.
        unit: TimeUnit,
    },
}

/// Reads objects with one set of declared fields. A field may fill several cells.
#[derive(Clone, Debug)]
pub struct ObjectReader {
    fields: Vec<Field>,
    seen: Vec<u64>,
    row: u64,
    /// The field that followed each field last time; the last entry is the field that came first.
    followers: Vec<usize>,
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

impl ObjectReader {
    /// A reader of these fields; a name given more than once fills all its cells.
    pub fn new(declared: impl IntoIterator<Item = (String, Cell)>) -> Self {
        let fields = fields_of(declared);
        let seen = vec![0; fields.len()];
        let followers = (1..=fields.len()).chain([0]).collect();
        ObjectReader { fields, seen, row: 0, followers }
    }

    /// Reads an object into a new row of `table`; on a rejection the table is as it was.
    pub fn read(&mut self, value: &[u8], table: &mut Table) -> Result<(), Reject> {
        table.begin();
        self.row += 1;
        let mut issue = None;
        let mut json = serde_json::Deserializer::from_slice(value);
        let visitor = ObjectVisitor {
            fields: &self.fields,
            seen: &mut self.seen,
            row: self.row,
            followers: &mut self.followers,
            table: &mut *table,
            issue: &mut issue,
        };
        let parsed = json.deserialize_map(visitor).and_then(|()| json.end());
        let outcome = match (parsed, issue) {
            (Err(error), _) => {
                Err(Reject::new(RejectCode::Decode, format!("the value is not a JSON object: {}", place(&error))))
            }
            (Ok(()), Some(issue)) => Err(issue),
            (Ok(()), None) => Ok(()),
        };
        if outcome.is_err() {
            table.drop_last();
        }
        outcome
    }
}

/// Where parsing stopped and in what way, without quoting the input.
fn place(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "it is another kind of value",
        _ => "syntax error",
    };
    format!("{kind} at line {} column {}", error.line(), error.column())
}

struct ObjectVisitor<'r> {
    fields: &'r [Field],
    seen: &'r mut [u64],
    row: u64,
    followers: &'r mut [usize],
    table: &'r mut Table,
    issue: &'r mut Option<Reject>,
}

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut before = self.fields.len();
        loop {
            let guess = self.followers.get(before).copied().unwrap_or_default();
            let Some(index) = map.next_key_seed(NameSeed { fields: self.fields, guess })? else { break };
            let Some(index) = index else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Some(follower) = self.followers.get_mut(before).filter(|_| index != guess) {
                *follower = index;
            }
            before = index;
            let (Some(field), Some(seen)) = (self.fields.get(index), self.seen.get_mut(index)) else {
                return Err(A::Error::custom("field index out of range"));
            };
            if *seen == self.row {
                self.issue.get_or_insert_with(|| {
                    Reject::new(RejectCode::DuplicateField, format!("field `{}` stands more than once", field.name))
                });
            }
            *seen = self.row;
            map.next_value_seed(CellSeed { field, table: self.table, issue: self.issue })?;
        }
        Ok(())
    }
}

struct NameSeed<'r> {
    fields: &'r [Field],
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        if self.fields.get(self.guess).is_some_and(|field| field.name == name) {
            return Ok(Some(self.guess));
        }
        Ok(self.fields.iter().position(|field| field.name == name))
    }
}

struct CellSeed<'r> {
    field: &'r Field,
    table: &'r mut Table,
    issue: &'r mut Option<Reject>,
}

impl CellSeed<'_> {
    fn number(self, value: f64, exact: bool) {
        for cell in &self.field.cells {
            match *cell {
                Cell::Number(column) | Cell::NumberOrBoolean(column) | Cell::Time { column, .. } if exact => {
                    // Adding zero turns -0.0 into 0.0, so that equal values have equal bits.
                    self.table.set_number(column, value + 0.0);
                }
                Cell::Number(_) | Cell::NumberOrBoolean(_) | Cell::Time { .. } => {
                    self.issue.get_or_insert_with(|| {
                        let message = format!("field `{}` is an integer too large to be held exactly", self.field.name);
                        Reject::new(RejectCode::Range, message)
                    });
                }
                _ => wrong_type(self.field, *cell, "a number", self.issue),
            }
        }
    }

    /// An integer and the float nearest to it; as a number it counts only where the two are the same.
    fn integer(self, value: impl fmt::Display + Into<i128> + Copy, float: f64) {
        for cell in &self.field.cells {
            if let Cell::Identifier(column) = *cell {
                self.table.set_text(column, value.to_string().as_bytes());
            }
        }
        if !self.is_identifier_only() {
            self.number(float, float as i128 == value.into());
        }
    }

    fn is_identifier_only(&self) -> bool {
        self.field.cells.iter().all(|cell| matches!(cell, Cell::Identifier(_)))
    }

    fn refuse(self, found: &str) {
        if let Some(cell) = self.field.cells.first() {
            wrong_type(self.field, *cell, found, self.issue);
        }
    }
}

/// What the first cell of a field takes, in words.
pub(super) fn wanted(field: Option<&Field>) -> &'static str {
    field.and_then(|field| field.cells.first()).map_or("nothing", |cell| expected(*cell))
}

fn expected(cell: Cell) -> &'static str {
    match cell {
        Cell::Number(_) | Cell::Time { .. } => "a number",
        Cell::Boolean(_) => "true or false",
        Cell::Text(_) => "a string",
        Cell::Identifier(_) => "a string or an integer",
        Cell::NumberOrBoolean(_) => "a number, true or false",
    }
}

fn wrong_type(field: &Field, cell: Cell, found: &str, issue: &mut Option<Reject>) {
    let expected = expected(cell);
    issue.get_or_insert_with(|| {
        Reject::new(RejectCode::Type, format!("field `{}` is {found}; expected {expected}", field.name))
    });
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        for cell in &self.field.cells {
            match *cell {
                Cell::Boolean(column) | Cell::NumberOrBoolean(column) => {
                    self.table.set_number(column, f64::from(u8::from(value)));
                }
                _ => wrong_type(self.field, *cell, "true or false", self.issue),
            }
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.integer(value, value as f64);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.integer(value, value as f64);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.number(value, value.is_finite());
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        for cell in &self.field.cells {
            match *cell {
                Cell::Text(column) | Cell::Identifier(column) => self.table.set_text(column, value.as_bytes()),
                _ => wrong_type(self.field, *cell, "a string", self.issue),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.refuse("an array");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.refuse("an object");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> ObjectReader {
        ObjectReader::new([
            ("id".to_owned(), Cell::Identifier(0)),
            ("amount".to_owned(), Cell::Number(0)),
            ("night".to_owned(), Cell::Boolean(1)),
            ("city".to_owned(), Cell::Text(1)),
        ])
    }

    fn read(text: &str) -> Result<Table, Reject> {
        let mut table = Table::new(2, 2);
        reader().read(text.as_bytes(), &mut table)?;
        Ok(table)
    }

    fn code(text: &str) -> Option<RejectCode> {
        read(text).err().map(|reject| reject.code)
    }

    #[test]
    fn declared_fields_reach_their_cells_in_any_order_and_others_are_skipped() -> Result<(), Reject> {
        let table = read(r#"{"x":[1,{"y":2}],"night":true,"id":17,"city":"Zürich","amount":1.5,"z":null}"#)?;
        assert_eq!((table.number(0, 0), table.number(1, 0)), (1.5, 1.0));
        assert_eq!((table.text(0, 0), table.text(1, 0)), (Some(b"17".as_slice()), Some("Zürich".as_bytes())));
        Ok(())
    }

    #[test]
    fn what_one_record_taught_about_the_order_of_fields_never_misleads_the_next() -> Result<(), Reject> {
        let mut reader = reader();
        let mut table = Table::new(2, 2);
        let orders = [
            r#"{"city":"x","amount":1,"night":true,"id":"a"}"#,
            r#"{"amount":1,"id":"a","city":"x","night":true}"#,
            r#"{"city":"x","new":0,"amount":1,"night":true,"id":"a"}"#,
            r#"{"id":"a","amount":1,"night":true,"city":"x"}"#,
        ];
        for (row, text) in orders.iter().cycle().take(12).enumerate() {
            reader.read(text.as_bytes(), &mut table)?;
            assert_eq!((table.number(0, row), table.number(1, row)), (1.0, 1.0));
            assert_eq!((table.text(0, row), table.text(1, row)), (Some(b"a".as_slice()), Some(b"x".as_slice())));
        }
        Ok(())
    }

    #[test]
    fn null_and_absent_are_missing() -> Result<(), Reject> {
        let table = read(r#"{"amount":null}"#)?;
        assert!(table.number(0, 0).is_nan() && table.text(0, 0).is_none());
        Ok(())
    }

    #[test]
    fn nothing_is_coerced() {
        assert_eq!(code(r#"{"amount":"12"}"#), Some(RejectCode::Type));
        assert_eq!(code(r#"{"night":1}"#), Some(RejectCode::Type));
        assert_eq!(code(r#"{"city":5}"#), Some(RejectCode::Type));
        assert_eq!(code(r#"{"amount":[1]}"#), Some(RejectCode::Type));
        assert_eq!(code(r#"{"id":{"a":1}}"#), Some(RejectCode::Type));
    }

    #[test]
    fn large_integers_are_exact_or_refused() {
        assert_eq!(code(r#"{"amount":9007199254740993}"#), Some(RejectCode::Range));
        assert_eq!(code(r#"{"amount":9007199254740992}"#), None);
    }

    #[test]
    fn broken_values_are_refused_without_being_quoted() {
        for text in ["", "{", "[]", "\"secret\"", "{\"amount\":1} x", "{\"amount\":1e999}", "{\"amount\":NaN}", "\u{0}"]
        {
            let reject = read(text).err();
            assert_eq!(reject.as_ref().map(|r| r.code), Some(RejectCode::Decode), "{text:?}");
            assert!(!reject.is_some_and(|r| r.message.contains("secret")));
        }
        let deep = format!("{}{}", "{\"x\":".repeat(10_000), "}".repeat(10_000));
        assert_eq!(code(&deep), Some(RejectCode::Decode));
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        assert_eq!(code(r#"{"amount":1,"amount":2}"#), Some(RejectCode::DuplicateField));
    }

    #[test]
    fn a_refused_row_leaves_the_table_as_it_was() {
        let mut table = Table::new(2, 2);
        let mut reader = reader();
        assert!(reader.read(br#"{"id":"a","amount":1}"#, &mut table).is_ok());
        assert!(reader.read(br#"{"id":"b","amount":"x"}"#, &mut table).is_err());
        assert_eq!(table.rows(), 1);
        assert!(reader.read(br#"{"id":"c"}"#, &mut table).is_ok());
        assert_eq!(table.text(0, 1), Some(b"c".as_slice()));
    }
}
