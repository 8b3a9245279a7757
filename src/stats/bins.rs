//! Bin edges: how a numeric column becomes a histogram.
//!
//! A feature's edges are fixed once, from the reference sample, and live in its reference profile; every later summary
//! counts into the same bins, which is what makes summaries mergeable and comparable. The invariant: edges are finite and
//! strictly increasing. With k edges there are k + 1 bins and both ends are open, so every number has a bin: the bin of x is
//! the number of edges <= x (a value on an edge goes right). NaN means missing and is counted apart.
//!
//! Knows nothing of shares or tests; see `counts` and `psi`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::quantile::quantile_sorted;

/// Up to this many edges, comparing with all of them beats a binary search: no branch to mispredict, and it vectorises.
const SCAN_LIMIT: usize = 32;

/// Bin edges that are finite and strictly increasing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Edges(Vec<f64>);

/// Why a list of numbers cannot serve as bin edges.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EdgesError {
    /// An edge is NaN or infinite.
    #[error("bin edge {index} is `{value}`; edges must be finite")]
    NotFinite {
        /// Position in the list, 0-based.
        index: usize,
        /// The edge refused.
        value: f64,
    },
    /// An edge is not above the one before it.
    #[error("bin edge {index} is `{value}`, not above `{previous}` before it; edges must increase")]
    NotIncreasing {
        /// Position in the list, 0-based.
        index: usize,
        /// The edge refused.
        value: f64,
        /// The edge before it.
        previous: f64,
    },
}

impl Edges {
    /// Checks and takes edges as they are.
    ///
    /// # Errors
    /// An edge that is not finite, or not above its predecessor.
    pub fn new(edges: Vec<f64>) -> Result<Self, EdgesError> {
        let mut previous: Option<f64> = None;
        for (index, &value) in edges.iter().enumerate() {
            if !value.is_finite() {
                return Err(EdgesError::NotFinite { index, value });
            }
            if let Some(previous) = previous.filter(|&previous| value <= previous) {
                return Err(EdgesError::NotIncreasing { index, value, previous });
            }
            previous = Some(value);
        }
        Ok(Self(edges))
    }

    /// Places edges at the quantiles k / `n_bins`, k = 1 .. `n_bins` - 1, of an ascending sample without NaN; equal edges
    /// merge, infinite ones are dropped.
    ///
    /// Where one value holds so much of the sample that a single edge is left, that edge alone would put the value and
    /// everything above it into one bin, and a rare 1 among zeros or a constant sensor that moves up would stay unseen. A
    /// second edge then goes to the next value above: the next one in the sample, or else the next float. An empty
    /// sample, or `n_bins` < 2, gives no edge and one bin.
    pub fn from_sample(sorted: &[f64], n_bins: usize) -> Self {
        let mut edges: Vec<f64> = (1..n_bins)
            .filter_map(|k| quantile_sorted(sorted, k as f64 / n_bins as f64))
            .filter(|edge| edge.is_finite())
            .map(|edge| edge + 0.0) // -0.0 and 0.0 are one value
            .collect();
        edges.dedup();
        if n_bins > 2
            && let [only] = edges[..]
        {
            let next_in_sample = sorted.iter().copied().find(|&value| value > only && value.is_finite());
            let next = next_in_sample.unwrap_or_else(|| only.next_up());
            if next.is_finite() {
                edges.push(next);
            }
        }
        Self(edges)
    }

    /// The edges, ascending.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// Number of bins: one more than edges.
    pub fn n_bins(&self) -> usize {
        self.0.len() + 1
    }

    /// Returns the bin of `x`: the number of edges <= `x`. NaN has no bin and would land in bin 0; check for it first, or
    /// count through [`Edges::bin_into`].
    #[inline]
    pub fn bin(&self, x: f64) -> usize {
        if self.0.len() <= SCAN_LIMIT {
            self.0.iter().map(|&edge| usize::from(edge <= x)).sum()
        } else {
            self.0.partition_point(|&edge| edge <= x)
        }
    }

