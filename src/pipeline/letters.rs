//! Records that are not scored: dead letters, late events that go to a topic of their own, and events that came before.
//!
//! What is published of them is the record as it came: raw bytes untouched, with reason and source position in headers.
//! Only what would not fit a record beside its headers is cut, and then says so.

use super::Pipeline;
use super::decode::Decoded;
use super::pass::{Scratch, Taken};
use super::tally::Stream;
use crate::codec::HopHead;
use crate::data::params::{OnDuplicate, OnLate};
use crate::data::{Deed, Header, InputIndex, Outbox, Record, Reject, RejectCode, Route, Sink};
use crate::validate::{MAX_HEADER_BYTES, MAX_HEADERS};

/// A key or value longer than this does not fit a broker's default record size beside its headers; the first
/// [`KEPT_OF_OVERSIZED`] bytes of it are kept, with its length and hash in headers.
const MAX_LETTER_BYTES: usize = 900 * 1024;
const MAX_LETTER_KEY_BYTES: usize = KEPT_OF_OVERSIZED;
const KEPT_OF_OVERSIZED: usize = 64 * 1024;

/// Where a record that cannot be used came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub input: InputIndex,
    pub partition: i32,
}

/// A record on its way out again.
struct Letter<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Vec<Header>,
}

impl<'a> Letter<'a> {
    /// The record with as much of its headers as is taken in.
    fn of(record: &'a Record) -> Self {
        let mut room = MAX_HEADER_BYTES;
        let fits = |header: &&Header| {
            let bytes = header.bytes();
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        let headers: Vec<Header> = record.headers.iter().take(MAX_HEADERS).take_while(fits).cloned().collect();
        let left_out = record.headers.len() - headers.len();
        let mut letter = Letter { key: record.key.as_deref(), value: record.value.as_deref(), headers };
        if left_out > 0 {
            letter.add("driftless.headers.left_out", &left_out.to_string());
        }
        letter
    }

    fn add(&mut self, name: &str, value: &str) {
        self.headers.push(Header { name: name.to_owned(), value: Some(value.as_bytes().to_vec()) });
    }

    /// Cuts what would not fit.
    fn cut(&mut self) {
        if let Some(whole) = self.value.filter(|value| value.len() > MAX_LETTER_BYTES) {
            self.add("driftless.value.bytes", &whole.len().to_string());
            self.add("driftless.value.xxh3", &hash(whole));
            self.value = whole.get(..KEPT_OF_OVERSIZED);
        }
        if let Some(whole) = self.key.filter(|key| key.len() > MAX_LETTER_KEY_BYTES) {
            self.add("driftless.key.bytes", &whole.len().to_string());
            self.add("driftless.key.xxh3", &hash(whole));
            self.key = whole.get(..KEPT_OF_OVERSIZED);
        }
    }

    fn send(mut self, to: Route, out: &mut Outbox) {
        self.cut();
        out.push_raw(to, self.key, self.value, self.headers);
    }
}

/// Why a record is refused unread.
pub(super) fn panicked() -> Reject {
    let message = "handling the record made the program panic; it was left out and everything it changed taken back";
    Reject::new(RejectCode::Panic, message)
}

fn hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

impl Pipeline {
    /// Makes a record a dead letter.
    pub(super) fn reject(&mut self, of: Origin, record: &Record, reject: &Reject, out: &mut Outbox) {
        let Origin { input, partition } = of;
        let stream = self.stream(input);
        self.clocks.tally.rejected(stream, reject.code);
        let topic = match stream {
            Stream::Events => &self.params.events.topic,
            Stream::FollowUps => &self.params.labels.topic,
            Stream::Facts => self.enrichment.topic(input).unwrap_or_default(),
        };
        let to = self.to(Sink::DeadLetters, partition);
        let partition = partition.to_string();
        let offset = record.offset.to_string();
        let mut letter = Letter::of(record);
        if record.value.is_none() && !self.params.station.is_first() {
            letter.add("driftless.value.left_out", "true");
        }
        letter.add("driftless.error.code", reject.code.name());
        letter.add("driftless.error.message", &reject.message);
        letter.add("driftless.error.topic", topic);
        letter.add("driftless.error.partition", &partition);
        letter.add("driftless.error.offset", &offset);
        letter.add("driftless.error.timestamp", &record.timestamp.millis().to_string());
        letter.add("__connect.errors.topic", topic);
        letter.add("__connect.errors.partition", &partition);
        letter.add("__connect.errors.offset", &offset);
        letter.add("__connect.errors.stage", "VALUE_CONVERTER");
        letter.add("__connect.errors.exception.message", &reject.message);
        letter.send(to, out);
        if stream == Stream::Events {
            self.note_event(record, of.partition, || Deed::Refused(reject.code.name()), out);
        }
    }

