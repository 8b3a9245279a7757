//! The commonest windows, for events that come in order.
//!
//! A ring of at most 64 panes of four words, read as far as its newest pane, and an event in that pane or after it: what
//! is to do is then short, and is done in one go, with what the ring knows of itself in registers. Slots, what is logged
//! of them and what is read are bit for bit what [`Ring`](super::ring::Ring) makes of it, which takes every other record.

use super::cells::{Entry, four, merged};
use super::near::bring;
use super::plan::{Output, Panes, RING_HEAD, Shape, Track};
use super::reading::Basic;
use super::ring::{LatestPane, NONE};
use super::rows::Values;
use super::slots::{LINE, Log};
use super::track::Computed;
use crate::data::Timestamp;
use crate::data::params::{NumberIndex, Source};

/// Words of a pane.
const PANE: usize = 4;
/// Words of the head, the bits included.
const HEAD: usize = RING_HEAD + 1;

/// A place of a feature that no row has.
const NO_FEATURE: usize = u32::MAX as usize;

/// A track that this is about.
#[derive(Clone, Debug)]
pub(super) struct InOrder {
    panes: Panes,
    capacity: usize,
    /// One bit for each pane.
    mask: u64,
    /// First words of the head, of what is put together, and of the panes.
    head: usize,
    closed: usize,
    start: usize,
    empty: [u64; PANE],
    column: NumberIndex,
    /// Which features are [`Basic::values`].
    values: [usize; 4],
    /// Features besides.
    others: Vec<Output>,
}

/// What a ring knows of itself, and its words.
struct Parts<'a> {
    head: &'a mut [u64; HEAD],
    closed: &'a mut [u64; PANE],
    panes: &'a mut [[u64; PANE]],
}

impl InOrder {
    /// The track, if it is one of these.
    pub(super) fn of(track: &Track) -> Option<Self> {
        let Shape::Panes(panes) = track.shape else { return None };
        let column = track.bundle.single_basic()?;
        let is_one = track.source == Source::Events
            && track.past.is_empty()
            && (panes.delay, panes.lag) == (0, 0)
            && panes.capacity == panes.count
            && panes.head_words() == HEAD;
        let mut values = [NO_FEATURE; 4];
        let mut others = track.now.clone();
        others.retain(|output| match output.statistic.of_basic().and_then(|which| values.get_mut(which)) {
            Some(feature) if *feature == NO_FEATURE => {
                *feature = output.feature;
                false
            }
            _ => true,
        });
        is_one.then(|| InOrder {
            panes,
            capacity: panes.capacity as usize,
            mask: u64::MAX >> (u64::BITS as usize - panes.capacity as usize),
            head: track.head,
            closed: track.closed,
            start: track.start,
            empty: track.empty.first_chunk().copied().unwrap_or_default(),
            column,
            values,
            others,
        })
    }

