//! Reads the declared fields of a JSON object straight into columns.
//!
//! Each declared field is written into its cell, everything else is skipped. A plain object is read on a short way; any
//! other is parsed by serde_json, without building anything, and only there is a value refused. Types are not coerced:
//! `"12"` is not a number and `1` is not a boolean. A number is exact or refused, with zero for what is smaller than the
//! smallest normal double; nesting is bounded before anything is parsed.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use xxhash_rust::xxh3::xxh3_64;

use super::cells::{Cell, Field, expected, fields_of};
use super::json_plain::PlainReader;
use super::json_text::{Fault, check_depth, is_inexact_integer};
use crate::data::{Reject, RejectCode, Table};

/// Reads objects with one set of declared fields. A field may fill several cells.
#[derive(Clone, Debug)]
pub struct ObjectReader {
    fields: Vec<Field>,
    seen: Vec<u64>,
    row: u64,
    /// Hashes of the names in the object at hand that are not declared.
    others: Vec<u64>,
    plain: PlainReader,
}

impl ObjectReader {
    /// A reader of these fields; a name given more than once fills all its cells.
    pub fn new(declared: impl IntoIterator<Item = (String, Cell)>) -> Self {
        let fields = fields_of(declared);
        let seen = vec![0; fields.len()];
        let plain = PlainReader::new(&fields);
        ObjectReader { fields, seen, row: 0, others: Vec::new(), plain }
    }

    /// Reads an object into a new row of `table`; on a rejection the table is as it was.
    pub fn read(&mut self, value: &[u8], table: &mut Table) -> Result<(), Reject> {
        table.begin();
        if self.plain.read(&self.fields, value, table).is_some() {
            return Ok(());
        }
        table.drop_last();
        self.parse(value, table)
    }

    /// The same for any object, plain or not.
    fn parse(&mut self, value: &[u8], table: &mut Table) -> Result<(), Reject> {
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
        while let Some(name) = map.next_key_seed(NameSeed { fields: self.fields })? {
            let index = match name {
                Name::Declared(index) => index,
                Name::Other(hash) => {
                    self.others.push(hash);
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
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
    use proptest::prelude::*;

    use super::super::cells::of_every_kind;
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

    /// A number of JSON, or nearly.
    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => any::<f64>().prop_map(|number| format!("{number:?}")),
            2 => (any::<i64>(), 0..64u32).prop_map(|(number, shift)| (number >> shift).to_string()),
            2 => (0..20_000i32, 0..4u32).prop_map(|(n, places)| (f64::from(n) / f64::from(10u32.pow(places))).to_string()),
            4 => "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?",
            1 => "-?[0-9]{0,3}\\.?[0-9]{0,3}[eE]?[+-]?[0-9]{0,5}",
            1 => prop::sample::select(vec![
                "-0", "-0.0", "0e5", "1e-310", "-4.9e-324", "2.2250738585072014e-308", "2.2250738585072011e-308",
                "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808",
                "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
                "18446744073709551617", "1.8446744073709551617e19", "1e22", "1e23", "9007199254740993e0",
                "1797693134862315708e290", "1e999", "0.1e-99999", "0e99999999999", "NaN", "-Infinity", "1.7976931348623157e308",
            ]).prop_map(str::to_owned),
        ]
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => number(),
            3 => "\"[ -!#-\\[\\]-~\u{e9}\u{1f600}]{0,20}\"",
            1 => "\"([a-z]|\\\\[nu\"d]|\\\\u00[0-9]{2}|\\x01|\u{e9}){0,9}\"",
            2 => prop::sample::select(vec!["null", "true", "false", "[]", "{}", "[1,{\"id\":[]}]", "nulL", "[[1]"])
                .prop_map(str::to_owned),
        ]
    }

    fn object() -> impl Strategy<Value = Vec<u8>> {
        let named = |names: &[&'static str]| prop::sample::select(names.to_vec()).prop_map(str::to_owned);
        let names = named(&["id", "amount", "night", "city", "at", "nanos", "any", "both", "x", "", "été", "\\u0078"]);
        // Mostly of a type that the field takes, so that whole objects are read.
        let named_value = prop_oneof![
            6 => (named(&["amount", "at", "any", "x", "y"]), number()),
            2 => (named(&["both", "id", "nanos"]), (any::<i64>(), 0..64u32).prop_map(|(n, by)| (n >> by).to_string())),
            4 => (named(&["city", "id", "x", "y"]), "\"[ -!#-\\[\\]-~é\u{1f600}]{0,20}\""),
            2 => (named(&["night", "any", "z"]), named(&["true", "false", "null"])),
            2 => (names, value()),
            1 => ("[a-z ]{0,80}", value()),
        ];
        let space = prop_oneof![6 => Just(String::new()), 1 => "[ \t\n\r]{1,3}"];
        let field = (named_value, [space.clone(), space.clone(), space.clone(), space])
            .prop_map(|((name, value), [a, b, c, d])| format!("{a}\"{name}\"{b}:{c}{value}{d}"));
        let change =
            prop_oneof![6 => Just(None), 1 => (any::<prop::sample::Index>(), any::<u8>(), 0..4u8).prop_map(Some)];
        (prop::collection::vec(field, 0..7), change).prop_map(|(fields, change)| {
            let mut bytes = format!("{{{}}}", fields.join(",")).into_bytes();
            if let Some((index, byte, kind)) = change {
                let at = index.index(bytes.len());
                match kind {
                    0 => bytes.truncate(at),
                    1 => bytes[at] = byte,
                    2 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes
        })
    }

    /// All that a read gives, bit for bit.
    fn outcome(read: Result<(), Reject>, table: &Table) -> (Option<(RejectCode, String)>, Vec<String>) {
        let rows = (0..table.rows()).map(|row| {
            let numbers: Vec<u64> = (0..5).map(|column| table.number(column, row).to_bits()).collect();
            let texts: Vec<Option<&[u8]>> = (0..4).map(|column| table.text(column, row)).collect();
            format!("{numbers:x?} {texts:?}")
        });
        (read.err().map(|reject| (reject.code, reject.message.to_string())), rows.collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_short_way_comes_to_what_the_parser_comes_to(objects in prop::collection::vec(object(), 1..6)) {
            let mut reader = ObjectReader::new(of_every_kind());
            let mut parser = reader.clone();
            let (mut table, mut parsed) = (Table::new(5, 4), Table::new(5, 4));
            for object in objects {
                let (read, by_parser) = (reader.read(&object, &mut table), parser.parse(&object, &mut parsed));
                prop_assert_eq!(
                    outcome(read, &table), outcome(by_parser, &parsed), "{}", String::from_utf8_lossy(&object)
                );
            }
        }
    }
}
