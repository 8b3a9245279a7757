//! Reads the declared fields of a JSON object straight into columns.
//!
//! Parsing is serde_json's; what is ours is that nothing is built on the way: each declared field is written into its
//! cell, everything else is skipped. Fields usually come in the same order, so the one that followed last time is tried
//! before names are compared. Types are not coerced: `"12"` is not a number and `1` is not a boolean. A number is exact or
//! refused, with zero for what is smaller than the smallest normal double; nesting is bounded before anything is parsed.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use xxhash_rust::xxh3::xxh3_64;

use super::cells::{Cell, Field, expected, fields_of};
use super::json_text::{Fault, check_depth, is_inexact_integer};
use crate::data::{Reject, RejectCode, Table};

/// Reads objects with one set of declared fields. A field may fill several cells.
#[derive(Clone, Debug)]
pub struct ObjectReader {
    fields: Vec<Field>,
    seen: Vec<u64>,
    row: u64,
    /// The field that followed each field last time; the last entry is the field that came first.
    followers: Vec<usize>,
    /// Hashes of the names in the object at hand that are not declared.
    others: Vec<u64>,
}

impl ObjectReader {
    /// A reader of these fields; a name given more than once fills all its cells.
    pub fn new(declared: impl IntoIterator<Item = (String, Cell)>) -> Self {
        let fields = fields_of(declared);
        let seen = vec![0; fields.len()];
        let followers = (1..=fields.len()).chain([0]).collect();
        ObjectReader { fields, seen, row: 0, followers, others: Vec::new() }
    }

    /// Reads an object into a new row of `table`; on a rejection the table is as it was.
    pub fn read(&mut self, value: &[u8], table: &mut Table) -> Result<(), Reject> {
        check_depth(value)?;
        let Ok(text) = std::str::from_utf8(value) else {
            return Err(Reject::new(RejectCode::Decode, "the value is not UTF-8"));
        };
        table.begin();
        self.row += 1;
        self.others.clear();
        let mut issue = None;
        let mut json = serde_json::Deserializer::from_str(text);
        let visitor = ObjectVisitor {
            fields: &self.fields,
            seen: &mut self.seen,
            row: self.row,
            followers: &mut self.followers,
            others: &mut self.others,
            value,
            table: &mut *table,
            issue: &mut issue,
        };
        let parsed = json.deserialize_map(visitor).and_then(|()| json.end());
        let outcome = match (parsed, issue) {
            (Err(error), _) => Err(Fault::of(&error, value).into_reject()),
            (Ok(()), Some(issue)) => Err(issue),
            (Ok(()), None) => self.check_others(),
        };
        if outcome.is_err() {
            table.drop_last();
        }
        outcome
    }

    /// Refuses an object in which a name that is not declared stands twice.
    fn check_others(&mut self) -> Result<(), Reject> {
        self.others.sort_unstable();
        if self.others.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            let message = "a field that is not declared stands more than once";
            return Err(Reject::new(RejectCode::DuplicateField, message));
        }
        Ok(())
    }
}

struct ObjectVisitor<'r> {
    fields: &'r [Field],
    seen: &'r mut [u64],
    row: u64,
    followers: &'r mut [usize],
    others: &'r mut Vec<u64>,
    value: &'r [u8],
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
            let Some(name) = map.next_key_seed(NameSeed { fields: self.fields, guess })? else { break };
            let index = match name {
                Name::Declared(index) => index,
                Name::Other(hash) => {
                    self.others.push(hash);
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
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
            map.next_value_seed(CellSeed { field, value: self.value, table: self.table, issue: self.issue })?;
        }
        Ok(())
    }
}

/// A name in an object.
enum Name {
    /// That of the field at this position.
    Declared(usize),
    /// Another one, by its hash.
    Other(u64),
}

struct NameSeed<'r> {
    fields: &'r [Field],
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        if self.fields.get(self.guess).is_some_and(|field| field.name == name) {
            return Ok(Name::Declared(self.guess));
        }
        let declared = self.fields.iter().position(|field| field.name == name);
        Ok(declared.map_or_else(|| Name::Other(xxh3_64(name.as_bytes())), Name::Declared))
    }
}

/// What a number was written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numeral {
    /// An integer that a double holds.
    Integer,
    /// An integer that it does not.
    Inexact,
    /// Anything else.
    Float,
}

struct CellSeed<'r> {
    field: &'r Field,
    /// The whole object, for a number that may have lost digits.
    value: &'r [u8],
    table: &'r mut Table,
    issue: &'r mut Option<Reject>,
}

