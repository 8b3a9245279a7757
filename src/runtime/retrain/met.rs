//! The traces that labelled examples came with, the latest of them, for a training to be linked with.
//!
//! In memory only: a training has thousands of examples and names the data set that it was made of, its links are samples.

use std::collections::VecDeque;

use crate::data::{Header, Incoming, Outcome, Timestamp, TracePoint};

/// Traces remembered.
const REMEMBERED: usize = 4_096;
/// Traces that one training is linked with.
pub(super) const LINKED: usize = 32;

/// Traces of outcomes, in the order in which these came.
#[derive(Debug, Default)]
pub(super) struct Met(VecDeque<MetTrace>);

#[derive(Clone, Copy, Debug)]
struct MetTrace {
    at: TracePoint,
    event_time: Timestamp,
    known_at: Timestamp,
}

/// Which examples a training takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// Event time of the first.
    pub from: Timestamp,
    /// One past the last.
    pub to: Timestamp,
    /// Labels known before this count.
    pub cutoff: Timestamp,
}

impl Met {
    /// Remembers the trace of an outcome, if it has one that is sampled.
    pub(super) fn note(&mut self, headers: &[Header], outcome: &Outcome) {
        let Incoming::Sampled(at) = Incoming::of(headers) else { return };
        // A correction takes the place of what it corrects, where that is not long ago.
        if let Some(before) = self.0.iter().rev().take(LINKED).position(|met| met.at.trace == at.trace) {
            self.0.remove(self.0.len() - 1 - before);
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(MetTrace { at, event_time: outcome.event_time, known_at: outcome.known_at });
    }

    /// The latest of the examples that a training takes.
    pub(super) fn latest(&self, taken: Taken) -> Vec<TracePoint> {
        let is_taken =
            |met: &&MetTrace| met.event_time >= taken.from && met.event_time < taken.to && met.known_at < taken.cutoff;
        self.0.iter().rev().filter(is_taken).take(LINKED).map(|met| met.at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Arm, Seed};

    fn outcome(event_time: i64, known_at: i64) -> Outcome {
        Outcome {
            event_id: String::new(),
            entity: String::new(),
            event_time: Timestamp::from_millis(event_time),
            known_at: Timestamp::from_millis(known_at),
            label: 1.0,
            revision: 0,
            model_version: 0,
            arm: Arm::Champion,
            score: 0.5,
            decision: String::new(),
        }
    }

    fn taken(from: i64, to: i64, cutoff: i64) -> Taken {
        let [from, to, cutoff] = [from, to, cutoff].map(Timestamp::from_millis);
        Taken { from, to, cutoff }
    }

    #[test]
    fn a_training_is_linked_with_few_of_the_examples_it_takes() {
        let mut met = Met::default();
        let at = |i: i64| TracePoint::root(&[Seed::Number(i)]);
        for i in 0..10_000 {
            met.note(&[at(i).header()], &outcome(i, i + 10));
        }
        met.note(&[], &outcome(1, 2));
        assert_eq!(met.0.len(), REMEMBERED);
        let found = met.latest(taken(9_000, 9_900, 9_905));
        assert_eq!((found.len(), found[0], found[31]), (LINKED, at(9_894), at(9_863)));
        assert_eq!(met.latest(taken(9_998, 9_999, 20_000)), [at(9_998)]);
        assert!(met.latest(taken(0, 100, 20_000)).is_empty());
    }

    #[test]
    fn a_correction_is_one_example_with_what_it_corrects() {
        let mut met = Met::default();
        let first = TracePoint::root(&[]);
        let second = first.then(&[]);
        met.note(&[first.header()], &outcome(1, 2));
        met.note(&[second.header()], &outcome(1, 3));
        assert_eq!(met.latest(taken(0, 10, 10)), [second]);
    }
}
