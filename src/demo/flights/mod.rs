//! The bundled year of departures as a stream: events at their scheduled time, follow-ups when they became known.
//!
//! Records come in the order in which the world would have sent them. Events of one minute keep the order of the file; what
//! became known in a minute comes after the events of that minute, because it counts only for later ones.
//!
//! A shuffled stream gives every row the place of another and lets it keep everything else, weather and delays
//! included. Nothing drifts in it, by construction: what still raises an alarm there is a false alarm.
//!
//! `data/README.md` says where the rows come from and when each fact became known.

mod broken;
mod event;
mod rows;

use anyhow::Result;

use crate::data::Timestamp;
use crate::stats::SplitMix64;
pub use broken::BROKEN;
pub use event::FollowUp;
use event::time;
use rows::{Flight, Rows};

/// How the stream is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlightsParams {
    /// Seed by which rows change places; `None`: as it happened.
    pub shuffle: Option<u64>,
    /// Mixes in events that cannot be used.
    pub broken: bool,
}

/// Which topic a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// An event.
    Event,
    /// An event that cannot be used.
    BrokenEvent,
    /// A follow-up.
    FollowUp(FollowUp),
}

/// One record to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightRecord {
    /// What it is.
    pub stream: Stream,
    /// When it is sent; also its record timestamp.
    pub at: Timestamp,
    /// Record key.
    pub key: Option<Vec<u8>>,
    /// Record value.
    pub value: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    minute: i32,
    /// Events, then broken ones, then follow-ups.
    rank: u8,
    /// Place in the stream of events.
    place: u32,
    /// Kind of follow-up, or number of the broken event.
    which: u8,
}

/// The year, ready to be sent.
pub struct Flights {
    rows: Rows,
    /// The row at each place, in the order of the places' times.
    row_at: Vec<u32>,
    entries: Vec<Entry>,
}

const EVENT: u8 = 0;
const BROKEN_EVENT: u8 = 1;
const FOLLOW_UP: u8 = 2;

impl Flights {
    /// Unpacks the bundled files and puts everything in order.
    ///
    /// # Errors
    /// When the bundled files are damaged.
    pub fn load(params: FlightsParams) -> Result<Flights> {
        let rows = Rows::load()?;
        let mut row_at: Vec<u32> = (0..u32::try_from(rows.flights.len())?).collect();
        if let Some(seed) = params.shuffle {
            SplitMix64::new(seed).shuffle(&mut row_at);
        }
        let mut entries = Vec::with_capacity(rows.flights.len() * 3);
        for ((place, row), slot) in (0_u32..).zip(&row_at).zip(&rows.flights) {
            let minute = slot.minute;
            entries.push(Entry { minute, rank: EVENT, place, which: 0 });
            let Some(flight) = rows.flights.get(*row as usize) else { continue };
            for (which, kind) in (0_u8..).zip(FollowUp::ALL) {
                let after = kind.known_after(flight);
                entries.extend(after.map(|after| Entry { minute: minute + after, rank: FOLLOW_UP, place, which }));
            }
        }
        for number in (0..BROKEN).filter(|_| params.broken) {
            let place = broken::place(number);
            let slot = rows.flights.get(place as usize);
            let which = u8::try_from(number)?;
            entries.extend(slot.map(|slot| Entry { minute: slot.minute, rank: BROKEN_EVENT, place, which }));
        }
        entries.sort_unstable();
        Ok(Flights { rows, row_at, entries })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// When the first and the last record are sent.
    pub fn bounds(&self) -> Option<std::ops::RangeInclusive<Timestamp>> {
        Some(time(self.entries.first()?.minute)..=time(self.entries.last()?.minute))
    }

    /// When a record is sent; `None` past the end.
    pub fn at(&self, position: usize) -> Option<Timestamp> {
        self.entries.get(position).map(|entry| time(entry.minute))
    }

    /// A record by its position in the order of sending; `None` past the end.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn record(&self, position: usize) -> Result<Option<FlightRecord>> {
        let Some(entry) = self.entries.get(position) else { return Ok(None) };
        let Some((flight, minute)) = self.flight(entry) else { return Ok(None) };
        let origin = self.rows.text(flight.origin);
        let at = time(entry.minute);
        let mut key = Some(origin.as_bytes().to_vec());
        let (stream, value) = match entry.rank {
            EVENT => (Stream::Event, Some(self.rows.event(flight, minute)?)),
            BROKEN_EVENT => {
                let event = self.rows.event(flight, minute)?;
                let broken = broken::broken(u32::from(entry.which), origin, &event)?;
                key = broken.key;
                (Stream::BrokenEvent, broken.value)
            }
            _ => {
                let Some(kind) = FollowUp::ALL.get(usize::from(entry.which)).copied() else { return Ok(None) };
                (Stream::FollowUp(kind), Some(self.rows.follow_up(kind, flight, at)?))
            }
        };
        Ok(Some(FlightRecord { stream, at, key, value }))
    }

    /// The flight an entry is about, and the minute of its place.
    fn flight(&self, entry: &Entry) -> Option<(&Flight, i32)> {
        let row = *self.row_at.get(entry.place as usize)?;
        let slot = self.rows.flights.get(entry.place as usize)?;
        Some((self.rows.flights.get(row as usize)?, slot.minute))
    }
}

#[cfg(test)]
mod tests;
