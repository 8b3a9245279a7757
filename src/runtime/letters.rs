//! Dead letters as log lines: how many since the last line, and why; and events left out because they came before.
//!
//! A topic gone bad gives one per event, so there is a line at most every [`PACE`]; it tells of all since the one before.
//! Those after the last line are told with the next; metrics count each at once.

use std::time::{Duration, Instant};

use crate::data::RejectCode;
use crate::pipeline::Tally;
use crate::telemetry::Throttle;

/// At most one line in this time.
const PACE: Duration = Duration::from_secs(10);
const INPUTS: [&str; 3] = ["events", "labels", "facts"];

/// Dead letters of all shards of the process that no line has told of yet.
#[derive(Debug)]
pub(super) struct DeadLetters {
    throttle: Throttle,
    counts: [[u64; RejectCode::ALL.len()]; INPUTS.len()],
}

/// Events that were left out and that no line has told of yet.
#[derive(Debug)]
pub(super) struct Duplicates(Throttle);

impl Default for Duplicates {
    fn default() -> Self {
        Duplicates(Throttle::every(PACE))
    }
}

impl Duplicates {
    /// Takes in what a shard has counted since `before`, and writes a line if one is due.
    pub(super) fn add(&mut self, partition: i32, tally: &Tally, before: &Tally, now: Instant) {
        if let Some(count) = self.0.admit(now, tally.duplicates - before.duplicates) {
            tracing::info!(count, partition, offset = tally.last_duplicate, "duplicates_dropped");
        }
    }
}

impl Default for DeadLetters {
    fn default() -> Self {
        DeadLetters { throttle: Throttle::every(PACE), counts: Default::default() }
    }
}

impl DeadLetters {
    /// Takes in what a shard has counted since `before`, and writes a line if one is due.
    pub(super) fn add(&mut self, tally: &Tally, before: &Tally, now: Instant) {
        let mut new = 0;
        for (input, counts) in self.counts.iter_mut().enumerate() {
            for ((count, now), before) in counts.iter_mut().zip(&tally.rejects[input]).zip(&before.rejects[input]) {
                *count += now - before;
                new += now - before;
            }
        }
        if let Some(count) = self.throttle.admit(now, new) {
            tracing::warn!(count, reasons = self.reasons(), "dead_letters");
            self.counts = Default::default();
        }
    }

    /// `events.missing=3 labels.unknown_event=1`: what is not zero, by input and code.
    fn reasons(&self) -> String {
        let mut reasons = Vec::new();
        for (input, counts) in INPUTS.iter().zip(&self.counts) {
            for (code, count) in RejectCode::ALL.iter().zip(counts).filter(|(_, count)| **count > 0) {
                reasons.push(format!("{input}.{code}={count}"));
            }
        }
        reasons.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_of_all_dead_letters_since_the_line_before() {
        let mut letters = DeadLetters::default();
        let start = Instant::now();
        let mut tally = Tally::default();
        tally.rejects[0][RejectCode::Missing as usize] = 2;
        letters.add(&tally, &Tally::default(), start);
        assert_eq!(letters.reasons(), "", "the first is told at once");
        let before = tally;
        tally.rejects[0][RejectCode::Missing as usize] = 5;
        tally.rejects[1][RejectCode::UnknownEvent as usize] = 1;
        letters.add(&tally, &before, start + PACE / 2);
        assert_eq!(letters.reasons(), "events.missing=3 labels.unknown_event=1");
        letters.add(&tally, &tally, start + 2 * PACE);
        assert_eq!(letters.reasons(), "events.missing=3 labels.unknown_event=1", "nothing new, no line");
        letters.add(&tally, &before, start + 2 * PACE);
        assert_eq!(letters.reasons(), "");
    }
}
