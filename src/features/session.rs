//! Sessions: records no further apart than a gap.
//!
//! Of each group the four latest sessions are kept, so that a record that comes late joins the one it belongs to, or makes
//! two into one. A record older than all four, and no part of them, is left out.

use super::cells::Entry;
use super::plan::{SESSIONS, Track};
use super::reading::Reading;
use super::slots::Log;
use crate::data::Timestamp;

/// The sessions of a slot. Each is the times of its first and last record, then its bundle.
pub(super) struct Sessions<'a> {
    pub track: &'a Track,
    pub gap: i64,
    pub is_completed: bool,
}

/// Where the bundle of a session begins.
const BUNDLE: usize = 2;

impl Sessions<'_> {
    fn stride(&self) -> usize {
        BUNDLE + self.track.bundle.stride
    }

    fn range(&self, position: usize) -> std::ops::Range<usize> {
        let start = self.track.start + position * self.stride();
        start..start + self.stride()
    }

    fn len(&self, slot: &[u64]) -> usize {
        (slot[self.track.head] as usize).min(SESSIONS)
    }

    fn times(&self, slot: &[u64], position: usize) -> (i64, i64) {
        let start = self.range(position).start;
        (slot[start] as i64, slot[start + 1] as i64)
    }

    pub(super) fn clear(&self, slot: &mut [u64]) {
        slot[self.track.head] = 0;
    }

    /// The sessions that a record at `at` belongs to, the earlier first: at most two.
    fn near(&self, slot: &[u64], at: i64) -> [Option<usize>; 2] {
        let mut near = [None, None];
        for position in 0..self.len(slot) {
            let (start, end) = self.times(slot, position);
            if at < start.saturating_sub(self.gap) || at > end.saturating_add(self.gap) {
                continue;
            }
            match near {
                [None, _] => near[0] = Some(position),
                [Some(other), _] if self.times(slot, other).0 > start => near = [Some(position), Some(other)],
                _ => near[1] = Some(position),
            }
        }
        near
    }

    pub(super) fn add(&self, slot: &mut [u64], log: &mut Log, entry: &Entry<'_>) {
        let at = entry.at.millis();
        let position = match self.near(slot, at) {
            [Some(position), None] => {
                log.save(slot, self.range(position));
                position
            }
            [Some(earlier), Some(later)] => {
                log.save(slot, self.track.start..self.track.start + self.track.data_words());
                self.unite(slot, earlier, later)
            }
            [None, _] => match self.free(slot, at) {
                Some(position) => {
                    if position < self.len(slot) {
                        log.save(slot, self.range(position));
                    } else {
                        slot[self.track.head] = position as u64 + 1;
                    }
                    let words = self.range(position);
                    let session = &mut slot[words];
                    (session[0], session[1]) = (at as u64, at as u64);
                    session[BUNDLE..].copy_from_slice(&self.track.empty);
                    position
                }
                None => return,
            },
        };
        let words = self.range(position);
        let session = &mut slot[words];
        session[0] = (session[0] as i64).min(at) as u64;
        session[1] = (session[1] as i64).max(at) as u64;
        self.track.bundle.add(&mut session[BUNDLE..], entry);
    }

    /// Makes two sessions one; its position.
    fn unite(&self, slot: &mut [u64], earlier: usize, later: usize) -> usize {
        let from = slot[self.range(later)].to_vec();
        let words = self.range(earlier);
        let session = &mut slot[words];
        session[1] = (session[1] as i64).max(from[1] as i64) as u64;
        self.track.bundle.merge(&mut session[BUNDLE..], &from[BUNDLE..]);
        let last = self.len(slot) - 1;
        slot.copy_within(self.range(last), self.range(later).start);
        slot[self.track.head] = last as u64;
        if earlier == last { later } else { earlier }
    }

    /// The place of a new session: an unused one, or that of the session that ended first.
    fn free(&self, slot: &[u64], at: i64) -> Option<usize> {
        let len = self.len(slot);
        if len < SESSIONS {
            return Some(len);
        }
        let first = (0..len).min_by_key(|position| self.times(slot, *position).1)?;
        (self.times(slot, first).1 < at).then_some(first)
    }

    /// The session of an event at `at`: with the event in where it was added before, without where not. `scratch` is used
    /// where the event would make two sessions into one.
    pub(super) fn read<'a>(&'a self, slot: &'a [u64], at: Timestamp, scratch: &'a mut Vec<u64>) -> Reading<'a> {
        let at = at.millis();
        let found = if self.is_completed { [self.completed(slot, at), None] } else { self.near(slot, at) };
        let Some(first) = found[0] else { return Reading::of(&self.track.empty) };
        let (start, mut end) = self.times(slot, first);
        let mut bundle = &slot[self.range(first)][BUNDLE..];
        if let Some(second) = found[1] {
            scratch.clear();
            scratch.extend_from_slice(bundle);
            self.track.bundle.merge(scratch, &slot[self.range(second)][BUNDLE..]);
            end = self.times(slot, second).1;
            bundle = scratch;
        }
        let end = if self.is_completed { end } else { end.max(at) };
        let seconds = end.saturating_sub(start.min(if self.is_completed { start } else { at })) as f64 / 1000.0;
        Reading { duration: seconds, ..Reading::of(bundle) }
    }

    /// The latest session that was over at `at`.
    fn completed(&self, slot: &[u64], at: i64) -> Option<usize> {
        let is_over = |position: &usize| self.times(slot, *position).1 < at.saturating_sub(self.gap);
        (0..self.len(slot)).filter(is_over).max_by_key(|position| self.times(slot, *position).1)
    }

    /// The sessions with their times, the earliest first.
    pub(super) fn held<'a>(&self, slot: &'a [u64]) -> Vec<(i64, i64, &'a [u64])> {
        let mut held: Vec<_> = (0..self.len(slot))
            .map(|position| {
                let (start, end) = self.times(slot, position);
                (start, end, &slot[self.range(position)][BUNDLE..])
            })
            .collect();
        held.sort_unstable_by_key(|(start, ..)| *start);
        held
    }

    /// The bundle of one more session; `None` where there is no room.
    pub(super) fn push<'a>(&self, slot: &'a mut [u64], start: i64, end: i64) -> Option<&'a mut [u64]> {
        let position = self.len(slot);
        if position == SESSIONS {
            return None;
        }
        slot[self.track.head] = position as u64 + 1;
        let words = self.range(position);
        let session = &mut slot[words];
        (session[0], session[1]) = (start as u64, end as u64);
        session[BUNDLE..].copy_from_slice(&self.track.empty);
        Some(&mut session[BUNDLE..])
    }
}
