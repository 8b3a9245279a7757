//! JSON values as `serde_json` writes them, by a pen. What is rare is left to `serde_json`.

use serde::Serialize;

use super::json_words::{POWERS, eight, eight_digits, needs_no_escape, specials};
use crate::data::Pen;

/// `0000.000`.
const POINT: u64 = u64::from_le_bytes(*b"0000.000");

impl Pen<'_> {
    /// What `serde_json` makes of a value.
    fn put_json<T: Serialize + ?Sized>(&mut self, value: &T) {
        // A text or a number: nothing but too little room can be in its way.
        self.lend(|rest| serde_json::to_writer(rest, value).is_ok());
    }

    /// A string, given in UTF-8.
    #[inline(always)]
    pub(super) fn put_string(&mut self, text: &[u8]) {
        let is_plain = self.fill(text.len() + 2, |to| match to {
            [first, inner @ .., last] => {
                (*first, *last) = (b'"', b'"');
                copy_plain(text, inner)
            }
            _ => false,
        });
        if !is_plain {
            self.own(|pen| pen.put_json(&*String::from_utf8_lossy(text)));
        }
    }

    /// A whole number.
    #[inline(always)]
    fn put_whole(&mut self, number: u64) {
        if number >= POWERS[8] {
            return self.own(|pen| pen.put_long_whole(number));
        }
        if number < 100 {
            let tens = (number * 103) >> 10;
            let digits = (tens | (number - 10 * tens) << 8) ^ 0x3030;
            let n = if number < 10 { 1 } else { 2 };
            return self.put_first(digits >> (16 - 8 * n), n);
        }
        let digits = eight_digits(number);
        // The last digit stays, though it be zero.
        let zeros = (digits ^ eight(b'0') | 1 << 63).trailing_zeros() / 8;
        self.put_first(digits >> (8 * zeros), 8 - zeros as usize);
    }

    /// A number of more than eight digits.
    fn put_long_whole(&mut self, number: u64) {
        self.put_whole(number / POWERS[8]);
        self.put(&eight_digits(number % POWERS[8]).to_le_bytes());
    }

    /// A whole number with its sign.
    #[inline(always)]
    pub(super) fn put_integer(&mut self, number: i64) {
        if number < 0 {
            self.put(b"-");
        }
        self.put_whole(number.unsigned_abs());
    }

    /// A double.
    #[inline(always)]
    pub(super) fn put_float(&mut self, number: f64) {
        if !self.put_thousandths(number) {
            self.own(|pen| pen.put_json(&number));
        }
    }

    /// A value of a feature row, null where it is missing. Whole numbers go without a fraction: shorter, and the same
    /// double when read back.
    #[inline(always)]
    pub(super) fn put_feature(&mut self, value: f64) {
        let whole = value as i64;
        if value.is_nan() {
            self.put(b"null");
        } else if whole as f64 == value && value.abs() < 1e15 {
            self.put_integer(whole);
        } else {
            self.put_float(value);
        }
    }

    /// A number that has at most three decimals, one at least; `false` for any other, of which nothing is written.
    ///
    /// What has no more than 15 digits is the only decimal of so few that stands for its double, so it is the shortest.
    #[inline(always)]
    fn put_thousandths(&mut self, number: f64) -> bool {
        let size = number.abs();
        let thousandths = (size * 1e3 + 0.5) as i64 as u64;
        // Both are whole numbers that a double holds, and a division rounds correctly: equal only if these are its decimals.
        if size >= 1e12 || thousandths as f64 / 1e3 != size {
            return false;
        }
        if number.is_sign_negative() {
            self.put(b"-");
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
            self.put_whole(above);
        }
        let text = number ^ POINT;
        self.put_first(text >> (8 * zeros_before), 8 - zeros_before - zeros_after);
        true
    }
}