    #[inline]
    fn parts<'a>(&self, slot: &'a mut [u64]) -> Option<Parts<'a>> {
        let (header, data) = slot.split_at_mut_checked(self.start)?;
        let (header, closed) = header.split_at_mut_checked(self.closed)?;
        Some(Parts {
            head: header.get_mut(self.head..)?.first_chunk_mut()?,
            closed: closed.first_chunk_mut()?,
            panes: data.as_chunks_mut().0.get_mut(..self.capacity)?,
        })
    }

    /// Puts what was read into the row of an event.
    #[inline]
    pub(super) fn put(&self, basic: &Basic, own: &Values<'_>, out: &mut Computed<'_>) {
        for (feature, value) in self.values.into_iter().zip(basic.values()) {
            out.block.set(feature, out.row, value);
        }
        for output in &self.others {
            out.block.set(output.feature, out.row, basic.statistic(output.statistic, own));
        }
    }

    /// Takes an event in and reads the window that ends with it; `None` for one that is not in order, which changes
    /// nothing.
    #[inline]
    pub(super) fn take(
        &self,
        slot: &mut [u64],
        log: &mut Log,
        entry: &Entry<'_>,
        latest: &mut LatestPane,
    ) -> Option<Basic> {
        let Parts { head, closed, panes } = self.parts(slot)?;
        let [newest_pane, closed_for, newest, filled] = *head;
        let (newest_pane, mut closed_for, mut newest) = (newest_pane as i64, closed_for as i64, newest as usize);
        let pane = latest.of(&self.panes, entry.at);
        if pane < newest_pane || pane < closed_for {
            return None;
        }
        let (stays, leaves) = self.advanced(filled, newest_pane, pane);
        if leaves {
            // An empty ring begins anew at the same place, which is more often near.
            newest = if stays == 0 { self.capacity - 1 } else { newest };
            closed_for = NONE;
        }
        let (is_new, filled) = (stays & 1 == 0, stays | 1);
        if is_new {
            newest = if newest + 1 == self.capacity { 0 } else { newest + 1 };
        }
        let own = panes.get_mut(newest)?;
        log.save_four(own, self.start + newest * PANE);
        let before = if is_new { self.empty } else { *own };
        let now = merged(&before, &four(entry, self.column));
        *own = now;
        if closed_for != pane {
            let before = (closed_for != NONE).then_some((closed_for, &*closed));
            *closed = self.close(before, pane, filled, (panes, newest));
        }
        *head = [pane as u64, pane as u64, newest as u64, filled];
        Some(Basic::of(merged(closed, &now)))
    }

    /// The filled panes when the ring has moved on from one pane to another, and whether any was left behind.
    #[inline]
    fn advanced(&self, filled: u64, from: i64, to: i64) -> (u64, bool) {
        let by = apart(from, to).min(self.capacity);
        if by == 0 {
            return (filled, false);
        }
        (filled << (by - 1) << 1 & self.mask, filled >> (self.capacity - by) != 0)
    }

    /// Puts the panes before the newest together: what was put together before and what follows, or all of them.
    #[inline]
    fn close(
        &self,
        before: Option<(i64, &[u64; PANE])>,
        pane: i64,
        filled: u64,
        (panes, newest): (&[[u64; PANE]], usize),
    ) -> [u64; PANE] {
        let (back, closed) = match before {
            Some((before, closed)) => (apart(before, pane).min(self.capacity - 1), *closed),
            None => (self.capacity - 1, self.empty),
        };
        // The newest is filled and not among them.
        let those = filled & (self.mask >> (self.capacity - 1 - back)) & !1;
        // Counting is not cheap on the oldest machines, and mostly there is one.
        let n = if those & those.wrapping_sub(1) == 0 { usize::from(those != 0) } else { those.count_ones() as usize };
        let fold = |closed: [u64; PANE], panes: Option<&[[u64; PANE]]>| {
            panes.unwrap_or_default().iter().fold(closed, |closed, pane| merged(&closed, pane))
        };
        match newest.checked_sub(n) {
            Some(oldest) => fold(closed, panes.get(oldest..newest)),
            None => fold(fold(closed, panes.get(newest + self.capacity - n..)), panes.get(..newest)),
        }
    }

    /// Asks for the memory that an event at `at` is going to need.
    #[inline]
    pub(super) fn fetch(&self, slot: &[u64], at: Timestamp, latest: &mut LatestPane) {
        let Some([newest_pane, closed_for, newest, filled]) = slot.get(self.head..).and_then(<[u64]>::first_chunk)
        else {
            return;
        };
        let Some(panes) = slot.get(self.start..).and_then(|data| data.as_chunks::<PANE>().0.get(..self.capacity))
        else {
            return;
        };
        let (newest, newest_pane) = (*newest as usize, *newest_pane as i64);
        let bring = |place: usize| panes.get(place).into_iter().for_each(|pane| bring(&pane[0]));
        bring(newest);
        let pane = latest.of(&self.panes, at);
        if pane <= newest_pane {
            return;
        }
        let (stays, leaves) = self.advanced(*filled, newest_pane, pane);
        bring(if newest + 1 == self.capacity || stays == 0 { 0 } else { newest + 1 });
        if leaves || *closed_for as i64 == NONE {
            // One pane of each line.
            let n = stays.count_ones() as usize;
            let oldest = (newest + 1).saturating_sub(n);
            (oldest..newest).step_by(LINE / PANE).for_each(bring);
            let wrapped = n.saturating_sub(newest + 1);
            (self.capacity - wrapped..self.capacity).step_by(LINE / PANE).for_each(bring);
        }
    }
}

