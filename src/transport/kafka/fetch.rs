//! Fetching from given offsets, for members and readers alike: one assign-only consumer per topic.
//!
//! One per topic, because the client names only the partition number when a partition's end is reached, and the order
//! of a shard's inputs depends on knowing whose end it was. Invariant: after `start` the first record is the one at or
//! after the given offset, and nothing fetched before it is handed out (librdkafka drops what is older than the last
//! assignment). It never commits and joins no group.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::bounded::Bounded;
use super::context::{Bell, Quiet, bell_of};
use super::errors::{classify, classify_code, failed, passes};
use super::settings::Settings;
use crate::data::{Header, Record, Timestamp};
use crate::transport::{News, Position, Reader, TransportError};

/// Longest wait without looking at every client again.
pub(super) const SLICE: Duration = Duration::from_millis(10);

struct Cursor {
    next: i64,
    paused: bool,
}

struct Lane {
    topic: String,
    consumer: Bounded<BaseConsumer<Quiet>>,
    cursors: BTreeMap<i32, Cursor>,
}

/// The consumers of some topics; each is made when the first of its partitions is started.
pub(super) struct Fetcher {
    settings: Arc<Settings>,
    group: String,
    topics: Vec<String>,
    lanes: BTreeMap<usize, Lane>,
    bell: Arc<Bell>,
    turn: usize,
}

impl Fetcher {
    pub(super) fn new(settings: Arc<Settings>, group: String, topics: &[String], bell: Arc<Bell>) -> Self {
        Fetcher { settings, group, topics: topics.to_vec(), lanes: BTreeMap::new(), bell, turn: 0 }
    }

    pub(super) fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        let mut by_input: BTreeMap<usize, BTreeMap<i32, i64>> = BTreeMap::new();
        for Position { at, next } in positions {
            let input = self.topics.iter().position(|topic| *topic == at.topic).ok_or_else(|| {
                TransportError::Configuration(format!("topic `{}` is not one of those followed here", at.topic))
            })?;
            by_input.entry(input).or_default().insert(at.partition, *next);
        }
        for (input, starts) in by_input {
            if !self.lanes.contains_key(&input) {
                let lane = self.open(input)?;
                self.lanes.insert(input, lane);
            }
            if let Some(lane) = self.lanes.get_mut(&input) {
                lane.start(&starts)?;
            }
        }
        Ok(())
    }

    fn open(&self, input: usize) -> Result<Lane, TransportError> {
        let topic = self.topics.get(input).cloned().unwrap_or_default();
        let mut consumer: BaseConsumer<Quiet> = self
            .settings
            .fetching(&self.group)
            .create_with_context(Quiet)
            .map_err(|error| failed("cannot create a consumer", &error))?;
        consumer.set_nonempty_callback(bell_of(&self.bell));
        Ok(Lane { topic, consumer: Bounded::new("fetching consumer", consumer), cursors: BTreeMap::new() })
    }

    pub(super) fn stop(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.lanes.values_mut().try_for_each(|lane| lane.stop(partitions))
    }

    pub(super) fn pause(&mut self, input: usize, partition: i32, paused: bool) -> Result<(), TransportError> {
        self.lanes.get_mut(&input).map_or(Ok(()), |lane| lane.pause(partition, paused))
    }

    /// Takes what is there without waiting, at most `max` records, every topic getting a fair part first.
    pub(super) fn take(&mut self, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        let n_lanes = self.lanes.len();
        if n_lanes == 0 {
            return Ok(());
        }
        self.turn = (self.turn + 1) % n_lanes;
        let inputs: Vec<usize> = self.lanes.keys().copied().collect();
        let mut left = max;
        // The first pass is fair, the second gives what is left to whoever has more.
        for share in [max.div_ceil(n_lanes), max] {
            for input in inputs.iter().cycle().skip(self.turn).take(n_lanes) {
                if let Some(lane) = self.lanes.get_mut(input) {
                    left -= lane.take(*input, share.min(left), news)?;
                }
            }
            if n_lanes == 1 {
                break;
            }
        }
        Ok(())
    }
}

impl Lane {
    fn list(&self, partitions: impl Iterator<Item = i32>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        list
    }

    fn failed(&self, what: &str, error: &KafkaError) -> TransportError {
        failed(&format!("{what} `{}`", self.topic), error)
    }

