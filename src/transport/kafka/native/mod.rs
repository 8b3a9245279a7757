//! The hot path over librdkafka's C interface: the only module with unsafe code but for a prefetch.
//!
//! The safe binding hands records over one by one, each with an event, a reference count and a look at the clock, and
//! takes them one by one with a look-up of the topic by name. Here both go by the batch, at a third of the cost.
//! Everything else (membership, transactions, administration) stays with the safe binding.
//!
//! Invariants: no pointer leaves the module; what the client lends is borrowed for one call of a closure and given back
//! after it; what the client is given to read is copied by it before the call returns; a handle is destroyed once, before
//! the client it belongs to, and nothing reaches what callbacks were given after that.
#![expect(unsafe_code, reason = "the one audited module: calls into librdkafka, each with its reason")]
#![deny(clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]

mod consumer;
mod message;
mod producer;

pub(super) use consumer::{BatchConsumer, ClientError};
pub(super) use message::{Fetched, Notice, Taken};
pub(super) use producer::{Refused, Run, Topics, flush};
