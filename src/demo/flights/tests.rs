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
        let value: serde_json::Value = serde_json::from_str(text(&record)).unwrap();
        if record.stream == Stream::Event {
            assert!(seen.insert(value["id"].as_str().unwrap().to_owned()), "{value}");
        } else {
            assert!(seen.contains(value["event_id"].as_str().unwrap()), "a fact comes after its event: {value}");
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
    let all = |shuffle| {
        let flights = Flights::load(FlightsParams { shuffle, broken: false }).unwrap();
        let mut places = Vec::new();
        let mut rows = BTreeMap::new();
        for record in records(&flights).filter(|record| record.stream == Stream::Event) {
            let mut value: serde_json::Value = serde_json::from_str(text(&record)).unwrap();
            places.push(record.at);
            assert_eq!(value["scheduled"].as_i64(), Some(record.at.millis()));
            value.as_object_mut().unwrap().remove("scheduled");
            rows.insert(value["id"].as_str().unwrap().to_owned(), value);
        }
        (places, rows, flights.len(), text(&flights.record(0).unwrap().unwrap()).to_owned())
    };
    let (places, rows, n, first) = all(None);
    let (shuffled_places, shuffled_rows, shuffled_n, shuffled_first) = all(Some(7));
    assert_eq!(places, shuffled_places);
    assert!(rows == shuffled_rows, "the same rows but for their places");
    assert_eq!(n, shuffled_n);
    assert_ne!(first, shuffled_first);
    assert_eq!(shuffled_first, all(Some(7)).3);
    assert_ne!(shuffled_first, all(Some(8)).3);
}

/// Broken events, and one flight in 16 with all that became known of it.
fn sampled(record: &FlightRecord) -> bool {
    let id = |value: &serde_json::Value| value.get("id").or(value.get("event_id")).unwrap().to_string();
    record.stream == Stream::BrokenEvent
        || id(&serde_json::from_str(text(record)).unwrap()).bytes().map(u32::from).sum::<u32>() % 16 == 0
}

#[test]
fn every_broken_event_is_refused_and_nothing_else_is() {
    let config = Config::parse(CONFIG).unwrap();
    let params = PipelineParams {
        events: config.events,
        labels: config.labels.unwrap(),
        features: config.features,
        layout: String::new(),
        score: config.score,
        drift: config.drift,
        performance: config.performance,
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
        let [key, value] = [record.key, record.value].map(|bytes| bytes.map(Vec::into_boxed_slice));
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
