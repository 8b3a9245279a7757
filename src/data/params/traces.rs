//! Which events are followed through distributed traces.

use crate::data::TraceId;

/// Bits of a trace id that decide whether it is sampled, as OpenTelemetry's probability sampling has it.
const DECIDING_BITS: u32 = 56;

/// How events without a trace of their own are sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParams {
    /// Name of the application: part of what a trace id is a hash of.
    pub app: String,
    /// The events topic, another part.
    pub topic: String,
    /// The least value of the deciding bits that is sampled.
    threshold: u64,
}

impl TraceParams {
    /// Samples `ratio` of them, between 0 and 1.
    pub fn new(app: &str, topic: &str, ratio: f64) -> Self {
        let all = 1u64 << DECIDING_BITS;
        let threshold = all - (ratio.clamp(0.0, 1.0) * all as f64) as u64;
        TraceParams { app: app.to_owned(), topic: topic.to_owned(), threshold }
    }

    /// Whether a trace that begins here is sampled.
    pub fn samples(&self, trace: TraceId) -> bool {
        let low = u128::from_be_bytes(trace.0) as u64;
        low & ((1 << DECIDING_BITS) - 1) >= self.threshold
    }
}
