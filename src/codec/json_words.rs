//! Eight bytes of JSON at a time: where a string ends, runs of digits read, whole numbers written.
//!
//! Bytes are taken as an integer, the first one lowest, and looked at all at once with the arithmetic of integers
//! (Mycroft's test for a zero byte; see Warren, Hacker's Delight, 2nd ed., section 6-1). What comes after the end of the
//! bytes is zero, which is neither a digit nor part of a string.

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

const HIGH_BITS: u64 = eight(0x80);

/// Powers of ten, as far as the digits of eight bytes go.
const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// `0000.000`.
const POINT: u64 = u64::from_le_bytes(*b"0000.000");

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
    let Some(last) = text.last_chunk::<8>() else {
        return !text.iter().any(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\');
    };
    let (eights, _) = text.as_chunks::<8>();
    // The last eight overlap with those before, which costs less than bytes one by one.
    eights.iter().chain([last]).fold(0, |found, eight| found | specials(u64::from_le_bytes(*eight))) == 0
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
fn eight_digits(number: u64) -> u64 {
    // Halves, quarters and digits, each by a multiplication that divides exactly in this range.
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | ((quarters - tens * 10) << 8)) | eight(b'0')
}

/// Appends the first `n` bytes of a word. Eight are copied and some taken back: a copy whose length is known is a store.
#[inline(always)]
fn push(word: u64, n: usize, out: &mut Vec<u8>) {
    let end = out.len() + n;
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(end);
}

/// Appends a whole number.
#[inline(always)]
pub(super) fn push_whole(number: u64, out: &mut Vec<u8>) {
    if number >= POWERS[8] {
        return push_long(number, out);
    }
    let digits = eight_digits(number);
    // The last digit stays, though it be zero.
    let zeros = (digits ^ eight(b'0') | 1 << 63).trailing_zeros() / 8;
    push(digits >> (8 * zeros), 8 - zeros as usize, out);
}

/// A number of more than eight digits.
fn push_long(number: u64, out: &mut Vec<u8>) {
    push_whole(number / POWERS[8], out);
    push(eight_digits(number % POWERS[8]), 8, out);
}

/// Appends a whole number with its sign.
#[inline(always)]
pub(super) fn push_integer(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    push_whole(number.unsigned_abs(), out);
}

/// Appends a number that has at most three decimals as `serde_json` does, one decimal at least; `false` for any other.
///
/// What has no more than 15 digits is the only decimal of so few that stands for its double, so it is the shortest.
#[inline(always)]
pub(super) fn push_thousandths(number: f64, out: &mut Vec<u8>) -> bool {
    let size = number.abs();
    let thousandths = (size * 1e3 + 0.5) as i64 as u64;
    // Both are whole numbers that a double holds, and a division rounds correctly: equal only if these are its decimals.
    if size >= 1e12 || thousandths as f64 / 1e3 != size {
        return false;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let (above, below) = match thousandths {
        0..10_000_000 => (0, thousandths),
        _ => (thousandths / POWERS[7], thousandths % POWERS[7]),
    };
    // Of seven digits, four before the point and three after it.
    let digits = eight_digits(below) ^ eight(b'0');
    let decimals = digits & 0xffff_ff00_0000_0000;
    let number = (digits >> 8 & 0xffff_ffff) | decimals;
    // The last digit before the point and the first one after it stay, though they be zero.
    let zeros_after = ((number | 1 << 40).leading_zeros() / 8) as usize;
    let zeros_before = if above == 0 { ((number | 1 << 24).trailing_zeros() / 8) as usize } else { 0 };
    if above > 0 {
        push_whole(above, out);
    }
    let text = number ^ POINT;
    push(text >> (8 * zeros_before), 8 - zeros_before - zeros_after, out);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pushed(push: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// What `push_thousandths` writes, and what serde does.
    fn decimals(number: f64) -> (Option<String>, String) {
        let mut out = Vec::new();
        let is_written = push_thousandths(number, &mut out);
        let serde = serde_json::to_string(&number).unwrap_or_default();
        (is_written.then(|| String::from_utf8_lossy(&out).into_owned()), serde)
    }

    #[test]
    fn whole_numbers_of_every_length_are_written_as_the_standard_library_does() {
        let powers = (0..20).map(|power| 10u64.pow(power));
        let near = powers.flat_map(|power| [power - 1, power, power + 1, power.wrapping_mul(9)]);
        for number in near.chain([0, 1_750_000_000_000, 1 << 53, u64::MAX]) {
            assert_eq!(pushed(|out| push_whole(number, out)), number.to_string());
        }
        for number in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(pushed(|out| push_integer(number, out)), number.to_string());
        }
    }

    #[test]
    fn decimals_are_written_as_serde_does_or_not_at_all() {
        for thousandths in (0..200_000).chain(999_999_999_999_800..1_000_000_000_000_000u64) {
            let number = thousandths as f64 / 1e3;
            for number in [number, -number] {
                let (written, serde) = decimals(number);
                assert_eq!(written.unwrap_or_else(|| format!("none for {number}")), serde);
            }
        }
        for number in [0.0004, 0.0005, 0.000_999_999, 1e12, 1e300, 5e-324, 0.1 + 0.2, f64::NAN, f64::INFINITY] {
            assert_eq!(decimals(number).0, None, "{number}");
        }
    }

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
        fn a_text_needs_escapes_exactly_if_serde_makes_it_longer(text in "[ -~\\x00-\\x1f\\x7fé\u{1f600}]{0,40}") {
            let serde = serde_json::to_string(&text).unwrap_or_default();
            prop_assert_eq!(needs_no_escape(text.as_bytes()), serde.len() == text.len() + 2);
        }

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

        #[test]
        fn any_number_is_written_as_ever(number in any::<u64>(), shift in 0..64u32, bits in any::<u64>()) {
            let number = number >> shift;
            prop_assert_eq!(pushed(|out| push_whole(number, out)), number.to_string());
            let signed = number as i64;
            prop_assert_eq!(pushed(|out| push_integer(signed, out)), signed.to_string());
            for double in [f64::from_bits(bits), number as f64 / 1e3, number as f64 / 1e4, number as f64] {
                let (written, serde) = decimals(double);
                prop_assert!(written.as_ref().is_none_or(|written| *written == serde), "{:?} for {}", written, serde);
            }
        }
    }
}
