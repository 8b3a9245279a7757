//! The values of plain JSON, by the grammar of RFC 8259: strings without escapes, numbers, `true`, `false` and `null`.

use super::json_text::BEYOND_64_BITS;
use super::json_words::{Digits, is_beyond_ascii, specials, word};

/// Integers up to here, 2^53, are doubles.
const EXACT: u64 = 1 << 53;
/// Digits that a `u64` holds whatever they are.
const MOST_DIGITS: usize = 19;
/// Powers of ten that are doubles.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The value of a field.
pub(super) enum Value<'v> {
    Null,
    Boolean(bool),
    Number(Number<'v>),
    Text(&'v [u8]),
}

/// A number as it is written.
pub(super) struct Number<'v> {
    pub text: &'v [u8],
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
    pub(super) fn value(&self) -> Option<f64> {
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
    pub(super) fn is_integer(&self) -> bool {
        let Digits { value, count } = self.digits;
        let is_signed = count <= MOST_DIGITS && value <= i64::MAX as u64;
        self.is_integer && is_signed && !(self.is_negative && value == 0)
    }
}

/// A place in a value.
pub(super) struct Text<'v> {
    pub bytes: &'v [u8],
    pub at: usize,
}

impl<'v> Text<'v> {
    /// The next byte; zero, which stands nowhere in what is plain, at the end.
    #[inline(always)]
    pub(super) fn next(&self) -> u8 {
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
    pub(super) fn end(&mut self) -> Option<()> {
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
    pub(super) fn value(&mut self) -> Option<Value<'v>> {
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
