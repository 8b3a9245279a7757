//! A look ahead at the groups of a batch, before its first event is taken in.
//!
//! Each first touch of a group's memory misses the caches; many at once take little longer than one. So the slots of all
//! events of a batch are found and read before they are needed. What was found is a guess: a group that was added, left or
//! changed its place since is found again at its turn, and so is one whose key has the hash of another.

use super::group::{Group, NO_SLOT};
use super::index::KeyHash;
use super::slots::LINE;
use crate::data::Timestamp;

/// Words of all slots up to which they are near anyway.
const SMALL: usize = 1 << 16;

/// The slots where the next events are expected, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead {
    slots: Vec<u32>,
    /// How many had their turn.
    turn: usize,
    hashes: Vec<KeyHash>,
}

impl Ahead {
    /// Finds the groups of coming events, given by key and time, and reads what they are going to need; the sum of the
    /// words read, which is of no other use.
    pub(super) fn look<'a>(
        &mut self,
        group: &mut Group,
        events: impl Iterator<Item = (&'a [u8], Timestamp)> + Clone,
    ) -> u64 {
        self.turn = 0;
        self.slots.clear();
        if group.slots.len() as usize * group.plan.width < SMALL {
            return 0;
        }
        self.hashes.clear();
        self.hashes.extend(events.clone().map(|(key, _)| KeyHash::of(key)));
        self.slots.extend(self.hashes.iter().map(|hash| group.guess(*hash).unwrap_or(NO_SLOT)));
        let mut sum = 0;
        for at in self.slots.iter().filter(|at| **at != NO_SLOT) {
            let slot = group.slots.get(*at);
            sum ^= slot.iter().take(group.plan.data).step_by(LINE).fold(0, |sum, word| sum ^ word);
        }
        for (at, (_, time)) in self.slots.iter().zip(events).filter(|(at, _)| **at != NO_SLOT) {
            sum ^= group.plan.fetch(group.slots.get(*at), time, &mut group.latest);
        }
        sum
    }

    /// The slot that is expected for the next event.
    #[inline]
    pub(super) fn next(&mut self) -> u32 {
        let expected = self.slots.get(self.turn).copied().unwrap_or(NO_SLOT);
        self.turn += 1;
        expected
    }
}
