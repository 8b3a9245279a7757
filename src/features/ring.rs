//! Windows in panes.
//!
//! A window of n panes that ends in pane q holds the panes q-n+1 to q, or q-n to q-1 where q is left out. The panes
//! before q are kept put together until one of them changes; that can be computed again at any time and is not state. A
//! pane whose bit is not set holds nothing, whatever its words say, so panes are cleared when they are used.

use super::cells::Entry;
use super::plan::{Panes, Track};
use super::reading::Reading;
use super::slots::Log;
use crate::data::Timestamp;

/// Marks a pane number or time that is not there.
pub(super) const NONE: i64 = i64::MIN;

/// A ring in a slot.
#[derive(Clone, Copy)]
pub(super) struct Ring<'a> {
    pub track: &'a Track,
    pub panes: Panes,
}

impl<'t> Ring<'t> {
    /// The number of the pane that holds a point in time.
    #[inline]
    pub(super) fn pane(&self, at: Timestamp) -> i64 {
        at.millis().saturating_sub(self.panes.offset).div_euclid(self.panes.pane)
    }

    /// The pane in which the window of an event at `at` ends.
    #[inline]
    fn end(&self, slot: &[u64], at: Timestamp) -> i64 {
        let pane = self.pane(Timestamp::from_millis(at.millis().saturating_sub(self.panes.delay)));
        if self.panes.ends_at_latest { pane.max(self.head(slot)) } else { pane }
    }

    #[inline]
    pub(super) fn head(&self, slot: &[u64]) -> i64 {
        slot[self.track.head] as i64
    }

    #[inline]
    fn position(&self, pane: i64) -> usize {
        pane.rem_euclid(self.panes.capacity) as usize
    }

    /// The words of the pane at a position of the ring.
    #[inline]
    fn range(&self, position: usize) -> std::ops::Range<usize> {
        let start = self.track.start + position * self.track.bundle.stride;
        start..start + self.track.bundle.stride
    }

    #[inline]
    fn bit(&self, position: usize) -> (usize, u64) {
        (self.track.head + 2 + position / 64, 1 << (position % 64))
    }

    /// The numbers of the panes a slot can hold.
    fn kept(&self, slot: &[u64]) -> std::ops::RangeInclusive<i64> {
        let head = self.head(slot);
        if head == NONE {
            return std::ops::RangeInclusive::new(0, -1);
        }
        head.saturating_sub(self.panes.capacity - 1)..=head
    }

    /// An empty ring.
    pub(super) fn clear(&self, slot: &mut [u64]) {
        slot[self.track.head] = NONE as u64;
        self.forget_closed(slot);
        slot[self.track.head + 2..self.track.head + self.panes.head_words()].fill(0);
    }

    /// Has closed panes put together again when they are next read.
    pub(super) fn forget_closed(&self, slot: &mut [u64]) {
        slot[self.track.head + 1] = NONE as u64;
    }

    /// Moves the newest pane to `pane`: those that are left behind are empty. What they held is logged, as their words are
    /// used again.
    pub(super) fn advance(&self, slot: &mut [u64], mut log: Option<&mut Log>, pane: i64) {
        let head = self.head(slot);
        let capacity = self.panes.capacity;
        if head != NONE {
            let behind = pane.saturating_sub(head).min(capacity) as usize;
            let mut position = self.position(head) + 1;
            for _ in 0..behind {
                if position == capacity as usize {
                    position = 0;
                }
                let (word, bit) = self.bit(position);
                if slot[word] & bit != 0 {
                    if let Some(log) = log.as_deref_mut() {
                        log.save(slot, self.range(position));
                    }
                    slot[word] &= !bit;
                }
                position += 1;
            }
        }
        slot[self.track.head] = pane as u64;
        let closed_for = slot[self.track.head + 1] as i64;
        let oldest = closed_for.saturating_sub(self.panes.count - 1 + self.panes.lag);
        if closed_for != NONE && oldest <= pane.saturating_sub(capacity) {
            self.forget_closed(slot);
        }
    }

