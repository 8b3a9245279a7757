//! The same worker without transactions, for comparison only: what a program would do that promises less.
//!
//! Records are produced by the plain idempotent producer with the settings of the transactional one; at the end of an
//! interval all of them are waited for, and the input offsets are committed apart, without waiting for the answer. There
//! is no group: one member has all partitions.

use std::sync::Arc;
use std::time::Duration;

use driftless::transport::{
    Bounds, CommittedOffset, Member, MemberSpec, News, Outgoing, Position, Publisher, Reader, TopicSpec, Transport,
    TransportError,
};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// A transport whose members do not use transactions.
pub(crate) struct Plain {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) brokers: String,
}

impl Transport for Plain {
    fn join(&self, spec: &MemberSpec) -> Result<Box<dyn Member>, TransportError> {
        let events = spec.inputs.first().map(String::as_str).unwrap_or_default();
        let partitions = self.transport.bounds(events)?.unwrap_or_default().len();
        let offsets = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &spec.group)
            .set("enable.auto.commit", "false")
            .create()
            .map_err(|error| TransportError::Configuration(error.to_string()))?;
        Ok(Box::new(PlainMember {
            reader: self.transport.reader(&spec.inputs)?,
            publisher: self.transport.publisher()?,
            offsets,
            given: Some((0..).take(partitions).collect()),
        }))
    }

    fn reader(&self, topics: &[String]) -> Result<Box<dyn Reader>, TransportError> {
        self.transport.reader(topics)
    }

    fn publisher(&self) -> Result<Box<dyn Publisher>, TransportError> {
        self.transport.publisher()
    }

    fn bounds(&self, topic: &str) -> Result<Option<Vec<Bounds>>, TransportError> {
        self.transport.bounds(topic)
    }

    fn create(&self, topics: &[TopicSpec]) -> Result<Vec<String>, TransportError> {
        self.transport.create(topics)
    }

    fn fence(&self, _transactional_id: &str) -> Result<(), TransportError> {
        Ok(())
    }
}

struct PlainMember {
    reader: Box<dyn Reader>,
    publisher: Box<dyn Publisher>,
    offsets: BaseConsumer,
    /// Partitions to be told as assigned, once.
    given: Option<Vec<i32>>,
}

impl Member for PlainMember {
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        if let Some(given) = self.given.take() {
            news.push(News::Assigned(given));
            return Ok(());
        }
        self.reader.poll(timeout, max, news)
    }

    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.reader.start(positions)
    }

    fn stop(&mut self, _partitions: &[i32]) -> Result<(), TransportError> {
        Ok(())
    }

    /// Not needed: a batch takes no less than a poll brings.
    fn pause(&mut self, _input: usize, _partition: i32, _paused: bool) -> Result<(), TransportError> {
        Ok(())
    }

    fn release(&mut self, _partitions: &[i32]) -> Result<(), TransportError> {
        Ok(())
    }

    /// Every run begins anew.
    fn committed(&mut self, partitions: &[i32]) -> Result<Vec<CommittedOffset>, TransportError> {
        Ok(partitions.iter().map(|partition| CommittedOffset { input: 0, partition: *partition, next: None }).collect())
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.publisher.send(outgoing)
    }

    fn send_ahead(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.publisher.send(outgoing)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.publisher.flush()?;
        let mut offsets = TopicPartitionList::new();
        for Position { at, next } in positions {
            offsets.add_partition_offset(&at.topic, at.partition, Offset::Offset(*next)).map_err(failed)?;
        }
        // Answers are handed out by polling.
        let _ = self.offsets.poll(Duration::ZERO);
        if positions.is_empty() { Ok(()) } else { self.offsets.commit(&offsets, CommitMode::Async).map_err(failed) }
    }

    fn abort(&mut self) -> Result<(), TransportError> {
        Err(TransportError::Configuration("there is no transaction to abort".to_owned()))
    }

    fn close(self: Box<Self>) {}
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn failed(error: rdkafka::error::KafkaError) -> TransportError {
    TransportError::Configuration(format!("cannot commit offsets: {error}"))
}
