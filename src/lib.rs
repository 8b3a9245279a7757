//! Driftless keeps machine-learning models honest on live Kafka streams.

pub mod codec;
pub mod data;
pub mod drift;
pub mod features;
pub mod model;
pub mod retrain;
pub mod stats;
pub mod transport;
pub mod validate;
