//! Where the time of a record is and how it is written: `time`, `time_unit` and `time_format` of `[events]` or `[labels]`.

use super::range::name;
use crate::config::error::Problem;
use crate::data::params::{TimeFormat, TimeSource, TimeUnit};

/// The keys of one table.
#[derive(Clone, Copy)]
pub(super) struct TimeKeys<'a> {
    pub field: Option<&'a str>,
    pub unit: Option<TimeUnit>,
    pub format: Option<&'a str>,
}

pub(super) fn time(table: &str, keys: TimeKeys<'_>) -> Result<TimeSource, Problem> {
    let TimeKeys { field, unit, format } = keys;
    let Some(field) = field else {
        let how = [("time_unit", unit.map(TimeUnit::name)), ("time_format", format)];
        for (key, how) in how {
            let Some(how) = how else { continue };
            let message = format!("is `{how}`, but there is no `{table}.time` to be read with it; name the field");
            return Err(Problem::new(format!("{table}.{key}"), message));
        }
        return Ok(TimeSource::Record);
    };
    let name = name(&format!("{table}.time"), field)?.to_owned();
    let Some(format) = format else {
        return Ok(TimeSource::Field { name, unit: unit.unwrap_or(TimeUnit::Millis), format: None });
    };
    let key = format!("{table}.time_format");
    if let Some(unit) = unit {
        let message = format!(
            "contradicts `{table}.time_unit`, which is `{}`: a time is written in one way; leave one out",
            unit.name()
        );
        return Err(Problem::new(key, message));
    }
    let format = TimeFormat::new(format).map_err(|error| Problem::new(key, format!("`{format}` {error}")))?;
    Ok(TimeSource::Field { name, unit: TimeUnit::Formatted, format: Some(format) })
}
