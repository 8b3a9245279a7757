//! Going on where an earlier run of the same source ended.
//!
//! What is there is read and counted by its bytes, and of each record of the source as many are passed over. Counting by
//! offsets would not do: records that a run could not deliver in time leave holes behind. What a killed run had under way
//! may still arrive, so it is read until nothing has come for a moment.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use super::{Destination, Sending, bounds};
use crate::config::Config;
use crate::transport::{News, Position, TopicPartition, Transport, TransportError};

/// Nothing more is expected of an earlier run once nothing has come for so long.
const QUIET: Duration = Duration::from_secs(3);
const WAIT: Duration = Duration::from_millis(100);
const MOST: usize = 10_000;
/// Longest pause of a cluster that holds records.
const LIMIT: Duration = Duration::from_secs(60);

/// What is there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Records still to be passed over, by where they went and the hash of their value.
    left: HashMap<(Destination, u64), u32>,
}

impl Sent {
    /// Reads what the topics of `config` hold.
    ///
    /// # Errors
    /// A cluster that does not answer.
    pub fn find(config: &Config, transport: &dyn Transport) -> anyhow::Result<Sent> {
        let places =
            [(Destination::Events, Some(&config.topics.events)), (Destination::Labels, config.topics.labels.as_ref())];
        let places: Vec<(Destination, String)> =
            places.into_iter().filter_map(|(to, topic)| Some((to, topic?.clone()))).collect();
        let topics: Vec<String> = places.iter().map(|(_, topic)| topic.clone()).collect();
        let mut starts = Vec::new();
        let mut unread = BTreeSet::new();
        for (input, topic) in topics.iter().enumerate() {
            for (partition, bounds) in (0..).zip(bounds(transport, topic)?.unwrap_or_default()) {
                starts.push(Position { at: TopicPartition::new(topic.as_str(), partition), next: bounds.start });
                unread.insert((input, partition));
            }
        }
        let mut reader = transport.reader(&topics)?;
        reader.start(&starts)?;
        let mut sent = Sent::default();
        let mut news = Vec::new();
        let mut last = Instant::now();
        while !unread.is_empty() || last.elapsed() < QUIET {
            match reader.poll(WAIT, MOST, &mut news) {
                Err(TransportError::Retriable(_)) if last.elapsed() < LIMIT => {}
                polled => polled?,
            }
            anyhow::ensure!(last.elapsed() < LIMIT, "`{}` cannot be read to their ends", topics.join("` and `"));
            for news in news.drain(..) {
                match news {
                    News::Record { input, record, .. } => {
                        last = Instant::now();
                        let Some((to, _)) = places.get(input) else { continue };
                        *sent.left.entry((*to, digest(record.value.as_deref()))).or_default() += 1;
                    }
                    News::End { input, partition, .. } => _ = unread.remove(&(input, partition)),
                    News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
                }
            }
        }
        Ok(sent)
    }

    /// Whether this record is there already; each that is there counts once.
    pub fn has(&mut self, record: &Sending) -> bool {
        match self.left.get_mut(&(record.to, digest(record.value.as_deref()))) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

fn digest(value: Option<&[u8]>) -> u64 {
    value.map_or(0, xxh3_64)
}
