//! Driftless keeps machine-learning models honest on live Kafka streams.

pub mod config;
pub mod data;
pub mod stats;
pub mod transport;
