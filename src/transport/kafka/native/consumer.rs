//! A consumer that is told what to read and hands over by the batch.
//!
//! It joins no group and commits nothing. Logs and errors reach it through callbacks: logs on any thread of the client,
//! errors while the queue is served.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::bindings as sys;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr, RDKafkaType};
use rdkafka::{ClientConfig, TopicPartitionList};

use super::message::{Lent, Taken};
use crate::transport::kafka::context::{Bell, log_line};

/// Most messages of one batch.
const BATCH: usize = 1024;
const REASON_BYTES: usize = 512;

/// An error of the client as a whole.
#[derive(Clone, Debug)]
pub(in crate::transport::kafka) struct ClientError {
    pub(in crate::transport::kafka) code: RDKafkaErrorCode,
    /// The client is finished.
    pub(in crate::transport::kafka) fatal: bool,
    pub(in crate::transport::kafka) text: String,
}

/// What callbacks reach.
struct Reached {
    bell: Arc<Bell>,
    errors: Mutex<Vec<ClientError>>,
}

/// The consumer.
pub(in crate::transport::kafka) struct BatchConsumer {
    client: NonNull<sys::rd_kafka_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    batch: Vec<*mut sys::rd_kafka_message_t>,
    reads_headers: bool,
    /// Outlives the client, whose callbacks have its address.
    reached: Arc<Reached>,
}

// SAFETY: a librdkafka client may be used from any thread, its queue as well; the pointers of a batch are in use only
// inside `take`, which has the consumer to itself.
unsafe impl Send for BatchConsumer {}

