//! Writing: transactions for members, plain idempotent records for everything else.
//!
//! Invariants: a full queue is waited for and no record is dropped; a commit is asked for only after every record of the
//! transaction was acknowledged; a call whose outcome is unknown ends the producer, so that its successor asks the
//! broker. A producer whose connection was disturbed is replaced before the next transaction, because this client
//! lacks KIP-890 and a delayed request could end a later transaction (librdkafka#5423).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use super::bounded::{Bounded, Watchdog};
use super::context::Deliveries;
use super::errors::{Class, classify, classify_code, failed, finished};
use super::native::{Refused, Run, Topics, flush};
use super::settings::Settings;
use crate::transport::{Outgoing, Publisher, TransportError};

/// How long one call of the transaction protocol may be repeated.
const CALL_LIMIT: Duration = Duration::from_secs(8);
/// How long deliveries are waited for: longer than `message.timeout.ms`, after which the client gives a record up itself.
const DRAIN_LIMIT: Duration = Duration::from_secs(12);
/// How long a purge, or an abort on the way out, may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);
/// First use of a fresh cluster creates its transaction log, which takes seconds.
const INIT_LIMIT: Duration = Duration::from_secs(30);
const FULL_QUEUE_WAIT: Duration = Duration::from_millis(10);
/// Longest wait for deliveries without a look at those that failed.
const DRAIN_STEP: Duration = Duration::from_millis(20);
/// Most records handed to the client at once.
const RUN: usize = 1024;
/// Deliveries that failed are collected this often while records are being added one by one.
const SENDS_PER_SERVE: u32 = 1024;
/// Events looked at before a transaction begins; the client hands out one per call, and a lost connection is a dozen.
const IDLE_EVENTS: u32 = 128;

type Client = BaseProducer<Deliveries>;

