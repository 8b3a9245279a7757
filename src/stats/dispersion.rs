//! The design effect: how much more counts vary than independent values would make them.
//!
//! Events of one day, flight or customer resemble each other, so counts of such blocks scatter more than a multinomial law
//! allows. Tests on counts (`psi`, `ks`) divide by phi, measured here on the reference itself; without that they call
//! every ordinary day a drift.

use serde::{Deserialize, Serialize};

use super::counts::BinCounts;

/// How much more counts vary than those of independent values would.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    /// The design effect, at least 1.
    pub phi: f64,
    /// Degrees of freedom phi was estimated from; `None` when it is known, not estimated.
    pub df: Option<f64>,
}

impl Dispersion {
    /// Independent values: phi = 1, known.
    pub const INDEPENDENT: Self = Self { phi: 1.0, df: None };
}

/// Measures phi as Pearson's X^2 of homogeneity over K consecutive blocks by its degrees of freedom (K - 1)(B - 1), at
/// least 1 (McCullagh and Nelder 1989, section 4.5.2).
///
/// Blocks are stretches of the reference about as long as the windows to be judged; empty ones and those with other bins
/// than the first are left out, as are bins that are empty throughout. Slow change inside the reference raises phi too:
/// what is normal there is no drift. `None` with fewer than two blocks or two occupied bins.
pub fn dispersion(blocks: &[BinCounts]) -> Option<Dispersion> {
    let n_bins = blocks.first()?.bins.len();
    let used: Vec<&BinCounts> = blocks.iter().filter(|block| block.bins.len() == n_bins && block.total() > 0).collect();
    let mut pooled = BinCounts::new(n_bins);
    for block in &used {
        pooled.merge(block).ok()?;
    }
    let shares = pooled.shares()?;
    let occupied = shares.iter().filter(|&&share| share > 0.0).count();
    let df = used.len().checked_sub(1)? as f64 * occupied.checked_sub(1)? as f64;
    if df <= 0.0 {
        return None;
    }
    let mut chi_square = 0.0;
    for block in &used {
        let total = block.total() as f64;
        for (count, &share) in block.cells().zip(&shares).filter(|&(_, &share)| share > 0.0) {
            let expected = total * share;
            let difference = count as f64 - expected;
            chi_square += difference * difference / expected;
        }
    }
    Some(Dispersion { phi: (chi_square / df).max(1.0), df: Some(df) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(bins: &[u64], missing: u64) -> BinCounts {
        BinCounts { bins: bins.to_vec(), missing }
    }

    #[test]
    fn dispersion_needs_two_blocks_and_two_bins() {
        assert_eq!(dispersion(&[]), None);
        assert_eq!(dispersion(&[counts(&[5, 5], 0)]), None);
        assert_eq!(dispersion(&[counts(&[5, 0], 0), counts(&[9, 0], 0), counts(&[0, 0], 0)]), None);
        let found = dispersion(&[counts(&[30, 10], 0), counts(&[10, 30], 0)]).unwrap();
        assert_eq!((found.phi, found.df), (20.0, Some(1.0)));
    }

    #[test]
    fn blocks_over_other_bins_are_left_out() {
        let blocks = [counts(&[30, 10], 0), counts(&[10, 30], 0)];
        let mut mixed = blocks.to_vec();
        mixed.push(counts(&[1, 2, 3], 0));
        assert_eq!(dispersion(&mixed), dispersion(&blocks));
    }
}