impl BatchConsumer {
    /// Creates the client, which rings `bell` when it has something to hand over; records are read without their headers
    /// where those are not wanted.
    pub(in crate::transport::kafka) fn open(
        config: &ClientConfig,
        bell: &Arc<Bell>,
        reads_headers: bool,
    ) -> Result<Self, KafkaError> {
        let reached = Arc::new(Reached { bell: Arc::clone(bell), errors: Mutex::new(Vec::new()) });
        let address = Arc::as_ptr(&reached).cast_mut().cast::<c_void>();
        let client = create(config, address)?;
        // SAFETY: the client is valid; this leads what it has to say to the queue its records come through.
        unsafe { sys::rd_kafka_poll_set_consumer(client.as_ptr()) };
        // SAFETY: the client is valid; it has a group id, so it has this queue.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(client.as_ptr()) };
        let Some(queue) = NonNull::new(queue) else {
            // SAFETY: the client is valid and used nowhere else.
            unsafe { sys::rd_kafka_destroy(client.as_ptr()) };
            return Err(KafkaError::ClientCreation("a consumer needs a group id".to_owned()));
        };
        // SAFETY: both are valid; `address` is until the callback has been taken back, see `drop`.
        unsafe { sys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(ring), address) };
        Ok(BatchConsumer { client, queue, batch: vec![ptr::null_mut(); BATCH], reads_headers, reached })
    }

    /// Hands over what is there without waiting, at most `max` messages; returns how many. What they hold is lent for the
    /// call of `each`.
    pub(in crate::transport::kafka) fn take(&mut self, max: usize, mut each: impl FnMut(Taken<'_>)) -> usize {
        let room = max.min(self.batch.len());
        // SAFETY: the queue is valid and `batch` has room for so many pointers.
        let n = unsafe { sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, self.batch.as_mut_ptr(), room) };
        let n = usize::try_from(n).unwrap_or(0);
        for message in self.batch.iter_mut().take(n) {
            // SAFETY: the call above has handed it out, and the pointer is forgotten with this.
            let lent = unsafe { Lent::new(std::mem::replace(message, ptr::null_mut())) };
            if let Some(lent) = lent {
                each(lent.read(self.reads_headers));
            }
        }
        n
    }

    /// Errors since the last call.
    pub(in crate::transport::kafka) fn errors(&mut self) -> Vec<ClientError> {
        std::mem::take(&mut *self.reached.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins to read these partitions at their offsets.
    pub(in crate::transport::kafka) fn assign(&self, list: &TopicPartitionList) -> Result<(), String> {
        // SAFETY: client and list are valid; the list is copied.
        outcome(unsafe { sys::rd_kafka_incremental_assign(self.client.as_ptr(), list.ptr()) })
    }

    /// Stops reading these partitions.
    pub(in crate::transport::kafka) fn unassign(&self, list: &TopicPartitionList) -> Result<(), String> {
        // SAFETY: client and list are valid; the list is copied.
        outcome(unsafe { sys::rd_kafka_incremental_unassign(self.client.as_ptr(), list.ptr()) })
    }
}

impl Drop for BatchConsumer {
    fn drop(&mut self) {
        // SAFETY: the queue is valid; after this the callback is not called any more.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut()) };
        // SAFETY: the client is valid and nothing of it is borrowed.
        unsafe { sys::rd_kafka_consumer_close(self.client.as_ptr()) };
        // SAFETY: the queue is valid, and used no more.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
        // SAFETY: the client is valid and used no more; its threads have ended when this returns, and `reached` goes after.
        unsafe { sys::rd_kafka_destroy(self.client.as_ptr()) };
    }
}

fn create(config: &ClientConfig, address: *mut c_void) -> Result<NonNull<sys::rd_kafka_t>, KafkaError> {
    let native = config.create_native_config()?;
    // SAFETY: the configuration is valid; the copy is ours until a client takes it.
    let conf = unsafe { sys::rd_kafka_conf_dup(native.ptr()) };
    // SAFETY: the copy is valid; `address` is where `on_error` expects it, for as long as the client lives.
    unsafe { sys::rd_kafka_conf_set_opaque(conf, address) };
    // SAFETY: the copy is valid, and the function may be called on any thread.
    unsafe { sys::rd_kafka_conf_set_log_cb(conf, Some(on_log)) };
    // SAFETY: the copy is valid.
    unsafe { sys::rd_kafka_conf_set_error_cb(conf, Some(on_error)) };
    let mut reason: [c_char; REASON_BYTES] = [0; REASON_BYTES];
    // SAFETY: the copy is valid, and belongs to the client if there is one; the reason has room and ends with a zero.
    let client = unsafe { sys::rd_kafka_new(RDKafkaType::RD_KAFKA_CONSUMER, conf, reason.as_mut_ptr(), reason.len()) };
    let Some(client) = NonNull::new(client) else {
        // SAFETY: without a client the copy is still ours.
        unsafe { sys::rd_kafka_conf_destroy(conf) };
        return Err(KafkaError::ClientCreation(text(reason.as_ptr())));
    };
    // SAFETY: the client is valid.
    unsafe { sys::rd_kafka_set_log_level(client.as_ptr(), config.log_level as c_int) };
    Ok(client)
}

/// Reads and gives back the error of a call, null for none.
fn outcome(error: *mut sys::rd_kafka_error_t) -> Result<(), String> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is ours and valid; its text lives as long as it does.
    let why = text(unsafe { sys::rd_kafka_error_string(error) });
    // SAFETY: the error is ours, and used no more.
    unsafe { sys::rd_kafka_error_destroy(error) };
    Err(why)
}

fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: whoever calls has a text that ends with a zero and is not changed meanwhile.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

unsafe extern "C" fn on_log(
    _client: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    const SYSLOG_NOTICE: c_int = 5;
    let level = match level {
        ..SYSLOG_NOTICE => RDKafkaLogLevel::Warning,
        SYSLOG_NOTICE | 6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    };
    log_line(level, text(facility).trim(), text(line).trim());
}

unsafe extern "C" fn on_error(client: *mut sys::rd_kafka_t, code: c_int, reason: *const c_char, address: *mut c_void) {
    let mut code = RDKafkaRespErr::try_from(code).unwrap_or(RDKafkaRespErr::RD_KAFKA_RESP_ERR__FAIL);
    let fatal = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__FATAL;
    if fatal {
        // SAFETY: the client calls this itself, so it is valid; no text is asked for.
        code = unsafe { sys::rd_kafka_fatal_error(client, ptr::null_mut(), 0) };
    }
    // SAFETY: the address is that of `Reached`, which outlives the client.
    if let Some(reached) = unsafe { address.cast::<Reached>().as_ref() } {
        let error = ClientError { code: code.into(), fatal, text: text(reason) };
        reached.errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }
}

unsafe extern "C" fn ring(_client: *mut sys::rd_kafka_t, address: *mut c_void) {
    // SAFETY: the address is that of `Reached`, which outlives the callback.
    if let Some(reached) = unsafe { address.cast::<Reached>().as_ref() } {
        reached.bell.ring();
    }
}
