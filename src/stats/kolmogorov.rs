//! Laws of the Kolmogorov distance, as upper tails.
//!
//! The limit law for large samples and the finite-n law of one sample against its true distribution (which scipy also
//! uses for two samples, at n = round(n m / (n + m))). Which formula holds where follows Simard and L'Ecuyer 2011,
//! "Computing the Two-Sided Kolmogorov-Smirnov Distribution", J. Statistical Software 39(11). Every loop here ends for
//! every argument, zero distance included. Two-sample statistics are in `ks`.

use std::f64::consts::PI;

use super::durbin_matrix::matrix_body;

/// Above this size the one-sided sum is replaced by its exponential limit, whose relative error is of order 1 / n.
const ONE_SIDED_SUM_LIMIT: u64 = 100_000;
/// Up to this size the matrix method serves the whole body of the distribution.
const MATRIX_LIMIT: u64 = 140;

/// Returns P(K > x) of the Kolmogorov limit law (Kolmogorov 1933; Marsaglia et al. 2003, eq. 1 and 2).
///
/// `x` <= 0 and NaN give 1. From x = 1 on the alternating series gives the tail itself, at full relative accuracy.
pub fn limit_tail(x: f64) -> f64 {
    if x.is_nan() || x <= 0.04 {
        return 1.0; // the series for small x is below 1e-300 here
    }
    if x < 1.0 {
        let exponent = -PI * PI / (8.0 * x * x);
        let sum: f64 = [1.0, 9.0, 25.0, 49.0].iter().map(|odd_square| libm::exp(exponent * odd_square)).sum();
        return (1.0 - (2.0 * PI).sqrt() / x * sum).clamp(0.0, 1.0);
    }
    let mut tail = 0.0;
    let mut sign = 2.0;
    for k in 1..=8 {
        let k = f64::from(k);
        tail += sign * libm::exp(-2.0 * k * k * x * x);
        sign = -sign;
    }
    tail.clamp(0.0, 1.0)
}

