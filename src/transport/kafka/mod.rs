//! Kafka.
/// Kafka.
pub struct Kafka;
