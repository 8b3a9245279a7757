//! The journal of one shard as a sequence of moments: each record with the items it names.

use std::sync::Arc;

use super::feed::{Feed, FeedError};
use super::log::PartitionLog;
use super::overview::{Overview, Question};
use super::{HistoryError, Stretch};
use crate::codec::JournalRecord;
use crate::data::Item;
use crate::model::Model;
use crate::runtime::clock::Clock;
use crate::runtime::control::Models;

/// What one transaction was fed.
pub(in crate::runtime) struct Moment {
    pub record: JournalRecord,
    pub items: Vec<Item<Model>>,
    /// Whether it is asked about; what comes before only builds the state.
    pub chosen: bool,
}

/// The past of one shard, from its first record to the last one asked about.
pub(in crate::runtime) struct Past {
    pub overview: Overview,
    journal: PartitionLog,
    feed: Feed,
    models: Arc<Models>,
    stretch: Stretch,
}

impl Past {
    /// Looks the journal through and opens the inputs.
    pub(in crate::runtime) fn open(question: &Question<'_>, models: Arc<Models>) -> Result<Past, HistoryError> {
        let overview = question.ask()?;
        let feed = Feed::open(question.transport, question.inputs, question.shard, &overview.starts, &Clock::Machine)?;
        let journal = PartitionLog::open(question.transport, question.journal, question.shard)?;
        Ok(Past { overview, journal, feed, models, stretch: question.stretch })
    }

    /// Whether its last record is asked about.
    pub(in crate::runtime) fn is_whole(&self) -> bool {
        self.overview.last_chosen.is_none_or(|last| last + 1 == self.overview.records)
    }

    /// The journal as it was opened.
    pub(in crate::runtime) fn journal(&self) -> &PartitionLog {
        &self.journal
    }

    /// The next moment; `None` after the last one asked about.
    pub(in crate::runtime) fn next(&mut self) -> Result<Option<Moment>, HistoryError> {
        let Some(last) = self.overview.last_chosen else { return Ok(None) };
        let Some(record) = self.journal.next_journal()?.filter(|record| record.sequence <= last) else {
            return Ok(None);
        };
        while !self.feed.gather(&record)? {}
        let items = self.feed.items(&record, &self.models)?;
        Ok(Some(Moment { chosen: self.stretch.holds(&record), record, items }))
    }
}

impl From<FeedError> for HistoryError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Transport(error) => HistoryError::Transport(error),
            FeedError::Refused(why) => HistoryError::Impossible(why),
        }
    }
}