/// Queues a record, waiting while the queue is full.
fn queue(producer: &Client, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
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
struct Outlet {
    topics: Topics,
    producer: Bounded<Client>,
}

impl Outlet {
    fn new(producer: Bounded<Client>) -> Self {
        Outlet { topics: Topics::new(), producer }
    }

    /// Queues records in their order, those of one partition by the run.
    fn queue_all<'a>(&mut self, records: &mut dyn Iterator<Item = Outgoing<'a>>) -> Result<(), TransportError> {
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
fn drain(producer: &Client, limit: Duration) -> bool {
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
fn undelivered(producer: &Client, otherwise: Class) -> Result<(), TransportError> {
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

fn purge(producer: &Client) -> bool {
    producer.purge(PurgeConfig::default().queue().inflight());
    drain(producer, LEAVE_LIMIT)
}

/// The transactional producer of one worker, and the plain one for what goes ahead of its transactions.
pub(super) struct Transactions {
    settings: Arc<Settings>,
    transactional_id: String,
    outlet: Outlet,
    /// Connected when it is first needed.
    ahead: Option<KafkaPublisher>,
    watchdog: Watchdog,
    open: bool,
    disturbed: bool,
}

impl Transactions {
    /// Connects and takes the transactional id over: whatever was open under it is aborted.
    pub(super) fn take_over(settings: &Arc<Settings>, transactional_id: &str) -> Result<Self, TransportError> {
        let watchdog = Watchdog::start()
            .map_err(|error| TransportError::Retriable(format!("cannot start the watchdog thread: {error}")))?;
        Ok(Transactions {
            settings: Arc::clone(settings),
            transactional_id: transactional_id.to_owned(),
            outlet: connect(settings, transactional_id)?,
            ahead: None,
            watchdog,
            open: false,
            disturbed: false,
        })
    }

    pub(super) fn begin(&mut self) -> Result<(), TransportError> {
        // What happened to the connection while no transaction was open has not been looked at yet.
        for _ in 0..IDLE_EVENTS {
            self.outlet.producer.poll(Duration::ZERO);
        }
        if self.disturbed || self.outlet.producer.context().disturbed() {
            tracing::info!(transactional_id = self.transactional_id, "replacing the producer after a disturbance");
            self.outlet = connect(&self.settings, &self.transactional_id)?;
            self.disturbed = false;
        }
        self.outlet.producer.context().reset();
        self.outlet.producer.begin_transaction().map_err(|error| self.failed("cannot begin a transaction", &error))?;
        self.open = true;
        Ok(())
    }

    pub(super) fn send_all(&mut self, records: &mut dyn Iterator<Item = Outgoing<'_>>) -> Result<(), TransportError> {
        self.outlet.queue_all(records)
    }

    /// Queues records that are not part of the transaction.
    pub(super) fn send_all_ahead(
        &mut self,
        records: &mut dyn Iterator<Item = Outgoing<'_>>,
    ) -> Result<(), TransportError> {
        let ahead = match &mut self.ahead {
            Some(ahead) => ahead,
            none => none.insert(KafkaPublisher::connect(&self.settings)?),
        };
        ahead.outlet.queue_all(records).map_err(aborting)
    }

    /// Waits for the acknowledgement of every record of the transaction, and of those sent ahead of it.
    pub(super) fn settle(&mut self) -> Result<(), TransportError> {
        if !drain(&self.outlet.producer, DRAIN_LIMIT) {
            return Err(TransportError::Aborted(format!(
                "{} records were not acknowledged in {} s",
                self.outlet.producer.in_flight_count(),
                DRAIN_LIMIT.as_secs()
            )));
        }
        undelivered(&self.outlet.producer, Class::Abortable)?;
        self.ahead.as_mut().map_or(Ok(()), |ahead| ahead.flush().map_err(aborting))
    }

    /// Puts the input offsets into the transaction, in the name of the group member that `metadata` describes.
    pub(super) fn add_offsets(
        &mut self,
        offsets: &TopicPartitionList,
        metadata: &ConsumerGroupMetadata,
    ) -> Result<(), TransportError> {
        let producer = &self.outlet.producer;
        let watchdog = &self.watchdog;
        let outcome = repeat(|limit| {
            watchdog.guard("send_offsets_to_transaction", 2 * CALL_LIMIT, || {
                producer.send_offsets_to_transaction(offsets, metadata, limit)
            })
        });
        self.conclude("cannot add the input offsets to the transaction", outcome)
    }

    pub(super) fn commit(&mut self) -> Result<(), TransportError> {
        let outcome = repeat(|limit| self.outlet.producer.commit_transaction(limit));
        self.conclude("cannot commit the transaction", outcome)?;
        self.open = false;
        Ok(())
    }

    pub(super) fn abort(&mut self) -> Result<(), TransportError> {
        let emptied = purge(&self.outlet.producer);
        self.open = false;
        if !emptied {
            return Err(TransportError::Fatal("the producer does not let go of its records".to_owned()));
        }
        let outcome = repeat(|limit| self.outlet.producer.abort_transaction(limit));
        match self.conclude("cannot abort the transaction", outcome) {
            Err(TransportError::Aborted(message)) => Err(TransportError::Fatal(message)),
            other => other,
        }
    }

    fn conclude(&mut self, what: &str, outcome: Outcome) -> Result<(), TransportError> {
        self.disturbed |= outcome.disturbed;
        outcome.result.map_err(|error| {
            let concluded = match self.failed(what, &error) {
                // Its time ran out: nobody here can tell whether the broker did it.
                TransportError::Retriable(message) => TransportError::Fatal(message),
                other => other,
            };
            if matches!(concluded, TransportError::Fatal(_) | TransportError::Fenced(_)) {
                self.open = false;
            }
            concluded
        })
    }

    fn failed(&self, what: &str, error: &KafkaError) -> TransportError {
        match self.outlet.producer.client().fatal_error() {
            Some((code, text)) => finished(code, format!("{what}: {text}")),
            None => failed(what, error),
        }
    }
}

impl Drop for Transactions {
    /// An open transaction is aborted, so that readers need not wait for its time-out.
    fn drop(&mut self) {
        if purge(&self.outlet.producer) && self.open && self.outlet.producer.client().fatal_error().is_none() {
            // Failing that, the broker's time-out or the successor's start aborts it.
            let _ = self.outlet.producer.abort_transaction(LEAVE_LIMIT);
        }
    }
}

/// What was to go ahead of a transaction did not: the transaction cannot be committed.
fn aborting(error: TransportError) -> TransportError {
    match error {
        TransportError::Retriable(message) => TransportError::Aborted(message),
        other => other,
    }
}

struct Outcome {
    result: Result<(), KafkaError>,
    /// An attempt failed before the last one.
    disturbed: bool,
}

/// Repeats a call with the same arguments for as long as the client says it can be retried.
fn repeat(mut call: impl FnMut(Duration) -> Result<(), KafkaError>) -> Outcome {
    let deadline = Instant::now() + CALL_LIMIT;
    let mut disturbed = false;
    loop {
        let result = call(CALL_LIMIT);
        match &result {
            Err(error) if classify(error) == Class::Retriable && Instant::now() < deadline => disturbed = true,
            _ => return Outcome { result, disturbed },
        }
    }
}

fn connect(settings: &Settings, transactional_id: &str) -> Result<Outlet, TransportError> {
    let producer: Client = settings
        .transactional(transactional_id)
        .create_with_context(Deliveries::default())
        .map_err(|error| failed("cannot create a producer", &error))?;
    producer
        .init_transactions(INIT_LIMIT)
        .map_err(|error| failed(&format!("cannot initialise transactions of `{transactional_id}`"), &error))?;
    // Connections that failed on the way here did no harm.
    producer.context().reset();
    Ok(Outlet::new(Bounded::new("transactional producer", producer)))
}

/// An idempotent producer without transactions.
pub(super) struct KafkaPublisher {
    outlet: Outlet,
    sends: u32,
}

impl KafkaPublisher {
    pub(super) fn connect(settings: &Settings) -> Result<Self, TransportError> {
        let producer: Client = settings
            .publishing()
            .create_with_context(Deliveries::default())
            .map_err(|error| failed("cannot create a producer", &error))?;
        Ok(KafkaPublisher { outlet: Outlet::new(Bounded::new("producer", producer)), sends: 0 })
    }
}

impl Publisher for KafkaPublisher {
    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.sends = self.sends.wrapping_add(1);
        if self.sends.is_multiple_of(SENDS_PER_SERVE) {
            self.outlet.producer.poll(Duration::ZERO);
        }
        match queue(&self.outlet.producer, outgoing) {
            // Without a transaction there is nothing to abort.
            Err(TransportError::Aborted(message)) => Err(TransportError::Retriable(message)),
            other => other,
        }
    }

    fn flush(&mut self) -> Result<(), TransportError> {
        if !drain(&self.outlet.producer, DRAIN_LIMIT) {
            return Err(TransportError::Retriable(format!(
                "{} records are not acknowledged yet",
                self.outlet.producer.in_flight_count()
            )));
        }
        let delivered = undelivered(&self.outlet.producer, Class::Retriable);
        self.outlet.producer.context().reset();
        delivered
    }
}
