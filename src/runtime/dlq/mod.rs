//! Dead letters after the fact: which there are and why, and sending them to where they came from once the cause is
//! mended.
//!
//! A letter holds its record as it came, so a replay is that record again, with one header that counts how often it has
//! been sent: a letter that comes back for the [`MAX_HOPS`]th time stays where it is. Nothing here joins a group or
//! remembers what has been replayed; letters that come in meanwhile are not looked at.

mod letter;
mod resend;

use crate::config::Config;
use crate::data::{RejectCode, Timestamp};
use crate::runtime::history::{HistoryError, PartitionLog, bounds};
use crate::transport::{Bounds, Position, TopicPartition, Transport};

pub use letter::{Letter, LetterSource, Obstacle};
pub use resend::{MAX_HOPS, ResendParams, Resent, resend};

/// Which letters are meant; everything that is left out is no condition.
#[derive(Clone, Debug, Default)]
pub struct LetterFilter {
    /// Codes, any of them.
    pub codes: Vec<RejectCode>,
    /// Topic that the record came from.
    pub topic: Option<String>,
    /// Put there at this time or later.
    pub since: Option<Timestamp>,
    /// Put there before this time.
    pub until: Option<Timestamp>,
    /// Partition, the same for source and letter.
    pub partition: Option<i32>,
    /// The first so many of those that meet the conditions.
    pub limit: Option<u64>,
}

impl LetterFilter {
    fn admits(&self, letter: &Letter) -> bool {
        let at = letter.record.timestamp;
        let source = letter.source.as_ref();
        (self.codes.is_empty() || self.codes.iter().any(|code| code.name() == letter.code))
            && self.topic.as_ref().is_none_or(|topic| source.is_some_and(|source| source.topic == *topic))
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }
}

/// The letters of an application as of now, partition by partition.
pub struct Letters<'a> {
    transport: &'a dyn Transport,
    config: &'a Config,
    filter: LetterFilter,
    /// Where each partition began and ended when this was first opened.
    ends: Vec<(i32, Bounds)>,
    /// Partitions not read to their end, the last one first.
    partitions: Vec<PartitionLog>,
    found: u64,
}

impl<'a> Letters<'a> {
    /// Opens the dead letters as far as they go now.
    ///
    /// # Errors
    /// A topic or partition that does not exist, a cluster that does not answer.
    pub fn open(transport: &'a dyn Transport, config: &'a Config, filter: LetterFilter) -> Result<Self, HistoryError> {
        let topic = &config.topics.dead_letters;
        let ends = match filter.partition {
            Some(partition) => vec![(partition, bounds(transport, topic, partition)?)],
            None => {
                // The first is asked for by number, which says what is wrong where there is no such topic.
                bounds(transport, topic, 0)?;
                (0..).zip(transport.bounds(topic)?.unwrap_or_default()).collect()
            }
        };
        let letters = Letters { transport, config, filter, ends, partitions: Vec::new(), found: 0 };
        letters.again()
    }

    /// The same letters again, from the first; those that have come in since are not among them.
    ///
    /// # Errors
    /// A cluster that does not answer.
    pub fn again(&self) -> Result<Self, HistoryError> {
        let mut partitions = Vec::new();
        for (partition, bounds) in self.ends.iter().rev() {
            let at = TopicPartition::new(self.config.topics.dead_letters.as_str(), *partition);
            partitions.push(PartitionLog::open_at(self.transport, Position { at, next: bounds.start }, *bounds)?);
        }
        let (filter, ends) = (self.filter.clone(), self.ends.clone());
        Ok(Letters { transport: self.transport, config: self.config, filter, ends, partitions, found: 0 })
    }

    /// The next letter; `None` once all have been seen.
    ///
    /// # Errors
    /// A cluster that does not answer, records that are gone by now.
    #[expect(clippy::should_implement_trait, reason = "it can fail")]
    pub fn next(&mut self) -> Result<Option<Letter>, HistoryError> {
        while self.filter.limit.is_none_or(|limit| self.found < limit)
            && let Some(log) = self.partitions.last_mut()
        {
            let partition = log.at().partition;
            let Some(record) = log.next()? else {
                self.partitions.pop();
                continue;
            };
            let letter = Letter::read(partition, record);
            if self.filter.admits(&letter) {
                self.found += 1;
                return Ok(Some(letter));
            }
        }
        Ok(None)
    }
}
