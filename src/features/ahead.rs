//! A look ahead at the groups of a batch, before its first event is taken in.
//!
//! Each first touch of a group's memory misses the caches; many at once take little longer than one. So the slots of all
//! events of a batch are found and read before they are needed. What was found is a guess: a group that was added, left or
//! changed its place since is found again at its turn.

use super::group::{Group, NO_SLOT};
use super::index::{Key, KeyHash};
use super::slots::{self, LINE};
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

impl Group {
    /// Finds the groups of coming events, given by key and time, and reads what they are going to need; the sum of the
    /// words read, which is of no other use.
    pub(super) fn look_ahead<'a>(&mut self, events: impl Iterator<Item = (&'a [u8], Timestamp)> + Clone) -> u64 {
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.turn = 0;
        ahead.slots.clear();
        let sum = self.fetch(&mut ahead, events);
        self.ahead = ahead;
        sum
    }

    fn fetch<'a>(&mut self, ahead: &mut Ahead, events: impl Iterator<Item = (&'a [u8], Timestamp)> + Clone) -> u64 {
        if self.slots.len() as usize * self.plan.width < SMALL {
            return 0;
        }
        ahead.hashes.clear();
        ahead.hashes.extend(events.clone().map(|(key, _)| KeyHash::of(key)));
        let found =
            ahead.hashes.iter().zip(events.clone()).map(|(hash, (key, _))| self.find_hashed(&Key::new(key), *hash));
        ahead.slots.extend(found.map(|found| found.unwrap_or(NO_SLOT)));
        let mut sum = 0;
        for at in ahead.slots.iter().filter(|at| **at != NO_SLOT) {
            let slot = self.slots.get(*at);
            sum ^= slot.iter().take(self.plan.data).step_by(LINE).fold(0, |sum, word| sum ^ word);
        }
        for (at, (_, time)) in ahead.slots.iter().zip(events).filter(|(at, _)| **at != NO_SLOT) {
            sum ^= self.plan.fetch(self.slots.get(*at), time, &mut self.latest);
        }
        sum
    }

    /// The slot that is expected for the next event, if it is the key's.
    #[inline]
    pub(super) fn expected(&mut self, key: &Key<'_>) -> Option<u32> {
        let at = *self.ahead.slots.get(self.ahead.turn)?;
        self.ahead.turn += 1;
        let is_it = at < self.slots.len() && slots::is_live(self.slots.get(at)) && self.is_of(at, key);
        is_it.then_some(at)
    }
}
