//! What enters a machine: records of its inputs, commands of the control log, facts looked up for it, and the news that
//! an input is read out.
//!
//! The sequence of items is all a machine ever sees besides `now`; the journal records it, so that the same sequence
//! can be fed again.

use std::sync::Arc;

use super::{ModelRecord, Rank, Record, SchemaFact};

/// The number of an input within its stage: for the score stage 0 is events and 1 is labels, topics of facts
/// come after them; for the monitor 0 is summaries. Ties in time are broken by it, lower first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputIndex(pub u8);

/// One step of a machine's input sequence. `M` is what a promoted version resolves to (the loaded model).
#[derive(Clone, Debug)]
pub enum Item<M> {
    /// A record of one of the stage's inputs.
    Record {
        /// Which input.
        input: InputIndex,
        /// The record.
        record: Record,
    },
    /// A record of one of the stage's inputs that made the program panic: it is to be refused unread.
    Refused {
        /// Which input.
        input: InputIndex,
        /// The record.
        record: Record,
    },
    /// What the machine holds back under this rank would make the program panic when its turn comes, with the record that
    /// follows: it is to be refused unread.
    RefusedHeld(Box<Rank>),
    /// A record of the control log.
    Command(Arc<ControlItem<M>>),
    /// What was looked up of a writer schema, before the first record that needs it.
    Schema(Arc<SchemaFact>),
    /// Every input of this shard has been read to its end.
    Idle,
}

/// A record of the control log with what the runtime looked up for it.
#[derive(Clone, Debug)]
pub struct ControlItem<M> {
    /// Offset in the control log.
    pub offset: i64,
    /// The command.
    pub record: ModelRecord,
    /// The artifact of the version that `record` names, where it could be loaded and verified.
    pub model: Option<Arc<M>>,
}