impl CellSeed<'_> {
    /// A number into its cells, those that take the text of an integer left out if it was one.
    fn number(self, value: f64, kind: Numeral) {
        for cell in &self.field.cells {
            match *cell {
                Cell::Number(_) | Cell::NumberOrBoolean(_) | Cell::Time { .. } if kind == Numeral::Inexact => {
                    self.issue.get_or_insert_with(|| {
                        let message = format!("field `{}` is an integer too large to be held exactly", self.field.name);
                        Reject::new(RejectCode::Range, message)
                    });
                }
                Cell::Number(column) | Cell::NumberOrBoolean(column) | Cell::Time { column, .. } => {
                    // Neither -0.0 nor a subnormal: equal values have equal bits, and arithmetic its usual speed.
                    self.table.set_number(column, if value.is_normal() { value } else { 0.0 });
                }
                Cell::Identifier(_) | Cell::Whole(_) if kind != Numeral::Float => {}
                _ => wrong_type(self.field, *cell, "a number", self.issue),
            }
        }
    }

    /// An integer and the float nearest to it; as a number it counts only where the two are the same.
    fn integer(self, value: impl fmt::Display + Into<i128> + Copy, float: f64) {
        for cell in &self.field.cells {
            if let Cell::Identifier(column) | Cell::Whole(column) = *cell {
                self.table.set_text(column, value.to_string().as_bytes());
            }
        }
        self.number(float, if float as i128 == value.into() { Numeral::Integer } else { Numeral::Inexact });
    }

    fn refuse(self, found: &str) {
        if let Some(cell) = self.field.cells.first() {
            wrong_type(self.field, *cell, found, self.issue);
        }
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
        // Integers beyond 64 bits arrive here as well. Looking costs the length of the object, so not once it is refused.
        let is_inexact = self.issue.is_none() && is_inexact_integer(value, self.value);
        self.number(value, if is_inexact { Numeral::Inexact } else { Numeral::Float });
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
        assert_eq!(code(r#"{"amount":-9223372036854775809}"#), Some(RejectCode::Range));
        assert_eq!(code(r#"{"amount":18446744073709551616}"#), None, "2^64");
        assert_eq!(code(r#"{"amount":18446744073709551617}"#), Some(RejectCode::Range));
        assert_eq!(code(r#"{"amount":1.8446744073709551617e19}"#), None, "a float is rounded, as ever");
        assert_eq!(code(r#"{"z":18446744073709551617,"amount":1e300}"#), None);
    }

    #[test]
    fn broken_values_are_refused_without_being_quoted() {
        for text in ["", "{", "[]", "\"secret\"", "{\"amount\":1} x", "{\"amount\":nil}", "{\"amount\":1e}", "\u{0}"] {
            let reject = read(text).err();
            assert_eq!(reject.as_ref().map(|r| r.code), Some(RejectCode::Decode), "{text:?}");
            assert!(!reject.is_some_and(|r| r.message.contains("secret")));
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused_wherever_it_stands() {
        for (n, expected) in [(31, None), (32, Some(RejectCode::Depth)), (10_000, Some(RejectCode::Depth))] {
            let value = format!("{{\"x\":{}1{}}}", "[".repeat(n), "]".repeat(n));
            assert_eq!(code(&value), expected, "{n} in an object");
        }
        let cut = format!("{{\"amount\":{}", "{\"x\":".repeat(100_000));
        assert_eq!(code(&cut), Some(RejectCode::Depth));
        assert_eq!(code(&format!("{{\"city\":\"{}\"}}", "[\\\"".repeat(100))), None, "not in a text");
    }

    #[test]
    fn numbers_that_no_double_holds_have_a_code_of_their_own() {
        for text in ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "[NaN]"] {
            assert_eq!(code(&format!("{{\"amount\":{text}}}")), Some(RejectCode::NonFinite), "{text}");
        }
    }

    #[test]
    fn negative_zero_and_subnormals_become_zero() -> Result<(), Reject> {
        for text in ["-0.0", "-0", "0e5", "1e-310", "-4.9e-324"] {
            let table = read(&format!("{{\"amount\":{text}}}"))?;
            assert_eq!(table.number(0, 0).to_bits(), 0.0f64.to_bits(), "{text}");
        }
        Ok(())
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        assert_eq!(code(r#"{"amount":1,"amount":2}"#), Some(RejectCode::DuplicateField));
        assert_eq!(code(r#"{"x":1,"amount":1,"\u0078":2}"#), Some(RejectCode::DuplicateField));
        assert_eq!(code(r#"{"x":{"y":1,"y":2}}"#), None, "inside what is skipped nobody looks");
    }

    #[test]
    fn an_integer_may_be_a_number_and_an_id_at_once() -> Result<(), Reject> {
        let cells = [Cell::Number(0), Cell::Identifier(0), Cell::Whole(1)];
        let mut reader = ObjectReader::new(cells.map(|cell| ("id".to_owned(), cell)));
        let mut table = Table::new(1, 2);
        reader.read(br#"{"id":17}"#, &mut table)?;
        assert_eq!(
            (table.number(0, 0), table.text(0, 0), table.text(1, 0)),
            (17.0, Some(&b"17"[..]), Some(&b"17"[..]))
        );
        let code = |text: &str, table: &mut Table| reader.clone().read(text.as_bytes(), table).err().map(|r| r.code);
        assert_eq!(code(r#"{"id":17.5}"#, &mut table), Some(RejectCode::Type));
        assert_eq!(code(r#"{"id":9007199254740993}"#, &mut table), Some(RejectCode::Range));
        Ok(())
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
