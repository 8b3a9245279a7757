//! Reads plain JSON objects: those that hold nothing but names, strings without escapes, numbers, `true`, `false` and
//! `null`, each field once and of a type that it can take. Nearly every event is one.
//!
//! Whatever is not surely plain is left to the parser, which reads the value again from the beginning: every rejection and
//! every rare form is decided there and nowhere else. What is taken here is what the parser would have taken, to the bit:
//! the grammar is the whole of RFC 8259 for the parts above, and a number that is not exact by construction is rounded by
//! the standard library, correctly, as the parser does.

use super::cells::{Cell, Field};
use super::json_names::{BEGINNING, Names};
use super::json_value::{Text, Value};
use crate::data::Table;

/// Reads plain objects with one set of declared fields.
#[derive(Clone, Debug)]
pub(super) struct PlainReader {
    names: Names,
}

impl PlainReader {
    pub(super) fn new(fields: &[Field]) -> Self {
        PlainReader { names: Names::new(fields) }
    }

    /// Fills the last row of `table` from a plain object; `None` if it is not one, with the row partly filled.
    pub(super) fn read(&mut self, fields: &[Field], value: &[u8], table: &mut Table) -> Option<()> {
        self.names.begin();
        let mut text = Text { bytes: value, at: 0 };
        text.space();
        text.expect(b'{')?;
        text.space();
        if text.next() == b'}' {
            text.at += 1;
            return text.end();
        }
        let mut before = BEGINNING;
        loop {
            let field = self.names.next(&mut text, &mut before)?;
            text.space();
            // Twice, so that what is skipped is not computed.
            match field.and_then(|field| fields.get(field)) {
                Some(field) => fill(field, text.value()?, table)?,
                None => {
                    text.value()?;
                }
            }
            text.space();
            match text.next() {
                b',' => text.at += 1,
                b'}' => break,
                _ => return None,
            }
            text.space();
        }
        text.at += 1;
        text.end()?;
        self.names.are_different().then_some(())
    }
}