    fn start(&mut self, starts: &BTreeMap<i32, i64>) -> Result<(), TransportError> {
        let known: Vec<i32> = starts.keys().copied().collect();
        self.stop(&known)?;
        let mut list = TopicPartitionList::new();
        for (partition, next) in starts {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*next))
                .map_err(|error| self.failed("cannot start at this offset of", &error))?;
        }
        self.consumer.incremental_assign(&list).map_err(|error| self.failed("cannot start reading", &error))?;
        self.cursors.extend(starts.iter().map(|(partition, next)| (*partition, Cursor { next: *next, paused: false })));
        Ok(())
    }

    fn stop(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        let mut stopped = Vec::new();
        let mut held = Vec::new();
        for partition in partitions {
            let Some(cursor) = self.cursors.remove(partition) else { continue };
            stopped.push(*partition);
            if cursor.paused {
                held.push(*partition);
            }
        }
        // A pause outlives the assignment, so it is taken back first.
        if !held.is_empty() {
            let list = self.list(held.into_iter());
            self.consumer.resume(&list).map_err(|error| self.failed("cannot resume", &error))?;
        }
        if !stopped.is_empty() {
            let list = self.list(stopped.into_iter());
            self.consumer.incremental_unassign(&list).map_err(|error| self.failed("cannot stop reading", &error))?;
        }
        Ok(())
    }

    fn pause(&mut self, partition: i32, paused: bool) -> Result<(), TransportError> {
        match self.cursors.get_mut(&partition) {
            Some(cursor) if cursor.paused != paused => cursor.paused = paused,
            _ => return Ok(()),
        }
        let list = self.list(std::iter::once(partition));
        let result = if paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        result.map_err(|error| self.failed("cannot pause or resume", &error))
    }

    /// Takes at most `max` records; returns how many.
    fn take(&mut self, input: usize, max: usize, news: &mut Vec<News>) -> Result<usize, TransportError> {
        let mut taken = 0;
        while taken < max {
            let Some(polled) = self.consumer.poll(Duration::ZERO) else { break };
            match polled {
                Ok(message) => {
                    let partition = message.partition();
                    let Some(cursor) = self.cursors.get_mut(&partition) else { continue };
                    cursor.next = message.offset() + 1;
                    news.push(News::Record { input, partition, record: copy(&message) });
                    taken += 1;
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    if let Some(next) = self.end(partition) {
                        news.push(News::End { input, partition, next });
                    }
                }
                Err(error) => self.judge(&error)?,
            }
        }
        Ok(taken)
    }

    /// The position at a partition's end: the client's own steps over control records, which are never handed out.
    fn end(&mut self, partition: i32) -> Option<i64> {
        let cursor = self.cursors.get_mut(&partition)?;
        let position = self.consumer.position().ok();
        let stepped = position.as_ref().and_then(|list| list.find_partition(&self.topic, partition));
        if let Some(Offset::Offset(next)) = stepped.map(|element| element.offset()) {
            cursor.next = cursor.next.max(next);
        }
        Some(cursor.next)
    }

    fn judge(&self, error: &KafkaError) -> Result<(), TransportError> {
        match error.rdkafka_error_code() {
            // It joins no group, so the group's permissions do not concern it.
            Some(rdkafka::types::RDKafkaErrorCode::GroupAuthorizationFailed) => Ok(()),
            Some(code) if passes(code) => {
                tracing::debug!(topic = self.topic, %error, "fetching goes on by itself");
                Ok(())
            }
            Some(code) => Err(classify_code(code).error(format!("cannot read `{}`: {error}", self.topic))),
            None => Err(classify(error).error(format!("cannot read `{}`: {error}", self.topic))),
        }
    }
}

/// Copies a record out, because a message that is kept pins its whole fetch buffer.
fn copy(message: &BorrowedMessage<'_>) -> Record {
    Record {
        offset: message.offset(),
        timestamp: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(-1)),
        key: message.key().map(Into::into),
        value: message.payload().map(Into::into),
        headers: headers(message),
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Vec<Header> {
    let Some(borrowed) = message.headers() else { return Vec::new() };
    (0..borrowed.count())
        .filter_map(|index| {
            // The binding panics on a header name that is not UTF-8; such a header keeps its place and loses its value.
            let read = catch_unwind(AssertUnwindSafe(|| {
                borrowed
                    .try_get(index)
                    .map(|header| Header { name: header.key.to_owned(), value: header.value.map(<[u8]>::to_vec) })
            }));
            read.unwrap_or_else(|_| Some(Header { name: "\u{fffd}".to_owned(), value: None }))
        })
        .collect()
}

/// A reader without a group.
pub(super) struct KafkaReader {
    fetcher: Fetcher,
    bell: Arc<Bell>,
}

impl KafkaReader {
    pub(super) fn new(settings: &Arc<Settings>, topics: &[String]) -> Self {
        let bell = Arc::new(Bell::default());
        let group = format!("{}.reader", settings.client_id());
        KafkaReader { fetcher: Fetcher::new(Arc::clone(settings), group, topics, Arc::clone(&bell)), bell }
    }
}

impl Reader for KafkaReader {
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        let deadline = Instant::now() + timeout;
        let before = news.len();
        loop {
            self.fetcher.take(max, news)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if news.len() > before || left.is_zero() {
                return Ok(());
            }
            self.bell.wait(left.min(SLICE));
        }
    }

    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.fetcher.start(positions)
    }
}
