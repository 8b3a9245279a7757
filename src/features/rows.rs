//! What the windows are given: decoded rows with their key and their place in time.

use crate::data::params::KindIndex;
use crate::data::{Table, Timestamp};

/// An event whose features are wanted.
#[derive(Clone, Copy, Debug)]
pub struct EventRow<'a> {
    /// Record key.
    pub key: &'a [u8],
    /// Event time.
    pub at: Timestamp,
    /// The decoded fields.
    pub table: &'a Table,
    /// Its row there.
    pub row: usize,
}

/// A follow-up that became known.
#[derive(Clone, Copy, Debug)]
pub struct FollowUpRow<'a> {
    /// Position of its kind in the configuration.
    pub kind: KindIndex,
    /// When it became known.
    pub at: Timestamp,
    /// The decoded fields.
    pub table: &'a Table,
    /// Where the columns of its kind start in the table.
    pub first_column: usize,
    /// Its row there.
    pub row: usize,
}
