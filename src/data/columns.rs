//! A batch of feature rows, column by column: what the pipeline scores and what training reads.
//!
//! Every column has the same length; NaN is missing. The pipeline keeps one batch of some hundred rows and fills it anew
//! each time, so nothing here gives memory back.

use std::ops::Range;

/// Feature rows, stored by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    n_rows: usize,
    columns: Vec<Vec<f64>>,
}

/// Columns of different lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column} has {found} rows where column 0 has {expected}; a batch needs equal columns")]
pub struct ColumnsError {
    /// Position of the column.
    pub column: usize,
    /// Its length.
    pub found: usize,
    /// The length of the first.
    pub expected: usize,
}

impl Columns {
    /// No rows of `width` features.
    pub fn new(width: usize) -> Self {
        Columns { n_rows: 0, columns: vec![Vec::new(); width] }
    }

    /// Takes columns as they are.
    ///
    /// # Errors
    /// Columns of different lengths.
    pub fn from_columns(columns: Vec<Vec<f64>>) -> Result<Self, ColumnsError> {
        let expected = columns.first().map_or(0, Vec::len);
        match columns.iter().position(|column| column.len() != expected) {
            Some(column) => Err(ColumnsError { column, found: columns.get(column).map_or(0, Vec::len), expected }),
            None => Ok(Columns { n_rows: expected, columns }),
        }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The columns in layout order, each `n_rows` long.
    pub fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// The values of one feature; empty for a position beyond the width.
    pub fn column(&self, position: usize) -> &[f64] {
        self.columns.get(position).map_or(&[], Vec::as_slice)
    }

    /// The values of one feature, to be filled; empty for a position beyond the width.
    pub fn column_mut(&mut self, position: usize) -> &mut [f64] {
        self.columns.get_mut(position).map_or(&mut [], Vec::as_mut_slice)
    }

    /// One value; `None` where there is no such row or feature.
    pub fn value(&self, row: usize, position: usize) -> Option<f64> {
        self.columns.get(position)?.get(row).copied()
    }

    /// The values of one row in layout order; nothing for a row that does not exist.
    pub fn row(&self, row: usize) -> impl Iterator<Item = f64> + '_ {
        self.columns.iter().filter_map(move |column| column.get(row).copied())
    }

    /// Sets the number of rows; values of rows that are new are missing.
    pub fn resize(&mut self, n_rows: usize) {
        for column in &mut self.columns {
            column.resize(n_rows, f64::NAN);
        }
        self.n_rows = n_rows;
    }

    /// A copy of the given rows, as far as they exist.
    pub fn range(&self, rows: Range<usize>) -> Columns {
        let rows = rows.start.min(self.n_rows)..rows.end.min(self.n_rows);
        let columns: Vec<Vec<f64>> =
            self.columns.iter().map(|column| column.get(rows.clone()).unwrap_or_default().to_vec()).collect();
        Columns { n_rows: rows.len(), columns }
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.resize(0);
    }

    /// Appends a row; features that `row` does not reach are missing, values beyond the width are left out.
    pub fn push_row(&mut self, row: &[f64]) {
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        self.n_rows += 1;
    }

    /// Appends rows, given as columns of equal length; features beyond those given are missing, columns beyond the width
    /// are left out.
    pub fn append<'a>(&mut self, columns: impl Iterator<Item = &'a [f64]>) {
        let mut n_rows = self.n_rows;
        for (own, column) in self.columns.iter_mut().zip(columns) {
            own.extend_from_slice(column);
            n_rows = n_rows.max(own.len());
        }
        self.resize(n_rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in() {
        let mut rows = Columns::new(2);
        rows.push_row(&[1.0, 2.0]);
        rows.push_row(&[3.0]);
        assert_eq!(rows.row(0).collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!(rows.column(0), [1.0, 3.0]);
        assert!(rows.value(1, 1).is_some_and(f64::is_nan));
        rows.clear();
        assert_eq!((rows.n_rows(), rows.width(), rows.row(0).count()), (0, 2, 0));
    }

    #[test]
    fn columns_of_different_lengths_are_refused() {
        let error = Columns::from_columns(vec![vec![1.0], vec![]]);
        assert_eq!(error, Err(ColumnsError { column: 1, found: 0, expected: 1 }));
    }
}
