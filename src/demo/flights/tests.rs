use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::config::Config;
use crate::data::{InputIndex, Item, Machine, Outbox, Record, RejectCode, Span};
use crate::pipeline::{EVENTS, LABELS, Pipeline, PipelineParams};

const CONFIG: &str = include_str!("../../../examples/flights.toml");

fn records(flights: &Flights) -> impl Iterator<Item = FlightRecord> {
    (0..flights.len()).map(|position| flights.record(position).unwrap().unwrap())
}

fn text(record: &FlightRecord) -> &str {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap()
}

/// The id of the event a record is or follows up on: the first field of both.
fn id_of(record: &FlightRecord) -> &str {
    text(record).split('"').nth(3).unwrap()
}

#[test]
fn the_year_has_every_departure_and_every_fact_in_order() {
    let flights = Flights::load(FlightsParams::default()).unwrap();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut latest = Timestamp::MIN;
    let mut seen = BTreeSet::new();
    for record in records(&flights) {
        assert!(record.at >= latest);
        latest = record.at;
        let what = match record.stream {
            Stream::Event => "events",
            Stream::BrokenEvent => "broken",
            Stream::FollowUp(kind) => kind.name(),
        };
        *counts.entry(what).or_default() += 1;
        let id = id_of(&record).to_owned();
        if record.stream == Stream::Event {
            assert!(seen.insert(id), "an id stands twice: {}", text(&record));
        } else {
            assert!(seen.contains(&id), "a fact comes after its event: {}", text(&record));
        }
    }
    let expected = [("cancelled", 8_255), ("departed", 328_521), ("events", 336_776), ("landed", 327_346)];
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(flights.bounds().unwrap().start().to_string(), "2013-01-01T10:15:00Z");
}

#[test]
fn the_first_departure_reads_as_the_files_say() {
    let flights = Flights::load(FlightsParams::default()).unwrap();
    let first = flights.record(0).unwrap().unwrap();
    assert_eq!(first.key.as_deref(), Some(b"EWR".as_slice()));
    assert_eq!(
        text(&first),
        "{\"id\":\"UA1545-20130101-EWR\",\"scheduled\":1357035300000,\"origin\":\"EWR\",\"carrier\":\"UA\",\
         \"flight\":1545,\"tailnum\":\"N14228\",\"dest\":\"IAH\",\"distance\":1400,\"minute\":315,\"weekday\":2,\
         \"duration\":244,\"temp\":3.9,\"dewp\":-2.2,\"humid\":64.43,\"wind_dir\":260.0,\"wind_speed\":11.0,\
         \"precip\":0.0,\"pressure\":1011.9,\"visib\":10.0}"
    );
    let landed = records(&flights).find(|record| {
        record.stream == Stream::FollowUp(FollowUp::Landed) && text(record).contains("UA1545-20130101-EWR")
    });
    let landed = landed.unwrap();
    assert_eq!(landed.at, first.at.plus(Span::from_millis((244 + 11 + 1) * 60_000)));
    assert_eq!(
        text(&landed),
        "{\"event_id\":\"UA1545-20130101-EWR\",\"kind\":\"landed\",\"known_at\":1357050660000,\"arr_delay\":11,\
         \"late\":0,\"air_time\":227}"
    );
}

#[test]
fn a_shuffled_row_keeps_its_fields_and_takes_the_place_of_another() {
    let first = |flights: &Flights| text(&flights.record(0).unwrap().unwrap()).to_owned();
    let all = |shuffle| {
        let flights = Flights::load(FlightsParams { shuffle, broken: false }).unwrap();
        let mut places = Vec::new();
        let mut rows = BTreeMap::new();
        for record in records(&flights).filter(|record| record.stream == Stream::Event) {
            places.push(record.at);
            let scheduled = format!("\"scheduled\":{},", record.at.millis());
            let (before, after) = text(&record).split_once(&scheduled).expect("its place");
            rows.insert(id_of(&record).to_owned(), format!("{before}{after}"));
        }
        (places, rows, flights.len(), first(&flights))
    };
    let (places, rows, n, first_row) = all(None);
    let (shuffled_places, shuffled_rows, shuffled_n, shuffled_first) = all(Some(7));
    assert_eq!(places, shuffled_places);
    assert!(rows == shuffled_rows, "the same rows but for their places");
    assert_eq!(n, shuffled_n);
    assert_ne!(first_row, shuffled_first);
    let other = |seed| first(&Flights::load(FlightsParams { shuffle: Some(seed), broken: false }).unwrap());
    assert_eq!(shuffled_first, other(7));
    assert_ne!(shuffled_first, other(8));
}

/// Broken events, and one flight in 16 with all that became known of it.
fn sampled(record: &FlightRecord) -> bool {
    record.stream == Stream::BrokenEvent || id_of(record).bytes().map(u32::from).sum::<u32>() % 16 == 0
}

#[test]
fn every_broken_event_is_refused_and_nothing_else_is() {
    let config = Config::parse(CONFIG).unwrap();
    let params = PipelineParams {
        events: config.events,
        labels: config.labels.unwrap(),
        facts: config.facts,
        features: config.features,
        layout: String::new(),
        score: config.score,
        drift: config.drift,
        performance: config.performance,
        outputs: config.outputs.form,
        station: crate::data::params::Station::default(),
        traces: None,
    };
    let mut pipeline = Pipeline::new(Arc::new(params), 0);
    let flights = Flights::load(FlightsParams { shuffle: None, broken: true }).unwrap();
    let mut out = Outbox::muted();
    let mut offsets = [0_i64; 2];
    let mut batch = Vec::new();
    let mut broken = 0;
    for record in records(&flights).filter(sampled) {
        let input = if matches!(record.stream, Stream::FollowUp(_)) { LABELS } else { EVENTS };
        let InputIndex(number) = input;
        let offset = offsets[usize::from(number)];
        offsets[usize::from(number)] += 1;
        broken += u64::from(record.stream == Stream::BrokenEvent);
        let [key, value] = [record.key, record.value].map(|bytes| bytes.map(Into::into));
        batch.push(Item::Record {
            input,
            record: Record { offset, timestamp: record.at, key, value, headers: Vec::new() },
        });
        if batch.len() == 1_024 {
            pipeline.handle(&batch, record.at, &mut out);
            pipeline.commit();
            batch.clear();
        }
    }
    pipeline.handle(&batch, Timestamp::MAX, &mut out);
    pipeline.commit();
    let tally = pipeline.tally();
    assert_eq!((broken, tally.event_dead_letters), (u64::from(BROKEN), u64::from(BROKEN)));
    assert_eq!((tally.events - broken, tally.follow_up_dead_letters), (tally.predictions, 0));
    assert!(tally.predictions > 15_000 && tally.labels > 15_000, "{tally:?}");
    let codes = RejectCode::ALL.iter().zip(tally.rejects[0]).filter(|(_, count)| *count > 0);
    assert_eq!(codes.count(), 11, "ways of being broken: {:?}", tally.rejects);
}
