//! An application with rules for its events, on any transport, and what its topics hold.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use driftless::data::{Header, Prediction, Record, Timestamp};
use driftless::transport::{News, Outgoing, Position, TopicPartition, Transport};

use crate::cases::{AT, Case, Expected};
use crate::support::CONFIG;

/// The longest that anything is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// The configuration of `support` with rules; `more` are further lines of `[events]`.
pub(crate) fn ruled(app: &str, more: &str) -> String {
    let events = format!("lateness = \"10m\"\nnot_before = \"1971-01-01T00:00:00Z\"\nmax_bytes = 65536\n{more}");
    let card = "type = \"string\"\nmax_length = 20\n\n[events.fields.channel]\ntype = \"string\"\n\
                one_of = [\"pos\", \"web\"]\n\n[events.fields.country]\ntype = \"string\"\npattern = \"[A-Z]{2}\"";
    let text = CONFIG.replacen("\"shops\"", &format!("{app:?}"), 1).replacen("lateness = \"0s\"", &events, 1);
    text.replacen("type = \"string\"", card, 1)
}

/// What is sent to partition 0 of a topic.
#[derive(Clone, Default)]
pub(crate) struct Sent {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
    pub at: i64,
}

impl Sent {
    pub(crate) fn new(at: i64, value: impl Into<Vec<u8>>) -> Self {
        Sent { key: Some(b"north".to_vec()), value: Some(value.into()), headers: Vec::new(), at }
    }

    pub(crate) fn of(case: &Case) -> Self {
        Sent { key: case.key.clone(), value: case.value.clone(), headers: case.headers.clone(), at: AT }
    }
}

pub(crate) fn send(transport: &dyn Transport, topic: &str, records: &[Sent]) {
    let mut publisher = transport.publisher().unwrap();
    for Sent { key, value, headers, at } in records {
        let outgoing = Outgoing {
            topic,
            partition: Some(0),
            key: key.as_deref(),
            value: value.as_deref(),
            headers,
            timestamp: Some(Timestamp::from_millis(*at)),
        };
        publisher.send(&outgoing).unwrap();
    }
    publisher.flush().unwrap();
}

/// Everything committed to a topic.
pub(crate) fn records(transport: &dyn Transport, topic: &str) -> Vec<Record> {
    let bounds = transport.bounds(topic).unwrap().unwrap();
    let mut reader = transport.reader(&[topic.to_owned()]).unwrap();
    let start = |(partition, _)| Position { at: TopicPartition::new(topic, number(partition)), next: 0 };
    reader.start(&bounds.iter().enumerate().map(start).collect::<Vec<_>>()).unwrap();
    let mut found = Vec::new();
    let mut ended = BTreeSet::new();
    let until = Instant::now() + LIMIT;
    while ended.len() < bounds.len() {
        assert!(Instant::now() < until, "`{topic}` cannot be read to its end");
        let mut news = Vec::new();
        reader.poll(Duration::from_millis(100), 10_000, &mut news).unwrap();
        for news in news {
            match news {
                News::Record { record, .. } => found.push(record),
                News::End { partition, .. } => _ = ended.insert(partition),
                _ => {}
            }
        }
    }
    found
}

fn number(partition: usize) -> i32 {
    i32::try_from(partition).unwrap()
}

pub(crate) fn predictions(transport: &dyn Transport, topic: &str) -> Vec<Prediction> {
    let records = records(transport, topic);
    records.iter().map(|record| serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()).collect()
}

/// The text of a header.
pub(crate) fn header_of(record: &Record, name: &str) -> Option<String> {
    let header = record.headers.iter().find(|header| header.name == name)?;
    Some(String::from_utf8_lossy(header.value.as_deref()?).into_owned())
}

/// Holds what came of a case against what had to come of it.
pub(crate) fn check(case: &Case, prediction: Option<&Prediction>, letter: Option<&Record>) {
    let Case { row, what, .. } = case;
    match case.expected {
        Expected::Predicted(amount) => {
            assert!(letter.is_none(), "row {row}, {what}: {letter:?}");
            let found = prediction.map(|prediction| prediction.features[0]);
            assert_eq!(found, Some(Some(amount)), "row {row}, {what}");
        }
        Expected::Letter(code) => {
            assert!(prediction.is_none(), "row {row}, {what}: {prediction:?}");
            assert!(letter.is_some(), "row {row}, {what}: nothing came of it");
            let letter = letter.unwrap();
            assert_eq!(header_of(letter, "driftless.error.code").as_deref(), Some(code), "row {row}, {what}");
            assert!(header_of(letter, "driftless.error.message").is_some_and(|message| !message.is_empty()));
            check_raw(case, letter);
        }
    }
}

/// A dead letter holds the record as it came, or says what it left out.
fn check_raw(case: &Case, letter: &Record) {
    for (name, sent, kept) in [("key", &case.key, &letter.key), ("value", &case.value, &letter.value)] {
        let (sent, kept) = (sent.as_deref(), kept.as_deref());
        match header_of(letter, &format!("driftless.{name}.bytes")) {
            None => assert_eq!(sent, kept, "{}", case.what),
            Some(bytes) => {
                let (sent, kept) = (sent.unwrap(), kept.unwrap());
                assert!(case.is_huge && sent.starts_with(kept) && kept.len() == 64 << 10, "{}", case.what);
                assert_eq!(bytes, sent.len().to_string());
                let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(sent));
                assert_eq!(header_of(letter, &format!("driftless.{name}.xxh3")), Some(hash));
            }
        }
    }
    let bytes: usize = letter.headers.iter().map(Header::bytes).sum();
    let size =
        bytes + letter.key.as_ref().map_or(0, |key| key.len()) + letter.value.as_ref().map_or(0, |value| value.len());
    assert!(size < 1_000_000, "{}: a letter of {size} bytes is too much for a broker", case.what);
    let kept = letter.headers.iter().take_while(|header| !header.name.starts_with("driftless.")).count();
    let left_out = header_of(letter, "driftless.headers.left_out").map_or(0, |text| text.parse().unwrap());
    assert_eq!(kept + left_out, case.headers.len(), "{}", case.what);
}
