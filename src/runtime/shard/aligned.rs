//! How far a shard is in event time, for others to be held to, and whether it waits for them.
//!
//! A record counts at the time by which it takes its turn, but not after its own timestamp: one that is dated ahead holds
//! nobody up. What comes before everything else, such as a fact, counts at no time.

use super::Shard;
use crate::data::{Machine, Timestamp};
use crate::model::Model;
use crate::runtime::alignment::Standing;
use crate::runtime::pace::Step;

/// What a shard may take.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct Allowed<'a> {
    /// Most records.
    pub max: usize,
    /// As far as the step of stepped mode goes.
    pub step: Option<&'a Step>,
    /// Up to this time, which others allow.
    pub until: Timestamp,
}

/// Where a shard is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// The latest time taken.
    reached: Timestamp,
    /// The time of its next record, which has to wait.
    waits_at: Option<Timestamp>,
}

impl Default for Progress {
    fn default() -> Self {
        Progress { reached: Timestamp::MIN, waits_at: None }
    }
}

impl<M: Machine<Model = Model>> Shard<M> {
    /// Whether the next record, at the head of this input, is to wait for other shards.
    pub(super) fn has_to_wait(&mut self, index: usize, until: Timestamp) -> bool {
        self.progress.waits_at = None;
        let head = self.inputs.get(index).and_then(|input| input.queue.front());
        let Some(time) = head.and_then(|head| Some(head.time?.min(head.record.timestamp))) else { return false };
        // Who has never committed anything says where it is with its first record.
        if time > until && (self.sequence > 0 || !self.steps.is_empty()) {
            self.progress.waits_at = Some(time);
            return true;
        }
        self.progress.reached = self.progress.reached.max(time);
        false
    }

    /// Whether it waits for other shards.
    pub(in crate::runtime) fn is_ahead(&self) -> bool {
        self.progress.waits_at.is_some()
    }

    /// Where it stands.
    pub(in crate::runtime) fn standing(&self) -> Standing {
        let taken = self.inputs.iter().map(|input| input.next.unsigned_abs()).fold(self.sequence, u64::wrapping_add);
        Standing {
            at: self.progress.waits_at.unwrap_or(self.progress.reached),
            mark: taken,
            is_at_end: self.is_read_out(None) || self.waits().is_some(),
        }
    }

    /// Whether every input has been read to its end.
    pub(super) fn is_read_out(&self, step: Option<&Step>) -> bool {
        !self.inputs.iter().any(|input| input.has_record(step) || !input.is_read_out(step))
    }
}
