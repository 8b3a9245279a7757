//! The Kolmogorov-Smirnov test over shared bins, for summaries merged from shards.
//!
//! The gap between two distribution functions is seen at the edges only, so it can only be smaller than that of the
//! samples: the test errs towards silence. Clustered data count for less, by their design effect.

use super::counts::BinCounts;
use super::ks::{effective_size, stephens_tail};

/// A Kolmogorov-Smirnov test over shared bins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KsResult {
    /// The distance D over the shared edges, in [0, 1].
    pub statistic: f64,
    /// Chance of such a distance without a change, in [0, 1].
    pub p_value: f64,
    /// n m / (n + m) / phi: the size the p-value was computed for.
    pub n_effective: f64,
}

/// Compares counts over the same edges; missing values take no part (`psi` sees them).
///
/// `phi` is the design effect of clustered data, as found by [`fn@super::dispersion`]: how many times as much counts vary
/// as they would for independent values. It divides the effective size (Kish 1965); below 1, or NaN, it counts as 1. The
/// p-value is the limit law with Stephens' correction; with heavy ties or few bins it is too large, not too small. `None`
/// when a side has no present value or the bins differ.
pub fn binned_ks(current: &BinCounts, reference: &BinCounts, phi: f64) -> Option<KsResult> {
    let n = current.present() as f64;
    let m = reference.present() as f64;
    if n == 0.0 || m == 0.0 || current.bins.len() != reference.bins.len() {
        return None;
    }
    let (mut current_below, mut reference_below) = (0_u64, 0_u64);
    let mut statistic = 0.0_f64;
    for (count, reference_count) in current.bins.iter().zip(&reference.bins) {
        current_below += count;
        reference_below += reference_count;
        statistic = statistic.max((current_below as f64 / n - reference_below as f64 / m).abs());
    }
    let n_effective = effective_size(n, m) / phi.clamp(1.0, f64::MAX).max(1.0);
    Some(KsResult { statistic, p_value: stephens_tail(statistic, n_effective), n_effective })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::bins::Edges;
    use crate::stats::ks::KsSamples;
    use proptest::prelude::*;

    #[test]
    fn nothing_present_or_other_bins_is_no_test() {
        let counts = |bins: &[u64]| BinCounts { bins: bins.to_vec(), missing: 0 };
        assert_eq!(binned_ks(&counts(&[0, 0, 0]), &counts(&[1, 0, 0]), 1.0), None);
        assert_eq!(binned_ks(&counts(&[1, 0, 0]), &counts(&[0, 0, 0]), 1.0), None);
        assert_eq!(binned_ks(&counts(&[1, 1]), &counts(&[1, 1, 1]), 1.0), None);
    }

    #[test]
    fn one_bin_is_no_evidence() {
        let one_bin = BinCounts { bins: vec![500], missing: 3 };
        assert_eq!(binned_ks(&one_bin, &one_bin, 1.0).unwrap().p_value, 1.0);
    }

    #[test]
    fn clustered_data_weaken_the_evidence() {
        let reference = BinCounts { bins: vec![500, 500], missing: 0 };
        let current = BinCounts { bins: vec![60, 40], missing: 0 };
        let p = |phi| binned_ks(&current, &reference, phi).unwrap().p_value;
        assert!(p(1.0) < p(4.0));
        assert_eq!(p(f64::NAN), p(1.0));
        assert!(p(f64::INFINITY) <= 1.0);
    }

    proptest! {
        #[test]
        fn gap_at_edges_is_never_above_that_of_samples(
            first in prop::collection::vec(-4i32..4, 1..40),
            second in prop::collection::vec(-4i32..4, 1..40),
            phi in 0.0..9.0f64,
        ) {
            let first: Vec<f64> = first.into_iter().map(f64::from).collect();
            let second: Vec<f64> = second.into_iter().map(f64::from).collect();
            let edges = Edges::new(vec![-2.0, 0.0, 3.0]).unwrap();
            let binned = binned_ks(&BinCounts::of(&edges, &first), &BinCounts::of(&edges, &second), phi).unwrap();
            prop_assert!(binned.statistic <= KsSamples::of(&first, &second).unwrap().statistic + 1e-12);
            prop_assert!((0.0..=1.0).contains(&binned.p_value));
        }
    }
}
