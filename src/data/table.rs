//! The rows of a batch as columns: numbers, and texts in one arena per column.
//!
//! Rows are made ready in blocks, every cell of them missing, so that a new row costs nothing but its own cells.

use super::params::TextIndex;

/// Rows made ready at a time.
const BLOCK: usize = 256;

/// Where a missing text begins.
const MISSING: usize = usize::MAX;

/// A column of texts; the bytes of all rows lie in one arena.
#[derive(Clone, Debug, Default)]
struct TextColumn {
    arena: Vec<u8>,
    /// Start and end of each row's bytes; all rows beyond those in use are missing.
    ranges: Vec<(usize, usize)>,
}

/// Columns filled row by row: [`Table::begin`] adds a row in which everything is missing, the setters fill it, and
/// [`Table::drop_last`] takes a row back that turned out to be bad.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: usize,
    /// Rows that are ready; every number beyond those in use is NaN.
    ready: usize,
    numbers: Vec<Vec<f64>>,
    texts: Vec<TextColumn>,
}

impl Table {
    /// A table with this many columns of each type.
    pub fn new(number_columns: usize, text_columns: usize) -> Self {
        let (numbers, texts) = (vec![Vec::new(); number_columns], vec![TextColumn::default(); text_columns]);
        Table { rows: 0, ready: 0, numbers, texts }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        for column in &mut self.numbers {
            column[..self.rows].fill(f64::NAN);
        }
        for column in &mut self.texts {
            column.arena.clear();
            column.ranges[..self.rows].fill((MISSING, MISSING));
        }
        self.rows = 0;
    }

    /// Adds a row in which every number is NaN and every text missing; returns its index.
    #[inline]
    pub fn begin(&mut self) -> usize {
        if self.rows == self.ready {
            self.grow();
        }
        self.rows += 1;
        self.rows - 1
    }

    #[cold]
    fn grow(&mut self) {
        self.ready += BLOCK.max(self.ready);
        for column in &mut self.numbers {
            column.resize(self.ready, f64::NAN);
        }
        for column in &mut self.texts {
            column.ranges.resize(self.ready, (MISSING, MISSING));
        }
    }

    /// Takes the last row back.
    pub fn drop_last(&mut self) {
        let Some(last) = self.rows.checked_sub(1) else { return };
        for column in &mut self.numbers {
            column[last] = f64::NAN;
        }
        for column in &mut self.texts {
            let (start, _) = std::mem::replace(&mut column.ranges[last], (MISSING, MISSING));
            // Earlier rows lie before it.
            column.arena.truncate(start);
        }
        self.rows = last;
    }

    /// Sets a number of the last row; a column that does not exist is left alone.
    #[inline]
    pub fn set_number(&mut self, column: usize, value: f64) {
        let last = self.rows.wrapping_sub(1);
        if let Some(cell) = self.numbers.get_mut(column).and_then(|values| values.get_mut(last)) {
            *cell = value;
        }
    }

    /// Sets a text of the last row; a column that does not exist is left alone.
    #[inline]
    pub fn set_text(&mut self, column: usize, text: &[u8]) {
        let last = self.rows.wrapping_sub(1);
        let Some(TextColumn { arena, ranges }) = self.texts.get_mut(column) else { return };
        let Some(range) = ranges.get_mut(last) else { return };
        let start = arena.len();
        arena.extend_from_slice(text);
        *range = (start, arena.len());
    }

    /// Sets a number of a row; a cell that does not exist is left alone.
    #[inline]
    pub fn fill_number(&mut self, column: usize, row: usize, value: f64) {
        if let Some(cell) = self.numbers.get_mut(column).and_then(|values| values[..self.rows].get_mut(row)) {
            *cell = value;
        }
    }

    /// Sets a text of a row that has none; a cell that does not exist is left alone. The row is not to be taken back
    /// after that.
    pub fn fill_text(&mut self, column: usize, row: usize, text: &[u8]) {
        let Some(TextColumn { arena, ranges }) = self.texts.get_mut(column) else { return };
        let Some(range) = ranges[..self.rows].get_mut(row) else { return };
        let start = arena.len();
        arena.extend_from_slice(text);
        *range = (start, arena.len());
    }

    /// A number; NaN where it is missing or there is no such cell.
    #[inline]
    pub fn number(&self, column: usize, row: usize) -> f64 {
        self.numbers.get(column).and_then(|values| values.get(row)).copied().unwrap_or(f64::NAN)
    }

