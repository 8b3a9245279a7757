//! Topics as clients that are not ours read them: kcat, and kafka-python, which shares no code with librdkafka.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use super::processes::output;

/// Prints a topic as JSON lines, values in hex.
const DUMP: &str = r#"
import json, sys, time
from kafka import KafkaConsumer, TopicPartition

brokers, topic = sys.argv[1:]
consumer = KafkaConsumer(
    bootstrap_servers=brokers.split(','), group_id=None, enable_auto_commit=False, isolation_level='read_committed')
partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
consumer.assign(partitions)
consumer.seek_to_beginning()
ends = consumer.end_offsets(partitions)
limit = time.monotonic() + 120
while any(consumer.position(partition) < ends[partition] for partition in partitions):
    if time.monotonic() > limit:
        sys.exit(f'{topic} cannot be read to its end')
    for records in consumer.poll(timeout_ms=200).values():
        for record in records:
            print(json.dumps({
                'partition': record.partition, 'offset': record.offset,
                'value': None if record.value is None else record.value.hex(),
                'headers': {name: value.decode() for name, value in record.headers}}))
"#;

/// Where a record stands in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    partition: i64,
    offset: i64,
}

impl Place {
    pub(crate) fn new(partition: i64, offset: i64) -> Self {
        Place { partition, offset }
    }
}

/// A record as it was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub value: Option<Vec<u8>>,
    pub headers: BTreeMap<String, String>,
}

/// All committed records, read with kafka-python.
pub(crate) fn kafka_python(brokers: &str, topic: &str) -> BTreeMap<Place, Read> {
    let python = std::env::var("DRIFTLESS_TEST_PYTHON").unwrap();
    let lines = output(Command::new(python).args(["-c", DUMP, brokers, topic]));
    let read = |line: Value| {
        let value = line["value"].as_str().map(bytes);
        let headers = serde_json::from_value(line["headers"].clone()).unwrap();
        (place(&line), Read { value, headers })
    };
    parsed(&lines).map(read).collect()
}

/// All committed values, which must be text, read with kcat.
pub(crate) fn kcat(brokers: &str, topic: &str) -> BTreeMap<Place, Option<Vec<u8>>> {
    let options = ["-C", "-e", "-q", "-J", "-o", "beginning", "-X", "isolation.level=read_committed"];
    let lines = output(Command::new("kcat").args(options).args(["-b", brokers, "-t", topic]));
    parsed(&lines).map(|line| (place(&line), line["payload"].as_str().map(|text| text.as_bytes().to_vec()))).collect()
}

fn parsed(lines: &[u8]) -> impl Iterator<Item = Value> {
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap())
}

fn place(line: &Value) -> Place {
    Place::new(line["partition"].as_i64().unwrap(), line["offset"].as_i64().unwrap())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
