//! Population stability index, with a p-value that knows about clustered data.
//!
//! PSI is the effect: sum of (q - p) ln(q / p) over bins, with shares q of the current window and p of the reference
//! (Siddiqi 2006; the symmetrised divergence of Jeffreys 1946). It has no meaning without its sample size: under no
//! change it averages phi (B - 1)(1/n + 1/m) (Yurdakul and Naranjo 2020), so `excess` takes that off. The evidence is a
//! Pearson test of homogeneity. Events of one day, flight or customer resemble each other; counts then vary phi times as
//! much as independent ones would (the design effect), and an ordinary chi-square sees drift everywhere. `dispersion`
//! measures phi on consecutive blocks of the reference, and the test divides by it and uses an F law for its uncertainty
//! (Rao and Scott 1981, "The Analysis of Categorical Data from Complex Sample Surveys", JASA 76).
//!
//! Missing values are one more bin. Categories are bins like any other.

use super::counts::BinCounts;
use super::dispersion::Dispersion;
use super::distribution::{FDegrees, chi_square_tail, f_tail};

/// Shares below this count as this in PSI, on either side, without renormalising: an empty bin costs a bounded amount.
pub const SHARE_FLOOR: f64 = 1e-4;

/// The verdict on one column of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PsiResult {
    /// Population stability index, at least 0.
    pub psi: f64,
    /// PSI minus its expectation without a change; around 0 when nothing happened, and may be negative.
    pub excess: f64,
    /// Chance of counts at least this far apart without a change, in [0, 1].
    pub p_value: f64,
    /// Pearson's X^2 of homogeneity before dividing by phi.
    pub chi_square: f64,
    /// Bins occupied on either side, missing included.
    pub occupied: usize,
    /// Values of the current window, missing included.
    pub n: u64,
    /// Values of the reference, missing included.
    pub m: u64,
}

