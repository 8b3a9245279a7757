//! One dead letter: what its headers say, and the record it holds.

use crate::config::Config;
use crate::data::{Header, Record, Timestamp};

/// How often a record has been sent again, as a decimal number.
pub(super) const HOPS: &str = "driftless.dlq.hops";
/// Headers that begin like this were added on the way, and are left out when a record is sent again.
const ADDED: [&str; 2] = ["driftless.", "__connect.errors."];

/// Where the record of a letter came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterSource {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Timestamp of the record.
    pub timestamp: Timestamp,
}

/// Why a letter is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// It has been sent again often enough.
    Hops,
    /// It does not hold the whole record.
    Cut,
    /// It does not say where it came from, or not from one of the application's inputs.
    Foreign,
}

impl Obstacle {
    /// In a few words.
    pub const fn why(self) -> &'static str {
        match self {
            Obstacle::Hops => "came back too often",
            Obstacle::Cut => "not held whole",
            Obstacle::Foreign => "not from an input of this application",
        }
    }
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Partition it lies in.
    pub partition: i32,
    /// The letter as a record.
    pub record: Record,
    /// Why it is one; empty where it does not say.
    pub code: String,
    /// The same in a sentence.
    pub message: String,
    /// Where it came from; `None` where it does not say.
    pub source: Option<LetterSource>,
    /// How often its record has been sent again.
    pub hops: u32,
}

impl Letter {
    pub(super) fn read(partition: i32, record: Record) -> Self {
        let text = |name: &str| text_of(&record, name).map(ToOwned::to_owned);
        let source = || {
            Some(LetterSource {
                topic: text("driftless.error.topic")?,
                partition: text("driftless.error.partition")?.parse().ok()?,
                offset: text("driftless.error.offset")?.parse().ok()?,
                timestamp: Timestamp::from_millis(text("driftless.error.timestamp")?.parse().ok()?),
            })
        };
        Letter {
            partition,
            code: text("driftless.error.code").unwrap_or_default(),
            message: text("driftless.error.message").unwrap_or_default(),
            source: source(),
            hops: hops(&record),
            record,
        }
    }

    /// Why it is not to be sent again, if it is not.
    pub fn obstacle(&self, config: &Config) -> Option<Obstacle> {
        let cut =
            ["driftless.value.bytes", "driftless.value.left_out", "driftless.key.bytes", "driftless.headers.left_out"];
        let is_input = |topic: &String| config.topics.inputs().any(|input| input == topic);
        if !self.source.as_ref().is_some_and(|source| is_input(&source.topic)) {
            Some(Obstacle::Foreign)
        } else if cut.iter().any(|name| text_of(&self.record, name).is_some()) {
            Some(Obstacle::Cut)
        } else if self.hops >= super::MAX_HOPS {
            Some(Obstacle::Hops)
        } else {
            None
        }
    }

    /// The headers that its record came with, and how often it has then been sent again.
    pub(super) fn headers(&self) -> Vec<Header> {
        let own = |header: &&Header| !ADDED.iter().any(|added| header.name.starts_with(added));
        let mut headers: Vec<Header> = self.record.headers.iter().filter(own).cloned().collect();
        let hops = (self.hops + 1).to_string().into_bytes();
        headers.push(Header { name: HOPS.to_owned(), value: Some(hops) });
        headers
    }
}

/// Of several headers of one name the last one counts: the others came with the record.
fn text_of<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    let header = record.headers.iter().rev().find(|header| header.name == name)?;
    std::str::from_utf8(header.value.as_deref()?).ok()
}

/// What cannot be read has come back once at least.
fn hops(record: &Record) -> u32 {
    let has = record.headers.iter().any(|header| header.name == HOPS);
    text_of(record, HOPS).and_then(|text| text.parse().ok()).unwrap_or(u32::from(has))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(headers: &[(&str, &str)]) -> Letter {
        let header =
            |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: Some(value.as_bytes().to_vec()) };
        let source = [
            ("driftless.error.code", "missing"),
            ("driftless.error.topic", "flights.events"),
            ("driftless.error.partition", "3"),
            ("driftless.error.offset", "17"),
            ("driftless.error.timestamp", "1000"),
        ];
        let headers = headers.iter().chain(&source).map(header).collect();
        let record = Record { offset: 1, timestamp: Timestamp::from_millis(5), key: None, value: None, headers };
        Letter::read(0, record)
    }

    #[test]
    fn a_letter_says_why_it_is_one_and_where_it_came_from() {
        let read = letter(&[("traceparent", "00-1")]);
        let source = read.source.clone().unwrap();
        assert_eq!((read.code.as_str(), read.hops), ("missing", 0));
        assert_eq!((source.topic.as_str(), source.partition, source.offset), ("flights.events", 3, 17));
        let names: Vec<String> = read.headers().into_iter().map(|header| header.name).collect();
        assert_eq!(names, ["traceparent", HOPS], "what was added on the way is left out");
    }

    #[test]
    fn a_letter_stays_where_it_is_when_sending_it_again_cannot_help() {
        let config = Config::parse(include_str!("../../../examples/flights.toml")).unwrap();
        let obstacle = |headers: &[(&str, &str)]| letter(headers).obstacle(&config);
        assert_eq!(obstacle(&[]), None);
        assert_eq!([obstacle(&[(HOPS, "2")]), obstacle(&[(HOPS, "3")])], [None, Some(Obstacle::Hops)]);
        assert_eq!(obstacle(&[("driftless.value.bytes", "2000000")]), Some(Obstacle::Cut));
        assert_eq!(obstacle(&[("driftless.value.left_out", "true")]), Some(Obstacle::Cut));
        let mut foreign = letter(&[]);
        foreign.source = None;
        assert_eq!(foreign.obstacle(&config), Some(Obstacle::Foreign));
    }
}
