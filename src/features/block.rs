//! Everything computed of the events of a batch, feature by feature.

/// Rows made ready at first.
const ROWS: usize = 256;

/// Values by feature and row; NaN is missing.
#[derive(Clone, Debug)]
pub(super) struct Block {
    width: usize,
    rows: usize,
    /// Rows that are ready: values of one feature lie so far from those of the next.
    ready: usize,
    values: Vec<f64>,
}

impl Block {
    /// No rows of `width` features.
    pub(super) fn new(width: usize) -> Self {
        Block { width, rows: 0, ready: 0, values: Vec::new() }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn clear(&mut self) {
        self.rows = 0;
    }

    /// Adds a row, whose values are still to be set; its number.
    #[inline]
    pub(super) fn begin(&mut self) -> usize {
        if self.rows == self.ready {
            self.grow();
        }
        self.rows += 1;
        self.rows - 1
    }

    #[cold]
    fn grow(&mut self) {
        let ready = ROWS.max(2 * self.ready);
        let mut values = vec![f64::NAN; self.width * ready];
        for feature in 0..self.width {
            values[feature * ready..][..self.rows].copy_from_slice(self.feature(feature));
        }
        (self.ready, self.values) = (ready, values);
    }

    /// Sets a value; one that does not exist is left alone.
    #[inline]
    pub(super) fn set(&mut self, feature: usize, row: usize, value: f64) {
        if let Some(own) = self.values.get_mut(feature * self.ready + row) {
            *own = value;
        }
    }

    /// NaN where there is no such value.
    #[inline]
    pub(super) fn get(&self, feature: usize, row: usize) -> f64 {
        self.values.get(feature * self.ready + row).copied().unwrap_or(f64::NAN)
    }

    /// The values of a feature; empty for one that does not exist.
    pub(super) fn feature(&self, feature: usize) -> &[f64] {
        self.values.get(feature * self.ready..).and_then(|values| values.get(..self.rows)).unwrap_or_default()
    }

    /// The values of a feature, to be set.
    pub(super) fn feature_mut(&mut self, feature: usize) -> &mut [f64] {
        let rows = self.rows;
        self.values.get_mut(feature * self.ready..).and_then(|values| values.get_mut(..rows)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_where_they_are_when_more_rows_come() {
        let mut block = Block::new(2);
        for number in 0..3 * ROWS {
            let row = block.begin();
            block.set(0, row, number as f64);
            block.set(1, row, -(number as f64));
        }
        assert_eq!((block.feature(0).len(), block.get(0, ROWS + 1), block.get(1, 5)), (3 * ROWS, 257.0, -5.0));
        assert!(block.get(2, 0).is_nan() && block.feature(2).is_empty());
        block.clear();
        assert!(block.feature(1).is_empty());
    }
}
