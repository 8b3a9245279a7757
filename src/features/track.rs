//! One track of a slot, whatever its shape.

use super::cells::Entry;
use super::ever::Ever;
use super::plan::{GroupPlan, Output, Shape, TOUCHED, Track};
use super::ring::{NONE, Ring};
use super::rows::EventRow;
use super::session::Sessions;
use super::slots::Log;
use crate::data::Timestamp;
use crate::data::params::Source;

impl Track {
    pub(super) fn clear(&self, slot: &mut [u64]) {
        match self.shape {
            Shape::Panes(panes) => Ring { track: self, panes }.clear(slot),
            Shape::Session { gap, is_completed } => Sessions { track: self, gap, is_completed }.clear(slot),
            Shape::Ever { half_life } => Ever { track: self, half_life }.clear(slot),
        }
    }

    /// Takes a record in.
    #[inline]
    pub(super) fn add(&self, slot: &mut [u64], log: &mut Log, entry: &Entry<'_>) {
        match self.shape {
            Shape::Panes(panes) => Ring { track: self, panes }.add(slot, log, entry),
            Shape::Session { gap, is_completed } => {
                Sessions { track: self, gap, is_completed }.add(slot, log, entry);
            }
            Shape::Ever { half_life } => Ever { track: self, half_life }.add(slot, log, entry),
        }
    }

    /// Whether an event at `at` may read all that is there: what became known at its time or later is not for it.
    pub(super) fn is_whole(&self, slot: &[u64], at: Timestamp) -> bool {
        let last = slot[self.last] as i64;
        self.source == Source::Events || last == NONE || last < at.millis()
    }

    /// Puts features of an event into the row.
    #[inline]
    pub(super) fn read(&self, slot: &mut [u64], event: &EventRow<'_>, outputs: &[Output], out: &mut Read<'_>) {
        let values = event.values();
        let is_whole = self.is_whole(slot, event.at);
        let reading = match self.shape {
            Shape::Panes(panes) => Ring { track: self, panes }.read(slot, event.at, is_whole),
            Shape::Session { gap, is_completed } => {
                let sessions = Sessions { track: self, gap, is_completed };
                let reading = sessions.read(slot, event.at, out.scratch);
                for output in outputs {
                    out.row[output.feature] = reading.statistic(output.statistic, &values);
                }
                return;
            }
            Shape::Ever { .. } if !is_whole => {
                outputs.iter().for_each(|output| out.row[output.feature] = f64::NAN);
                return;
            }
            Shape::Ever { half_life } => Ever { track: self, half_life }.read(slot, event.at),
        };
        for output in outputs {
            out.row[output.feature] = reading.statistic(output.statistic, &values);
        }
    }

    /// After words of the slot were put back.
    pub(super) fn forget_closed(&self, slot: &mut [u64]) {
        if let Shape::Panes(panes) = self.shape {
            Ring { track: self, panes }.forget_closed(slot);
        }
    }
}

/// Where features go.
pub(super) struct Read<'a> {
    /// Everything computed, by position.
    pub row: &'a mut [f64],
    /// Memory that is used again.
    pub scratch: &'a mut Vec<u64>,
}

/// The latest time of a source, by its word.
pub(super) fn last(slot: &[u64], word: usize) -> Option<Timestamp> {
    Some(slot[word] as i64).filter(|time| *time != NONE).map(Timestamp::from_millis)
}

/// Notes a record of a source.
pub(super) fn note(slot: &mut [u64], word: usize, at: Timestamp) {
    slot[word] = (slot[word] as i64).max(at.millis()) as u64;
}

impl GroupPlan {
    /// An empty slot, but for what is the slot's own.
    pub(super) fn clear(&self, slot: &mut [u64]) {
        slot[TOUCHED..=TOUCHED + self.sources.len()].fill(NONE as u64);
        self.tracks.iter().for_each(|track| track.clear(slot));
    }

    /// Takes an event in and puts its features into the row.
    #[inline]
    pub(super) fn event(&self, slot: &mut [u64], event: &EventRow<'_>, log: &mut Log, out: &mut Read<'_>) {
        note(slot, TOUCHED, event.at);
        for since in &self.since_last {
            let elapsed = last(slot, since.last).map(|last| event.at.since(last));
            let is_strict = self.sources.get(since.source).is_some_and(|of| *of != Source::Events);
            let elapsed = if since.ends_at_latest { elapsed.map(|ms| ms.max(0)) } else { elapsed };
            let seen = |ms: &i64| *ms <= since.span && (if is_strict { *ms > 0 } else { *ms >= 0 });
            out.row[since.feature] = elapsed.filter(seen).map_or(f64::NAN, |ms| ms as f64 / 1000.0);
        }
        let entry = Entry { at: event.at, values: event.values(), weight: 1.0 };
        for track in &self.tracks {
            if !track.past.is_empty() {
                track.read(slot, event, &track.past, out);
            }
            if track.source == Source::Events {
                track.add(slot, log, &entry);
            }
            if !track.now.is_empty() {
                track.read(slot, event, &track.now, out);
            }
        }
        if let Some(source) = self.sources.iter().position(|source| *source == Source::Events) {
            note(slot, TOUCHED + 1 + source, event.at);
        }
    }
}
