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
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;

use super::bounded::{Bounded, Watchdog};
use super::context::Deliveries;
use super::errors::{Class, classify, failed, finished};
use super::outlet::{Client, DRAIN_LIMIT, IDLE_EVENTS, LEAVE_LIMIT, Outlet, drain, purge, queue, undelivered};
use super::settings::Settings;
use crate::transport::{Outgoing, Publisher, TransportError};

/// How long one call of the transaction protocol may be repeated.
const CALL_LIMIT: Duration = Duration::from_secs(8);
/// First use of a fresh cluster creates its transaction log, which takes seconds.
const INIT_LIMIT: Duration = Duration::from_secs(30);
/// Deliveries that failed are collected this often while records are being added one by one.
const SENDS_PER_SERVE: u32 = 1024;

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
