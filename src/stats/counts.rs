//! Counts per bin: the mergeable summary of one column.
//!
//! What a shard keeps of a feature in a window, and what a reference profile keeps of it for good. Counts are integers, so
//! merging shards in any order gives exactly the counts of the whole. Missing values are part of the total: a sensor that
//! goes silent is drift too. Which values a bin holds is known to `bins::Edges` alone.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::bins::Edges;

/// Values counted per bin, and the missing ones beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinCounts {
    /// One count per bin, in the order of the edges (or of the categories).
    pub bins: Vec<u64>,
    /// Values that were absent or not a number.
    pub missing: u64,
}

/// Two counts over different bins, which cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("counts over {theirs} bins cannot be merged into counts over {ours} bins; use one set of edges for both")]
pub struct BinMismatch {
    /// Bins of the receiving side.
    pub ours: usize,
    /// Bins of the side to add.
    pub theirs: usize,
}

impl BinCounts {
    /// Returns empty counts over `n_bins` bins.
    pub fn new(n_bins: usize) -> Self {
        Self { bins: vec![0; n_bins], missing: 0 }
    }

    /// Counts a whole column in one pass over fresh bins; NaN is missing.
    pub fn of(edges: &Edges, column: &[f64]) -> Self {
        let mut counts = Self::new(edges.n_bins());
        counts.add_column(edges, column);
        counts
    }

    /// Adds the values of a column; NaN is missing. `self` must have been made for `edges`.
    pub fn add_column(&mut self, edges: &Edges, column: &[f64]) {
        debug_assert_eq!(self.bins.len(), edges.n_bins(), "counts and edges belong together");
        self.missing += edges.bin_into(column, &mut self.bins);
    }

    /// Adds one value by its bin; `None` is missing, and so is a bin that does not exist.
    pub fn add_bin(&mut self, bin: Option<usize>) {
        match bin.and_then(|bin| self.bins.get_mut(bin)) {
            Some(count) => *count += 1,
            None => self.missing += 1,
        }
    }

    /// Adds the counts of another part of the same column.
    ///
    /// # Errors
    /// Different numbers of bins; `self` is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), BinMismatch> {
        if self.bins.len() != other.bins.len() {
            return Err(BinMismatch { ours: self.bins.len(), theirs: other.bins.len() });
        }
        for (ours, theirs) in self.bins.iter_mut().zip(&other.bins) {
            *ours = ours.saturating_add(*theirs);
        }
        self.missing = self.missing.saturating_add(other.missing);
        Ok(())
    }

    /// Values with a bin.
    pub fn present(&self) -> u64 {
        self.bins.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// All values, the missing ones included.
    pub fn total(&self) -> u64 {
        self.present().saturating_add(self.missing)
    }

    /// Each bin's share of all values; the share of missing comes last. `None` when nothing was counted.
    ///
    /// ```
    /// use driftless::stats::BinCounts;
    /// let counts = BinCounts { bins: vec![1, 2], missing: 1 };
    /// assert_eq!(counts.shares(), Some(vec![0.25, 0.5, 0.25]));
    /// ```
    pub fn shares(&self) -> Option<Vec<f64>> {
        let total = self.total();
        (total > 0).then(|| self.cells().map(|count| count as f64 / total as f64).collect())
    }

    /// The counts of all bins, then the missing.
    pub(super) fn cells(&self) -> impl Iterator<Item = u64> + '_ {
        self.bins.iter().copied().chain([self.missing])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_over_other_bins_are_refused_and_change_nothing() {
        let mut counts = BinCounts::new(3);
        counts.add_bin(Some(1));
        let before = counts.clone();
        let error = counts.merge(&BinCounts::new(4)).unwrap_err();
        assert_eq!(error, BinMismatch { ours: 3, theirs: 4 });
        assert_eq!(counts, before);
    }

    #[test]
    fn nothing_counted_has_no_shares() {
        assert_eq!(BinCounts::new(5).shares(), None);
        assert_eq!(BinCounts::new(0).shares(), None);
    }

    #[test]
    fn unknown_bin_counts_as_missing() {
        let mut counts = BinCounts::new(1);
        counts.add_bin(Some(7));
        counts.add_bin(None);
        assert_eq!((counts.missing, counts.total()), (2, 2));
    }

    proptest! {
        #[test]
        fn merged_parts_equal_the_whole(values in prop::collection::vec(prop::num::f64::ANY, 0..200), cut in 0usize..200) {
            let edges = Edges::new(vec![-1e10, 0.0, 1.0, 1e10]).unwrap();
            let whole = BinCounts::of(&edges, &values);
            let (head, tail) = values.split_at(cut.min(values.len()));
            let mut merged = BinCounts::of(&edges, tail);
            merged.merge(&BinCounts::of(&edges, head)).unwrap();
            prop_assert_eq!(&merged, &whole);
            prop_assert_eq!(whole.total(), values.len() as u64);
        }
    }
}
