//! Windows in panes.
//!
//! A window of n panes that ends in pane q holds the panes q-n+1 to q, or q-n to q-1 where q is left out. The panes
//! before q are kept put together until one of them changes or leaves; that can be computed again at any time and is not
//! state. Panes that hold something lie beside each other in the order of time, whatever lies between them, so few
//! records touch little memory; the words of a pane that is left behind stay as they are until they are used again.

use super::cells::Entry;
use super::filled::Filled;
use super::near::bring;
use super::plan::{Panes, RING_HEAD, Track};
use super::reading::Reading;
use super::slots::{LINE, Log};
use crate::data::Timestamp;

/// Marks a pane number or time that is not there.
pub(super) const NONE: i64 = i64::MIN;

/// Filled panes beside each other, in places that go round.
#[derive(Clone, Copy)]
struct Run {
    /// The place of the newest of them.
    newest: usize,
    len: usize,
}

/// A ring in a slot.
#[derive(Clone, Copy)]
pub(super) struct Ring<'a> {
    pub track: &'a Track,
    pub panes: Panes,
}

/// The pane of the latest time that was asked for: mostly the next time is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LatestPane {
    from: i64,
    to: i64,
    pane: i64,
}

impl Default for LatestPane {
    fn default() -> Self {
        LatestPane { from: i64::MAX, to: i64::MIN, pane: NONE }
    }
}

impl LatestPane {
    #[inline]
    pub(super) fn of(&mut self, panes: &Panes, at: Timestamp) -> i64 {
        let ms = at.millis();
        if ms < self.from || ms >= self.to {
            self.pane = panes.pane_of(at);
            self.from = self.pane.saturating_mul(panes.pane).saturating_add(panes.offset);
            self.to = self.from.saturating_add(panes.pane);
        }
        self.pane
    }
}

impl Panes {
    /// The number of the pane that holds a point in time.
    #[inline]
    pub(super) fn pane_of(&self, at: Timestamp) -> i64 {
        at.millis().saturating_sub(self.offset).div_euclid(self.pane)
    }

    /// Panes before the one in which a window ends that can be read with it.
    fn reach(&self) -> i64 {
        self.count - 1 + self.lag
    }
}

impl<'t> Ring<'t> {
    /// The number of the pane that holds a point in time.
    pub(super) fn pane(&self, at: Timestamp) -> i64 {
        self.panes.pane_of(at)
    }

    /// The pane in which the window of an event at `at` ends.
    #[inline]
    fn end(&self, slot: &[u64], at: Timestamp, latest: &mut LatestPane) -> i64 {
        let pane = match self.panes.delay {
            0 => latest.of(&self.panes, at),
            delay => self.pane(Timestamp::from_millis(at.millis().saturating_sub(delay))),
        };
        if self.panes.ends_at_latest { pane.max(self.head(slot)) } else { pane }
    }

    #[inline]
    pub(super) fn head(&self, slot: &[u64]) -> i64 {
        slot[self.track.head] as i64
    }

    #[inline]
    fn closed_for(&self, slot: &[u64]) -> i64 {
        slot[self.track.head + 1] as i64
    }

    #[inline]
    fn filled(&self) -> Filled {
        Filled { first: self.track.head + RING_HEAD, capacity: self.panes.capacity as usize }
    }

    /// The place of the newest filled pane.
    #[inline]
    fn newest(&self, slot: &[u64]) -> usize {
        slot[self.track.head + 2] as usize
    }

    #[inline]
    fn set_newest(&self, slot: &mut [u64], place: usize) {
        slot[self.track.head + 2] = place as u64;
    }

    /// So many places before one.
    #[inline]
    fn earlier(&self, place: usize, by: usize) -> usize {
        if place >= by { place - by } else { place + self.panes.capacity as usize - by }
    }

    /// The place of the filled pane with so many filled ones after it.
    #[inline]
    fn place(&self, slot: &[u64], later: usize) -> usize {
        self.earlier(self.newest(slot), later)
    }

    /// How many are filled of those fewer than `back` panes back.
    #[inline]
    fn before(&self, slot: &[u64], back: usize) -> usize {
        let filled = self.filled();
        match back {
            0 => 0,
            1 => usize::from(filled.contains(slot, 0)),
            _ => filled.before(slot, back),
        }
    }

