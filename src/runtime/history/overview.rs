//! A journal looked through before anything is fed: is it whole, are the inputs it names still there, which of its
//! records are asked about.
//!
//! State is built from nothing by feeding everything from record 0 on. Where something before is gone, that cannot be
//! done, and the message says what is missing and from where on everything is there.

use super::log::{PartitionLog, bounds};
use super::{HistoryError, Stretch};
use crate::codec::{JournalRecord, JournalStep};
use crate::data::Timestamp;
use crate::transport::Transport;

/// What is looked through, and for what.
pub(in crate::runtime) struct Question<'a> {
    pub transport: &'a dyn Transport,
    /// Topic of the journal.
    pub journal: &'a str,
    /// Topics of the inputs.
    pub inputs: &'a [String],
    pub shard: i32,
    /// Hash of the configuration that the journal has to have been written with; `None` for any.
    pub config: Option<&'a str>,
    pub stretch: Stretch,
}

/// A journal as a whole.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime) struct Overview {
    /// Records in it.
    pub records: u64,
    /// Records that are asked about.
    pub chosen: u64,
    /// The last one asked about.
    pub last_chosen: Option<u64>,
    /// The first offset ever taken from each input.
    pub starts: Vec<Option<i64>>,
    /// Hash of the configuration of its last record.
    pub config: Option<String>,
    next: Option<u64>,
    /// The first record of the latest run of records whose inputs are all there.
    whole_from: Option<(u64, Timestamp)>,
    missing: Option<String>,
}

impl Question<'_> {
    /// Looks the journal through.
    pub(in crate::runtime) fn ask(&self) -> Result<Overview, HistoryError> {
        let mut log = PartitionLog::open(self.transport, self.journal, self.shard)?;
        let mut begins = Vec::new();
        for topic in self.inputs {
            begins.push(bounds(self.transport, topic, self.shard)?.start);
        }
        let mut overview = Overview { starts: vec![None; begins.len()], ..Overview::default() };
        while let Some(record) = log.next_journal()? {
            self.config_of(&record)?;
            self.look(&mut overview, &record, &begins)?;
        }
        match &overview.missing {
            None => Ok(overview),
            Some(missing) => Err(HistoryError::Impossible(overview.cannot(missing))),
        }
    }

    fn config_of(&self, record: &JournalRecord) -> Result<(), HistoryError> {
        if self.config.is_none_or(|config| config == record.config) {
            return Ok(());
        }
        let ours: String = self.config.unwrap_or_default().chars().take(12).collect();
        let theirs: String = record.config.chars().take(12).collect();
        Err(HistoryError::Impossible(format!(
            "record {} of `{}` partition {} was written with another configuration ({theirs}..., this file is \
             {ours}...): give the file it was written with, or ask `--what-if` with this one",
            record.sequence, self.journal, self.shard
        )))
    }

    fn look(&self, overview: &mut Overview, record: &JournalRecord, begins: &[i64]) -> Result<(), HistoryError> {
        let JournalRecord { sequence, now, .. } = *record;
        if let Some(next) = overview.next
            && next != sequence
        {
            let why =
                format!("`{}` partition {}: record {sequence} follows where {next} has to", self.journal, self.shard);
            return Err(HistoryError::Impossible(why));
        }
        if overview.next.is_none() && sequence != 0 {
            overview.missing = Some(format!(
                "`{}` partition {} begins with record {sequence} of {now}: records 0 to {} are gone",
                self.journal,
                self.shard,
                sequence - 1
            ));
        }
        overview.next = Some(sequence + 1);
        let mut whole = true;
        for step in &record.steps {
            let JournalStep::Run { input, first, .. } = step else { continue };
            let index = usize::from(input.0);
            let (Some(topic), Some(begin)) = (self.inputs.get(index), begins.get(index)) else {
                let why = format!("`{}` names input {index}; this configuration has {}", self.journal, begins.len());
                return Err(HistoryError::Impossible(why));
            };
            if let Some(start) = overview.starts.get_mut(index) {
                start.get_or_insert(*first);
            }
            if first < begin {
                whole = false;
                overview.missing.get_or_insert_with(|| {
                    format!(
                        "`{topic}` partition {} begins at offset {begin}, but journal record {sequence} of {now} took \
                         offset {first}: what was before is gone",
                        self.shard
                    )
                });
            }
        }
        match (whole, overview.whole_from) {
            (false, _) => overview.whole_from = None,
            (true, None) => overview.whole_from = Some((sequence, now)),
            (true, Some(_)) => {}
        }
        overview.records += 1;
        overview.config = Some(record.config.clone());
        if self.stretch.holds(record) {
            overview.chosen += 1;
            overview.last_chosen = Some(sequence);
        }
        Ok(())
    }
}

impl Overview {
    fn cannot(&self, missing: &str) -> String {
        let from = match self.whole_from {
            Some((sequence, now)) => format!("journal and inputs are whole from record {sequence} of {now} on"),
            None => "not even the last record has its inputs".to_owned(),
        };
        format!("{missing}; {from}, but a replay builds the state from record 0, so nothing can be replayed")
    }
}