/// Panes from one to a later one.
#[inline]
fn apart(from: i64, to: i64) -> usize {
    to.wrapping_sub(from) as u64 as usize
}

#[cfg(test)]
mod tests {
    use super::super::block::Block;
    use super::super::group::{Group, Keyed, NO_SLOT};
    use super::super::index::Key;
    use super::super::plan::GroupPlan;
    use super::super::rows::EventRow;
    use super::*;
    use crate::data::params::{Aggregate, FeatureParams, Grouping, WindowSpec};
    use crate::data::{Span, Table};
    use crate::stats::SplitMix64;

    /// Windows of 1, 5, 24 and 64 panes, some that end where the group has come, with all that is read of four words.
    fn group(is_short: bool) -> Group {
        let aggregates = |of| {
            [
                Aggregate::Count,
                Aggregate::Rate,
                Aggregate::Sum(of),
                Aggregate::Mean(of),
                Aggregate::Max(of),
                Aggregate::Ratio(of),
            ]
        };
        let windows = [(1, 7, false), (5, 50, true), (24, 240, false), (24, 2_400, true), (64, 6_400, false)];
        let windows = windows.into_iter().flat_map(|(panes, span, ends_at_latest)| {
            aggregates(NumberIndex(0)).map(|aggregate| {
                let window = WindowSpec::sliding(Source::Events, 0, Span::from_millis(span), panes, aggregate);
                WindowSpec { ends_at_latest, ..window }
            })
        });
        let groupings = vec![Grouping { name: "card".into(), fields: Vec::new() }];
        let params = FeatureParams { groupings, windows: windows.collect(), ..FeatureParams::default() };
        let mut group = Group::new(GroupPlan::new(&params, 0, Vec::new()), 0);
        assert!(group.ways.len() == 5 && group.ways.iter().all(|way| way.in_order.is_some()));
        if !is_short {
            group.ways.iter_mut().for_each(|way| way.in_order = None);
        }
        group
    }

    #[test]
    fn slots_and_features_are_what_rings_make_them_bit_for_bit() {
        let mut random = SplitMix64::new(11);
        let mut groups = [true, false].map(group);
        let mut at: i64 = -50_000;
        let mut out_of_order = 0;
        for step in 0..60_000 {
            // Now close behind each other, now far apart, and now and then long before.
            let far = [3, 12, 400, 9_000][random.below(4) as usize];
            at += random.below(far) as i64;
            let late = if random.below(9) == 0 { random.below(2 * far) as i64 } else { 0 };
            out_of_order += i64::from(late > 0);
            let mut table = Table::new(1, 0);
            let row = table.begin();
            if random.below(7) > 0 {
                table.set_number(0, random.below(1_000_000) as f64 / 97.0 - 3_000.0);
            }
            let key = [b'a' + random.below(3) as u8];
            let event = EventRow { key: &key, at: Timestamp::from_millis(at - late), table: &table, row };
            let features = groups.each_mut().map(|group| {
                let mut block = Block::new(30);
                let row = block.begin();
                let slot = group.event(Keyed { key: Key::new(&key), expected: NO_SLOT }, &event, &mut block, row);
                let features: Vec<u64> = (0..30).map(|feature| block.get(feature, row).to_bits()).collect();
                (features, group.slots.get(slot).to_vec())
            });
            assert_eq!(features[0], features[1], "event {step}");
            match random.below(40) {
                0 => groups.each_mut().map(Group::commit).into_iter().collect(),
                1 => groups.each_mut().map(Group::rollback).into_iter().collect(),
                _ => {}
            }
        }
        assert!(out_of_order > 1_000);
    }
}
