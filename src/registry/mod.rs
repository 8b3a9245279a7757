//! What outlives a process and is no Kafka topic: model artifacts and the training log, both in an object store.
//!
//! A [`Store`] names an artifact by its hash and hands it out only if the bytes still have it. An [`ExampleLog`] keeps
//! what training needs of the predictions and outcomes topics, so that their retention does not limit it. The store is
//! a local directory here; the object_store crate behind it speaks S3, GCS and Azure with the same calls.
//!
//! Which version is in charge is not here: that is the control log.

mod examples;
mod layouts;
mod store;
mod stored_rows;

pub use examples::{ExampleLog, ExampleLogError, LogPosition, LogSettings};
pub use store::{Store, StoreError};
