//! The binary form of state and journal: LEB128 integers, IEEE 754 bits, length-prefixed bytes.
//!
//! A reader never trusts a length: nothing is allocated before the bytes for it have been seen to be there, and every
//! failure is an error with the position at which it was noticed.

/// What a reader found wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BinaryError {
    /// The bytes end too early.
    #[error("the bytes end at {at}, inside a value")]
    Truncated {
        /// Position of the value's start.
        at: usize,
    },
    /// A value that the writer never writes.
    #[error("bad {what} at {at}")]
    Invalid {
        /// What was expected.
        what: &'static str,
        /// Position.
        at: usize,
    },
    /// Bytes are left over.
    #[error("{left} bytes are left over at the end")]
    Trailing {
        /// How many.
        left: usize,
    },
    /// The format is one this binary does not read.
    #[error("{what} has format version {found}; this binary reads version {supported}")]
    Version {
        /// What was being read.
        what: &'static str,
        /// The version found.
        found: u64,
        /// The version known.
        supported: u64,
    },
    /// The format is later than any this binary reads.
    #[error("{what} has format version {found}; this binary reads versions up to {latest}")]
    TooNew {
        /// What was being read.
        what: &'static str,
        /// The version found.
        found: u64,
        /// The last version known.
        latest: u64,
    },
}

