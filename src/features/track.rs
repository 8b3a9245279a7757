//! One track of a slot, whatever its shape.

use super::block::Block;
use super::cells::Entry;
use super::ever::Ever;
use super::near::bring;
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

    /// Takes an event in and puts its features into its row.
    #[inline]
    pub(super) fn event(&self, slot: &mut [u64], event: &EventRow<'_>, aids: &mut Aids<'_>, out: &mut Computed<'_>) {
        note(slot, TOUCHED, event.at);
        for since in &self.since_last {
            let elapsed = last(slot, since.last).map(|last| event.at.since(last));
            let is_strict = self.sources.get(since.source).is_some_and(|of| *of != Source::Events);
            let elapsed = if since.ends_at_latest { elapsed.map(|ms| ms.max(0)) } else { elapsed };
            let seen = |ms: &i64| *ms <= since.span && (if is_strict { *ms > 0 } else { *ms >= 0 });
            let seconds = elapsed.filter(seen).map_or(f64::NAN, |ms| ms as f64 / 1000.0);
            out.block.set(since.feature, out.row, seconds);
        }
        let entry = Entry { at: event.at, values: event.values(), weight: 1.0 };
        for (track, latest) in self.tracks.iter().zip(&mut *aids.latest) {
            if let Some(in_order) = &track.in_order
                && let Some(basic) = in_order.take(slot, aids.log, &entry, latest)
            {
                in_order.put(&basic, event, out);
                continue;
            }
            if !track.past.is_empty() {
                track.read(slot, Wanted { event, outputs: &track.past }, latest, out);
            }
            if track.source == Source::Events {
                track.add(slot, aids.log, &entry, latest);
            }
            if !track.now.is_empty() {
                track.read(slot, Wanted { event, outputs: &track.now }, latest, out);
            }
        }
        if let Some(source) = self.sources.iter().position(|source| *source == Source::Events) {
            note(slot, TOUCHED + 1 + source, event.at);
        }
    }
}

impl GroupPlan {
    /// Asks for the memory beyond the header that an event at `at` is going to need.
    #[inline]
    pub(super) fn fetch(&self, slot: &[u64], at: Timestamp, latest: &mut [LatestPane]) {
        for (track, latest) in self.tracks.iter().zip(latest) {
            match (&track.in_order, track.shape) {
                (Some(track), _) => track.fetch(slot, at, latest),
                (None, Shape::Panes(panes)) => Ring { track, panes }.fetch(slot, at, latest),
                (None, Shape::Session { .. } | Shape::Ever { .. }) => bring(&slot[track.start]),
            }
        }
    }
}

/// What goes along with the events of a grouping.
pub(super) struct Aids<'a> {
    pub log: &'a mut Log,
    /// The latest pane of each track.
    pub latest: &'a mut [LatestPane],
}
