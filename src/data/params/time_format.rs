//! A format of times, in the conversions of `strftime` as the crate `chrono` documents them.
//!
//! A format names a day, and either a time of day down to the minute or none, which is midnight. Without an offset
//! (`%z`) it is UTC. Whether it does is found out once, by writing a moment in it and reading it back.

use std::fmt::Write;

use chrono::format::{Fixed, Item, Parsed, StrftimeItems};
use chrono::{DateTime, NaiveTime};
use serde::{Serialize, Serializer};

use crate::data::Timestamp;

/// Something to write and read back: 2013-02-03T04:05:06.789Z.
const PROBE_MILLIS: i64 = 1_359_864_306_789;

/// A checked format.
#[derive(Clone, Debug)]
pub struct TimeFormat {
    text: String,
    items: Vec<Item<'static>>,
    has_time: bool,
}

/// Why a text is no format of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeFormatError {
    /// A conversion that is not known.
    #[error("holds a conversion that is not known; write those of `strftime`, such as `%Y-%m-%d %H:%M:%S`")]
    Unknown,
    /// A name of a zone says nothing about its offset.
    #[error("holds `%Z`: the name of a zone does not say its offset; write `%z`, or leave it out for UTC")]
    ZoneName,
    /// It does not say which day.
    #[error(
        "does not say which day, or says a part of the time of day only; write a date, and with it `%H:%M` or more"
    )]
    Incomplete,
}

impl TimeFormat {
    /// Checks a format.
    ///
    /// # Errors
    /// One that is wrong, or names no moment.
    pub fn new(text: &str) -> Result<Self, TimeFormatError> {
        let items = StrftimeItems::new(text).parse_to_owned().map_err(|_| TimeFormatError::Unknown)?;
        if items.iter().any(|item| matches!(item, Item::Fixed(Fixed::TimezoneName))) {
            return Err(TimeFormatError::ZoneName);
        }
        let mut probe = String::new();
        let moment = DateTime::from_timestamp_millis(PROBE_MILLIS).ok_or(TimeFormatError::Incomplete)?;
        write!(probe, "{}", moment.format_with_items(items.iter())).map_err(|_| TimeFormatError::Unknown)?;
        let parsed = parse(&probe, &items).ok_or(TimeFormatError::Incomplete)?;
        let has_time = parsed.to_naive_datetime_with_offset(0).is_ok();
        let names_time = parsed.hour_mod_12().is_some() || parsed.minute().is_some() || parsed.second().is_some();
        if !has_time && (names_time || parsed.to_naive_date().is_err()) {
            return Err(TimeFormatError::Incomplete);
        }
        Ok(TimeFormat { text: text.to_owned(), items, has_time })
    }

    /// Reads a text; `None` where it is not in this format.
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        let parsed = parse(text, &self.items)?;
        let offset = parsed.offset().unwrap_or(0);
        let naive = if self.has_time {
            parsed.to_naive_datetime_with_offset(offset).ok()?
        } else {
            parsed.to_naive_date().ok()?.and_time(NaiveTime::MIN)
        };
        Some(Timestamp::from_millis(naive.and_utc().timestamp_millis() - i64::from(offset) * 1_000))
    }

    /// The format as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn parse(text: &str, items: &[Item<'static>]) -> Option<Parsed> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, items.iter()).ok()?;
    Some(parsed)
}

impl PartialEq for TimeFormat {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TimeFormat {}

impl Serialize for TimeFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_in_utc_or_with_their_offset() -> Result<(), TimeFormatError> {
        for (format, text, expected) in [
            ("%Y-%m-%d %H:%M:%S", "2013-01-01 10:15:00", "2013-01-01T10:15:00Z"),
            ("%d/%b/%Y:%H:%M:%S %z", "01/Jan/2013:05:15:00 -0500", "2013-01-01T10:15:00Z"),
            ("%Y-%m-%dT%H:%M:%S%.f", "2013-01-01T10:15:00.2509", "2013-01-01T10:15:00.250Z"),
            ("%m/%d/%Y %I:%M %p", "01/02/2013 03:04 PM", "2013-01-02T15:04:00Z"),
            ("%Y%m%d", "19691231", "1969-12-31T00:00:00Z"),
            ("%Y-%j", "2012-366", "2012-12-31T00:00:00Z"),
            ("%s", "1357035300", "2013-01-01T10:15:00Z"),
        ] {
            let read = TimeFormat::new(format)?.read(text);
            assert_eq!(read.map(|time| time.to_string()).as_deref(), Some(expected), "{format}");
        }
        Ok(())
    }

    #[test]
    fn what_is_not_in_the_format_is_refused() -> Result<(), TimeFormatError> {
        let format = TimeFormat::new("%Y-%m-%d %H:%M:%S")?;
        for text in ["", "2013-01-01", "2013-02-29 00:00:00", "2013-01-01 24:00:00", "2013-01-01 10:15:00Z", "x"] {
            assert_eq!(format.read(text), None, "{text:?}");
        }
        Ok(())
    }

    #[test]
    fn a_format_has_to_name_a_moment() {
        for (format, expected) in [
            ("%H:%M:%S", TimeFormatError::Incomplete),
            ("%Y-%m", TimeFormatError::Incomplete),
            ("%Y-%m-%d %H", TimeFormatError::Incomplete),
            ("", TimeFormatError::Incomplete),
            ("at noon", TimeFormatError::Incomplete),
            ("%Y-%m-%d %Q", TimeFormatError::Unknown),
            ("%Y-%m-%d %H:%M:%S %Z", TimeFormatError::ZoneName),
        ] {
            assert_eq!(TimeFormat::new(format).err(), Some(expected), "{format}");
        }
    }
}
