//! A look ahead at the groups of a batch, before its first event is taken in.
//!
//! Each first touch of a group's memory misses the caches; many at once take little longer than one. So the slots of all
//! events of a batch are found, and what they will need is asked for, before the first is handled. What was found is a
//! guess: a group that was added, left or changed its place since is found again at its turn, and so is one whose key has
//! the hash of another.

use super::group::{Group, NO_SLOT};
use super::index::KeyHash;
use super::near::bring;
use super::slots::LINE;
use super::visit::fetch;
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
    /// Finds the groups of coming events, given by key and time, and asks for what they are going to need.
    pub(super) fn look<'a>(&mut self, group: &mut Group, events: impl Iterator<Item = (&'a [u8], Timestamp)> + Clone) {
        self.turn = 0;
        self.slots.clear();
        if group.slots.len() as usize * group.plan.width < SMALL {
            return;
        }
        self.hashes.clear();
        self.hashes.extend(events.clone().map(|(key, _)| KeyHash::of(key)));
        self.slots.extend(self.hashes.iter().map(|hash| group.guess(*hash).unwrap_or(NO_SLOT)));
        for at in self.slots.iter().filter(|at| **at != NO_SLOT) {
            group.slots.get(*at).iter().take(group.plan.data).step_by(LINE).for_each(bring);
        }
        for (at, (_, time)) in self.slots.iter().zip(events).filter(|(at, _)| **at != NO_SLOT) {
            fetch(&group.plan, &mut group.ways, group.slots.get(*at), time);
        }
    }

    /// The slot that is expected for the next event.
    #[inline]
    pub(super) fn next(&mut self) -> u32 {
        let expected = self.slots.get(self.turn).copied().unwrap_or(NO_SLOT);
        self.turn += 1;
        expected
    }
}
