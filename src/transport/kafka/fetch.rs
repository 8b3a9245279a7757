//! Fetching from given offsets, for members and readers alike: one assign-only consumer per topic.
//!
//! One per topic, because the client names only the partition number when a partition's end is reached, and the order
//! of a shard's inputs depends on knowing whose end it was. Invariant: after `start` the first record is the one at or
//! after the given offset, and nothing fetched before it is handed out (librdkafka drops what is older than the last
//! assignment). It never commits and joins no group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::bounded::Bounded;
use super::context::Bell;
use super::errors::{classify_code, failed, passes};
use super::native::{BatchConsumer, ClientError, Notice, Taken};
use super::parcel::{Parcel, Room};
use super::settings::Settings;
use crate::transport::{News, Position, Reader, TransportError};

/// Longest wait without looking at every client again.
pub(super) const SLICE: Duration = Duration::from_millis(10);

struct Cursor {
    next: i64,
    paused: bool,
}

struct Lane {
    topic: String,
    consumer: Bounded<BatchConsumer>,
    cursors: BTreeMap<i32, Cursor>,
    /// What the last parcel held.
    last: Room,
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
        let reads_headers = self.settings.reads_headers(&topic);
        let consumer = BatchConsumer::open(&self.settings.fetching(&self.group), &self.bell, reads_headers)
            .map_err(|error| failed("cannot create a consumer", &error))?;
        Ok(Lane {
            topic,
            consumer: Bounded::new("fetching consumer", consumer),
            cursors: BTreeMap::new(),
            last: Room::default(),
        })
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
    fn failed(&self, what: &str, why: &str) -> TransportError {
        TransportError::Fatal(format!("{what} `{}`: {why}", self.topic))
    }

    fn start(&mut self, starts: &BTreeMap<i32, i64>) -> Result<(), TransportError> {
        let known: Vec<i32> = starts.keys().copied().collect();
        self.stop(&known)?;
        self.assign(starts.iter().map(|(partition, next)| (*partition, *next)))?;
        self.cursors.extend(starts.iter().map(|(partition, next)| (*partition, Cursor { next: *next, paused: false })));
        Ok(())
    }

    fn stop(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        let stopped = partitions.iter().filter_map(|partition| Some((*partition, self.cursors.remove(partition)?)));
        let assigned: Vec<i32> = stopped.filter(|(_, cursor)| !cursor.paused).map(|(partition, _)| partition).collect();
        if assigned.is_empty() { Ok(()) } else { self.unassign(&assigned) }
    }

    /// A partition that is held back is not assigned, and assigned again from where it stands: the client's own pause goes
    /// by a position that is one too far where the end was told last, and a record would be lost (librdkafka 4844).
    fn pause(&mut self, partition: i32, paused: bool) -> Result<(), TransportError> {
        let next = match self.cursors.get_mut(&partition) {
            Some(cursor) if cursor.paused != paused => {
                cursor.paused = paused;
                cursor.next
            }
            _ => return Ok(()),
        };
        if paused { self.unassign(&[partition]) } else { self.assign(std::iter::once((partition, next))) }
    }

    fn assign(&self, starts: impl Iterator<Item = (i32, i64)>) -> Result<(), TransportError> {
        let mut list = TopicPartitionList::new();
        for (partition, next) in starts {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(next))
                .map_err(|error| self.failed("cannot start at this offset of", &error.to_string()))?;
        }
        self.consumer.assign(&list).map_err(|error| self.failed("cannot start reading", &error))
    }

    fn unassign(&self, partitions: &[i32]) -> Result<(), TransportError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        self.consumer.unassign(&list).map_err(|error| self.failed("cannot stop reading", &error))
    }

    /// Takes at most `max` records; returns how many.
    fn take(&mut self, input: usize, max: usize, news: &mut Vec<News>) -> Result<usize, TransportError> {
        let mut taken = 0;
        while taken < max {
            let mut parcel = Parcel::new(input, self.last);
            // Each with the number of records before it.
            let mut notices: Vec<(usize, Notice)> = Vec::new();
            let cursors = &mut self.cursors;
            let handed_over = self.consumer.take(max - taken, |message| match message {
                Taken::Record(fetched) => {
                    if let Some(cursor) = cursors.get_mut(&fetched.partition) {
                        cursor.next = fetched.offset + 1;
                        parcel.add(fetched);
                    }
                }
                Taken::Notice(mut notice) => {
                    let cursor = cursors.get(&notice.partition);
                    if notice.code == RDKafkaErrorCode::PartitionEOF {
                        let Some(cursor) = cursor else { return };
                        notice.offset = notice.offset.max(cursor.next);
                    }
                    notices.push((parcel.len(), notice));
                }
            });
            taken += parcel.len();
            if parcel.len() > 0 {
                self.last = parcel.size();
            }
            self.deliver(parcel, notices, news)?;
            for ClientError { code, fatal, text } in self.consumer.errors() {
                self.judge(code, fatal, &text)?;
            }
            if handed_over == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// Tells records and notices in the order in which they came. What comes after an error is told as well: it has been
    /// taken out of the client.
    fn deliver(
        &self,
        parcel: Parcel,
        notices: Vec<(usize, Notice)>,
        news: &mut Vec<News>,
    ) -> Result<(), TransportError> {
        let input = parcel.input();
        let mut records = parcel.open();
        let mut told = 0;
        let mut outcome = Ok(());
        for (before, Notice { partition, code, offset, text }) in notices {
            news.extend(records.by_ref().take(before - told));
            told = before;
            if code == RDKafkaErrorCode::PartitionEOF {
                news.push(News::End { input, partition, next: offset });
            } else {
                outcome = outcome.and(self.judge(code, false, &text));
            }
        }
        news.extend(records);
        outcome
    }

    fn judge(&self, code: RDKafkaErrorCode, fatal: bool, text: &str) -> Result<(), TransportError> {
        let message = format!("cannot read `{}`: {code}: {text}", self.topic);
        match code {
            _ if fatal => Err(TransportError::Fatal(message)),
            // It joins no group, so the group's permissions do not concern it.
            RDKafkaErrorCode::GroupAuthorizationFailed => Ok(()),
            code if passes(code) => {
                tracing::debug!(topic = self.topic, %code, text, "fetching goes on by itself");
                Ok(())
            }
            code => Err(classify_code(code).error(message)),
        }
    }
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
