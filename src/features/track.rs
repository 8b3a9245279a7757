//! One track of a slot, whatever its shape.

use super::block::Block;
use super::cells::Entry;
use super::ever::Ever;
use super::plan::{GroupPlan, Output, Shape, TOUCHED, Track};
use super::reading::Statistic;
use super::ring::{LatestPane, NONE, Ring};
use super::rows::{EventRow, Values};
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
    pub(super) fn add(&self, slot: &mut [u64], log: &mut Log, entry: &Entry<'_>, latest: &mut LatestPane) {
        match self.shape {
            Shape::Panes(panes) => Ring { track: self, panes }.add(slot, log, entry, latest),
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

    /// Puts features of an event into its row.
    #[inline]
    pub(super) fn read(
        &self,
        slot: &mut [u64],
        Wanted { event, outputs }: Wanted<'_>,
        latest: &mut LatestPane,
        out: &mut Computed<'_>,
    ) {
        let is_whole = self.is_whole(slot, event.at);
        match self.shape {
            Shape::Panes(panes) => {
                let reading = Ring { track: self, panes }.read(slot, event.at, is_whole, latest);
                match self.bundle.is_four_words().then(|| reading.whole()).flatten() {
                    Some(basic) => out.put(outputs, event, |statistic, own| basic.statistic(statistic, own)),
                    None => out.put(outputs, event, |statistic, own| reading.statistic(statistic, own)),
                }
            }
            Shape::Session { gap, is_completed } => {
                let sessions = Sessions { track: self, gap, is_completed };
                let mut scratch = std::mem::take(out.scratch);
                let reading = sessions.read(slot, event.at, &mut scratch);
                out.put(outputs, event, |statistic, own| reading.statistic(statistic, own));
                *out.scratch = scratch;
            }
            Shape::Ever { .. } if !is_whole => {
                outputs.iter().for_each(|output| out.block.set(output.feature, out.row, f64::NAN));
            }
            Shape::Ever { half_life } => {
                let reading = Ever { track: self, half_life }.read(slot, event.at);
                out.put(outputs, event, |statistic, own| reading.statistic(statistic, own));
            }
        }
    }

    /// After words of the slot were put back.
    pub(super) fn forget_closed(&self, slot: &mut [u64]) {
        if let Shape::Panes(panes) = self.shape {
            Ring { track: self, panes }.forget_closed(slot);
        }
    }
}

/// Features that an event reads from a track.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub event: &'a EventRow<'a>,
    pub outputs: &'a [Output],
}

/// Where features go.
pub(super) struct Computed<'a> {
    pub block: &'a mut Block,
    pub row: usize,
    /// Memory that is used again.
    pub scratch: &'a mut Vec<u64>,
}

impl Computed<'_> {
    #[inline]
    fn put(&mut self, outputs: &[Output], event: &EventRow<'_>, statistic: impl Fn(Statistic, &Values<'_>) -> f64) {
        let own = event.values();
        for output in outputs {
            self.block.set(output.feature, self.row, statistic(output.statistic, &own));
        }
    }
}

/// The latest time of a source, by its word.
#[inline]
pub(super) fn last(slot: &[u64], word: usize) -> Option<Timestamp> {
    Some(slot[word] as i64).filter(|time| *time != NONE).map(Timestamp::from_millis)
}

/// Notes a record of a source.
#[inline]
pub(super) fn note(slot: &mut [u64], word: usize, at: Timestamp) {
    slot[word] = (slot[word] as i64).max(at.millis()) as u64;
}

impl GroupPlan {
    /// An empty slot, but for what is the slot's own.
    pub(super) fn clear(&self, slot: &mut [u64]) {
        slot[TOUCHED..=TOUCHED + self.sources.len()].fill(NONE as u64);
        self.tracks.iter().for_each(|track| track.clear(slot));
    }
}
