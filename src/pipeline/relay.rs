//! A stage after the first: records of the hop's topic, in the order in which they are taken in.
//!
//! Invariant: by event time, records are taken in by rank, each once every shard of the stage before has passed its time,
//! so what is computed does not depend on how these shards got on; what comes behind that is taken in at once and
//! flagged. In order of arrival nothing is held back.

use std::sync::Arc;

use super::decode::Decoded;
use super::letters::{Origin, panicked};
use super::pass::{BATCH, Scratch, Taken};
use super::tally::Stream;
use super::{EVENTS, HopOrder, LABELS, Pipeline};
use crate::codec::{HopHead, HopRecord, Known};
use crate::data::{InputIndex, Item, Outbox, Rank, Record, Reject, RejectCode, Timestamp};
use crate::labels::EventId;
use crate::model::Model;

/// What the stages before know of a record.
pub(super) struct Relayed {
    pub id: EventId,
    /// It came later than the configured lateness, here or before.
    pub late: bool,
    pub warming: bool,
    features: Vec<Known>,
}

impl Relayed {
    /// The features computed so far: positions among everything computed, and values.
    pub(super) fn known(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.features.iter().map(|known| (known.position as usize, known.value))
    }
}

/// A record whose turn has come.
struct Ready {
    bytes: Arc<[u8]>,
    late: bool,
}

/// A record as its input had it, but for its value, with what came along.
struct Arrived {
    input: InputIndex,
    partition: i32,
    record: Record,
    relayed: Relayed,
}

impl Pipeline {
    /// Whether the times of records move the shard's time; in order of arrival the stage before does.
    pub(super) fn is_clock(&self) -> bool {
        self.params.station.is_first() || self.params.station.chain.order == HopOrder::EventTime
    }

    /// Whether the monitor is to be told that there is nothing more to read: here, and in the stages before.
    pub(super) fn tells_end(&mut self) -> bool {
        self.params.station.is_first() || (self.held.is_empty() && self.upstreams.tells_end())
    }

    /// Handles records of the hop's topic.
    pub(super) fn relay(&mut self, items: &[Item<Model>], now: Timestamp, out: &mut Outbox) {
        let mut ready = Vec::new();
        for item in items {
            let Item::Record { record, .. } = item else { continue };
            let value = record.value.as_deref().unwrap_or_default();
            match HopHead::read(value) {
                Ok(HopHead::Ranked(rank)) => {
                    let input = if rank.is_follow_up { LABELS } else { EVENTS };
                    self.clocks.tally.consumed(self.stream(input));
                    self.upstreams.goes_on();
                    let late = rank.at < self.upstreams.bound();
                    let is_event = !rank.is_follow_up;
                    if self.is_clock() && !late && self.held.hold(rank, value) {
                        self.clocks.tally.held_back += i64::from(is_event);
                    } else {
                        ready.push(Ready { bytes: value.into(), late });
                    }
                }
                Ok(HopHead::Progress(progress)) => {
                    self.upstreams.hear(&progress);
                    if !self.is_clock() {
                        self.flush(&mut ready, now, out);
                        self.follow_time(now, out);
                    }
                }
                Err(error) => {
                    self.flush(&mut ready, now, out);
                    let reject = Reject::new(RejectCode::Decode, format!("no record of a hop: {error}"));
                    self.clocks.tally.consumed(Stream::Events);
                    self.reject(Origin { input: EVENTS, partition: self.shard }, record, &reject, out);
                }
            }
            while let Some((rank, bytes)) = self.held.next(self.upstreams.bound()) {
                self.clocks.tally.held_back -= i64::from(!rank.is_follow_up);
                if self.held.is_careful {
                    // What has arrived is not to blame for it, nor it for that.
                    self.flush(&mut ready, now, out);
                    self.held.at_hand = Some(rank);
                }
                ready.push(Ready { bytes, late: false });
                if ready.len() >= BATCH || self.held.is_careful {
                    self.flush(&mut ready, now, out);
                    self.held.at_hand = None;
                }
            }
        }
        self.flush(&mut ready, now, out);
    }

    /// Makes what is held back under a rank a dead letter without looking at it: it made the program panic.
    pub(super) fn refuse_held(&mut self, rank: &Rank, out: &mut Outbox) {
        if self.held.drop(rank) {
            self.clocks.tally.held_back -= i64::from(!rank.is_follow_up);
            self.refuse_ranked(rank, out);
        }
    }

