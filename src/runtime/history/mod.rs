//! The past of an application, as its journals and topics tell it: what a shard was fed, in which order.
//!
//! A restore, `driftless replay` and `driftless why` all feed a machine from here. Everything here reads; nothing joins a
//! group, commits an offset or writes a record.

mod control;
mod feed;
mod log;
mod overview;
mod past;
mod stretch;

use crate::transport::TransportError;

pub(super) use control::in_charge;
#[cfg(test)]
pub(super) use feed::refuse;
pub(super) use feed::{Feed, FeedError};
pub(super) use log::{PartitionLog, bounds};
pub(super) use overview::Question;
pub(super) use past::{Moment, Past};
pub use stretch::Stretch;

/// Why the past cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The cluster, or the store behind a model.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What is asked for makes no sense for this application.
    #[error("{0}")]
    Wrong(String),
    /// Something it takes is not there, or not what it was.
    #[error("{0}")]
    Impossible(String),
    /// The results cannot be written.
    #[error("cannot write `{file}`: {error}")]
    File {
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
}