    /// The words of a pane that is kept, emptied if nothing was in it.
    pub(super) fn open<'a>(&self, slot: &'a mut [u64], pane: i64) -> &'a mut [u64] {
        let position = self.position(pane);
        let (word, bit) = self.bit(position);
        let words = self.range(position);
        if slot[word] & bit == 0 {
            slot[word] |= bit;
            slot[words.clone()].copy_from_slice(&self.track.empty);
        }
        &mut slot[words]
    }

    /// Adds a record; one older than the ring reaches is left out.
    #[inline]
    pub(super) fn add(&self, slot: &mut [u64], log: &mut Log, entry: &Entry<'_>) {
        let pane = self.pane(entry.at);
        let head = self.head(slot);
        if head == NONE || pane > head {
            self.advance(slot, Some(log), pane);
        } else if pane <= head.saturating_sub(self.panes.capacity) {
            return;
        }
        let closed_for = slot[self.track.head + 1] as i64;
        if pane < closed_for && pane >= closed_for.saturating_sub(self.panes.count - 1 + self.panes.lag) {
            self.forget_closed(slot);
        }
        let position = self.position(pane);
        let (word, bit) = self.bit(position);
        let words = self.range(position);
        if slot[word] & bit == 0 {
            slot[word] |= bit;
            slot[words.clone()].copy_from_slice(&self.track.empty);
        } else {
            log.save(slot, words.clone());
        }
        self.track.bundle.add(&mut slot[words], entry);
    }

    /// Reads the window of an event at `at`; without `newest` the pane in which it ends is left out.
    #[inline]
    pub(super) fn read<'a>(&self, slot: &'a mut [u64], at: Timestamp, newest: bool) -> Reading<'a> {
        let end = self.end(slot, at);
        if slot[self.track.head + 1] as i64 != end {
            self.put_together(slot, end);
        }
        let stride = self.track.bundle.stride;
        let mut reading = Reading::of(&slot[self.track.closed..self.track.closed + stride]);
        if newest && self.panes.lag == 0 && self.kept(slot).contains(&end) {
            let position = self.position(end);
            let (word, bit) = self.bit(position);
            if slot[word] & bit != 0 {
                reading.newest = Some(&slot[self.range(position)]);
            }
        }
        reading
    }

    /// The closed panes of the window that ends in `end`, the oldest first.
    fn put_together(&self, slot: &mut [u64], end: i64) {
        let (closed_at, stride) = (self.track.closed, self.track.bundle.stride);
        let kept = self.kept(slot);
        let oldest = end.saturating_sub(self.panes.count - 1 + self.panes.lag).max(*kept.start());
        let newest = end.saturating_sub(1).min(*kept.end());
        slot[self.track.head + 1] = end as u64;
        let (header, data) = slot.split_at_mut(self.track.start);
        let (heads, closed) = header.split_at_mut(closed_at);
        let closed = &mut closed[..stride];
        closed.copy_from_slice(&self.track.empty);
        if oldest > newest {
            return;
        }
        let bits = &heads[self.track.head + 2..];
        let capacity = self.panes.capacity as usize;
        let mut position = self.position(oldest);
        let mut left = (newest - oldest + 1) as usize;
        // A word of bits at a time, and the ring's end ends a word.
        while left > 0 {
            let run = left.min(64 - position % 64).min(capacity - position);
            let mut set = bits[position / 64] >> (position % 64);
            if run < 64 {
                set &= (1 << run) - 1;
            }
            while set != 0 {
                let from = (position + set.trailing_zeros() as usize) * stride;
                self.track.bundle.merge(closed, &data[from..from + stride]);
                set &= set - 1;
            }
            left -= run;
            position = if position + run == capacity { 0 } else { position + run };
        }
    }

    /// The panes that hold something, with their numbers, the oldest first.
    pub(super) fn held<'a>(self, slot: &'a [u64]) -> impl Iterator<Item = (i64, &'a [u64])> + use<'a, 't> {
        self.kept(slot).filter_map(move |pane| {
            let position = self.position(pane);
            let (word, bit) = self.bit(position);
            (slot[word] & bit != 0).then(|| (pane, &slot[self.range(position)]))
        })
    }

    /// Where the window of an event at `at` begins and ends, in panes, both inclusive.
    pub(super) fn window(&self, slot: &[u64], at: Timestamp) -> (i64, i64) {
        let end = self.end(slot, at);
        (end.saturating_sub(self.panes.count - 1 + self.panes.lag), end.saturating_sub(self.panes.lag))
    }
}
