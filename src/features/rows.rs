//! What the windows are given: decoded rows with their key and their place in time.

use xxhash_rust::xxh3::xxh3_64;

use crate::data::params::{FieldColumn, KindIndex, NumberIndex};
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

/// The fields of a record.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    table: &'a Table,
    row: usize,
    first_column: usize,
}

impl<'a> EventRow<'a> {
    pub(super) fn values(&self) -> Values<'a> {
        Values { table: self.table, row: self.row, first_column: 0 }
    }
}

impl<'a> FollowUpRow<'a> {
    pub(super) fn values(&self) -> Values<'a> {
        Values { table: self.table, row: self.row, first_column: self.first_column }
    }
}

impl<'a> Values<'a> {
    /// NaN where it is missing.
    #[inline]
    pub(super) fn number(&self, column: NumberIndex) -> f64 {
        self.table.number(self.first_column + column.0, self.row)
    }

    /// Of events only: texts of follow-ups are in no window.
    pub(super) fn text(&self, column: usize) -> Option<&'a [u8]> {
        self.table.text(column, self.row)
    }

    /// The same for equal values; `None` where it is missing.
    pub(super) fn hash(&self, column: FieldColumn) -> Option<u64> {
        match column {
            FieldColumn::Text(column) => self.text(column.0).map(xxh3_64),
            FieldColumn::Number(column) => {
                let x = self.number(column);
                // Adding 0 makes the two zeros one.
                (!x.is_nan()).then(|| xxh3_64(&(x + 0.0).to_bits().to_le_bytes()))
            }
        }
    }
}
