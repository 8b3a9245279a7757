//! Driftless keeps machine-learning models honest on live Kafka streams.

pub mod data;
pub mod drift;
pub mod model;
pub mod stats;
pub mod transport;
