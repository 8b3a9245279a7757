//! A machine's state in pieces, so that writing it never holds a batch up.
//!
//! A checkpoint is the state as of one commit: a head, and chunks that are taken one by one while the machine goes on.
//! One that is not whole holds what changed since the one before. Chunks that are bound to a time are not written again
//! by a whole one: they count until that time has passed.

use super::Timestamp;

/// What a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What changed since the checkpoint before.
    Changes,
    /// Everything that is not bound to a time, and what changed of the rest.
    Compact,
    /// Everything.
    All,
}

/// A piece of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChunk {
    /// Its bytes, in the machine's own versioned form.
    pub bytes: Vec<u8>,
    /// Event time from which on the chunk no longer matters; `None` for one that counts until the next whole checkpoint.
    pub until: Option<Timestamp>,
}
