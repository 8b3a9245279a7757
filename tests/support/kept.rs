//! Checkpoints as a state topic keeps them: chunks come and go, the last whole one counts.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

use std::sync::Arc;

use driftless::data::{ControlItem, Extent, Machine, StateChunk, Timestamp};

/// What is kept of the checkpoints of one machine.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    head: Vec<u8>,
    chunks: Vec<StateChunk>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    head: Vec<u8>,
    extent: Extent,
    horizon: Timestamp,
    chunks: Vec<StateChunk>,
}

impl Kept {
    /// Begins a checkpoint, right after a commit.
    pub(crate) fn begin<M: Machine>(&mut self, machine: &mut M, extent: Extent) {
        let head = machine.begin_checkpoint(extent);
        self.open = Some(Open { head, extent, horizon: machine.horizon(), chunks: Vec::new() });
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Gives up the checkpoint that is open, if any.
    pub(crate) fn abandon(&mut self) {
        self.open = None;
    }

    /// Takes one chunk, right after a commit; true if there was none left, so that the checkpoint now counts.
    pub(crate) fn take<M: Machine>(&mut self, machine: &mut M, size: usize) -> bool {
        let Some(open) = &mut self.open else { return false };
        if let Some(chunk) = machine.next_chunk(size) {
            open.chunks.push(chunk);
            return false;
        }
        let open = self.open.take().unwrap();
        self.chunks.retain(|chunk| match chunk.until {
            Some(until) => open.extent != Extent::All && until > open.horizon,
            None => open.extent == Extent::Changes,
        });
        self.chunks.extend(open.chunks);
        self.head = open.head;
        true
    }

    /// A machine that has seen nothing becomes the one of the last whole checkpoint.
    pub(crate) fn restore<M: Machine>(&self, machine: &mut M, control: &[Arc<ControlItem<M::Model>>]) {
        machine.restore_head(&self.head, control).unwrap();
        for chunk in &self.chunks {
            machine.restore_chunk(&chunk.bytes).unwrap();
        }
        machine.commit();
    }
}

/// The whole state of a machine, as bytes that are the same for the same state; its next checkpoint has to be of
/// everything.
pub(crate) fn state_of<M: Machine>(machine: &mut M) -> Vec<Vec<u8>> {
    let mut all = vec![machine.begin_checkpoint(Extent::All)];
    all.extend(std::iter::from_fn(|| machine.next_chunk(1 << 20)).map(|chunk| chunk.bytes));
    all
}