    /// The words at a place.
    #[inline]
    fn range(&self, place: usize) -> std::ops::Range<usize> {
        let start = self.track.start + place * self.track.bundle.stride;
        start..start + self.track.bundle.stride
    }

    /// An empty ring.
    pub(super) fn clear(&self, slot: &mut [u64]) {
        slot[self.track.head] = NONE as u64;
        self.forget_closed(slot);
        self.set_newest(slot, self.panes.capacity as usize - 1);
        self.filled().clear(slot);
    }

    /// Has closed panes put together again when they are next read.
    #[inline]
    pub(super) fn forget_closed(&self, slot: &mut [u64]) {
        slot[self.track.head + 1] = NONE as u64;
    }

    /// Moves the newest pane to `pane`: those that are left behind are empty.
    #[inline]
    pub(super) fn advance(&self, slot: &mut [u64], pane: i64) {
        let head = self.head(slot);
        slot[self.track.head] = pane as u64;
        if head != NONE {
            let by = pane.saturating_sub(head).clamp(0, self.panes.capacity) as usize;
            let filled = self.filled();
            if filled.advance(slot, by) {
                // An empty ring begins anew at the same place, which is more often near.
                if filled.is_empty(slot) {
                    self.set_newest(slot, filled.capacity - 1);
                }
                self.forget_closed(slot);
            }
        }
    }

    /// The words of the pane so many panes before the newest, emptied if nothing was in it. What they held is logged.
    #[inline]
    pub(super) fn open(&self, slot: &mut [u64], log: Option<&mut Log>, back: usize) -> std::ops::Range<usize> {
        let filled = self.filled();
        let later = self.before(slot, back);
        if filled.contains(slot, back) {
            let words = self.range(self.place(slot, later));
            if let Some(log) = log {
                log.save(slot, words.clone());
            }
            return words;
        }
        filled.set(slot, back);
        self.insert(slot, log, later)
    }

    /// A new pane with so many filled ones after it, which move up.
    #[inline]
    fn insert(&self, slot: &mut [u64], mut log: Option<&mut Log>, later: usize) -> std::ops::Range<usize> {
        let newest = self.newest(slot);
        self.set_newest(slot, if newest + 1 == self.panes.capacity as usize { 0 } else { newest + 1 });
        for moved in 0..later {
            let to = self.range(self.place(slot, moved));
            if let Some(log) = log.as_deref_mut() {
                log.save(slot, to.clone());
            }
            let from = self.range(self.place(slot, moved + 1));
            slot.copy_within(from, to.start);
        }
        let words = self.range(self.place(slot, later));
        if let Some(log) = log {
            log.save(slot, words.clone());
        }
        self.track.bundle.empty(&mut slot[words.clone()], &self.track.empty);
        words
    }

    /// Adds a record; one older than the ring reaches is left out.
    #[inline]
    pub(super) fn add(&self, slot: &mut [u64], log: &mut Log, entry: &Entry<'_>, latest: &mut LatestPane) {
        let pane = latest.of(&self.panes, entry.at);
        let head = self.head(slot);
        if head == NONE || pane > head {
            self.advance(slot, pane);
        } else if pane <= head.saturating_sub(self.panes.capacity) {
            return;
        }
        let closed_for = self.closed_for(slot);
        if pane < closed_for && pane >= closed_for.saturating_sub(self.panes.reach()) {
            self.forget_closed(slot);
        }
        let back = self.head(slot).wrapping_sub(pane) as usize;
        let words = self.open(slot, Some(log), back);
        self.track.bundle.add(&mut slot[words], entry);
    }

