//! Spans of sampled traces, exported to a collector over OTLP.
//!
//! A span is handed over when what it tells of is committed, never before: what is taken back is not told, and nothing is
//! told twice. Handing over never waits: the queue is bounded, and what does not fit, or a collector does not take, is
//! dropped and counted. No attribute holds a key, an id or a value of a record.

mod export;
mod post;
mod wire;

use std::borrow::Cow;

use crate::data::{SpanId, Timestamp, TracePoint};

pub use export::{SpanExport, Spans};

/// One thing that was done, as a collector takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace, and itself.
    pub at: TracePoint,
    /// The span that led to it.
    pub parent: Option<SpanId>,
    /// Other spans that it has to do with.
    pub links: Vec<TracePoint>,
    /// What was done.
    pub name: Cow<'static, str>,
    /// Whether a record was taken from a topic for it.
    pub is_consumer: bool,
    /// When it began.
    pub began: Timestamp,
    /// When it was done, and could be seen.
    pub ended: Timestamp,
    /// More about it.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// It came to nothing.
    pub is_failed: bool,
}

impl Span {
    /// What was done, and where it stands; its times and everything else left open.
    pub fn named(name: impl Into<Cow<'static, str>>, at: TracePoint) -> Self {
        Span {
            at,
            parent: None,
            links: Vec::new(),
            name: name.into(),
            is_consumer: false,
            began: Timestamp::default(),
            ended: Timestamp::default(),
            attributes: Vec::new(),
            is_failed: false,
        }
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum SpanValue {
    /// A name.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A number.
    Float(f64),
}

impl From<&str> for SpanValue {
    fn from(text: &str) -> Self {
        SpanValue::Text(text.to_owned())
    }
}

impl From<i64> for SpanValue {
    fn from(number: i64) -> Self {
        SpanValue::Number(number)
    }
}

impl From<u32> for SpanValue {
    fn from(number: u32) -> Self {
        SpanValue::Number(number.into())
    }
}
