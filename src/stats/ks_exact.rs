//! The exact law of the two-sample Kolmogorov-Smirnov distance, by lattice paths.
//!
//! Every order of n + m different values is a path from (0, 0) to (n, m), all equally likely without a change; the p-value
//! is the share of paths that touch the band |x / n - y / m| >= D (Hodges 1958, "The significance probability of the
//! Smirnov two-sample test", Arkiv for Matematik 3). The recursion runs over that share itself, so small p-values keep
//! their relative accuracy and no binomial coefficient is ever formed.

/// A rectangle of paths and the band that counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lattice {
    /// Size of the first sample, at least 1.
    pub n: usize,
    /// Size of the second sample, at least 1.
    pub m: usize,
    /// Greatest common divisor of both.
    pub divisor: usize,
    /// The distance D in units of `divisor` / (n m).
    pub steps: i64,
}

/// Returns the share of paths that reach distance D or more.
///
/// Conditioned on passing through (x, y), the last step came from (x - 1, y) with chance x / (x + y) and from (x, y - 1)
/// with y / (x + y); points at distance D or more have share 1. Time is the number of points nearer than D, at most n m;
/// memory is one column.
pub(super) fn chance_outside(lattice: Lattice) -> f64 {
    let Lattice { n, m, divisor, steps } = lattice;
    if steps <= 0 {
        return 1.0;
    }
    let x_weight = (m / divisor) as i64;
    let y_weight = (n / divisor) as i64;
    // column[y] = share at (x, y); entries outside the band stay 1
    let mut column = vec![1.0_f64; m + 1];
    for x in 0..=n {
        let centre = x as i64 * x_weight;
        let first_inside = (centre - steps).div_euclid(y_weight) + 1;
        let last_inside = (centre + steps - 1).div_euclid(y_weight);
        let low = first_inside.max(0) as usize;
        let high = last_inside.clamp(-1, m as i64);
        // The band only moves up: what it left behind is outside from now on.
        if let Some(left) = low.checked_sub(1).and_then(|y| column.get_mut(y)) {
            *left = 1.0;
        }
        let mut below = 1.0;
        for (y, share) in column.iter_mut().enumerate().take((high + 1) as usize).skip(low) {
            let (x, y) = (x as f64, y as f64);
            *share = match (x > 0.0, y > 0.0) {
                (false, false) => 0.0,
                (true, false) => *share,
                (false, true) => below,
                (true, true) => (*share * x + below * y) / (x + y),
            };
            below = *share;
        }
    }
    column.last().copied().unwrap_or(1.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_match_counting_by_hand() {
        // n = m = 2: of 6 paths 2 reach distance 1, all reach 1/2
        assert_eq!(chance_outside(Lattice { n: 2, m: 2, divisor: 2, steps: 1 }), 1.0);
        assert!((chance_outside(Lattice { n: 2, m: 2, divisor: 2, steps: 2 }) - 2.0 / 6.0).abs() < 1e-15);
        // n = 3, m = 1: 2 of 4 paths put the single value at an end
        assert!((chance_outside(Lattice { n: 3, m: 1, divisor: 1, steps: 3 }) - 0.5).abs() < 1e-15);
    }
}
