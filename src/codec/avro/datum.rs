//! The bytes of an Avro datum, taken one value at a time.
//!
//! Nothing here trusts a length: every read is held against what is left, and nothing is allocated. Integers are zigzag
//! in LEB128 of at most ten bytes, floats are IEEE 754 with the low byte first, bytes and texts have their length before
//! them (Apache Avro specification 1.12, "Binary encoding").

use crate::codec::utf8::is_utf8;
use crate::data::{BinaryError, Pen, Reader};

/// What is wrong with a datum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It ends inside a value.
    Truncated,
    /// An integer of more than 64 bits.
    Integer,
    /// A length or a count below zero, or beyond what is left.
    Length,
    /// A boolean that is neither 0 nor 1.
    Boolean,
    /// A union or an enum names a branch or symbol that it does not have.
    Index,
    /// Values nested too deep.
    Depth,
    /// Bytes are left over.
    Trailing,
    /// The text of a field is not UTF-8. Here and below: of the operation at this place of the program.
    Utf8(u32),
    /// The number of a field is not finite.
    NonFinite(u32),
    /// The integer of a field is too large to be held exactly.
    Inexact(u32),
    /// The value of a field has a type that the field cannot take.
    Type(u32),
}

/// What is left of a datum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datum<'a> {
    rest: &'a [u8],
}

/// The high bits of eight bytes.
const CONTINUED: u64 = 0x8080_8080_8080_8080;

impl<'a> Datum<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Datum { rest: bytes }
    }

    /// Bytes not yet taken.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline(always)]
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Flaw> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Flaw::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(Flaw::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    /// An unsigned integer in LEB128.
    #[inline(always)]
    pub(super) fn unsigned(&mut self) -> Result<u64, Flaw> {
        if let [byte @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        if let Some(eight) = self.rest.first_chunk::<8>() {
            let eight = u64::from_le_bytes(*eight);
            let ends = !eight & CONTINUED;
            if ends != 0 {
                let bits = ends.trailing_zeros() + 1;
                self.rest = self.rest.get((bits / 8) as usize..).unwrap_or_default();
                return Ok(septets(eight & (u64::MAX >> (64 - bits))));
            }
        }
        let (value, rest) = unsigned_slowly(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// An `int` or a `long`.
    #[inline(always)]
    pub(super) fn long(&mut self) -> Result<i64, Flaw> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The index of a branch or a symbol, of `count` there are.
    #[inline(always)]
    pub(super) fn index(&mut self, count: u32) -> Result<u32, Flaw> {
        let index = self.long()?;
        match u32::try_from(index) {
            Ok(index) if index < count => Ok(index),
            _ => Err(Flaw::Index),
        }
    }

    #[inline(always)]
    pub(super) fn boolean(&mut self) -> Result<bool, Flaw> {
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Flaw::Boolean),
        }
    }

    #[inline(always)]
    pub(super) fn float(&mut self) -> Result<f32, Flaw> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    #[inline(always)]
    pub(super) fn double(&mut self) -> Result<f64, Flaw> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// Bytes or a text with their length.
    #[inline(always)]
    pub(super) fn slice(&mut self) -> Result<&'a [u8], Flaw> {
        let length = usize::try_from(self.long()?).map_err(|_| Flaw::Length)?;
        self.take(length)
    }

    /// A text that has to be UTF-8; `None` where it is not.
    #[inline(always)]
    pub(super) fn text(&mut self) -> Result<Option<&'a [u8]>, Flaw> {
        let bytes = self.slice()?;
        Ok(is_utf8(bytes).then_some(bytes))
    }

    /// The items of the next block of an array or a map, each at least `least` bytes long; `None` after the last block.
    pub(super) fn block(&mut self, least: u32) -> Result<Option<Block>, Flaw> {
        let count = self.long()?;
        if count == 0 {
            return Ok(None);
        }
        let bytes = if count < 0 { Some(usize::try_from(self.long()?).map_err(|_| Flaw::Length)?) } else { None };
        if bytes.is_some_and(|bytes| bytes > self.left()) {
            return Err(Flaw::Truncated);
        }
        let items = count.unsigned_abs();
        if items.saturating_mul(u64::from(least)) > self.left() as u64 {
            return Err(Flaw::Length);
        }
        Ok(Some(Block { items, bytes }))
    }

    pub(super) fn finish(&self) -> Result<(), Flaw> {
        if self.rest.is_empty() { Ok(()) } else { Err(Flaw::Trailing) }
    }
}

/// Some items of an array or a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub items: u64,
    /// Their length together, where the writer says it.
    pub bytes: Option<usize>,
}

/// An unsigned integer in LEB128, of whatever length, and what follows it.
#[cold]
fn unsigned_slowly(bytes: &[u8]) -> Result<(u64, &[u8]), Flaw> {
    let mut reader = Reader::new(bytes);
    match reader.unsigned() {
        Ok(value) => Ok((value, reader.rest())),
        Err(BinaryError::Truncated { .. }) => Err(Flaw::Truncated),
        Err(_) => Err(Flaw::Integer),
    }
}

/// Joins the low seven bits of each of eight bytes.
#[inline(always)]
fn septets(bytes: u64) -> u64 {
    let value = bytes & !CONTINUED;
    let value = (value & 0x7f00_7f00_7f00_7f00) >> 1 | (value & 0x007f_007f_007f_007f);
    let value = (value & 0x3fff_0000_3fff_0000) >> 2 | (value & 0x0000_3fff_0000_3fff);
    (value & 0x0fff_ffff_0000_0000) >> 4 | (value & 0x0000_0000_0fff_ffff)
}