/// Compares a window with the reference. `None` when a side is empty or the bins differ.
///
/// X^2 is Pearson's statistic of the 2 x B table, n m / (n + m) times the sum of (q - p)^2 / pooled share; with m much
/// larger than n it is n sum (q - p)^2 / p / (1 + n/m). Pooling instead of p in the denominator keeps a rare bin that the
/// reference happens to lack from deciding alone. With B bins occupied on either side, F = X^2 / phi / (B - 1) is compared
/// with F(B - 1, df), or with chi-square when phi is known. One occupied bin (constant on both sides) gives psi 0 and p 1.
///
/// ```
/// use driftless::stats::{BinCounts, Dispersion, psi};
/// let reference = BinCounts { bins: vec![500, 500], missing: 0 };
/// let current = BinCounts { bins: vec![30, 70], missing: 0 };
/// let result = psi(&current, &reference, Dispersion::INDEPENDENT).unwrap();
/// assert!((result.psi - 0.1695).abs() < 1e-4); // 0.2 ln(1.4) - 0.2 ln(0.6)
/// assert!(result.p_value < 0.001);
/// ```
pub fn psi(current: &BinCounts, reference: &BinCounts, dispersion: Dispersion) -> Option<PsiResult> {
    let (n, m) = (current.total(), reference.total());
    if n == 0 || m == 0 || current.bins.len() != reference.bins.len() {
        return None;
    }
    let phi = dispersion.phi.clamp(1.0, f64::MAX).max(1.0);
    let (n_values, m_values) = (n as f64, m as f64);
    let mut occupied = 0_usize;
    let mut index = 0.0;
    let mut distance = 0.0;
    for (current_count, reference_count) in current.cells().zip(reference.cells()) {
        if current_count == 0 && reference_count == 0 {
            continue;
        }
        occupied += 1;
        let q = current_count as f64 / n_values;
        let p = reference_count as f64 / m_values;
        let (floored_q, floored_p) = (q.max(SHARE_FLOOR), p.max(SHARE_FLOOR));
        index += (floored_q - floored_p) * libm::log(floored_q / floored_p);
        let pooled = (current_count as f64 + reference_count as f64) / (n_values + m_values);
        distance += (q - p) * (q - p) / pooled;
    }
    let chi_square = n_values / (n_values + m_values) * m_values * distance;
    let df = occupied.saturating_sub(1) as f64;
    let scaled = chi_square / phi;
    let p_value = match dispersion.df {
        Some(denominator) => f_tail(scaled / df.max(1.0), FDegrees { numerator: df, denominator }),
        None => chi_square_tail(scaled, df),
    };
    let expected = (phi * df * (1.0 / n_values + 1.0 / m_values)).min(f64::MAX);
    Some(PsiResult { psi: index, excess: index - expected, p_value, chi_square, occupied, n, m })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::dispersion::dispersion;
    use crate::stats::rng::SplitMix64;
    use proptest::prelude::*;

    fn counts(bins: &[u64], missing: u64) -> BinCounts {
        BinCounts { bins: bins.to_vec(), missing }
    }

    #[test]
    fn degenerate_inputs_are_finite_and_silent() {
        let empty = counts(&[0, 0, 0], 0);
        let some = counts(&[10, 0, 0], 0);
        let silent = counts(&[0, 0, 0], 40);
        assert_eq!(psi(&empty, &some, Dispersion::INDEPENDENT), None);
        assert_eq!(psi(&some, &empty, Dispersion::INDEPENDENT), None);
        assert_eq!(psi(&some, &counts(&[1, 1], 0), Dispersion::INDEPENDENT), None);
        for pair in [&some, &silent] {
            let same = psi(pair, pair, Dispersion { phi: f64::NAN, df: Some(0.0) }).unwrap();
            assert_eq!((same.psi, same.p_value, same.excess), (0.0, 1.0, 0.0));
        }
        let gone = psi(&silent, &counts(&[100, 100, 100], 0), Dispersion { phi: 2.0, df: Some(20.0) }).unwrap();
        assert!(gone.psi > 1.0 && gone.psi.is_finite() && gone.p_value < 1e-6);
        let endless = psi(&some, &counts(&[5, 5, 5], 0), Dispersion { phi: f64::INFINITY, df: None }).unwrap();
        assert!(endless.excess.is_finite() && endless.p_value > 0.99);
    }

    #[test]
    fn one_event_in_an_unseen_bin_is_no_alarm_but_many_are() {
        let reference = counts(&[2500, 2500, 0], 0);
        let one = psi(&counts(&[100, 99, 1], 0), &reference, Dispersion::INDEPENDENT).unwrap();
        let many = psi(&counts(&[90, 90, 20], 0), &reference, Dispersion::INDEPENDENT).unwrap();
        assert!(one.psi < 0.1, "{one:?}");
        assert!(many.psi > 0.3 && many.p_value < 1e-20, "{many:?}");
    }

    /// 20 blocks whose values come in runs of ten equal ones: counts vary ten times as much, and without phi nearly every
    /// unchanged window would be an alarm.
    #[test]
    fn clustered_data_keep_the_false_alarm_rate() {
        let mut rng = SplitMix64::new(7);
        let mut block = |runs: usize| {
            let mut counts = BinCounts::new(10);
            for _ in 0..runs {
                let bin = rng.below(10) as usize;
                (0..10).for_each(|_| counts.add_bin(Some(bin)));
            }
            counts
        };
        let (mut naive, mut clustered) = (0, 0);
        for _ in 0..400 {
            let blocks: Vec<BinCounts> = (0..20).map(|_| block(50)).collect();
            let mut reference = BinCounts::new(10);
            blocks.iter().for_each(|block| reference.merge(block).unwrap());
            let current = block(50);
            let p = |dispersion| psi(&current, &reference, dispersion).unwrap().p_value;
            naive += usize::from(p(Dispersion::INDEPENDENT) < 0.05);
            clustered += usize::from(p(dispersion(&blocks).unwrap()) < 0.05);
        }
        assert!(naive > 380, "{naive} of 400");
        assert!((8..=34).contains(&clustered), "{clustered} of 400, 20 expected");
    }

    /// The mean of `excess` over unchanged windows is zero up to the second order in the bin counts.
    #[test]
    fn excess_is_centred_without_a_change() {
        let mut rng = SplitMix64::new(3);
        let mut draw = |n: usize| {
            let mut counts = BinCounts::new(10);
            (0..n).for_each(|_| counts.add_bin(Some(rng.below(10) as usize)));
            counts
        };
        let reference = draw(200_000);
        let excess: f64 =
            (0..500).map(|_| psi(&draw(1000), &reference, Dispersion::INDEPENDENT).unwrap().excess).sum::<f64>()
                / 500.0;
        assert!(excess.abs() < 0.0008, "{excess}");
    }

    proptest! {
        #[test]
        fn results_are_finite_and_p_is_a_probability(
            current in prop::collection::vec(0u64..50, 4),
            reference in prop::collection::vec(0u64..5000, 4),
            missing in 0u64..9,
            phi in 0.0..20.0f64,
            df in prop::option::of(-1.0..100.0f64),
        ) {
            if let Some(result) = psi(&counts(&current, missing), &counts(&reference, 0), Dispersion { phi, df }) {
                prop_assert!((0.0..=1.0).contains(&result.p_value));
                prop_assert!(result.psi >= 0.0 && result.psi.is_finite() && result.excess.is_finite());
            }
        }
    }
}
