//! Reads plain JSON objects: those that hold nothing but names, strings without escapes, numbers, `true`, `false` and
//! `null`, each field once and of a type that it can take. Nearly every event is one.
//!
//! Whatever is not surely plain is left to the parser, which reads the value again from the beginning: every rejection and
//! every rare form is decided there and nowhere else. What is taken here is what the parser would have taken, to the bit:
//! the grammar is the whole of RFC 8259 for the parts above, and a number that is not exact by construction is rounded by
//! the standard library, correctly, as the parser does.

use super::cells::{Cell, Field};
use super::json_names::{BEGINNING, Names};
use super::json_text::BEYOND_64_BITS;
use super::json_words::{Digits, is_beyond_ascii, specials, word};
use crate::data::Table;

/// Integers up to here, 2^53, are doubles.
const EXACT: u64 = 1 << 53;
/// Digits that a `u64` holds whatever they are.
const MOST_DIGITS: usize = 19;
/// Powers of ten that are doubles.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

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

/// The value of a field.
enum Value<'v> {
    Null,
    Boolean(bool),
    Number(Number<'v>),
    Text(&'v [u8]),
}

/// A number as it is written.
struct Number<'v> {
    text: &'v [u8],
    is_negative: bool,
    is_integer: bool,
    /// All digits before the exponent.
    digits: Digits,
    /// The power of ten that they are to be multiplied with.
    exponent: i64,
}

impl Number<'_> {
    /// The double nearest to it; `None` where the parser has more to say than that.
    #[inline(always)]
    fn value(&self) -> Option<f64> {
        let mantissa = self.digits.value;
        if self.digits.count > MOST_DIGITS || mantissa > EXACT {
            return self.rounded();
        }
        // Both are exact, so that one rounding is all there is (Clinger, How to Read Floating Point Numbers Accurately,
        // 1990, doi:10.1145/93542.93557).
        let power = POWERS.get(self.exponent.unsigned_abs() as usize);
        let Some(power) = power else { return self.rounded() };
        let mantissa = mantissa as i64 as f64;
        let size = if self.exponent < 0 { mantissa / power } else { mantissa * power };
        (size < BEYOND_64_BITS).then_some(if self.is_negative { -size } else { size })
    }

    #[cold]
    fn rounded(&self) -> Option<f64> {
        if self.is_integer {
            return None;
        }
        let value: f64 = std::str::from_utf8(self.text).ok()?.parse().ok()?;
        (value.abs() < BEYOND_64_BITS).then_some(value)
    }

    /// Whether its text is that of an integer of 64 bits. `-0` is none: the parser calls it a double.
    fn is_integer(&self) -> bool {
        let Digits { value, count } = self.digits;
        let is_signed = count <= MOST_DIGITS && value <= i64::MAX as u64;
        self.is_integer && is_signed && !(self.is_negative && value == 0)
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

/// A place in a value.
pub(super) struct Text<'v> {
    pub bytes: &'v [u8],
    pub at: usize,
}

impl<'v> Text<'v> {
    /// The next byte; zero, which stands nowhere in what is plain, at the end.
    #[inline(always)]
    fn next(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        let is_next = self.next() == byte;
        self.at += 1;
        is_next.then_some(())
    }

    #[inline(always)]
    pub(super) fn space(&mut self) {
        // Nothing else in what is plain is as low.
        if self.next() <= b' ' {
            self.more_space();
        }
    }

    fn more_space(&mut self) {
        while matches!(self.next(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// Whether nothing but space is left.
    fn end(&mut self) -> Option<()> {
        self.space();
        (self.at == self.bytes.len()).then_some(())
    }

    /// Goes past a string and its quotation mark, the one before it taken already.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Option<&'v [u8]> {
        let from = self.at;
        let mut is_ascii = true;
        let length = loop {
            let word = word(self.bytes, self.at);
            is_ascii &= !is_beyond_ascii(word);
            let specials = specials(word);
            if specials != 0 {
                break self.at - from + (specials.trailing_zeros() / 8) as usize;
            }
            self.at += 8;
        };
        let string = self.bytes.get(from..from + length)?;
        self.at = from + length;
        self.expect(b'"')?;
        (is_ascii || std::str::from_utf8(string).is_ok()).then_some(string)
    }

    #[inline(always)]
    fn value(&mut self) -> Option<Value<'v>> {
        match self.next() {
            b'"' => {
                self.at += 1;
                Some(Value::Text(self.string()?))
            }
            b'-' | b'0'..=b'9' => Some(Value::Number(self.number()?)),
            b'n' => self.literal(b"null", Value::Null),
            b't' => self.literal(b"true", Value::Boolean(true)),
            b'f' => self.literal(b"false", Value::Boolean(false)),
            _ => None,
        }
    }

    #[inline(always)]
    fn literal<const N: usize>(&mut self, literal: &[u8; N], value: Value<'v>) -> Option<Value<'v>> {
        let is_next = self.bytes.get(self.at..)?.first_chunk() == Some(literal);
        self.at += N;
        is_next.then_some(value)
    }

    /// Goes past a number.
    #[inline(always)]
    fn number(&mut self) -> Option<Number<'v>> {
        let from = self.at;
        let is_negative = self.next() == b'-';
        self.at += usize::from(is_negative);
        let starts_with_zero = self.next() == b'0';
        let whole = Digits::default().and(self.bytes, self.at);
        if whole.count == 0 || (starts_with_zero && whole.count > 1) {
            return None;
        }
        self.at += whole.count;
        let mut digits = whole;
        if self.next() == b'.' {
            digits = whole.and(self.bytes, self.at + 1);
            if digits.count == whole.count {
                return None;
            }
            self.at += 1 + digits.count - whole.count;
        }
        let mut exponent = -((digits.count - whole.count) as i64);
        let mut is_integer = digits.count == whole.count;
        if matches!(self.next(), b'e' | b'E') {
            exponent += self.exponent()?;
            is_integer = false;
        }
        let text = self.bytes.get(from..self.at)?;
        Some(Number { text, is_negative, is_integer, digits, exponent })
    }

    /// Goes past an exponent of a number.
    #[cold]
    fn exponent(&mut self) -> Option<i64> {
        self.at += 1;
        let sign = self.next();
        self.at += usize::from(matches!(sign, b'+' | b'-'));
        let Digits { value, count } = Digits::default().and(self.bytes, self.at);
        self.at += count;
        // No double has more than three.
        let value = (1..=4).contains(&count).then_some(value as i64)?;
        Some(if sign == b'-' { -value } else { value })
    }
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
