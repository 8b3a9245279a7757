//! The groups of a grouping as a checkpoint writes and a restore reads them.
//!
//! A slot's epoch tells what a checkpoint has to do with it: one that last changed in the time of the checkpoint before
//! is to be written and has not been; writing it, or changing it, moves the epoch on.

use super::group::Group;
use super::index::Key;
use super::slots;
use crate::data::{BinaryError, Reader, Writer};

/// The widest run of unused slot numbers that is read: a bound on what bad bytes can make a reader allocate.
const MAX_GAP: u32 = 1 << 20;

impl Group {
    /// Before anything of this slot number changes.
    #[inline]
    pub(super) fn note(&mut self, at: u32) {
        if slots::changed_in(self.slots.get(at)) != self.checkpoint.number {
            self.note_first(at);
        }
    }

    /// The same where it is the first change since the checkpoint began.
    fn note_first(&mut self, at: u32) {
        let number = self.checkpoint.number;
        if slots::changed_in(self.slots.get(at)) == number - 1 {
            let mut out = Writer::default();
            self.write_slot(at, &mut out);
            self.checkpoint.kept.insert(at, out.finish());
        }
        slots::set_changed_in(self.slots.get_mut(at), number);
        self.checkpoint.changed.push(at);
    }

    /// Begins a checkpoint: of the slots that changed since the last one, or of all.
    pub(super) fn begin_checkpoint(&mut self, is_whole: bool) {
        for at in std::mem::take(&mut self.checkpoint.pending) {
            // What the last one did not come to write is to change nothing when it is touched.
            let slot = self.slots.get_mut(at);
            if slots::changed_in(slot) + 1 == self.checkpoint.number {
                slots::set_changed_in(slot, 0);
            }
        }
        let mut pending = std::mem::take(&mut self.checkpoint.changed);
        if is_whole {
            pending.clear();
            for at in 0..self.slots.len() {
                let slot = self.slots.get_mut(at);
                let is_used = slots::is_live(slot) || slots::generation(slot) > 0;
                slots::set_named(slot, false);
                slots::set_changed_in(slot, if is_used { self.checkpoint.number } else { 0 });
                if is_used {
                    pending.push(at);
                }
            }
        }
        pending.sort_unstable_by(|a, b| b.cmp(a));
        self.checkpoint.pending = pending;
        self.checkpoint.kept.clear();
        self.checkpoint.number += 1;
    }

    /// Appends the next slot of the checkpoint, as it was when it began; false if none is left.
    pub(super) fn write_next(&mut self, out: &mut Writer) -> bool {
        let Some(at) = self.checkpoint.pending.pop() else { return false };
        match self.checkpoint.kept.remove(&at) {
            Some(kept) => out.raw(&kept),
            None => {
                self.write_slot(at, out);
                slots::set_changed_in(self.slots.get_mut(at), 0);
            }
        }
        true
    }

    /// Whether the checkpoint has something left.
    pub(super) fn has_pending(&self) -> bool {
        !self.checkpoint.pending.is_empty()
    }

    /// The number, how many groups held it before, whether one does, whose it is where no checkpoint has it yet, and the
    /// slot.
    fn write_slot(&mut self, at: u32, out: &mut Writer) {
        let slot = self.slots.get(at);
        out.unsigned(u64::from(at));
        out.unsigned(u64::from(slots::generation(slot)));
        out.flag(slots::is_live(slot));
        if !slots::is_live(slot) {
            return;
        }
        let name = (!slots::is_named(slot)).then(|| self.key_of(at));
        out.optional(name.as_deref());
        let slot = self.slots.get_mut(at);
        slots::set_named(slot, true);
        self.plan.encode(slot, out);
    }

    /// Takes in what [`Group::write_next`] wrote.
    pub(super) fn read_next(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        let at = reader.small()?;
        let end = self.slots.len();
        if at >= end && at - end > MAX_GAP {
            return Err(BinaryError::Invalid { what: "slot number", at: 0 });
        }
        for unused in end..=at {
            self.slots.push();
            self.free.insert(unused);
        }
        let was_live = slots::is_live(self.slots.get(at));
        let generation = reader.small()?;
        let is_live = reader.flag()?;
        let name = if is_live { reader.optional()? } else { None };
        if is_live && name.is_none() && !was_live {
            return Err(BinaryError::Invalid { what: "slot without a key", at: 0 });
        }
        // A group that left this number may have been read under another one already: only this number's entry goes.
        if was_live && (name.is_some() || !is_live) {
            self.unname(at);
        }
        let slot = self.slots.get_mut(at);
        slots::set_generation(slot, generation);
        slots::set_live(slot, is_live);
        if !is_live {
            self.free.insert(at);
            return Ok(());
        }
        self.free.remove(&at);
        if let Some(key) = name {
            self.name(at, &Key::new(key));
        }
        let slot = self.slots.get_mut(at);
        slots::set_named(slot, true);
        self.plan.clear(slot);
        self.plan.decode(slot, reader)
    }
}