/// Puts a value into the cells of a field; `None` where one cannot take it.
#[inline(always)]
fn fill(field: &Field, value: Value<'_>, table: &mut Table) -> Option<()> {
    match value {
        Value::Null => {}
        Value::Text(text) => {
            for cell in &field.cells {
                let (Cell::Text(column) | Cell::Identifier(column)) = *cell else { return None };
                table.set_text(column, text);
            }
        }
        Value::Number(number) => {
            for cell in &field.cells {
                match *cell {
                    Cell::Number(column) | Cell::NumberOrBoolean(column) | Cell::Time { column, .. } => {
                        let value = number.value()?;
                        table.set_number(column, if value.is_normal() { value } else { 0.0 });
                    }
                    Cell::Identifier(column) | Cell::Whole(column) if number.is_integer() => {
                        table.set_text(column, number.text);
                    }
                    _ => return None,
                }
            }
        }
        Value::Boolean(value) => {
            for cell in &field.cells {
                let (Cell::Boolean(column) | Cell::NumberOrBoolean(column)) = *cell else { return None };
                table.set_number(column, f64::from(u8::from(value)));
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::cells::{fields_of, of_every_kind};
    use super::super::json_names::{LONGEST_NAME, MOST_NAMES};
    use super::*;

    fn fields() -> Vec<Field> {
        let quoted = ("a \"name\"".to_owned(), Cell::Number(0));
        fields_of(of_every_kind().into_iter().chain([quoted]))
    }

    /// Whether a value is plain to a reader that has seen `before`, and the table.
    fn read(before: &[&str], value: &str) -> Option<Table> {
        let fields = fields();
        let mut reader = PlainReader::new(&fields);
        for text in before {
            let mut table = Table::new(5, 4);
            table.begin();
            let _ = reader.read(&fields, text.as_bytes(), &mut table);
        }
        let mut table = Table::new(5, 4);
        table.begin();
        reader.read(&fields, value.as_bytes(), &mut table).map(|()| table)
    }

    #[test]
    fn a_plain_object_fills_its_cells() {
        let value = " {\"id\" :17,\t\"amount\": -1.5e1,\n\"night\":true,\r\"city\":\"Z\u{fc}rich am See\",\"at\":1750000000000,\
                     \"nanos\":1750000000000000001,\"any\":false,\"both\":-20,\"x\":null,\"\":\"\"} ";
        let table = read(&[], value).unwrap_or_default();
        let numbers: Vec<f64> = (0..5).map(|column| table.number(column, 0)).collect();
        assert_eq!(numbers, [-15.0, 1.0, 1.75e12, 0.0, -20.0]);
        let texts: Vec<_> = (0..4).map(|column| table.text(column, 0).unwrap_or_default()).collect();
        assert_eq!(texts, [b"17".as_slice(), "Z\u{fc}rich am See".as_bytes(), b"1750000000000000001", b"-20"]);
        assert!(read(&[], "{}").is_some() && read(&[], " { } ").is_some());
    }

    #[test]
    fn what_is_not_surely_plain_is_left_to_the_parser() {
        let values = [
            "",
            "{",
            "[]",
            "{\"x\":1",
            "{\"x\":1,}",
            "{,}",
            "{\"x\":1}}",
            "{\"x\" 1}",
            "{\"x\":[]}",
            "{\"x\":{}}",
            "{\"x\":\"\\n\"}",
            "{\"\\u0078\":1}",
            "{\"x\":\"a\nb\"}",
            "{\"x\":nul}",
            "{\"x\":nulll}",
            "{\"x\":01}",
            "{\"x\":-}",
            "{\"x\":1.}",
            "{\"x\":.5}",
            "{\"x\":1e}",
            "{\"x\":+1}",
            "{\"x\":1,\"x\":2}",
            "{\"id\":1,\"id\":1}",
            "{\"id\":1.0}",
            "{\"id\":-0}",
            "{\"id\":true}",
            "{\"amount\":\"1\"}",
            "{\"amount\":true}",
            "{\"amount\":9007199254740993}",
            "{\"amount\":1e19}",
            "{\"amount\":1e999}",
            "{\"night\":1}",
            "{\"city\":1}",
            "{\"nanos\":\"1\"}",
            "{\"nanos\":9223372036854775808}",
            "{\"both\":\"1\"}",
            "{\"both\":9007199254740993}",
            "{\"a \"name\"\":1}",
        ];
        for value in values {
            assert!(read(&[], value).is_none(), "{value}");
            assert!(read(&["{\"x\":1,\"id\":2}", value], value).is_none(), "{value}, once more");
        }
    }

    #[test]
    fn names_beyond_those_that_are_kept_are_still_told_apart() {
        let many: Vec<String> = (0..2 * MOST_NAMES).map(|number| format!("\"name {number}\":{number}")).collect();
        let object = |names: &[String]| format!("{{{}}}", names.join(","));
        let (all, last) = (object(&many), many.last().cloned().unwrap_or_default());
        let fields = fields();
        let mut reader = PlainReader::new(&fields);
        let mut is_plain = |value: &str| reader.read(&fields, value.as_bytes(), &mut Table::new(5, 4)).is_some();
        for _ in 0..3 {
            assert!(is_plain(&all));
            assert!(!is_plain(&object(&[many.clone(), vec![last.clone()]].concat())), "a name that is not kept, twice");
            assert!(!is_plain(&object(&[many.clone(), many.clone()].concat())), "all of them, twice");
        }
        let long = format!("\"{}\":1", "long".repeat(LONGEST_NAME));
        assert!(is_plain(&format!("{{{long}}}")) && !is_plain(&format!("{{{long},{long}}}")));
        assert_eq!(reader.names.kept(), MOST_NAMES + 8);
    }
}
