//! Everything since a group was first seen, whole or fading.
//!
//! A record of age a counts 2^(-a / half_life). The bundle holds what its records count as of the latest of them; one
//! that is late comes in with what is left of it by then, and an event before the latest record reads as of that record.

use super::cells::Entry;
use super::plan::Track;
use super::reading::Reading;
use super::ring::NONE;
use super::slots::Log;
use crate::data::Timestamp;

/// The bundle of a slot.
pub(super) struct Ever<'a> {
    pub track: &'a Track,
    pub half_life: Option<i64>,
}

impl Ever<'_> {
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.track.start..self.track.start + self.track.bundle.stride
    }

    pub(super) fn clear(&self, slot: &mut [u64]) {
        slot[self.track.head] = NONE as u64;
        slot[self.range()].copy_from_slice(&self.track.empty);
    }

    /// The latest record.
    pub(super) fn as_of(&self, slot: &[u64]) -> i64 {
        slot[self.track.head] as i64
    }

    /// What is left of 1 after some milliseconds.
    fn left(&self, ms: i64) -> f64 {
        self.half_life.map_or(1.0, |half| libm::exp2(-(ms as f64) / half as f64))
    }

    pub(super) fn add(&self, slot: &mut [u64], log: &mut Log, entry: &Entry<'_>) {
        log.save(slot, self.range());
        let (at, as_of) = (entry.at.millis(), self.as_of(slot));
        let mut weight = 1.0;
        if as_of == NONE || at > as_of {
            if as_of != NONE && self.half_life.is_some() {
                self.track.bundle.fade(&mut slot[self.range()], self.left(at.saturating_sub(as_of)));
            }
            slot[self.track.head] = at as u64;
        } else {
            weight = self.left(as_of.saturating_sub(at));
        }
        self.track.bundle.add(&mut slot[self.range()], &Entry { weight, ..*entry });
    }

    pub(super) fn read<'a>(&self, slot: &'a [u64], at: Timestamp) -> Reading<'a> {
        let as_of = self.as_of(slot);
        let age = if as_of == NONE { 0 } else { at.millis().saturating_sub(as_of).max(0) };
        Reading { scale: self.left(age), is_weighted: self.half_life.is_some(), ..Reading::of(&slot[self.range()]) }
    }
}
