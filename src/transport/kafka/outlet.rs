//! Records into a producer and out of it: queued one by one or by the run, drained, dropped.
//!
//! Invariant: a full queue is waited for, and no record is dropped without an error. Deliveries are heard of only where
//! they failed; that all have succeeded is told by an empty queue without failures.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use super::bounded::Bounded;
use super::context::Deliveries;
use super::errors::{Class, classify, classify_code, finished};
use super::native::{Refused, Run, Topics, flush};
use crate::transport::{Outgoing, TransportError};

/// How long deliveries are waited for: longer than `message.timeout.ms`, after which the client gives a record up itself.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(12);
/// How long a purge, or an abort on the way out, may take.
pub(super) const LEAVE_LIMIT: Duration = Duration::from_secs(2);
/// Events looked at together: the client hands out one per call, and a lost connection is a dozen.
pub(super) const IDLE_EVENTS: u32 = 128;
const FULL_QUEUE_WAIT: Duration = Duration::from_millis(10);
/// Longest wait for deliveries without a look at those that failed.
const DRAIN_STEP: Duration = Duration::from_millis(20);
/// Most records handed to the client at once.
const RUN: usize = 1024;

/// A producer that notes what was not delivered.
pub(super) type Client = BaseProducer<Deliveries>;

/// Queues a record, waiting while the queue is full.
pub(super) fn queue(producer: &Client, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(outgoing.topic);
    record.partition = outgoing.partition;
    record.key = outgoing.key;
    record.payload = outgoing.value;
    // To the client 0 means its own clock.
    record.timestamp = outgoing.timestamp.map(|timestamp| timestamp.millis().max(1));
    if !outgoing.headers.is_empty() {
        let empty = OwnedHeaders::new_with_capacity(outgoing.headers.len());
        record.headers = Some(outgoing.headers.iter().fold(empty, |headers, header| {
            let key = header.name.replace('\0', "\u{fffd}");
            headers.insert(rdkafka::message::Header { key: &key, value: header.value.as_deref() })
        }));
    }
    let deadline = Instant::now() + DRAIN_LIMIT;
    loop {
        let (error, again) = match producer.send(record) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::QueueFull) && Instant::now() < deadline {
            record = again;
            producer.poll(FULL_QUEUE_WAIT);
            continue;
        }
        return Err(unsent(producer, outgoing.topic, &error));
    }
}

/// Why a record could not be queued.
fn unsent(producer: &Client, topic: &str, error: &KafkaError) -> TransportError {
    let message = format!("cannot send to `{topic}`: {error}");
    if let Some((code, _)) = producer.client().fatal_error() {
        return finished(code, message);
    }
    match error.rdkafka_error_code() {
        // The transaction has failed meanwhile; the abort will tell.
        Some(RDKafkaErrorCode::State | RDKafkaErrorCode::QueueFull) => TransportError::Aborted(message),
        _ => match classify(error) {
            Class::Configuration => TransportError::Configuration(message),
            class @ (Class::Fatal | Class::Fenced) => class.error(message),
            Class::Abortable | Class::Retriable | Class::Gone => TransportError::Aborted(message),
        },
    }
}

/// A producer with the topics it writes to. Fields are dropped in order: handles before their client.
pub(super) struct Outlet {
    topics: Topics,
    pub(super) producer: Bounded<Client>,
}

impl Outlet {
    pub(super) fn new(producer: Bounded<Client>) -> Self {
        Outlet { topics: Topics::new(), producer }
    }

    /// Queues records in their order, those of one partition by the run.
    pub(super) fn queue_all<'a>(
        &mut self,
        records: &mut dyn Iterator<Item = Outgoing<'a>>,
    ) -> Result<(), TransportError> {
        let mut run: Vec<Outgoing<'a>> = Vec::with_capacity(RUN.min(records.size_hint().0));
        for record in records {
            // Only one by one can a record have headers, a timestamp of its own, or its partition chosen.
            let is_plain = record.headers.is_empty() && record.timestamp.is_none() && record.partition.is_some();
            let goes_with = run.first().is_none_or(|first| {
                run.len() < RUN && first.partition == record.partition && first.topic == record.topic
            });
            if !is_plain || !goes_with {
                self.queue_run(&run)?;
                run.clear();
            }
            if is_plain {
                run.push(record);
            } else {
                queue(&self.producer, &record)?;
            }
        }
        self.queue_run(&run)?;
        // Failures and the client's log lines are handed out one per call.
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Queues records of one partition, waiting while the queue is full.
    fn queue_run(&mut self, records: &[Outgoing<'_>]) -> Result<(), TransportError> {
        let Some(&Outgoing { topic, partition: Some(partition), .. }) = records.first() else { return Ok(()) };
        let deadline = Instant::now() + DRAIN_LIMIT;
        let mut left = records;
        while let Err(Refused { taken, code }) =
            self.topics.queue(&self.producer, Run { topic, partition, records: left })
        {
            left = left.get(taken..).unwrap_or_default();
            if code == RDKafkaErrorCode::QueueFull && Instant::now() < deadline {
                self.producer.poll(FULL_QUEUE_WAIT);
            } else {
                return Err(unsent(&self.producer, topic, &KafkaError::MessageProduction(code)));
            }
        }
        Ok(())
    }
}

/// Waits until nothing is in flight; `false` if that takes longer than `limit`.
pub(super) fn drain(producer: &Client, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while !flush(producer, DRAIN_STEP) {
        if Instant::now() >= deadline {
            return false;
        }
        // Those that failed count until they have been looked at; the client hands out one event per call.
        for _ in 0..IDLE_EVENTS {
            producer.poll(Duration::ZERO);
        }
    }
    true
}

/// Why a drained producer has records that were not delivered.
pub(super) fn undelivered(producer: &Client, otherwise: Class) -> Result<(), TransportError> {
    let Some(failure) = producer.context().failure() else { return Ok(()) };
    if let Some((code, text)) = producer.client().fatal_error() {
        return Err(finished(code, text));
    }
    let class = match failure.code.map(classify_code) {
        Some(Class::Configuration) => Class::Configuration,
        _ => otherwise,
    };
    Err(class.error(failure.text))
}

/// Drops whatever is queued or in flight; false if that takes too long.
pub(super) fn purge(producer: &Client) -> bool {
    producer.purge(PurgeConfig::default().queue().inflight());
    drain(producer, LEAVE_LIMIT)
}
