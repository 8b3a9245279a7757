//! Records into a producer's queue by the run, and the wait until it is empty.

use std::ffi::{CString, c_int};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::message::parts;
use crate::transport::Outgoing;
use crate::transport::kafka::context::Deliveries;

/// Records of one topic and partition, without headers and with the client's own timestamps.
#[derive(Clone, Copy)]
pub(in crate::transport::kafka) struct Run<'a> {
    pub(in crate::transport::kafka) topic: &'a str,
    pub(in crate::transport::kafka) partition: i32,
    pub(in crate::transport::kafka) records: &'a [Outgoing<'a>],
}

/// Handles of the topics that a producer writes to, made once each. Dropped before their producer.
pub(in crate::transport::kafka) struct Topics {
    known: Vec<(String, NonNull<sys::rd_kafka_topic_t>)>,
    messages: Vec<sys::rd_kafka_message_t>,
}

// SAFETY: handles of a librdkafka client may be used from any thread; the pointers in `messages` are in use only inside
// `queue`, which has them to itself.
unsafe impl Send for Topics {}

impl Topics {
    /// None yet.
    pub(in crate::transport::kafka) fn new() -> Self {
        Topics { known: Vec::new(), messages: Vec::new() }
    }

    /// Queues the records of a run in their order, as far as they are taken: their number, and why not the next one.
    pub(in crate::transport::kafka) fn queue(
        &mut self,
        producer: &BaseProducer<Deliveries>,
        run: Run<'_>,
    ) -> Result<(), Refused> {
        let topic = self.handle(producer, run.topic).map_err(|code| Refused { taken: 0, code })?;
        self.messages.clear();
        self.messages.extend(run.records.iter().map(|record| {
            let (payload, len) = parts(record.value);
            let (key, key_len) = parts(record.key);
            sys::rd_kafka_message_t {
                err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
                rkt: ptr::null_mut(),
                partition: run.partition,
                payload,
                len,
                key,
                key_len,
                offset: 0,
                _private: ptr::null_mut(),
            }
        }));
        let count = c_int::try_from(self.messages.len()).unwrap_or(c_int::MAX);
        // SAFETY: the handle belongs to this producer, which is alive; so many messages are there, their keys and values
        // are borrowed by `run`, and with this flag the client copies them before it returns.
        let taken = unsafe {
            sys::rd_kafka_produce_batch(
                topic.as_ptr(),
                run.partition,
                sys::RD_KAFKA_MSG_F_COPY,
                self.messages.as_mut_ptr(),
                count,
            )
        };
        if taken == count {
            return Ok(());
        }
        let refused = |message: &sys::rd_kafka_message_t| message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        let first = self.messages.iter().position(refused).unwrap_or_default();
        let code = self.messages.get(first).map_or(RDKafkaErrorCode::Fail, |message| message.err.into());
        Err(Refused { taken: first, code })
    }

    fn handle(
        &mut self,
        producer: &BaseProducer<Deliveries>,
        topic: &str,
    ) -> Result<NonNull<sys::rd_kafka_topic_t>, RDKafkaErrorCode> {
        if let Some((_, handle)) = self.known.iter().find(|(name, _)| name == topic) {
            return Ok(*handle);
        }
        let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
        // SAFETY: the producer is alive and the name ends with a zero; a null configuration is the client's default.
        let handle = unsafe { sys::rd_kafka_topic_new(producer.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        let Some(handle) = NonNull::new(handle) else {
            // SAFETY: no arguments; it is about the call above, on this thread.
            return Err(unsafe { sys::rd_kafka_last_error() }.into());
        };
        self.known.push((topic.to_owned(), handle));
        Ok(handle)
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        for (_, handle) in self.known.drain(..) {
            // SAFETY: made by `handle`, destroyed once, and its producer is alive; records on their way hold their own.
            unsafe { sys::rd_kafka_topic_destroy(handle.as_ptr()) };
        }
    }
}

/// Why a run was not queued whole.
#[derive(Clone, Copy, Debug)]
pub(in crate::transport::kafka) struct Refused {
    /// Records queued before the one that was refused.
    pub(in crate::transport::kafka) taken: usize,
    pub(in crate::transport::kafka) code: RDKafkaErrorCode,
}

/// Sends what is queued without lingering, and waits without spinning until everything is acknowledged or failed and
/// collected; `false` if that takes longer than `limit`.
pub(in crate::transport::kafka) fn flush(producer: &BaseProducer<Deliveries>, limit: Duration) -> bool {
    let limit_ms = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the producer is alive. It reports deliveries as events, so this only waits and calls nothing back.
    unsafe {
        sys::rd_kafka_flush(producer.client().native_ptr(), limit_ms) == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}
