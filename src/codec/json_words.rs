//! Eight bytes of JSON at a time: where a string ends, runs of digits read, whole numbers' digits.
//!
//! Bytes are taken as an integer, the first one lowest, and looked at all at once with the arithmetic of integers
//! (Mycroft's test for a zero byte; see Warren, Hacker's Delight, 2nd ed., section 6-1). What comes after the end of the
//! bytes is zero, which is neither a digit nor part of a string.

/// The same byte eight times.
pub(super) const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

const HIGH_BITS: u64 = eight(0x80);

/// Powers of ten, as far as the digits of eight bytes go.
pub(super) const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The bytes from `at` on.
#[inline(always)]
pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => last_word(rest),
    }
}

#[cold]
fn last_word(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// A word whose lowest bit that is set lies in the first byte that may not stand in a string as it is: a quotation mark,
/// a backslash or a control character. Zero if there is none.
#[inline(always)]
pub(super) fn specials(word: u64) -> u64 {
    // A borrow may set bits above the first one, never below.
    let quotation_mark = (word ^ eight(b'"')).wrapping_sub(eight(1));
    let backslash = (word ^ eight(b'\\')).wrapping_sub(eight(1));
    let control = word.wrapping_sub(eight(b' '));
    (quotation_mark | backslash | control) & !word & HIGH_BITS
}

/// Whether bytes are there that are not ASCII.
#[inline(always)]
pub(super) fn is_beyond_ascii(word: u64) -> bool {
    word & HIGH_BITS != 0
}

/// Whether a text can stand between quotation marks as it is.
#[inline]
pub(super) fn needs_no_escape(text: &[u8]) -> bool {
    !text.iter().any(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\')
}

/// A run of digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digits {
    /// What they amount to, modulo 2^64.
    pub value: u64,
    /// How many they are.
    pub count: usize,
}

impl Digits {
    /// These digits and those from `at` on.
    #[inline(always)]
    pub(super) fn and(self, bytes: &[u8], at: usize) -> Self {
        let mut all = self;
        let mut at = at;
        loop {
            let values = word(bytes, at) ^ eight(b'0');
            // 118 added to anything above 9 reaches the high bit.
            let others = ((values & !HIGH_BITS).wrapping_add(eight(118)) | values) & HIGH_BITS;
            let n = (others.trailing_zeros() / 8) as usize;
            let Some(power) = POWERS.get(n) else { return all };
            // Zeros in front stand for the digits that there are not.
            let shifted = if n == 0 { 0 } else { values << (64 - 8 * n) };
            all.value = all.value.wrapping_mul(*power).wrapping_add(of_digits(shifted));
            all.count += n;
            at += n;
            if n < 8 {
                return all;
            }
        }
    }
}

/// The number of eight digits, their values one a byte: pairs are put together, then pairs of those, and once more.
#[inline(always)]
fn of_digits(values: u64) -> u64 {
    let pairs = (values.wrapping_mul(10) + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff
}

/// The digits of a number below 10^8, zeros in front.
#[inline(always)]
pub(super) fn eight_digits(number: u64) -> u64 {
    // Halves, quarters and digits, each by a multiplication that divides exactly in this range.
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | ((quarters - tens * 10) << 8)) | eight(b'0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_special = byte < b' ' || byte == b'"' || byte == b'\\';
            for at in 0..8 {
                let mut bytes = *b"\xc3\xa9 !#[]\x7f";
                bytes[at] = byte;
                let found = specials(u64::from_le_bytes(bytes));
                assert_eq!(found != 0, is_special, "{byte} at {at}");
                assert!(!is_special || found.trailing_zeros() as usize / 8 == at, "{byte} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn digits_end_where_they_end(number in any::<u64>(), shift in 0..64u32, more in "[^0-9]?.{0,9}") {
            let number = number >> shift;
            let text = number.to_string();
            let whole = format!("x{text}{}", more.trim_start_matches(|c: char| c.is_ascii_digit()));
            let digits = Digits::default().and(whole.as_bytes(), 1);
            prop_assert_eq!(digits, Digits { value: number, count: text.len() });
            let (head, tail) = text.split_at(text.len() / 2);
            let both = Digits::default().and(head.as_bytes(), 0).and(tail.as_bytes(), 0);
            prop_assert_eq!(both, digits);
        }
    }
}
