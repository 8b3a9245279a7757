//! How long the events of a transaction have waited for it: from their timestamps to the commit.
//!
//! A figure for people only: nothing that is published depends on it. Of many events a share stands for all, so that it
//! costs the same however large a transaction is.

use crate::data::{InputIndex, Item, Timestamp};
use crate::runtime::watch;

/// Events of one transaction that are counted.
const COUNTED: usize = 1_000;

/// Timestamps of the events that the open transaction holds.
#[derive(Debug, Default)]
pub(super) struct Waited(Vec<Timestamp>);

impl Waited {
    /// The open transaction takes a batch.
    pub(super) fn took<M>(&mut self, batch: &[Item<M>]) {
        for item in batch {
            if let Item::Record { input: InputIndex(0), record } = item {
                self.0.push(record.timestamp);
            }
        }
    }

    /// It has been committed.
    pub(super) fn committed(&mut self, role: &'static str, now: Timestamp) {
        if !self.0.is_empty() {
            watch::latencies(role, self.seconds(now));
            self.0.clear();
        }
    }

    /// It was given up; its events come again.
    pub(super) fn taken_back(&mut self) {
        self.0.clear();
    }

    fn seconds(&self, now: Timestamp) -> impl Iterator<Item = f64> {
        let step = self.0.len().div_ceil(COUNTED).max(1);
        self.0.iter().step_by(step).map(move |at| now.since(*at).max(0) as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(millis: impl Iterator<Item = i64>) -> Vec<f64> {
        Waited(millis.map(Timestamp::from_millis).collect()).seconds(Timestamp::from_millis(1_000)).collect()
    }

    #[test]
    fn an_event_has_waited_since_its_timestamp_and_one_from_the_future_has_not() {
        assert_eq!(waited([0, 750, 1_500].into_iter()), [1.0, 0.25, 0.0]);
    }

    #[test]
    fn of_many_events_every_nth_counts() {
        assert_eq!(waited(0..1_000).len(), 1_000);
        assert_eq!(waited(0..1_001).len(), 501);
        assert_eq!(waited(0..1_000_000).len(), 1_000);
    }
}