    /// Adds each value of `column` to its bin in `bins` and returns how many values were NaN.
    ///
    /// `bins` holds [`Edges::n_bins`] counts; values of bins beyond a shorter slice are not counted.
    pub fn bin_into(&self, column: &[f64], bins: &mut [u64]) -> u64 {
        let mut missing = 0;
        for &x in column {
            let is_missing = x.is_nan();
            missing += u64::from(is_missing);
            if let Some(count) = bins.get_mut(self.bin(x)) {
                *count += u64::from(!is_missing);
            }
        }
        missing
    }
}

impl TryFrom<Vec<f64>> for Edges {
    type Error = EdgesError;

    fn try_from(edges: Vec<f64>) -> Result<Self, EdgesError> {
        Self::new(edges)
    }
}

impl From<Edges> for Vec<f64> {
    fn from(edges: Edges) -> Self {
        edges.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn value_on_an_edge_goes_right() {
        let edges = Edges::new(vec![0.0, 1.0]).unwrap();
        let placed: Vec<usize> = [-9.0, -0.0, 0.0, 0.5, 1.0, f64::INFINITY].iter().map(|&x| edges.bin(x)).collect();
        assert_eq!(placed, [0, 1, 1, 1, 2, 2]);
        assert_eq!(edges.bin(f64::NEG_INFINITY), 0);
    }

    #[test]
    fn constant_sample_tells_below_equal_and_above_apart() {
        let edges = Edges::from_sample(&[3.0; 50], 10);
        assert_eq!(edges.n_bins(), 3);
        assert_eq!([2.9, 3.0, 3.0001].map(|x| edges.bin(x)), [0, 1, 2]);
    }

    #[test]
    fn rare_ones_among_zeros_keep_a_bin_of_their_own() {
        let mut sample = vec![0.0; 95];
        sample.extend([1.0; 5]);
        let edges = Edges::from_sample(&sample, 10);
        assert_eq!(edges.as_slice(), [0.0, 1.0]);
    }

    #[test]
    fn degenerate_samples_give_valid_edges() {
        for (sample, n_bins, expected) in [
            (vec![], 10, 1),
            (vec![1.0, 2.0], 0, 1),
            (vec![1.0, 2.0], 1, 1),
            (vec![1.0, 2.0], 2, 2),
            (vec![f64::INFINITY; 20], 10, 1),
            (vec![f64::MAX; 20], 10, 2),
        ] {
            let edges = Edges::from_sample(&sample, n_bins);
            assert_eq!(edges.n_bins(), expected, "{sample:?} in {n_bins}");
            assert!(Edges::new(edges.into()).is_ok());
        }
    }

    #[test]
    fn missing_is_counted_apart() {
        let edges = Edges::new(vec![0.0]).unwrap();
        let mut bins = [0; 2];
        let missing = edges.bin_into(&[f64::NAN, -1.0, 0.0, 5.0, f64::NAN], &mut bins);
        assert_eq!((bins, missing), ([1, 2], 2));
    }

    #[test]
    fn stored_edges_are_checked_when_read() {
        assert!(serde_json::from_str::<Edges>("[1.0,2.0]").is_ok());
        let error = serde_json::from_str::<Edges>("[1.0,1.0]").unwrap_err().to_string();
        assert!(error.contains("bin edge 1 is `1`"), "{error}");
        assert!(Edges::new(vec![f64::NAN]).is_err());
    }

    proptest! {
        #[test]
        fn scan_and_search_agree(mut values in prop::collection::vec(-5.0..5.0f64, 0..80), x in -6.0..6.0f64) {
            values.sort_by(f64::total_cmp);
            values.dedup();
            let edges = Edges::new(values.clone()).unwrap();
            prop_assert_eq!(edges.bin(x), values.partition_point(|&edge| edge <= x));
        }

        #[test]
        fn every_value_has_exactly_one_bin(mut sample in prop::collection::vec(-9i32..9, 0..200), n_bins in 0usize..30) {
            sample.sort_unstable();
            let sample: Vec<f64> = sample.into_iter().map(f64::from).collect();
            let edges = Edges::from_sample(&sample, n_bins);
            let mut bins = vec![0; edges.n_bins()];
            prop_assert_eq!(edges.bin_into(&sample, &mut bins), 0);
            prop_assert_eq!(bins.iter().sum::<u64>(), sample.len() as u64);
        }
    }
}