/// Appends values to a datum.
pub(in crate::codec) trait WriteDatum {
    /// An `int`, a `long`, an index or a length.
    fn put_long(&mut self, value: i64);
    /// A `double`.
    fn put_double(&mut self, value: f64);
    /// `bytes`, or a `string` that is known to be UTF-8.
    fn put_bytes(&mut self, bytes: &[u8]);
    /// A `string`.
    #[inline(always)]
    fn put_text(&mut self, text: &str) {
        self.put_bytes(text.as_bytes());
    }
}

impl WriteDatum for Vec<u8> {
    fn put_long(&mut self, value: i64) {
        let mut value = zigzag(value);
        while value > 0x7f {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    fn put_double(&mut self, value: f64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_long(bytes.len() as i64);
        self.extend_from_slice(bytes);
    }
}

impl WriteDatum for Pen<'_> {
    #[inline(always)]
    fn put_long(&mut self, value: i64) {
        let bits = zigzag(value);
        if bits < 0x80 {
            return self.put(&[bits as u8]);
        }
        // As many septets as there are bits, all but the last of them continued.
        let n = (70 - bits.leading_zeros() as usize) / 7;
        if n > 8 {
            let mut bytes = Vec::with_capacity(10);
            bytes.put_long(value);
            return self.copy(&bytes);
        }
        let last = 1 << (8 * n - 8);
        self.put_first(spread(bits) | (CONTINUED & (last - 1)), n);
    }

    #[inline(always)]
    fn put_double(&mut self, value: f64) {
        self.put(&value.to_le_bytes());
    }

    #[inline(always)]
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_long(bytes.len() as i64);
        self.copy(bytes);
    }
}

/// Bytes of a double in a union of null and double.
const OPTIONAL: usize = 9;

/// A double in a union of null and double.
#[inline(always)]
fn optional(value: f64) -> [u8; OPTIONAL] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [2, a, b, c, d, e, f, g, h]
}

impl Pen<'_> {
    /// Doubles, each in a union of null and double; null where one is NaN.
    #[inline(always)]
    pub(in crate::codec) fn put_optional_doubles(&mut self, values: impl ExactSizeIterator<Item = f64> + Clone) {
        // Mostly none is missing, and room has to be asked for once.
        let is_whole = self.fill(OPTIONAL * values.len(), |to| {
            let mut is_whole = true;
            for (to, value) in to.as_chunks_mut().0.iter_mut().zip(values.clone()) {
                *to = optional(value);
                is_whole &= !value.is_nan();
            }
            is_whole
        });
        if is_whole {
            return;
        }
        for value in values {
            if value.is_nan() { self.put(&[0]) } else { self.put(&optional(value)) }
        }
    }
}

#[inline(always)]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The low 56 bits, seven to a byte.
#[inline(always)]
fn spread(value: u64) -> u64 {
    let value = (value & 0x0fff_ffff) | (value & 0x00ff_ffff_f000_0000) << 4;
    let value = (value & 0x0000_3fff_0000_3fff) | (value & 0x0fff_c000_0fff_c000) << 2;
    (value & 0x007f_007f_007f_007f) | (value & 0x3f80_3f80_3f80_3f80) << 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Room;

    proptest! {
        #[test]
        fn a_long_is_read_back_as_written_wherever_it_stands(value: i64, small in -200i64..200, rest in 0usize..9) {
            for value in [value, small, value >> 20, value >> 40, i64::MIN, i64::MAX] {
                let mut bytes = Vec::new();
                bytes.put_long(value);
                let mut room = Room::default();
                room.write(|pen| pen.put_long(value));
                prop_assert_eq!(&room[0..room.len()], bytes.as_slice());
                let length = bytes.len();
                bytes.resize(length + rest, 0xff);
                let mut datum = Datum::new(&bytes);
                prop_assert_eq!(datum.long(), Ok(value));
                prop_assert_eq!(datum.left(), rest);
                prop_assert_eq!(Datum::new(&bytes[..length - 1]).long(), Err(Flaw::Truncated));
            }
        }

        #[test]
        fn hostile_bytes_give_a_value_or_a_flaw(bytes in prop::collection::vec(any::<u8>(), 0..24), least in 0u32..4) {
            let mut datum = Datum::new(&bytes);
            let _ = datum.block(least);
            let _ = datum.slice();
            let _ = datum.text();
            let _ = datum.index(3);
            prop_assert!(datum.left() <= bytes.len());
        }
    }

    #[test]
    fn an_integer_of_more_than_64_bits_is_refused() {
        assert_eq!(Datum::new(&[0xff; 11]).long(), Err(Flaw::Integer));
        let mut bytes = [0xff; 10];
        bytes[9] = 2;
        assert_eq!(Datum::new(&bytes).long(), Err(Flaw::Integer));
        bytes[9] = 1;
        assert_eq!(Datum::new(&bytes).long(), Ok(i64::MIN));
    }

    #[test]
    fn lengths_and_counts_are_held_against_what_is_left() {
        let bytes = |value: i64| {
            let mut bytes = Vec::new();
            bytes.put_long(value);
            bytes.extend_from_slice(&[0; 4]);
            bytes
        };
        assert_eq!(Datum::new(&bytes(-1)).slice(), Err(Flaw::Length));
        assert_eq!(Datum::new(&bytes(i64::MAX)).slice(), Err(Flaw::Truncated));
        assert_eq!(Datum::new(&bytes(4)).slice(), Ok([0; 4].as_slice()));
        assert!(matches!(Datum::new(&bytes(5)).block(1), Err(Flaw::Length)));
        assert!(matches!(Datum::new(&bytes(i64::MAX)).block(0), Ok(Some(Block { bytes: None, .. }))));
        assert!(matches!(Datum::new(&bytes(i64::MIN)).block(1), Err(Flaw::Length)));
    }
}
