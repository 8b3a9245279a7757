//! The schema registry: what schema has an id, and under which id ours are known.
//!
//! A client of the Confluent protocol, and lookups beside the threads that poll: whoever asks gets what is known at once,
//! and the question goes on in the background until the registry has answered. What an answer means for a record is
//! not decided here: an id that nobody knows is an answer, a registry that does not answer is none.

mod client;
mod lookups;

pub use client::{SchemaRegistry, SchemaRegistryError};
pub use lookups::{Lookup, Lookups};
