//! The bundled files, read into rows: what is known beforehand of each departure, what became of it, and the weather.
//!
//! The files are part of the binary, so that it runs wherever it was installed. A row that does not fit its format is an
//! error with its line: the files are ours, and half a year of flights would look like a different world.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result, anyhow, ensure};
use flate2::read::GzDecoder;

const FLIGHTS: &[u8] = include_bytes!("../../../data/flights.csv.gz");
const OUTCOMES: &[u8] = include_bytes!("../../../data/outcomes.csv.gz");
const WEATHER: &[u8] = include_bytes!("../../../data/weather.csv.gz");

/// Position of a text in [`Rows::names`].
pub(super) type Name = u16;

/// One scheduled departure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flight {
    /// Minutes of scheduled departure since 2013-01-01T00:00Z.
    pub minute: i32,
    pub carrier: Name,
    pub number: u16,
    pub origin: Name,
    pub dest: Name,
    pub tailnum: Option<Name>,
    /// Miles.
    pub distance: u16,
    /// Scheduled minutes from gate to gate.
    pub block: i16,
    /// Minutes; `None` when cancelled.
    pub dep_delay: Option<i16>,
    /// Minutes; `None` when cancelled or diverted.
    pub arr_delay: Option<i16>,
    /// Minutes; `None` when cancelled or diverted.
    pub air_time: Option<i16>,
    pub cancelled: bool,
    /// Position in [`Rows::weather`].
    pub weather: Option<u32>,
}

/// The weather of one hour at one airport; an absent value was not reported.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Weather {
    /// Degrees Celsius.
    pub temp: Option<f64>,
    /// Degrees Celsius.
    pub dewp: Option<f64>,
    /// Percent.
    pub humid: Option<f64>,
    /// Degrees the wind comes from.
    pub wind_dir: Option<f64>,
    /// Knots.
    pub wind_speed: Option<f64>,
    /// Knots.
    pub wind_gust: Option<f64>,
    /// Inches.
    pub precip: Option<f64>,
    /// Hectopascal.
    pub pressure: Option<f64>,
    /// Miles.
    pub visib: Option<f64>,
}

/// All rows, in the order of the files.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Carriers, airports and aircraft.
    pub names: Vec<String>,
    pub flights: Vec<Flight>,
    pub weather: Vec<Weather>,
}

impl Rows {
    /// Reads the three files.
    pub fn load() -> Result<Rows> {
        let mut rows = Rows::default();
        let mut positions = BTreeMap::new();
        let weather = text(WEATHER, "weather")?;
        let mut hours: BTreeMap<(i32, Name), u32> = BTreeMap::new();
        for (line, row) in lines(&weather) {
            let (hour, origin, found) = weather_row(row).with_context(|| format!("weather.csv.gz, line {line}"))?;
            let at = (hour, rows.name(&mut positions, origin)?);
            hours.insert(at, u32::try_from(rows.weather.len())?);
            rows.weather.push(found);
        }
        let (flights, outcomes) = (text(FLIGHTS, "flights")?, text(OUTCOMES, "outcomes")?);
        let mut minute = 0;
        let mut outcome_lines = lines(&outcomes);
        for (line, row) in lines(&flights) {
            let (_, outcome) =
                outcome_lines.next().ok_or_else(|| anyhow!("outcomes.csv.gz ends before line {line} of flights"))?;
            let flight = rows
                .flight(&mut positions, &mut minute, Columns { row, outcome })
                .with_context(|| format!("flights.csv.gz and outcomes.csv.gz, line {line}"))?;
            let weather = hours.get(&(flight.minute.div_euclid(60), flight.origin)).copied();
            rows.flights.push(Flight { weather, ..flight });
        }
        ensure!(outcome_lines.next().is_none(), "outcomes.csv.gz has more lines than flights.csv.gz");
        Ok(rows)
    }

    /// A name by its position.
    pub fn text(&self, name: Name) -> &str {
        self.names.get(usize::from(name)).map_or("", String::as_str)
    }

    fn name(&mut self, positions: &mut BTreeMap<String, Name>, text: &str) -> Result<Name> {
        if let Some(position) = positions.get(text) {
            return Ok(*position);
        }
        let position = Name::try_from(self.names.len())?;
        self.names.push(text.to_owned());
        positions.insert(text.to_owned(), position);
        Ok(position)
    }

    fn flight(
        &mut self,
        positions: &mut BTreeMap<String, Name>,
        minute: &mut i32,
        columns: Columns<'_>,
    ) -> Result<Flight> {
        let [step, carrier, number, origin, dest, distance, block, tailnum] = cells(columns.row)?;
        let [dep_delay, arr_delay, air_time, cancelled] = cells(columns.outcome)?;
        *minute += step.parse::<i32>()?;
        Ok(Flight {
            minute: *minute,
            carrier: self.name(positions, carrier)?,
            number: number.parse()?,
            origin: self.name(positions, origin)?,
            dest: self.name(positions, dest)?,
            tailnum: if tailnum.is_empty() { None } else { Some(self.name(positions, tailnum)?) },
            distance: distance.parse()?,
            block: block.parse()?,
            dep_delay: maybe(dep_delay)?,
            arr_delay: maybe(arr_delay)?,
            air_time: maybe(air_time)?,
            cancelled: cancelled == "1",
            weather: None,
        })
    }
}

#[derive(Clone, Copy)]
struct Columns<'a> {
    row: &'a str,
    outcome: &'a str,
}

fn text(compressed: &[u8], what: &str) -> Result<String> {
    let mut text = String::new();
    GzDecoder::new(compressed).read_to_string(&mut text).with_context(|| format!("the bundled {what}.csv.gz"))?;
    Ok(text)
}

/// Lines after the header with their numbers; the header is line 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().skip(1).map(|(index, row)| (index + 1, row))
}

/// The files quote nothing: no cell holds a comma.
fn cells<const N: usize>(row: &str) -> Result<[&str; N]> {
    let cells: Vec<&str> = row.split(',').collect();
    let found = cells.len();
    cells.try_into().map_err(|_| anyhow!("{found} cells, {N} were expected"))
}

fn maybe<T>(cell: &str) -> Result<Option<T>>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    if cell.is_empty() { Ok(None) } else { Ok(Some(cell.parse()?)) }
}

fn weather_row(row: &str) -> Result<(i32, &str, Weather)> {
    let [hour, origin, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib] = cells(row)?;
    let weather = Weather {
        temp: maybe(temp)?,
        dewp: maybe(dewp)?,
        humid: maybe(humid)?,
        wind_dir: maybe(wind_dir)?,
        wind_speed: maybe(wind_speed)?,
        wind_gust: maybe(wind_gust)?,
        precip: maybe(precip)?,
        pressure: maybe(pressure)?,
        visib: maybe(visib)?,
    };
    Ok((hour.parse()?, origin, weather))
}
