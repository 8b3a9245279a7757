//! A message that the client lends, from the batch it came in to its return.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{self, NonNull};

use rdkafka::bindings as sys;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::data::Header;

/// What a batch holds, borrowed.
pub(in crate::transport::kafka) enum Taken<'a> {
    /// A record.
    Record(Fetched<'a>),
    /// Something about a partition: its end, or why it cannot be read.
    Notice(Notice),
}

/// What is said of a partition between its records.
pub(in crate::transport::kafka) struct Notice {
    pub(in crate::transport::kafka) partition: i32,
    pub(in crate::transport::kafka) code: RDKafkaErrorCode,
    /// Where it was noticed: for the end, the next offset, past control records.
    pub(in crate::transport::kafka) offset: i64,
    pub(in crate::transport::kafka) text: String,
}

/// A record in the client's memory.
pub(in crate::transport::kafka) struct Fetched<'a> {
    pub(in crate::transport::kafka) partition: i32,
    pub(in crate::transport::kafka) offset: i64,
    /// Milliseconds; -1 where it has none.
    pub(in crate::transport::kafka) timestamp_ms: i64,
    pub(in crate::transport::kafka) key: Option<&'a [u8]>,
    pub(in crate::transport::kafka) value: Option<&'a [u8]>,
    pub(in crate::transport::kafka) headers: Vec<Header>,
}

/// A message of the client's, given back when it is dropped.
pub(super) struct Lent(NonNull<sys::rd_kafka_message_t>);

impl Lent {
    /// Takes over a message that a batch call handed out; `None` for a null pointer.
    ///
    /// # Safety
    /// `message` is null, or came from such a call and has not been given back.
    pub(super) unsafe fn new(message: *mut sys::rd_kafka_message_t) -> Option<Lent> {
        NonNull::new(message).map(Lent)
    }

    /// What it says, with its headers or without; borrowed from it.
    pub(super) fn read(&self, reads_headers: bool) -> Taken<'_> {
        // SAFETY: the message is valid until it is given back, and nobody writes to it meanwhile.
        let message = unsafe { self.0.as_ref() };
        if message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Taken::Record(Fetched {
                partition: message.partition,
                offset: message.offset,
                timestamp_ms: self.timestamp_ms(),
                key: self.slice(message.key, message.key_len),
                value: self.slice(message.payload, message.len),
                headers: if reads_headers { self.headers() } else { Vec::new() },
            });
        }
        // SAFETY: the message is valid; the text lives as long as it does.
        let text = unsafe { sys::rd_kafka_message_errstr(self.0.as_ptr()) };
        Taken::Notice(Notice {
            partition: message.partition,
            code: message.err.into(),
            offset: message.offset,
            text: self.text(text),
        })
    }

    fn timestamp_ms(&self) -> i64 {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid and `kind` is there to be written to.
        unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), &raw mut kind) }
    }

    /// Headers in their order; a name that is not UTF-8 is read with replacement characters.
    fn headers(&self) -> Vec<Header> {
        let mut list = ptr::null_mut();
        // SAFETY: the message is valid; `list` is set to headers that it owns, and only if it has any.
        let found = unsafe { sys::rd_kafka_message_headers(self.0.as_ptr(), &raw mut list) };
        let mut headers = Vec::new();
        if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return headers;
        }
        let (mut name, mut value, mut size): (*const c_char, *const c_void, usize) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list belongs to the message; the three are set where there is a header of this number.
        while unsafe { sys::rd_kafka_header_get_all(list, headers.len(), &raw mut name, &raw mut value, &raw mut size) }
            == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            let value = self.slice(value.cast_mut(), size).map(<[u8]>::to_vec);
            headers.push(Header { name: self.text(name), value });
        }
        headers
    }

    /// Bytes of the message; `None` for a null pointer.
    fn slice(&self, bytes: *mut c_void, len: usize) -> Option<&[u8]> {
        let bytes = NonNull::new(bytes.cast::<u8>())?;
        // SAFETY: the client says that so many bytes are there, in memory that the message holds until it is given back.
        Some(unsafe { NonNull::slice_from_raw_parts(bytes, len).as_ref() })
    }

    fn text(&self, text: *const c_char) -> String {
        if text.is_null() {
            return String::new();
        }
        // SAFETY: the client's texts end with a zero and live as long as the message.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: it has not been given back before; nothing borrowed from it is left.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// Pointer and length that say null for nothing.
pub(super) fn parts(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((ptr::null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}
