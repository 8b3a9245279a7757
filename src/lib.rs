//! Driftless keeps machine-learning models honest on live Kafka streams.

pub mod cli;
pub mod codec;
pub mod config;
pub mod data;
pub mod features;
pub mod stats;
pub mod transport;
pub mod validate;