    /// Reads the window of an event at `at`; without `newest` the pane in which it ends is left out.
    #[inline]
    pub(super) fn read<'a>(
        &self,
        slot: &'a mut [u64],
        at: Timestamp,
        newest: bool,
        latest: &mut LatestPane,
    ) -> Reading<'a> {
        let end = self.end(slot, at, latest);
        if self.closed_for(slot) != end {
            self.close(slot, end);
        }
        let stride = self.track.bundle.stride;
        let mut reading = Reading::of(&slot[self.track.closed..self.track.closed + stride]);
        let back = self.head(slot).saturating_sub(end);
        if newest && self.panes.lag == 0 && (0..self.panes.capacity).contains(&back) {
            let (filled, back) = (self.filled(), back as usize);
            if filled.contains(slot, back) {
                reading.newest = Some(&slot[self.range(self.place(slot, self.before(slot, back)))]);
            }
        }
        reading
    }

    /// Puts the closed panes of the window that ends in `end` together: those of the window before and what follows,
    /// where none has left, so that the oldest always comes first.
    #[inline]
    fn close(&self, slot: &mut [u64], end: i64) {
        let (before, reach) = (self.closed_for(slot), self.panes.reach());
        let oldest = end.saturating_sub(reach);
        let goes_on = before != NONE
            && before < end
            && self.between(slot, before.saturating_sub(reach), oldest.saturating_sub(1)).len == 0;
        slot[self.track.head + 1] = end as u64;
        let run = self.between(slot, if goes_on { before } else { oldest }, end.saturating_sub(1));
        let (header, data) = slot.split_at_mut(self.track.start);
        let bundle = &self.track.bundle;
        let closed = &mut header[self.track.closed..self.track.closed + bundle.stride];
        if !goes_on {
            bundle.empty(closed, &self.track.empty);
        }
        let Some(last) = run.len.checked_sub(1) else { return };
        let (oldest, stride) = (self.earlier(run.newest, last), bundle.stride);
        if oldest <= run.newest {
            bundle.fold(closed, &data[oldest * stride..(run.newest + 1) * stride]);
        } else {
            bundle.fold(closed, &data[oldest * stride..self.panes.capacity as usize * stride]);
            bundle.fold(closed, &data[..(run.newest + 1) * stride]);
        }
    }

    /// The filled ones among the panes `from` to `to`, both inclusive.
    #[inline]
    fn between(&self, slot: &[u64], from: i64, to: i64) -> Run {
        let head = self.head(slot);
        let (from, to) = (from.max(head.saturating_sub(self.panes.capacity - 1)), to.min(head));
        if head == NONE || from > to {
            return Run { newest: 0, len: 0 };
        }
        let later = self.before(slot, (head - to) as usize);
        let len = self.before(slot, (head - from) as usize + 1) - later;
        Run { newest: self.place(slot, later), len }
    }

    /// Number of panes that hold something.
    pub(super) fn n_held(&self, slot: &[u64]) -> usize {
        let filled = self.filled();
        filled.before(slot, filled.capacity)
    }

    /// The panes that hold something, with their numbers, the oldest first.
    pub(super) fn held<'a>(self, slot: &'a [u64]) -> impl Iterator<Item = (i64, &'a [u64])> + use<'a, 't> {
        let (head, filled, newest, len) = (self.head(slot), self.filled(), self.newest(slot), self.n_held(slot));
        let backs = (0..filled.capacity).rev().filter(move |back| filled.contains(slot, *back));
        backs
            .zip((0..len).rev())
            .map(move |(back, later)| (head.wrapping_sub(back as i64), &slot[self.range(self.earlier(newest, later))]))
    }

    /// Asks for the memory that an event at `at` is going to need.
    #[inline]
    pub(super) fn fetch(&self, slot: &[u64], at: Timestamp, latest: &mut LatestPane) {
        let head = self.head(slot);
        if head == NONE {
            return;
        }
        let by = latest.of(&self.panes, at).saturating_sub(head).clamp(0, self.panes.capacity) as usize;
        let (newest, stride) = (self.newest(slot), self.track.bundle.stride);
        let bring = |place: usize| bring(&slot[self.track.start + place * stride]);
        bring(newest);
        if by > 0 {
            let last = self.panes.capacity as usize - 1;
            bring(if self.filled().empties(slot, by) { 0 } else { self.earlier(newest, last) });
        }
        if self.closed_for(slot) == NONE || self.filled().leaves(slot, by) {
            // One pane of each line.
            for later in (0..self.n_held(slot)).step_by((LINE / stride).max(1)) {
                bring(self.earlier(newest, later));
            }
        }
    }

    /// Where the window of an event at `at` begins and ends, in panes, both inclusive.
    pub(super) fn window(&self, slot: &[u64], at: Timestamp) -> (i64, i64) {
        let end = self.end(slot, at, &mut LatestPane::default());
        (end.saturating_sub(self.panes.reach()), end.saturating_sub(self.panes.lag))
    }
}