    /// Makes a record a dead letter without looking at it: it made the program panic.
    pub(super) fn refuse(&mut self, input: InputIndex, record: &Record, out: &mut Outbox) {
        let stream = self.stream(input);
        if stream != Stream::Facts {
            self.decoders.forget(input, record, &mut self.scratch.rows);
        }
        let value = record.value.as_deref().filter(|_| !self.params.station.is_first());
        if let Some(Ok(HopHead::Ranked(rank))) = value.map(HopHead::read) {
            self.clocks.tally.consumed(if rank.is_follow_up { Stream::FollowUps } else { Stream::Events });
            return self.refuse_ranked(&rank, out);
        }
        self.clocks.tally.consumed(stream);
        self.reject(Origin { input, partition: self.shard }, record, &panicked(), out);
    }

    /// Passes a late event on as it came, with how late it was.
    pub(super) fn late_output(&mut self, taken: &Taken<'_>, by: i64, out: &mut Outbox) {
        let Taken { record, partition, .. } = *taken;
        self.clocks.tally.late += 1;
        self.clocks.tally.late_output += 1;
        let mut letter = Letter::of(record);
        letter.add("driftless.late.by_ms", &by.to_string());
        letter.add("driftless.late.topic", &self.params.events.topic);
        letter.add("driftless.late.partition", &partition.to_string());
        letter.add("driftless.late.offset", &record.offset.to_string());
        letter.add("driftless.late.timestamp", &record.timestamp.millis().to_string());
        letter.send(self.to(Sink::Late, partition), out);
    }

    /// Turns a decoded event into what it is instead, where late ones go elsewhere or its id has come before. An event
    /// that is set aside moves no clock, and a late one is not remembered. What has come through a hop is scored.
    pub(super) fn set_aside(&mut self, taken: &Taken<'_>, position: usize, scratch: &mut Scratch) {
        let events = &self.params.events;
        let Some(Decoded::Event { row, at }) = scratch.decoded.get(position).filter(|_| taken.relayed.is_none()) else {
            return;
        };
        let (row, at) = (*row, *at);
        let clock = self.clocks.time.max(at);
        if events.on_late == OnLate::SideOutput && at < clock.minus(events.lateness) {
            scratch.decoded[position] = Decoded::Late(clock.since(at));
            return;
        }
        let Some(on_duplicate) = events.deduplicate.map(|deduplicate| deduplicate.on_duplicate) else { return };
        let id = self.event_id(taken.record, &scratch.rows, row);
        let id = id.bytes(&scratch.rows.events);
        if !self.recent.as_mut().is_some_and(|recent| recent.is_known(id, at, clock)) {
            return;
        }
        scratch.decoded[position] = match on_duplicate {
            OnDuplicate::Drop => Decoded::Duplicate,
            OnDuplicate::DeadLetter => {
                let message = "an event with this id came before, within `events.deduplicate`";
                Decoded::Rejected(Reject::new(RejectCode::Duplicate, message))
            }
        };
    }
}
