//! What the runtime shows of a shard's work, and the identity that it has to satisfy.

use super::Pipeline;
use crate::data::RejectCode;
use crate::features::FeatureCounts;

/// What the runtime counts: all since the pipeline was made, taken back with the transaction like everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events consumed.
    pub events: u64,
    /// Predictions published.
    pub predictions: u64,
    /// Events that went on to the next stage.
    pub passed_on: u64,
    /// Events held back less those given out again.
    pub held_back: i64,
    /// Events that became dead letters.
    pub event_dead_letters: u64,
    /// Follow-ups consumed.
    pub follow_ups: u64,
    /// Follow-ups that became dead letters.
    pub follow_up_dead_letters: u64,
    /// Facts consumed.
    pub facts: u64,
    /// Facts that became dead letters.
    pub fact_dead_letters: u64,
    /// Late events, flagged or in their own topic.
    pub late: u64,
    /// Those that went to their own topic.
    pub late_output: u64,
    /// Events left out because their id had come before.
    pub duplicates: u64,
    /// Offset of the last of them.
    pub last_duplicate: i64,
    /// First labels joined.
    pub labels: u64,
    /// Groups forgotten and values that were in no list.
    pub features: FeatureCounts,
    /// Dead letters of events, follow-ups and facts by code, in the order of [`crate::data::RejectCode::ALL`].
    pub rejects: [[u64; RejectCode::ALL.len()]; 3],
}

/// What the records of an input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Events,
    FollowUps,
    Facts,
}

impl Tally {
    pub(super) fn consumed(&mut self, stream: Stream) {
        *match stream {
            Stream::Events => &mut self.events,
            Stream::FollowUps => &mut self.follow_ups,
            Stream::Facts => &mut self.facts,
        } += 1;
    }

    pub(super) fn rejected(&mut self, stream: Stream, code: RejectCode) {
        let (all, counts) = match stream {
            Stream::Events => (&mut self.event_dead_letters, &mut self.rejects[0]),
            Stream::FollowUps => (&mut self.follow_up_dead_letters, &mut self.rejects[1]),
            Stream::Facts => (&mut self.fact_dead_letters, &mut self.rejects[2]),
        };
        *all += 1;
        if let Some(at) = RejectCode::ALL.iter().position(|known| *known == code) {
            counts[at] += 1;
        }
    }

    pub(super) fn duplicate(&mut self, offset: i64) {
        self.duplicates += 1;
        self.last_duplicate = offset;
    }

    /// Events consumed less what became of them: predictions, what was passed on to the next stage or is held back, dead
    /// letters, late output, duplicates left out. Zero unless something is wrong.
    pub fn unaccounted(&self) -> i64 {
        let scored = self.predictions + self.passed_on;
        let accounted = scored + self.event_dead_letters + self.late_output + self.duplicates;
        self.events as i64 - accounted as i64 - self.held_back
    }
}

impl Pipeline {
    /// Counts since the pipeline was made.
    pub fn tally(&self) -> Tally {
        Tally { features: self.features.counts(), ..self.clocks.tally }
    }

    /// Records that wait for their turn.
    pub fn held_back(&self) -> usize {
        self.held.len()
    }

    /// Groups with windows, predictions waiting for labels, follow-ups waiting for events.
    pub fn held(&self) -> [usize; 3] {
        [self.features.groups(), self.waiting.len(), self.early.len()]
    }
}
