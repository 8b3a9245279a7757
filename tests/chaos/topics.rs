//! Topics as any reader of committed records sees them, from offset 0, and where they end for whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const ASK: Duration = Duration::from_secs(20);
const READ_LIMIT: Duration = Duration::from_secs(120);

/// A record as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

impl Read {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// A consumer without a group that reads what is committed.
pub(crate) fn consumer(brokers: &str, isolation: &str, group: &str) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", group).set("isolation.level", isolation);
    config.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    config.set("auto.offset.reset", "error").set("fetch.wait.max.ms", "20").set("fetch.queue.backoff.ms", "5");
    // Away brokers are asked again soon, so that what is measured is the application's recovery.
    config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "200");
    Ok(config.create()?)
}

/// Assigns all partitions of a topic, from their first record.
pub(crate) fn assign(consumer: &BaseConsumer, topic: &str) -> Result<usize> {
    let metadata = consumer.fetch_metadata(Some(topic), ASK)?;
    let n = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    ensure!(n > 0, "no topic `{topic}`");
    let mut list = TopicPartitionList::new();
    for partition in 0..n {
        list.add_partition_offset(topic, partition as i32, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    Ok(n)
}

/// Follows the committed records of a topic on a thread of its own until it is told to stop.
pub(crate) fn follow(
    brokers: &str,
    topic: &str,
    stop: &Arc<AtomicBool>,
    mut see: impl FnMut(&BorrowedMessage<'_>) + Send + 'static,
) -> Result<()> {
    let consumer = consumer(brokers, "read_committed", "chaos-follower")?;
    assign(&consumer, topic)?;
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            // Whatever is wrong with the brokers, the client keeps trying.
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
                see(&message);
            }
        }
    });
    Ok(())
}

/// All committed records of a topic, in order within each partition.
pub(crate) fn read_all(brokers: &str, topic: &str) -> Result<Vec<Read>> {
    let consumer = consumer(brokers, "read_committed", "chaos-checker")?;
    let mut left = assign(&consumer, topic)?;
    let mut records = Vec::new();
    let until = Instant::now() + READ_LIMIT;
    while left > 0 {
        ensure!(Instant::now() < until, "`{topic}` cannot be read to its end");
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Ok(message)) => {
                let headers = message.headers().map_or_else(Vec::new, |headers| {
                    headers
                        .iter()
                        .map(|header| {
                            let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
                            (header.key.to_owned(), value)
                        })
                        .collect()
                });
                records.push(Read {
                    partition: message.partition(),
                    offset: message.offset(),
                    timestamp: message.timestamp().to_millis().unwrap_or(-1),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers,
                });
            }
            Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
            Some(Err(error)) => {
                let passing = error.rdkafka_error_code().is_some_and(|code| {
                    matches!(code, RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
                });
                ensure!(passing, "`{topic}`: {error}");
            }
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// Where each partition ends for readers of this isolation.
pub(crate) fn ends(brokers: &str, topic: &str, isolation: &str) -> Result<Vec<i64>> {
    let consumer = consumer(brokers, isolation, "chaos-checker")?;
    let metadata = consumer.fetch_metadata(Some(topic), ASK)?;
    let n = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    let mut asked = TopicPartitionList::new();
    for partition in 0..n {
        asked.add_partition_offset(topic, partition as i32, Offset::End)?;
    }
    offsets(&consumer.offsets_for_times(asked, ASK)?, topic, n)
}

/// What a group has committed for each partition; transactions of the group must be decided.
pub(crate) fn committed(brokers: &str, group: &str, topic: &str, n: usize) -> Result<Vec<i64>> {
    let consumer = consumer(brokers, "read_committed", group)?;
    let mut asked = TopicPartitionList::new();
    for partition in 0..n {
        asked.add_partition(topic, partition as i32);
    }
    offsets(&consumer.committed_offsets(asked, ASK)?, topic, n)
}

fn offsets(list: &TopicPartitionList, topic: &str, n: usize) -> Result<Vec<i64>> {
    let offset = |partition: usize| {
        let element = list.find_partition(topic, partition as i32).context("a partition without an answer")?;
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) => Ok(offset),
            // Nothing committed yet.
            Offset::Invalid => Ok(0),
            other => bail!("`{topic}` partition {partition}: {other:?}"),
        }
    };
    (0..n).map(offset).collect()
}
