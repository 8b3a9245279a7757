//! The time of a record, from the cell it was decoded into.

use crate::data::params::TimeUnit;
use crate::data::{Reject, RejectCode, Table, Timestamp};

/// The largest count of milliseconds taken, either way from the epoch: the year 9999. Beyond it arithmetic with
/// windows would saturate.
const MAX_MILLIS: f64 = 253_402_300_799_999.0;

/// Reads a time from column `column` of `table`: a number column for milliseconds and seconds, a text column for
/// RFC 3339.
pub fn read_time(table: &Table, row: usize, column: usize, unit: TimeUnit) -> Result<Timestamp, Reject> {
    let refuse = |message: &str| Err(Reject::new(RejectCode::Time, message));
    let millis = match unit {
        TimeUnit::Millis => table.number(column, row),
        TimeUnit::Seconds => (table.number(column, row) * 1_000.0).round(),
        TimeUnit::Rfc3339 => {
            let Some(text) = table.text(column, row) else { return refuse("the time field is missing") };
            let time = std::str::from_utf8(text).ok().and_then(Timestamp::from_rfc3339);
            return time.map_or_else(|| refuse("the time field is not RFC 3339, such as 2013-01-01T10:15:00Z"), Ok);
        }
    };
    if millis.is_nan() {
        return refuse("the time field is missing");
    }
    if millis.fract() != 0.0 {
        return refuse("the time field is not a whole number of milliseconds");
    }
    if millis.abs() > MAX_MILLIS {
        return refuse("the time field lies beyond the year 9999");
    }
    Ok(Timestamp::from_millis(millis as i64))
}