    /// A dead letter of nothing but where the record came in: it is not to be read.
    pub(super) fn refuse_ranked(&mut self, rank: &Rank, out: &mut Outbox) {
        let input = if rank.is_follow_up { LABELS } else { EVENTS };
        let record = Record { offset: rank.offset, timestamp: rank.at, key: None, value: None, headers: Vec::new() };
        self.reject(Origin { input, partition: rank.partition }, &record, &panicked(), out);
    }

    /// In order of arrival the shard's time is what the stage before has passed.
    fn follow_time(&mut self, now: Timestamp, out: &mut Outbox) {
        let bound = self.upstreams.bound();
        if bound == Timestamp::MIN {
            return;
        }
        let time = bound.plus(self.params.events.lateness);
        if let Some(tick) = self.tick_before(time) {
            self.upstreams.goes_on();
            self.tick(tick, now, out);
        }
        self.clocks.time = self.clocks.time.max(time);
    }

    fn flush(&mut self, ready: &mut Vec<Ready>, now: Timestamp, out: &mut Outbox) {
        if ready.is_empty() {
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.decoded.clear();
        scratch.rows.clear();
        let arrived: Vec<Arrived> = ready.drain(..).map(|ready| self.arrive(ready, &mut scratch)).collect();
        let taken = arrived.iter().map(|arrived| Taken {
            input: arrived.input,
            record: &arrived.record,
            partition: arrived.partition,
            relayed: Some(&arrived.relayed),
        });
        self.take_in(&taken.collect::<Vec<_>>(), &mut scratch, now, out);
        self.scratch = scratch;
    }

    fn arrive(&mut self, ready: Ready, scratch: &mut Scratch) -> Arrived {
        let Ready { bytes, late } = ready;
        match HopRecord::read(&bytes) {
            Ok(HopRecord::Event(event)) => {
                let table = &mut scratch.rows.events;
                let row = table.begin();
                event.numbers.iter().enumerate().for_each(|(column, number)| table.set_number(column, *number));
                for (column, text) in event.texts.iter().enumerate() {
                    text.iter().for_each(|text| table.set_text(column, text));
                }
                scratch.decoded.push(Decoded::Event { row, at: event.rank.at });
                Arrived {
                    input: EVENTS,
                    partition: event.rank.partition,
                    record: Record {
                        offset: event.rank.offset,
                        timestamp: event.timestamp,
                        key: event.key,
                        value: None,
                        headers: event.headers,
                    },
                    relayed: Relayed {
                        id: event.rank.id,
                        late: late || event.late,
                        warming: event.warming,
                        features: event.features,
                    },
                }
            }
            Ok(HopRecord::FollowUp(follow_up)) => {
                let table = &mut scratch.rows.follow_ups;
                let row = table.begin();
                let first = self.decoders.first_column(follow_up.kind);
                for (column, number) in follow_up.numbers.iter().enumerate() {
                    table.set_number(first + column, *number);
                }
                table.set_text(self.decoders.follow_up_id_column(), &follow_up.rank.id);
                let (kind, label) = (follow_up.kind, follow_up.label);
                scratch.decoded.push(Decoded::FollowUp { row, at: follow_up.known_at, kind, label });
                Arrived {
                    input: LABELS,
                    partition: follow_up.rank.partition,
                    record: Record {
                        offset: follow_up.rank.offset,
                        timestamp: follow_up.timestamp,
                        key: follow_up.key,
                        value: None,
                        headers: Vec::new(),
                    },
                    relayed: Relayed { id: follow_up.rank.id, late, warming: false, features: Vec::new() },
                }
            }
            Err(error) => {
                let reject = Reject::new(RejectCode::Decode, format!("no record of a hop: {error}"));
                scratch.decoded.push(Decoded::Rejected(reject));
                let value = Some(bytes.as_ref().into());
                let (timestamp, headers) = (Timestamp::default(), Vec::new());
                Arrived {
                    input: EVENTS,
                    partition: self.shard,
                    record: Record { offset: 0, timestamp, key: None, value, headers },
                    relayed: Relayed { id: EventId::from(&b""[..]), late, warming: false, features: Vec::new() },
                }
            }
        }
    }
}
