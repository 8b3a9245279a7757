//! Driftless keeps machine-learning models honest on live Kafka streams.

pub mod cli;
pub mod codec;
pub mod config;
pub mod data;
pub mod drift;
pub mod features;
pub mod http;
pub mod labels;
pub mod model;
pub mod monitor;
pub mod performance;
pub mod pipeline;
pub mod registry;
pub mod retrain;
pub mod rollout;
pub mod runtime;
pub mod score;
pub mod stats;
pub mod telemetry;
pub mod transport;
pub mod validate;
