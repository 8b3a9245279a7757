//! The stretch of the past that is asked about, in whole journal records.
//!
//! A journal record is one transaction of one shard: the smallest piece that was decided together. A stretch takes every
//! record that lies in it by the record's own time, and every record that took one of its offsets.

use crate::codec::{JournalRecord, JournalStep};
use crate::data::{InputIndex, Timestamp};

/// From where to where; half-open, everything where nothing is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Transactions at or after this time (the `scored_at` of their predictions).
    pub from: Option<Timestamp>,
    /// Transactions before this time.
    pub to: Option<Timestamp>,
    /// Transactions that took an event at or after this offset.
    pub from_offset: Option<i64>,
    /// Transactions that took an event before this offset.
    pub to_offset: Option<i64>,
}

impl Stretch {
    /// Whether it is bounded by offsets of the events.
    pub fn is_by_offset(&self) -> bool {
        self.from_offset.is_some() || self.to_offset.is_some()
    }

    /// Whether a point in time lies in it.
    pub(in crate::runtime) fn holds_time(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }

    /// Whether a record lies in it.
    pub(in crate::runtime) fn holds(&self, record: &JournalRecord) -> bool {
        self.holds_time(record.now) && (!self.is_by_offset() || record.steps.iter().any(|step| self.took(step)))
    }

    fn took(&self, step: &JournalStep) -> bool {
        let JournalStep::Run { input: InputIndex(0), first, last, .. } = step else { return false };
        self.from_offset.is_none_or(|from| *last >= from) && self.to_offset.is_none_or(|to| *first < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(now: i64, first: i64, last: i64) -> JournalRecord {
        JournalRecord {
            sequence: 0,
            now: Timestamp::from_millis(now),
            config: String::new(),
            transactional_id: String::new(),
            steps: vec![JournalStep::Run { input: InputIndex(0), first, last, records: 1 }],
            positions: Vec::new(),
            control: 0,
            digest: 0,
        }
    }

    #[test]
    fn a_record_belongs_to_it_when_it_took_one_of_its_offsets() {
        let stretch = Stretch { from_offset: Some(10), to_offset: Some(20), ..Stretch::default() };
        let holds = |first, last| stretch.holds(&record(0, first, last));
        assert!(!holds(5, 9) && holds(5, 10) && holds(19, 25) && !holds(20, 25));
        let timed = Stretch { from: Some(Timestamp::from_millis(5)), ..Stretch::default() };
        assert!(timed.holds(&record(5, 0, 0)) && !timed.holds(&record(4, 0, 0)));
        assert!(Stretch::default().holds(&record(i64::MIN, 0, 0)));
    }
}
