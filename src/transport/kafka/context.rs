//! What the clients call back: logs, delivery reports, rebalances, and the bell that ends a wait.
//!
//! Callbacks only note what happened. The one thing done inside a callback is to accept an assignment with its
//! partitions held back, which librdkafka wants at once; giving partitions back waits until the worker is done.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

/// Writes a line of the client's to the log.
pub(super) fn log_line(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{text}"),
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => tracing::info!(target: "librdkafka", facility, "{text}"),
        _ => tracing::warn!(target: "librdkafka", facility, "{text}"),
    }
}

/// Rings when a client has something to hand over, so that one thread can wait for several clients.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    ringing: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ringing.notify_one();
    }

    /// Waits until it rings, at most `timeout`. A ring between two waits is not missed.
    pub(super) fn wait(&self, timeout: Duration) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if !*rung {
            rung = self.ringing.wait_timeout(rung, timeout).unwrap_or_else(PoisonError::into_inner).0;
        }
        *rung = false;
    }
}

/// Context of clients whose callbacks matter to nobody but the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason, "client error");
    }
}

impl ConsumerContext for Quiet {}

/// Context of producers: counts what was not delivered and notes a disturbed connection.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    failed: AtomicU64,
    first: Mutex<Option<DeliveryFailure>>,
    disturbed: AtomicBool,
}

/// The first record of several that could not be delivered.
#[derive(Clone, Debug)]
pub(super) struct DeliveryFailure {
    pub(super) code: Option<RDKafkaErrorCode>,
    pub(super) text: String,
}

impl Deliveries {
    /// Forgets everything, before a new transaction.
    pub(super) fn reset(&self) {
        self.failed.store(0, Ordering::Relaxed);
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.disturbed.store(false, Ordering::Relaxed);
    }

    pub(super) fn failure(&self) -> Option<DeliveryFailure> {
        let failed = self.failed.load(Ordering::Relaxed);
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(DeliveryFailure { text: format!("{failed} records not delivered, the first: {}", first.text), ..first })
    }

    /// Whether a connection broke or a request timed out since the reset.
    pub(super) fn disturbed(&self) -> bool {
        self.disturbed.load(Ordering::Relaxed)
    }
}

/// The line about a connection that was up and is gone, not one that the client has closed for another. Error events are no substitute: librdkafka sends none when a single
/// request was under way, and none for a repetition within 30 s.
fn tells_of_a_lost_connection(facility: &str, text: &str) -> bool {
    facility == "FAIL" && text.contains("in state UP") && !text.contains("(_DESTROY_BROKER)")
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        if tells_of_a_lost_connection(facility, text) {
            self.disturbed.store(true, Ordering::Relaxed);
        }
        log_line(level, facility, text);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.disturbed.store(true, Ordering::Relaxed);
        tracing::debug!(target: "librdkafka", %error, reason, "client error");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else { return };
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| DeliveryFailure {
            code: error.rdkafka_error_code(),
            text: format!("`{}` partition {}: {error}", message.topic(), message.partition()),
        });
    }
}

/// What the group did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GroupEvent {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    Lost(Vec<i32>),
    Failed(String),
}

/// Context of the membership consumer.
#[derive(Debug)]
pub(super) struct Rebalances {
    events: Mutex<VecDeque<GroupEvent>>,
    closing: AtomicBool,
}

impl Rebalances {
    pub(super) fn new() -> Self {
        Rebalances { events: Mutex::new(VecDeque::new()), closing: AtomicBool::new(false) }
    }

    pub(super) fn take(&self) -> VecDeque<GroupEvent> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here on revocations are acknowledged at once: nobody is left to do it later.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    fn note(&self, event: GroupEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason, "client error");
    }
}

fn numbers(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(TopicPartitionListElem::partition).collect()
}

/// Accepts an assignment that never delivers: the placeholder offset keeps librdkafka from asking for committed ones
/// (with `auto.offset.reset=error` their absence would be an error), the pause keeps it from fetching.
fn accept(consumer: &BaseConsumer<Rebalances>, list: &TopicPartitionList) -> Result<(), KafkaError> {
    let mut held = TopicPartitionList::new();
    for element in list.elements() {
        held.add_partition_offset(element.topic(), element.partition(), Offset::Offset(0))?;
    }
    consumer.incremental_assign(&held)?;
    if held.count() > 0 {
        consumer.pause(&held)?;
    }
    Ok(())
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = numbers(list);
        if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            match accept(consumer, list) {
                Ok(()) if partitions.is_empty() => {}
                Ok(()) => self.note(GroupEvent::Assigned(partitions)),
                Err(error) => self.note(GroupEvent::Failed(format!("cannot accept the assignment: {error}"))),
            }
            return;
        }
        let lost = consumer.assignment_lost();
        if partitions.is_empty() || self.closing.load(Ordering::SeqCst) {
            if let Err(error) = consumer.incremental_unassign(list) {
                self.note(GroupEvent::Failed(format!("cannot give partitions back: {error}")));
            }
        } else if lost {
            self.note(GroupEvent::Lost(partitions));
        } else {
            self.note(GroupEvent::Revoked(partitions));
        }
    }
}

/// Lets a client ring a bell.
pub(super) fn bell_of(bell: &Arc<Bell>) -> impl Fn() + Send + Sync + 'static {
    let bell = Arc::clone(bell);
    move || bell.ring()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_was_up_disturbs_and_one_that_never_was_does_not() {
        let deliveries = Deliveries::default();
        let log = |text: &str| deliveries.log(RDKafkaLogLevel::Debug, "FAIL", text);
        log(
            "[thrd:b/1]: b/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT) (_TRANSPORT)",
        );
        log("[thrd:b/bootstrap]: b/bootstrap: Decommissioning this broker (after 9ms in state UP) (_DESTROY_BROKER)");
        assert!(!deliveries.disturbed());
        log(
            "[thrd:b/1]: b/1: Disconnected (after 5ms in state UP) (_TRANSPORT): identical to last error: error log suppressed",
        );
        assert!(deliveries.disturbed());
    }
}