const RAW: u64 = 0;
const INTEGER: u64 = 1;
const HUNDREDTHS: u64 = 2;
/// Beyond it a float takes no fewer bytes as an integer.
const LARGEST: f64 = (1i64 << 40) as f64;

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Appends values to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Number of bytes written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes as they are, written by another writer.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An unsigned integer, LEB128.
    #[inline]
    pub fn unsigned(&mut self, mut value: u64) {
        // Most are small.
        while value > 0x7f {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A signed integer, zigzag and LEB128.
    pub fn signed(&mut self, value: i64) {
        self.unsigned(zigzag(value));
    }

    /// One byte, 0 or 1.
    pub fn flag(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// Bytes with their length, or the mark that there are none.
    pub fn optional(&mut self, value: Option<&[u8]>) {
        self.flag(value.is_some());
        if let Some(bytes) = value {
            self.slice(bytes);
        }
    }

    /// A float, bit for bit.
    pub fn float(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    /// A float, bit for bit, in few bytes where it is a small integer or a decimal of two places, as amounts often are.
    pub fn number(&mut self, value: f64) {
        // Cut off, which is no call as rounding is; whether it was the number is seen from what comes back.
        let whole = value as i64;
        if value.abs() < LARGEST && (whole as f64).to_bits() == value.to_bits() {
            return self.unsigned(zigzag(whole) << 2 | INTEGER);
        }
        let hundredths = value * 100.0;
        let whole = (hundredths + 0.5_f64.copysign(hundredths)) as i64;
        if hundredths.abs() < LARGEST && (whole as f64 / 100.0).to_bits() == value.to_bits() {
            return self.unsigned(zigzag(whole) << 2 | HUNDREDTHS);
        }
        self.unsigned(RAW);
        self.float(value);
    }

    /// A 128-bit digest.
    pub fn digest(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes with their length.
    pub fn slice(&mut self, value: &[u8]) {
        self.unsigned(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }
}

/// Takes values from a slice.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// Ends reading; an error if bytes are left.
    pub fn finish(self) -> Result<(), BinaryError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(BinaryError::Trailing { left }),
        }
    }

    /// Everything not yet read.
    pub fn rest(mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        self.at = self.bytes.len();
        rest
    }

    /// Whether everything has been read.
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Reads a format version and refuses any other than `supported`.
    pub fn version(&mut self, what: &'static str, supported: u64) -> Result<(), BinaryError> {
        let found = self.unsigned()?;
        if found == supported { Ok(()) } else { Err(BinaryError::Version { what, found, supported }) }
    }

    /// Reads a format version and refuses any later than `latest`.
    pub fn version_up_to(&mut self, what: &'static str, latest: u64) -> Result<u64, BinaryError> {
        let found = self.unsigned()?;
        if (1..=latest).contains(&found) { Ok(found) } else { Err(BinaryError::TooNew { what, found, latest }) }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], BinaryError> {
        let taken = self
            .at
            .checked_add(n)
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or(BinaryError::Truncated { at: self.at })?;
        self.at += n;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], BinaryError> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| BinaryError::Truncated { at })
    }

    /// An unsigned integer.
    pub fn unsigned(&mut self) -> Result<u64, BinaryError> {
        let at = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array::<1>()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                break;
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BinaryError::Invalid { what: "integer", at })
    }

    /// An unsigned integer that counts things still to come, each at least one byte long.
    pub fn count(&mut self) -> Result<usize, BinaryError> {
        let at = self.at;
        let count = self.unsigned()?;
        let left = (self.bytes.len() - self.at) as u64;
        if count > left { Err(BinaryError::Truncated { at }) } else { Ok(count as usize) }
    }

    /// A signed integer.
    pub fn signed(&mut self) -> Result<i64, BinaryError> {
        Ok(unzigzag(self.unsigned()?))
    }

    /// A 32-bit unsigned integer.
    pub fn small(&mut self) -> Result<u32, BinaryError> {
        let at = self.at;
        u32::try_from(self.unsigned()?).map_err(|_| BinaryError::Invalid { what: "32-bit integer", at })
    }

    /// One byte, 0 or 1.
    pub fn flag(&mut self) -> Result<bool, BinaryError> {
        let at = self.at;
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(BinaryError::Invalid { what: "flag", at }),
        }
    }

    /// A float, bit for bit.
    pub fn float(&mut self) -> Result<f64, BinaryError> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    /// A float that [`Writer::number`] wrote.
    pub fn number(&mut self) -> Result<f64, BinaryError> {
        let at = self.at;
        let packed = self.unsigned()?;
        let whole = unzigzag(packed >> 2) as f64;
        match packed & 3 {
            RAW => self.float(),
            INTEGER => Ok(whole),
            HUNDREDTHS => Ok(whole / 100.0),
            _ => Err(BinaryError::Invalid { what: "number", at }),
        }
    }

    /// A 128-bit digest.
    pub fn digest(&mut self) -> Result<u128, BinaryError> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// Bytes with their length.
    pub fn slice(&mut self) -> Result<&'a [u8], BinaryError> {
        let length = self.count()?;
        self.take(length)
    }

    /// Bytes with their length, if there are any.
    pub fn optional(&mut self) -> Result<Option<&'a [u8]>, BinaryError> {
        Ok(if self.flag()? { Some(self.slice()?) } else { None })
    }

    /// UTF-8 text with its length.
    pub fn text(&mut self) -> Result<&'a str, BinaryError> {
        let at = self.at;
        std::str::from_utf8(self.slice()?).map_err(|_| BinaryError::Invalid { what: "text", at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
            u in any::<u64>(), s in any::<i64>(), f in any::<u64>(), d in any::<u128>(), b in any::<bool>(),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut writer = Writer::default();
            writer.unsigned(u);
            writer.signed(s);
            writer.float(f64::from_bits(f));
            writer.digest(d);
            writer.flag(b);
            writer.slice(&bytes);
            let written = writer.finish();
            let mut reader = Reader::new(&written);
            prop_assert_eq!(reader.unsigned(), Ok(u));
            prop_assert_eq!(reader.signed(), Ok(s));
            prop_assert_eq!(reader.float().map(f64::to_bits), Ok(f));
            prop_assert_eq!(reader.digest(), Ok(d));
            prop_assert_eq!(reader.flag(), Ok(b));
            prop_assert_eq!(reader.slice(), Ok(bytes.as_slice()));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn a_number_keeps_every_bit(bits in any::<u64>(), cents in -10_000_000_000i64..10_000_000_000, whole in any::<i32>()) {
            for value in [f64::from_bits(bits), cents as f64 / 100.0, f64::from(whole), -0.0, f64::INFINITY] {
                let mut writer = Writer::default();
                writer.number(value);
                let written = writer.finish();
                prop_assert_eq!(Reader::new(&written).number().map(f64::to_bits), Ok(value.to_bits()));
            }
        }

        #[test]
        fn hostile_bytes_give_an_error_or_a_value_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.count();
            let _ = reader.slice();
            let _ = reader.signed();
            let _ = reader.text();
            let _ = reader.float();
        }
    }

    #[test]
    fn a_length_beyond_the_bytes_is_refused() {
        let mut writer = Writer::default();
        writer.unsigned(u64::MAX);
        let bytes = writer.finish();
        assert!(matches!(Reader::new(&bytes).slice(), Err(BinaryError::Truncated { .. })));
    }
}
