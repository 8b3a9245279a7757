//! Points in time and lengths of time, both in whole milliseconds.
//!
//! Every time in the system is event time carried by a record or a `now` handed in by the runtime; nothing here
//! reads a clock. Both types are plain integers, so arithmetic is exact and the same on every machine.
//! Arithmetic saturates: a hostile stamp at the edge of the range can be compared, never wrapped.

use std::fmt;
use std::ops::Range;
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

    /// Reads RFC 3339 (`2013-01-01T10:15:00Z`, `2013-01-01T05:15:00.250-05:00`); digits beyond milliseconds are cut.
    /// A leap second (`:60`) counts as the first second of the next minute.
    pub fn from_rfc3339(text: &str) -> Option<Timestamp> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = bytes.get(from..to)?;
            digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
        };
        let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
        let shape = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let date = days(year, month, day);
        let Civil { month: same_month, day: same_day, .. } = civil(date);
        if !shape || same_month != month || same_day != day || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut at = 19;
        let mut millis = 0;
        if is(at, b".") {
            let digits = bytes.get(at + 1..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let kept = digits.min(3);
            millis = number(at + 1, at + 1 + kept)? * [0, 100, 10, 1].get(kept)?;
            at += 1 + digits;
            if digits == 0 {
                return None;
            }
        }
        let zone = if is(at, b"Zz") {
            (bytes.len() == at + 1).then_some(0)?
        } else {
            let sign = if is(at, b"+") {
                1
            } else if is(at, b"-") {
                -1
            } else {
                return None;
            };
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            (is(at + 3, b":") && bytes.len() == at + 6 && hours < 24 && minutes < 60).then_some(())?;
            sign * (hours * 60 + minutes)
        };
        let minutes = (date * 24 + hour) * 60 + minute - zone;
        Some(Timestamp((minutes * 60 + second) * 1_000 + millis))
    }

    /// The index of the interval of length `span`, aligned to the epoch, that holds this point (half-open, correct
    /// before 1970).
    pub const fn interval(self, span: Span) -> i64 {
        self.0.div_euclid(span.0)
    }

    /// Milliseconds since midnight in UTC.
    pub const fn millis_of_day(self) -> i64 {
        self.0.rem_euclid(86_400_000)
    }

    /// Date in UTC.
    pub const fn calendar(self) -> CalendarTime {
        let date = self.0.div_euclid(86_400_000);
        let Civil { year, month, day } = civil(date);
        CalendarTime { month, day, day_of_year: date - days(year, 1, 1) + 1, weekday: (date + 3).rem_euclid(7) + 1 }
    }

    /// The start of the interval of length `span`, aligned to the epoch plus `offset`, that holds this point.
    pub const fn floor(self, span: Span, offset: Span) -> Timestamp {
        let shifted = self.0.saturating_sub(offset.0);
        Timestamp(shifted.saturating_sub(shifted.rem_euclid(span.0)).saturating_add(offset.0))
    }

    /// Stretches of times that follow each other in one interval of length `span`, aligned to the epoch plus `offset`: the
    /// start of the interval, and which of the times.
    pub fn stretches(times: &[Timestamp], span: Span, offset: Span) -> impl Iterator<Item = (Timestamp, Range<usize>)> {
        let mut first = 0;
        std::iter::from_fn(move || {
            let (time, rest) = times.get(first..)?.split_first()?;
            let start = time.floor(span, offset);
            let end = start.plus(span);
            let from = first;
            first += 1 + rest.iter().take_while(|time| (start..end).contains(*time)).count();
            Some((start, from..first))
        })
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

/// Year, month, day to days since the epoch (the inverse of [`civil`], same source, `days_from_civil`).
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Where a point in time lies in the year and the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarTime {
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 1 to 366.
    pub day_of_year: i64,
    /// 1 is Monday, 7 Sunday.
    pub weekday: i64,
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
    fn stretches_end_where_the_interval_does() {
        let times = [-1, 0, 5, 9, 10, 3, 25].map(Timestamp::from_millis);
        let of = |offset| {
            let stretches = Timestamp::stretches(&times, Span::from_millis(10), Span::from_millis(offset));
            stretches.map(|(start, times)| (start.millis(), times)).collect::<Vec<_>>()
        };
        assert_eq!(of(0), [(-10, 0..1), (0, 1..4), (10, 4..5), (0, 5..6), (20, 6..7)]);
        assert_eq!(of(5), [(-5, 0..2), (5, 2..5), (-5, 5..6), (25, 6..7)]);
        assert_eq!(Timestamp::stretches(&[Timestamp::MAX; 2], Span::from_millis(10), Span::default()).count(), 2);
    }

    #[test]
    fn timestamps_print_as_rfc_3339() {
        assert_eq!(Timestamp::from_millis(1_357_035_300_000).to_string(), "2013-01-01T10:15:00Z");
        assert_eq!(Timestamp::from_millis(951_782_400_001).to_string(), "2000-02-29T00:00:00.001Z");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn rfc_3339_is_read_back_and_nonsense_is_refused() {
        for millis in [1_357_035_300_000, 951_782_400_001, -1, 0, -62_135_596_800_000, 253_402_300_799_999] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::from_rfc3339(&time.to_string()), Some(time));
        }
        let read = |text: &str| Timestamp::from_rfc3339(text).map(Timestamp::millis);
        assert_eq!(read("2013-01-01T05:15:00.2509-05:00"), Some(1_357_035_300_250));
        for text in [
            "",
            "2013-02-29T00:00:00Z",
            "2013-01-01",
            "2013-01-01T24:00:00Z",
            "2013-01-01T00:00:00",
            "2013-13-01T00:00:00Z",
            "2013-01-01T00:00:00.Z",
            "2013-01-01T00:00:00+5:00",
            "２013-01-01T00:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
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
