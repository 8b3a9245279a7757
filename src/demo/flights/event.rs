//! One departure as records: the event, and the follow-ups that come once something became known.
//!
//! Field names are those of `examples/flights.toml`; what the data lacks is absent from the record.

use serde::Serialize;

use super::rows::{Flight, Rows, Weather};
use crate::data::Timestamp;

/// 2013-01-01T00:00Z, from which the files count minutes.
const START: Timestamp = Timestamp::from_millis(1_356_998_400_000);
const MINUTE_MS: i64 = 60_000;
/// Summer time in New York in 2013: from 10 March 07:00Z to 3 November 06:00Z.
const SUMMER: std::ops::Range<i32> = 98_340..441_000;
/// A flight that arrives (or leaves) this many minutes late counts as late.
const LATE_FROM: i16 = 15;

/// The kinds of follow-up, in the order of their ranks at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FollowUp {
    /// The flight was cancelled.
    Cancelled,
    /// It left the gate.
    Departed,
    /// It arrived; the label.
    Landed,
}

impl FollowUp {
    /// All kinds.
    pub const ALL: [FollowUp; 3] = [FollowUp::Cancelled, FollowUp::Departed, FollowUp::Landed];

    /// The name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            FollowUp::Cancelled => "cancelled",
            FollowUp::Departed => "departed",
            FollowUp::Landed => "landed",
        }
    }

    /// Minutes after the scheduled departure at which this became known; `None` if it never did.
    ///
    /// A departure ahead of schedule is reported at the scheduled time, or its own event would know of it.
    pub(super) fn known_after(self, flight: &Flight) -> Option<i32> {
        match self {
            FollowUp::Cancelled => flight.cancelled.then_some(1),
            FollowUp::Departed => flight.dep_delay.map(|delay| i32::from(delay.max(0)) + 1),
            FollowUp::Landed => flight.arr_delay.map(|delay| i32::from(flight.block) + i32::from(delay) + 1),
        }
    }
}

/// The point in time that is `minute` minutes after the beginning of 2013.
pub(super) fn time(minute: i32) -> Timestamp {
    Timestamp::from_millis(START.millis() + i64::from(minute) * MINUTE_MS)
}

#[derive(Serialize)]
struct Event<'a> {
    id: String,
    scheduled: i64,
    origin: &'a str,
    carrier: &'a str,
    flight: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    tailnum: Option<&'a str>,
    dest: &'a str,
    distance: u16,
    minute: i32,
    weekday: i32,
    duration: i16,
    #[serde(skip_serializing_if = "Option::is_none")]
    temp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dewp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    humid: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wind_dir: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wind_speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wind_gust: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    precip: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pressure: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visib: Option<f64>,
}

#[derive(Serialize)]
struct FollowUpRecord {
    event_id: String,
    kind: &'static str,
    known_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dep_delay: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    late_departure: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arr_delay: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    air_time: Option<i16>,
}

impl Rows {
    /// Carrier and number, local date, airport: unique over the year.
    pub(super) fn event_id(&self, flight: &Flight) -> String {
        let date = time(local(flight.minute)).to_string();
        let (year, month, day) = (date.get(..4), date.get(5..7), date.get(8..10));
        let [year, month, day] = [year, month, day].map(Option::unwrap_or_default);
        let [carrier, origin] = [flight.carrier, flight.origin].map(|name| self.text(name));
        format!("{carrier}{}-{year}{month}{day}-{origin}", flight.number)
    }

    /// The event of a flight whose place in the stream is `minute`; all other fields are the flight's own.
    pub(super) fn event(&self, flight: &Flight, minute: i32) -> serde_json::Result<Vec<u8>> {
        let local = local(flight.minute);
        let weather = flight.weather.and_then(|at| self.weather.get(at as usize)).copied();
        let Weather { temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib } =
            weather.unwrap_or_default();
        serde_json::to_vec(&Event {
            id: self.event_id(flight),
            scheduled: time(minute).millis(),
            origin: self.text(flight.origin),
            carrier: self.text(flight.carrier),
            flight: flight.number,
            tailnum: flight.tailnum.map(|name| self.text(name)),
            dest: self.text(flight.dest),
            distance: flight.distance,
            minute: local.rem_euclid(24 * 60),
            // 2013-01-01 was a Tuesday.
            weekday: (local.div_euclid(24 * 60) + 1).rem_euclid(7) + 1,
            duration: flight.block,
            temp,
            dewp,
            humid,
            wind_dir,
            wind_speed,
            wind_gust,
            precip,
            pressure,
            visib,
        })
    }

    /// What became known of a flight at `known_at`.
    pub(super) fn follow_up(
        &self,
        kind: FollowUp,
        flight: &Flight,
        known_at: Timestamp,
    ) -> serde_json::Result<Vec<u8>> {
        let (departed, landed) = (kind == FollowUp::Departed, kind == FollowUp::Landed);
        let late = |delay: i16| u8::from(delay >= LATE_FROM);
        let (dep_delay, arr_delay) = (flight.dep_delay.filter(|_| departed), flight.arr_delay.filter(|_| landed));
        serde_json::to_vec(&FollowUpRecord {
            event_id: self.event_id(flight),
            kind: kind.name(),
            known_at: known_at.millis(),
            dep_delay,
            late_departure: dep_delay.map(late),
            arr_delay,
            late: arr_delay.map(late),
            air_time: flight.air_time.filter(|_| landed),
        })
    }
}

/// Minutes of New York wall time since the beginning of 2013 there and then.
fn local(minute: i32) -> i32 {
    minute - if SUMMER.contains(&minute) { 240 } else { 300 }
}
