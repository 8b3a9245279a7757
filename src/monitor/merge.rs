//! How far the shards have come together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::{Span, Summary, Timestamp};

/// The last report of each shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Shards {
    by_number: BTreeMap<i32, Shard>,
    reached: Timestamp,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Shard {
    watermark: Timestamp,
    idle: bool,
    first_event: Option<Timestamp>,
    labels: u64,
}

impl Default for Shards {
    fn default() -> Self {
        Shards { by_number: BTreeMap::new(), reached: Timestamp::MIN }
    }
}

impl Shards {
    pub(super) fn report(&mut self, summary: &Summary) {
        let shard = Shard {
            watermark: summary.watermark,
            idle: summary.idle,
            first_event: summary.first_event,
            labels: summary.labels,
        };
        self.by_number.insert(summary.shard, shard);
    }

    /// The multiple of `every` that all `expected` shards have passed, if it has moved: by the least watermark of those
    /// that still have something to read, or the greatest if none has. Shards publish at the same multiples, so what
    /// is known at one of them does not depend on the order in which shards report.
    pub(super) fn advance(&mut self, expected: i32, every: Span) -> Option<Timestamp> {
        if (self.by_number.len() as i64) < i64::from(expected) {
            return None;
        }
        let busy = self.by_number.values().filter(|shard| !shard.idle).map(|shard| shard.watermark).min();
        let point = busy.or_else(|| self.by_number.values().map(|shard| shard.watermark).max())?;
        let point = point.floor(every, Span::default());
        if point <= self.reached {
            return None;
        }
        self.reached = point;
        Some(point)
    }

    /// Event time of the first event of all.
    pub(super) fn first_event(&self) -> Option<Timestamp> {
        self.by_number.values().filter_map(|shard| shard.first_event).min()
    }

    /// Labels joined by all shards.
    pub(super) fn labels(&self) -> u64 {
        self.by_number.values().map(|shard| shard.labels).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(shards: &mut Shards, shard: i32, watermark: i64, idle: bool) -> Option<i64> {
        shards.report(&Summary {
            shard,
            clock: Timestamp::from_millis(watermark),
            watermark: Timestamp::from_millis(watermark),
            idle,
            first_event: None,
            labels: 0,
            drift: Vec::new(),
            performance: Vec::new(),
        });
        shards.advance(2, Span::from_millis(50)).map(Timestamp::millis)
    }

    #[test]
    fn a_shard_that_has_not_reported_is_waited_for_and_an_idle_one_is_not() {
        let mut shards = Shards::default();
        assert_eq!(report(&mut shards, 0, 120, false), None);
        assert_eq!(report(&mut shards, 1, 70, false), Some(50));
        assert_eq!(report(&mut shards, 0, 200, false), None);
        assert_eq!(report(&mut shards, 1, 70, true), Some(200));
        assert_eq!(report(&mut shards, 0, 300, true), Some(300));
        assert_eq!(report(&mut shards, 1, 250, false), None, "time does not go back");
    }
}