/// Copies a text into as many bytes; whether it can stand between quotation marks as it is.
#[inline(always)]
fn copy_plain(from: &[u8], to: &mut [u8]) -> bool {
    let (Some(last), Some(to_last)) = (from.last_chunk::<8>(), to.last_chunk_mut::<8>()) else {
        to.copy_from_slice(from);
        return needs_no_escape(from);
    };
    // The last eight overlap with those before, which costs less than bytes one by one.
    *to_last = *last;
    let mut found = specials(u64::from_le_bytes(*last));
    for (to, from) in to.as_chunks_mut::<8>().0.iter_mut().zip(from.as_chunks::<8>().0) {
        *to = *from;
        found |= specials(u64::from_le_bytes(*from));
    }
    found == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Room;
    use crate::stats::SplitMix64;

    fn written(write: impl Fn(&mut Pen<'_>)) -> String {
        let mut room = Room::default();
        room.write(write);
        String::from_utf8_lossy(&room[0..room.len()]).into_owned()
    }

    fn by_serde<T: Serialize + ?Sized>(value: &T) -> String {
        serde_json::to_string(value).unwrap_or_default()
    }

    #[test]
    fn whole_numbers_of_every_length_are_written_as_the_standard_library_does() {
        let powers = (0..20).map(|power| 10u64.pow(power));
        let near = powers.flat_map(|power| [power - 1, power, power + 1, power.wrapping_mul(9)]);
        for number in near.chain([0, 1_750_000_000_000, 1 << 53, u64::MAX]) {
            assert_eq!(written(|pen| pen.put_whole(number)), number.to_string());
        }
        for number in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(written(|pen| pen.put_integer(number)), number.to_string());
        }
    }

    #[test]
    fn decimals_are_written_as_serde_does_or_not_at_all() {
        for thousandths in (0..200_000).chain(999_999_999_999_800..1_000_000_000_000_000u64) {
            let number = thousandths as f64 / 1e3;
            for number in [number, -number] {
                let decimals = written(|pen| assert!(pen.put_thousandths(number), "none for {number}"));
                assert_eq!(decimals, by_serde(&number));
            }
        }
        for number in [0.0004, 0.0005, 0.000_999_999, 1e12, 1e300, 5e-324, 0.1 + 0.2, f64::NAN, f64::INFINITY] {
            assert_eq!(written(|pen| assert!(!pen.put_thousandths(number), "{number}")), "");
        }
    }

    #[test]
    fn every_double_is_written_as_serde_does() {
        let mut random = SplitMix64::new(1);
        let check = |value: f64| {
            let is_short = value.fract() == 0.0 && value.abs() < 1e15;
            assert_eq!(written(|pen| pen.put_float(value)), by_serde(&value));
            let feature = if is_short { by_serde(&(value as i64)) } else { by_serde(&value) };
            assert_eq!(written(|pen| pen.put_feature(value)), feature);
        };
        for edge in [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e-7] {
            check(edge);
        }
        for power in -324..309 {
            let power: f64 = format!("1e{power}").parse().unwrap_or_default();
            for value in [power, -power, power.next_up(), power.next_down(), 1.5 * power, 123.0 * power] {
                check(value);
            }
        }
        for _ in 0..50_000 {
            let bits = random.below(u64::MAX);
            check(f64::from_bits(bits));
            check(f64::from_bits(bits >> 12));
            let whole = (bits >> (bits & 63)) as i64 as f64;
            for value in [whole, -whole, whole / 10.0, whole / 100.0, whole / 1_000.0, whole / 1e4, whole * 0.001] {
                check(value);
                check(value.next_up());
            }
        }
    }

    proptest! {
        #[test]
        fn any_number_is_written_as_ever(number in any::<u64>(), shift in 0..64u32, bits in any::<u64>()) {
            let number = number >> shift;
            prop_assert_eq!(written(|pen| pen.put_whole(number)), number.to_string());
            prop_assert_eq!(written(|pen| pen.put_integer(number as i64)), (number as i64).to_string());
            for double in [f64::from_bits(bits), number as f64 / 1e3, number as f64 / 1e4, number as f64] {
                prop_assert_eq!(written(|pen| pen.put_float(double)), by_serde(&double));
            }
        }

        #[test]
        fn every_text_is_written_as_serde_does(text in "[ -~\\x00-\\x1f\\x7fé\u{1f600}]{0,40}", plain in "[ -!#-[]{0,40}") {
            for text in [text, plain] {
                prop_assert_eq!(written(|pen| pen.put_string(text.as_bytes())), by_serde(&text));
                prop_assert_eq!(needs_no_escape(text.as_bytes()), by_serde(&text).len() == text.len() + 2);
            }
        }
    }
}
