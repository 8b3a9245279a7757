//! Mean difference of two models over the same rows, with an interval that respects clusters.
//!
//! Rows of one day share their weather, and a model that errs on one errs on its neighbours; a plain t interval would be
//! several times too narrow. Here the block (a day, say) is the unit of evidence: the cluster-robust ("sandwich")
//! variance of a mean (Liang and Zeger 1986, Biometrika 73), with G - 1 degrees of freedom for G blocks and the factor
//! G / (G - 1) (Cameron and Miller 2015, "A Practitioner's Guide to Cluster-Robust Inference", eq. 11). With few
//! blocks (below about 20) of very different size it is still somewhat too narrow.

use std::collections::BTreeMap;

use super::distribution::student_upper_quantile;
use super::interval::Confidence;

/// A mean difference with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// Mean of the differences over all rows.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Rows.
    pub n: u64,
    /// Blocks the evidence comes from.
    pub blocks: u64,
}

/// Returns the mean of `differences` (one per row, such as champion's loss minus challenger's) with a t interval over
/// `blocks`, the block id of each row in any order.
///
/// `None` with fewer than two blocks, lists of different length, or a difference that is not finite. Differences that are
/// the same in all rows give an interval of width 0.
///
/// ```
/// use driftless::stats::{Confidence, paired_difference};
/// let result = paired_difference(&[0.1, 0.3, 0.2, 0.2], &[1, 1, 2, 2], Confidence::P95).unwrap();
/// assert!((result.mean - 0.2).abs() < 1e-12 && result.blocks == 2);
/// ```
pub fn paired_difference(differences: &[f64], blocks: &[u64], confidence: Confidence) -> Option<PairedDifference> {
    if differences.is_empty() || differences.len() != blocks.len() {
        return None;
    }
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    if !mean.is_finite() {
        return None;
    }
    let mut residuals: BTreeMap<u64, f64> = BTreeMap::new();
    for (&difference, &block) in differences.iter().zip(blocks) {
        *residuals.entry(block).or_default() += difference - mean;
    }
    let n_blocks = residuals.len() as f64;
    if n_blocks < 2.0 {
        return None;
    }
    let squares: f64 = residuals.values().map(|sum| (sum / n) * (sum / n)).sum();
    let error = (n_blocks / (n_blocks - 1.0) * squares).sqrt();
    let reach = student_upper_quantile(confidence.upper_tail(), n_blocks - 1.0) * error;
    let (low, high) = (mean - reach, mean + reach);
    (low.is_finite() && high.is_finite()).then_some(PairedDifference {
        mean,
        low,
        high,
        n: differences.len() as u64,
        blocks: residuals.len() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::rng::SplitMix64;

    #[test]
    fn one_block_or_strange_differences_have_no_interval() {
        assert_eq!(paired_difference(&[], &[], Confidence::P95), None);
        assert_eq!(paired_difference(&[1.0, 2.0], &[7, 7], Confidence::P95), None);
        assert_eq!(paired_difference(&[1.0], &[7, 8], Confidence::P95), None);
        assert_eq!(paired_difference(&[1.0, f64::NAN], &[7, 8], Confidence::P95), None);
        assert_eq!(paired_difference(&[f64::MAX, f64::MAX], &[7, 8], Confidence::P95), None);
        assert_eq!(paired_difference(&[f64::MAX, -f64::MAX], &[7, 8], Confidence::P95), None);
    }

    #[test]
    fn equal_differences_give_a_point() {
        let result = paired_difference(&[0.5; 4], &[1, 2, 3, 4], Confidence::P95).unwrap();
        assert_eq!((result.mean, result.low, result.high), (0.5, 0.5, 0.5));
    }

    /// With one row a block this is the ordinary one-sample t interval: 1, 2, 3 gives 2 +- 4.302653 / sqrt(3).
    #[test]
    fn blocks_of_one_row_give_the_t_interval() {
        let result = paired_difference(&[1.0, 2.0, 3.0], &[30, 10, 20], Confidence::P95).unwrap();
        assert!((result.high - 2.0 - 4.302_652_729_911_275 / 3.0_f64.sqrt()).abs() < 1e-10);
    }

    /// Rows of a block share half of their noise; the interval covers the truth (0.5) about 95 times in 100.
    #[test]
    fn interval_covers_with_clustered_rows() {
        let mut rng = SplitMix64::new(21);
        let mut covered = 0;
        for _ in 0..500 {
            let (mut differences, mut blocks) = (Vec::new(), Vec::new());
            for block in 0..30 {
                let shared = rng.unit();
                for _ in 0..20 {
                    differences.push(0.5 * shared + 0.5 * rng.unit());
                    blocks.push(block);
                }
            }
            let result = paired_difference(&differences, &blocks, Confidence::P95).unwrap();
            covered += usize::from(result.low <= 0.5 && 0.5 <= result.high);
        }
        assert!((458..=492).contains(&covered), "{covered} of 500, 475 expected");
    }
}
