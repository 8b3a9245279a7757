//! The time of a record, from the cell it was decoded into.

use crate::data::params::{TimeFormat, TimeSource, TimeUnit};
use crate::data::{Reject, RejectCode, Table, Timestamp};

/// The largest count of milliseconds taken, either way from the epoch: the year 9999. Beyond it arithmetic with
/// windows would saturate.
const MAX_MILLIS: f64 = 253_402_300_799_999.0;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// Reads the times of one input.
#[derive(Clone, Debug)]
pub struct TimeReader {
    column: usize,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Millis,
    Seconds,
    Micros,
    /// An integer as text: a double would not hold it.
    Nanos,
    Rfc3339,
    Format(TimeFormat),
}

impl TimeReader {
    /// Reads what `source` says from `column`: a text column for nanoseconds, RFC 3339 and formats, a number column for
    /// the rest.
    pub fn new(column: usize, source: &TimeSource) -> Self {
        let how = match source {
            TimeSource::Field { format: Some(format), .. } => How::Format(format.clone()),
            TimeSource::Field { unit: TimeUnit::Seconds, .. } => How::Seconds,
            TimeSource::Field { unit: TimeUnit::Micros, .. } => How::Micros,
            TimeSource::Field { unit: TimeUnit::Nanos, .. } => How::Nanos,
            TimeSource::Field { unit: TimeUnit::Rfc3339 | TimeUnit::Formatted, .. } => How::Rfc3339,
            TimeSource::Field { unit: TimeUnit::Millis, .. } | TimeSource::Record => How::Millis,
        };
        TimeReader { column, how }
    }

    /// The time in a row. What is finer than a millisecond is cut off; seconds are rounded to it.
    pub fn read(&self, table: &Table, row: usize) -> Result<Timestamp, Reject> {
        let refuse = |message: &str| Err(Reject::new(RejectCode::Time, message));
        let millis = match &self.how {
            How::Millis | How::Seconds | How::Micros => {
                let count = table.number(self.column, row);
                if count.is_nan() {
                    return refuse("the time field is missing");
                }
                match self.how {
                    How::Seconds => (count * 1_000.0).round(),
                    _ if !is_whole(count) => return refuse("the time field is not a whole number"),
                    How::Micros => (count / 1_000.0).floor(),
                    _ => count,
                }
            }
            How::Nanos | How::Rfc3339 | How::Format(_) => {
                let Some(text) = table.text(self.column, row) else { return refuse("the time field is missing") };
                let Ok(text) = std::str::from_utf8(text) else { return refuse("the time field is not UTF-8") };
                match self.read_text(text) {
                    Ok(time) => time.millis() as f64,
                    Err(message) => return refuse(&message),
                }
            }
        };
        if millis.abs() > MAX_MILLIS {
            return refuse("the time field lies beyond the year 9999");
        }
        Ok(Timestamp::from_millis(millis as i64))
    }

    fn read_text(&self, text: &str) -> Result<Timestamp, String> {
        match &self.how {
            How::Format(format) => {
                format.read(text).ok_or_else(|| format!("the time field is not in the format `{}`", format.as_str()))
            }
            How::Nanos => match text.parse::<i64>() {
                Ok(nanos) => Ok(Timestamp::from_millis(nanos.div_euclid(NANOS_PER_MILLI))),
                Err(_) => Err("the time field is not a whole number of nanoseconds within 64 bits".to_owned()),
            },
            _ => Timestamp::from_rfc3339(text)
                .ok_or_else(|| "the time field is not RFC 3339, such as 2013-01-01T10:15:00Z".to_owned()),
        }
    }
}

/// Whether there is nothing behind the point.
#[inline]
fn is_whole(x: f64) -> bool {
    // Without a call, which the standard library's own is on the oldest machines.
    x as i64 as f64 == x || x.fract() == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(unit: TimeUnit, number: f64, text: Option<&str>) -> Option<i64> {
        let source = TimeSource::Field { name: "at".to_owned(), unit, format: None };
        let mut table = Table::new(1, 1);
        table.begin();
        table.set_number(0, number);
        if let Some(text) = text {
            table.set_text(0, text.as_bytes());
        }
        TimeReader::new(0, &source).read(&table, 0).ok().map(Timestamp::millis)
    }

    #[test]
    fn units_are_brought_to_milliseconds_and_the_rest_is_cut_off() {
        assert_eq!(read(TimeUnit::Millis, 1_500.0, None), Some(1_500));
        assert_eq!(read(TimeUnit::Seconds, 1.2345, None), Some(1_235));
        assert_eq!(read(TimeUnit::Micros, 1_999_999.0, None), Some(1_999));
        assert_eq!(read(TimeUnit::Micros, -1.0, None), Some(-1));
        assert_eq!(read(TimeUnit::Nanos, f64::NAN, Some("1357035300000999999")), Some(1_357_035_300_000));
        assert_eq!(read(TimeUnit::Nanos, f64::NAN, Some("-1")), Some(-1));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (unit, number, text) in [
            (TimeUnit::Millis, f64::NAN, None),
            (TimeUnit::Millis, 0.5, None),
            (TimeUnit::Millis, 1e15, None),
            (TimeUnit::Seconds, -1e12, None),
            (TimeUnit::Micros, 1.5, None),
            (TimeUnit::Nanos, f64::NAN, Some("9223372036854775808")),
            (TimeUnit::Nanos, f64::NAN, None),
            (TimeUnit::Rfc3339, f64::NAN, Some("yesterday")),
        ] {
            assert_eq!(read(unit, number, text), None, "{unit:?} {number} {text:?}");
        }
    }
}