    /// A whole column of numbers; empty if there is no such column.
    #[inline]
    pub fn numbers(&self, column: usize) -> &[f64] {
        self.numbers.get(column).map_or(&[], |values| &values[..self.rows])
    }

    /// A text; `None` where it is missing or there is no such cell.
    #[inline]
    pub fn text(&self, column: usize, row: usize) -> Option<&[u8]> {
        let column = self.texts.get(column)?;
        let (start, end) = *column.ranges.get(row)?;
        column.arena.get(start..end)
    }

    /// Appends texts of a row to a key, each with its length, so that a missing one is told from an empty one.
    pub fn push_key(&self, columns: &[TextIndex], row: usize, key: &mut Vec<u8>) {
        for column in columns {
            match self.text(column.0, row) {
                Some(text) => {
                    key.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    key.extend_from_slice(text);
                }
                None => key.extend_from_slice(&u32::MAX.to_le_bytes()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_row_leaves_no_trace() {
        let mut table = Table::new(1, 1);
        table.begin();
        table.set_text(0, b"kept");
        table.begin();
        table.set_number(0, 2.0);
        table.set_text(0, b"dropped");
        table.drop_last();
        let row = table.begin();
        assert_eq!((row, table.rows()), (1, 2));
        assert!(table.number(0, 1).is_nan());
        assert_eq!((table.text(0, 0), table.text(0, 1)), (Some(b"kept".as_slice()), None));
    }

    #[test]
    fn rows_are_missing_again_after_a_clear_and_beyond_the_first_block() {
        let mut table = Table::new(2, 1);
        for round in 0..3 {
            for row in 0..3 * BLOCK {
                assert_eq!(table.begin(), row);
                assert!(table.number(0, row).is_nan() && table.text(0, row).is_none());
                table.set_number(0, row as f64);
                table.set_text(0, format!("{round} {row}").as_bytes());
            }
            assert_eq!((table.numbers(0).len(), table.number(0, 700)), (3 * BLOCK, 700.0));
            assert!(table.number(1, 5).is_nan());
            assert_eq!(table.text(0, 700), Some(format!("{round} 700").as_bytes()));
            table.clear();
            assert_eq!((table.rows(), table.numbers(0).len(), table.text(0, 700)), (0, 0, None));
        }
    }

    #[test]
    fn an_earlier_row_is_filled_and_a_later_one_can_still_be_taken_back() {
        let mut table = Table::new(1, 1);
        for _ in 0..3 {
            table.begin();
        }
        table.fill_number(0, 1, 7.0);
        table.fill_text(0, 1, b"late");
        table.fill_text(0, 0, b"later");
        table.drop_last();
        assert_eq!((table.number(0, 1), table.text(0, 1)), (7.0, Some(b"late".as_slice())));
        assert_eq!((table.rows(), table.text(0, 0)), (2, Some(b"later".as_slice())));
        table.fill_number(0, 2, 1.0);
        table.fill_text(0, 2, b"x");
        table.begin();
        assert!(table.number(0, 2).is_nan() && table.text(0, 2).is_none());
    }

    #[test]
    fn what_is_set_before_the_first_row_goes_nowhere() {
        let mut table = Table::new(1, 1);
        table.set_number(0, 1.0);
        table.set_text(0, b"x");
        table.begin();
        assert!(table.number(0, 0).is_nan() && table.text(0, 0).is_none());
    }

    #[test]
    fn texts_of_a_key_are_told_apart_however_they_are_cut() {
        let mut table = Table::new(0, 2);
        let keys: Vec<Vec<u8>> = [[Some("ab"), Some("c")], [Some("a"), Some("bc")], [Some(""), None], [None, Some("")]]
            .into_iter()
            .map(|texts| {
                let row = table.begin();
                for (column, text) in texts.into_iter().enumerate() {
                    text.into_iter().for_each(|text| table.set_text(column, text.as_bytes()));
                }
                let mut key = Vec::new();
                table.push_key(&[TextIndex(0), TextIndex(1)], row, &mut key);
                key
            })
            .collect();
        assert_eq!(keys[0], b"\x02\0\0\0ab\x01\0\0\0c");
        assert_eq!(keys[2], b"\0\0\0\0\xff\xff\xff\xff");
        assert!(keys[0] != keys[1] && keys[2] != keys[3]);
    }
}
