//! Points in time and lengths of time, both in whole milliseconds.
//!
//! Every time in the system is event time carried by a record or a `now` handed in by the runtime; nothing here
//! reads a clock. Both types are plain integers, so arithmetic is exact and the same on every machine.
//! Arithmetic saturates: a hostile stamp at the edge of the range can be compared, never wrapped.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, negative before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest point that can be expressed; the clock of a shard that has seen nothing.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest point that can be expressed.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// A point given in milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This point moved later by `span`, saturating.
    pub const fn plus(self, span: Span) -> Self {
        Timestamp(self.0.saturating_add(span.0))
    }

    /// This point moved earlier by `span`, saturating; [`Timestamp::MIN`] stays where it is.
    pub const fn minus(self, span: Span) -> Self {
        if self.0 == i64::MIN { self } else { Timestamp(self.0.saturating_sub(span.0)) }
    }

    /// Milliseconds from `earlier` to this point, saturating; negative when `earlier` is later.
    pub const fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The index of the interval of length `span`, aligned to the epoch, that holds this point (half-open, correct
    /// before 1970).
    pub const fn interval(self, span: Span) -> i64 {
        self.0.div_euclid(span.0)
    }

    /// The start of the interval of length `span`, aligned to the epoch plus `offset`, that holds this point.
    pub const fn floor(self, span: Span, offset: Span) -> Timestamp {
        let shifted = self.0.saturating_sub(offset.0);
        Timestamp(shifted.saturating_sub(shifted.rem_euclid(span.0)).saturating_add(offset.0))
    }
}

/// Days since the epoch to year, month, day in the proleptic Gregorian calendar (H. Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
const fn civil(days: i64) -> Civil {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil { year: year_of_era + era * 400 + if month <= 2 { 1 } else { 0 }, month, day }
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC: `2013-01-01T10:15:00Z`, with milliseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day } = civil(self.0.div_euclid(86_400_000));
        let ms = self.0.rem_euclid(86_400_000);
        let (h, m, s, frac) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}")?;
        if frac != 0 {
            write!(f, ".{frac:03}")?;
        }
        f.write_str("Z")
    }
}

/// A length of time in milliseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// A length given in milliseconds; a negative one becomes zero.
    pub const fn from_millis(millis: i64) -> Self {
        Span(if millis < 0 { 0 } else { millis })
    }

    /// A length given in whole days.
    pub const fn from_days(days: i64) -> Self {
        Span::from_millis(days.saturating_mul(86_400_000))
    }

    /// Milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The same length as the standard library's type.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.unsigned_abs())
    }
}

/// Why a length of time could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time; write a whole number and a unit, such as `500ms`, `90s`, `15m`, `4h`, `7d`")]
pub struct SpanError(String);

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError(text.to_owned());
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (digits, unit) = text.split_at(split);
        let number: i64 = digits.parse().map_err(|_| wrong())?;
        let scale = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(scale).map(Span).ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    /// The largest unit that divides the length: `7d`, `90m`, `1500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (scale, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
            if self.0 != 0 && self.0 % scale == 0 {
                return write!(f, "{}{unit}", self.0 / scale);
            }
        }
        write!(f, "{}ms", self.0)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_half_open_and_right_before_1970() {
        let hour = Span::from_millis(3_600_000);
        assert_eq!(Timestamp::from_millis(-1).interval(hour), -1);
        assert_eq!(Timestamp::from_millis(0).interval(hour), 0);
        assert_eq!(Timestamp::from_millis(-3_600_000).interval(hour), -1);
        assert_eq!(Timestamp::from_millis(-1).floor(hour, Span::default()).millis(), -3_600_000);
    }

    #[test]
    fn timestamps_print_as_rfc_3339() {
        assert_eq!(Timestamp::from_millis(1_357_035_300_000).to_string(), "2013-01-01T10:15:00Z");
        assert_eq!(Timestamp::from_millis(951_782_400_001).to_string(), "2000-02-29T00:00:00.001Z");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn spans_read_and_print_with_their_largest_unit() {
        for text in ["7d", "36h", "90m", "15s", "250ms"] {
            assert_eq!(text.parse::<Span>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("24h".parse::<Span>().map(|s| s.to_string()), Ok("1d".to_owned()));
        for text in ["", "7", "d", "-1d", "1.5h", "7 d", "9999999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