/// Returns P(D_n > d) for the two-sided one-sample distance at sample size `n`; `n` = 0 gives 1.
///
/// Exact up to n = 140 (relative accuracy of the tail about 1e-10) and to at least five digits beyond. Cost is a few
/// microseconds, with up to n d logarithms in the upper tail.
pub fn finite_tail(d: f64, n: u64) -> f64 {
    if n == 0 || d.is_nan() || d <= 0.0 {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    let size = n as f64;
    let scaled = size * d;
    let scaled_square = scaled * d;
    if scaled <= 0.5 {
        return 1.0; // the empirical step alone is at least 1 / (2 n) away
    }
    if scaled_square >= 370.0 {
        return 0.0;
    }
    // Twice the one-sided tail errs only by the chance that both sides exceed d, which is nil at d >= 1/2.
    let tail_starts = if n <= MATRIX_LIMIT { 4.0 } else { 2.2 };
    if d >= 0.5 || scaled_square > tail_starts {
        return (2.0 * one_sided_tail(d, n)).clamp(0.0, 1.0);
    }
    let body = if n <= MATRIX_LIMIT || (n <= 100_000 && scaled * d.sqrt() <= 1.4) {
        matrix_body(d, n)
    } else {
        expansion_body(d, size)
    };
    (1.0 - body).clamp(0.0, 1.0)
}

/// P(D_n^+ > d) by the sum of Birnbaum and Tingey 1951 (eq. 3.0); all terms are positive.
fn one_sided_tail(d: f64, n: u64) -> f64 {
    let size = n as f64;
    if n > ONE_SIDED_SUM_LIMIT {
        // Maag and Dicaire 1971
        let root = 6.0 * size * d + 1.0;
        return libm::exp(-root * root / (18.0 * size));
    }
    let last = (size * (1.0 - d)).floor() as u64;
    let log_factorial_n = libm::lgamma(size + 1.0);
    let mut sum = 0.0;
    for j in 0..=last.min(n) {
        let j = j as f64;
        let above = d + j / size;
        let below = 1.0 - above;
        if below <= 0.0 {
            continue;
        }
        let log_choose = log_factorial_n - libm::lgamma(j + 1.0) - libm::lgamma(size - j + 1.0);
        sum += libm::exp(log_choose + (j - 1.0) * libm::log(above) + (size - j) * libm::log(below));
    }
    d * sum
}

/// P(D_n <= d) by the expansion K0 + K1 / n^(1/2) + K2 / n + K3 / n^(3/2) of Pelz and Good 1976, "Approximating the Lower
/// Tail-Areas of the Kolmogorov-Smirnov One-Sample Statistic", in the notation of Simard and L'Ecuyer, section 2.3.
fn expansion_body(d: f64, n: f64) -> f64 {
    let z = n.sqrt() * d;
    let z2 = z * z;
    let z4 = z2 * z2;
    let z6 = z4 * z2;
    let z8 = z4 * z4;
    let pi2 = PI * PI;
    let pi4 = pi2 * pi2;
    let pi6 = pi4 * pi2;
    let (mut k0, mut k1, mut k2, mut k3) = (0.0, 0.0, 0.0, 0.0);
    let (mut k2_even, mut k3_even) = (0.0, 0.0);
    for k in 0..40 {
        let odd = (f64::from(k) + 0.5) * (f64::from(k) + 0.5); // (k + 1/2)^2
        let weight = libm::exp(-pi2 * odd / (2.0 * z2));
        k0 += weight;
        k1 += weight * (pi2 * odd - z2);
        k2 += weight * (6.0 * z6 + 2.0 * z4 + pi2 * (2.0 * z4 - 5.0 * z2) * odd + pi4 * (1.0 - 2.0 * z2) * odd * odd);
        k3 += weight
            * (pi6 * odd * odd * odd * (5.0 - 30.0 * z2)
                + pi4 * odd * odd * (-60.0 * z2 + 212.0 * z4)
                + pi2 * odd * (135.0 * z4 - 96.0 * z6)
                - 30.0 * z6
                - 90.0 * z8);
        let square = f64::from(k) * f64::from(k);
        let even_weight = libm::exp(-pi2 * square / (2.0 * z2));
        k2_even += even_weight * pi2 * square;
        k3_even += even_weight * (3.0 * pi2 * square * z2 - pi4 * square * square);
    }
    let root = (2.0 * PI).sqrt();
    let half_root = (PI / 2.0).sqrt();
    // K2 and K3 sum over all integers in the paper: both halves of each sum are equal, hence the factors of two.
    let first = root / z * k0;
    let second = half_root / (3.0 * z4) * k1;
    let third = half_root / (36.0 * z6 * z) * k2 - half_root / (18.0 * z2 * z) * k2_even;
    let fourth = half_root / (3240.0 * z8 * z2) * k3 + half_root / (108.0 * z6) * k3_even;
    let sqrt_n = n.sqrt();
    first + second / sqrt_n + third / n + fourth / (n * sqrt_n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_distance_ends_and_is_certain() {
        assert_eq!(limit_tail(0.0), 1.0);
        assert_eq!(limit_tail(f64::NAN), 1.0);
        assert_eq!(finite_tail(0.0, 100), 1.0);
        assert_eq!(finite_tail(0.3, 0), 1.0);
        assert_eq!(limit_tail(f64::INFINITY), 0.0);
    }

    #[test]
    fn both_forms_of_the_limit_law_meet() {
        let jump = limit_tail(1.0 - 1e-12) - limit_tail(1.0);
        assert!(jump.abs() < 1e-11, "{jump}");
    }

    /// Oracle: scipy 1.17.1, `stats.kstwo.sf`; chosen on both sides of every change of formula.
    #[test]
    fn finite_tails_agree_with_scipy() {
        for (d, n, expected) in FINITE_TAILS {
            let actual = finite_tail(d, n);
            assert!((actual - expected).abs() <= 1e-9 * expected.max(1e-3), "d={d} n={n}: {actual} is not {expected}");
        }
    }

    proptest! {
        #[test]
        fn tails_are_probabilities_and_fall(d in 0.0..1.0f64, n in 1u64..3000) {
            let tail = finite_tail(d, n);
            prop_assert!((0.0..=1.0).contains(&tail));
            prop_assert!(finite_tail((d + 0.05).min(1.0), n) <= tail + 1e-5);
            let limit = limit_tail(d * 3.0);
            prop_assert!((0.0..=1.0).contains(&limit));
            prop_assert!(limit_tail(d * 3.0 + 0.1) <= limit);
        }
    }

    const FINITE_TAILS: [(f64, u64, f64); 25] = [
        (0.02, 30, 1.0),
        (0.05, 15, 0.9999999999088659),
        (0.2, 8, 0.8483779281982422),
        (0.45, 5, 0.19399374999999963),
        (0.6, 5, 0.03008000000000001),
        (0.95, 10, 1.9531250000000172e-13),
        (0.1, 100, 0.2526927570063874),
        (0.19, 100, 0.0012339926382722768),
        (0.21, 100, 0.00023947345214651332),
        (0.3, 100, 1.7719869892662917e-08),
        (0.08, 140, 0.31480749911643063),
        (0.1, 141, 0.11128445516467944),
        (0.01, 141, 1.0),
        (0.005, 1000, 1.0),
        (0.03, 1000, 0.3226902143914636),
        (0.046, 1000, 0.02813926237876274),
        (0.048, 1000, 0.019289211406102277),
        (0.2, 1000, 1.5528629204250538e-35),
        (0.004, 50000, 0.3994316646755731),
        (0.007, 50000, 0.014823357590770293),
        (0.01, 90000, 3.0246805318385424e-08),
        (0.0007, 90000, 0.9999999999902293),
        (0.001, 200000, 0.9881500208855729),
        (0.003, 200000, 0.0545369786611305),
        (0.9, 200, 2.1356950315873287e-200),
    ];
}
