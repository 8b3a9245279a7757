//! The rows of a batch as columns: numbers, and texts in one arena per column.

use std::ops::Range;

/// A column of texts; the bytes of all rows lie in one arena.
#[derive(Clone, Debug, Default)]
pub struct TextColumn {
    arena: Vec<u8>,
    ranges: Vec<Option<Range<usize>>>,
}

impl TextColumn {
    /// The text of a row; `None` where it is missing or there is no such row.
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let range = self.ranges.get(row)?.clone()?;
        self.arena.get(range)
    }

    fn set_last(&mut self, text: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(text);
        if let Some(last) = self.ranges.last_mut() {
            *last = Some(start..self.arena.len());
        }
    }
}

/// Columns filled row by row: [`Table::begin`] adds a row in which everything is missing, the setters fill it, and
/// [`Table::drop_last`] takes a row back that turned out to be bad.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: usize,
    numbers: Vec<Vec<f64>>,
    texts: Vec<TextColumn>,
}

impl Table {
    /// A table with this many columns of each type.
    pub fn new(number_columns: usize, text_columns: usize) -> Self {
        Table { rows: 0, numbers: vec![Vec::new(); number_columns], texts: vec![TextColumn::default(); text_columns] }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.rows = 0;
        for column in &mut self.numbers {
            column.clear();
        }
        for column in &mut self.texts {
            column.arena.clear();
            column.ranges.clear();
        }
    }

    /// Adds a row in which every number is NaN and every text missing; returns its index.
    pub fn begin(&mut self) -> usize {
        for column in &mut self.numbers {
            column.push(f64::NAN);
        }
        for column in &mut self.texts {
            column.ranges.push(None);
        }
        self.rows += 1;
        self.rows - 1
    }

    /// Takes the last row back.
    pub fn drop_last(&mut self) {
        if self.rows == 0 {
            return;
        }
        self.rows -= 1;
        for column in &mut self.numbers {
            column.truncate(self.rows);
        }
        for column in &mut self.texts {
            if let Some(Some(range)) = column.ranges.pop() {
                column.arena.truncate(range.start);
            }
        }
    }

    /// Sets a number of the last row; a column that does not exist is left alone.
    pub fn set_number(&mut self, column: usize, value: f64) {
        if let Some(last) = self.numbers.get_mut(column).and_then(|values| values.last_mut()) {
            *last = value;
        }
    }

    /// Sets a text of the last row; a column that does not exist is left alone.
    pub fn set_text(&mut self, column: usize, text: &[u8]) {
        if let Some(values) = self.texts.get_mut(column) {
            values.set_last(text);
        }
    }

    /// A number; NaN where it is missing or there is no such cell.
    pub fn number(&self, column: usize, row: usize) -> f64 {
        self.numbers.get(column).and_then(|values| values.get(row)).copied().unwrap_or(f64::NAN)
    }

    /// A whole column of numbers; empty if there is no such column.
    pub fn numbers(&self, column: usize) -> &[f64] {
        self.numbers.get(column).map_or(&[], Vec::as_slice)
    }

    /// A text; `None` where it is missing or there is no such cell.
    pub fn text(&self, column: usize, row: usize) -> Option<&[u8]> {
        self.texts.get(column)?.get(row)
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
}
