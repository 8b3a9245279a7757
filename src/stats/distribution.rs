//! Upper tails and quantiles of the normal, Student, chi-square and F distributions.
//!
//! Each tail is computed as such: 1 - cdf would be zero from about 1e-16 on, where ranking drifted features still needs an
//! order. All arguments are accepted: degrees of freedom that are not positive, or NaN, give the tail probability 1 ("no
//! evidence"), so that a caller cannot turn a degenerate input into an alarm.

use super::special::{BetaPoint, beta_lower, gamma_upper};

/// Returns P(Z > z) of the standard normal distribution; NaN gives 1.
pub fn normal_tail(z: f64) -> f64 {
    if z.is_nan() {
        return 1.0;
    }
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// Returns P(|Z| > |z|) of the standard normal distribution; NaN gives 1.
pub fn normal_two_sided(z: f64) -> f64 {
    if z.is_nan() { 1.0 } else { libm::erfc(z.abs() * std::f64::consts::FRAC_1_SQRT_2) }
}

/// Returns the z with P(Z > z) = `tail`, for a tail in [1e-300, 0.5]; others are clamped into it (NaN to 0.5).
///
/// Starts from Abramowitz and Stegun 1964, 26.2.23 (error below 4.5e-4) and takes Newton steps on [`normal_tail`].
pub fn normal_upper_quantile(tail: f64) -> f64 {
    let tail = if tail < 0.5 {
        tail.max(1e-300)
    } else {
        return 0.0;
    };
    if tail.is_nan() {
        return 0.0;
    }
    let t = (-2.0 * libm::log(tail)).sqrt();
    let numerator = 2.515517 + t * (0.802853 + t * 0.010328);
    let denominator = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let mut z = t - numerator / denominator;
    for _ in 0..4 {
        let density = libm::exp(-0.5 * z * z) / (2.0 * std::f64::consts::PI).sqrt();
        // Newton on log P: the tail is nearly exponential in z, so this converges from either side.
        let current = normal_tail(z);
        z += libm::log(current / tail) * current / density;
    }
    z
}

/// Returns P(T > t) of Student's distribution; infinite degrees of freedom give the normal tail.
pub fn student_tail(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return 1.0;
    }
    if df.is_infinite() || t.is_infinite() {
        return normal_tail(t);
    }
    let square = t * t;
    let point = BetaPoint { x: df / (df + square), complement: square / (df + square) };
    let half_tail = 0.5 * beta_lower(0.5 * df, 0.5, point);
    if t > 0.0 { half_tail } else { 1.0 - half_tail }
}

/// Returns the t with P(T > t) = `tail`, for a tail in (0, 0.5] and `df` > 0, by bisection; at most 1e15.
pub fn student_upper_quantile(tail: f64, df: f64) -> f64 {
    if !(tail < 0.5 && df > 0.0) {
        return 0.0;
    }
    let mut high = 1.0;
    while student_tail(high, df) > tail && high < 1e15 {
        high *= 2.0;
    }
    let mut low = 0.0;
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return high;
        }
        if student_tail(middle, df) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// Returns P(X > x) of the chi-square distribution with `df` degrees of freedom.
pub fn chi_square_tail(x: f64, df: f64) -> f64 {
    gamma_upper(0.5 * df, 0.5 * x)
}

/// Degrees of freedom of an F ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FDegrees {
    /// Of the numerator.
    pub numerator: f64,
    /// Of the denominator.
    pub denominator: f64,
}

/// Returns P(F > x) of the F distribution; infinite `x` gives 0, `x` <= 0 or degrees that are not positive give 1.
pub fn f_tail(x: f64, df: FDegrees) -> f64 {
    if !(x > 0.0 && df.numerator > 0.0 && df.denominator > 0.0) {
        return 1.0;
    }
    if df.denominator.is_infinite() {
        return chi_square_tail(x * df.numerator, df.numerator);
    }
    if x.is_infinite() {
        return 0.0;
    }
    let ratio = df.numerator * x / df.denominator;
    let point = BetaPoint { x: 1.0 / (1.0 + ratio), complement: ratio / (1.0 + ratio) };
    beta_lower(0.5 * df.denominator, 0.5 * df.numerator, point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64) {
        assert!((actual / expected - 1.0).abs() < 1e-10, "{actual} is not {expected}");
    }

    /// Oracle: scipy 1.17.1, `stats.f.sf`. The last ones lie where 1 - cdf is exactly zero.
    #[test]
    fn f_tails_agree_with_scipy() {
        for (x, numerator, denominator, expected) in F_TAILS {
            close(f_tail(x, FDegrees { numerator, denominator }), expected);
        }
    }

    /// Oracle: scipy 1.17.1, `stats.norm.isf` and `stats.t.isf`.
    #[test]
    fn quantiles_agree_with_scipy() {
        for (tail, expected) in NORMAL_QUANTILES {
            close(normal_upper_quantile(tail), expected);
        }
        for (tail, df, expected) in STUDENT_QUANTILES {
            close(student_upper_quantile(tail, df), expected);
        }
    }

    #[test]
    fn degenerate_arguments_are_no_evidence() {
        let df = FDegrees { numerator: 9.0, denominator: 50.0 };
        assert_eq!(f_tail(f64::NAN, df), 1.0);
        assert_eq!(f_tail(0.0, df), 1.0);
        assert_eq!(f_tail(f64::INFINITY, df), 0.0);
        assert_eq!(f_tail(3.0, FDegrees { numerator: 0.0, denominator: 5.0 }), 1.0);
        assert_eq!(chi_square_tail(5.0, 0.0), 1.0);
        assert_eq!(chi_square_tail(f64::NAN, 3.0), 1.0);
        assert_eq!(student_tail(2.0, f64::NAN), 1.0);
        assert_eq!(normal_upper_quantile(f64::NAN), 0.0);
        assert!(normal_upper_quantile(0.0).is_finite());
        assert!(student_upper_quantile(0.0, 1.0).is_finite());
    }

    const F_TAILS: [(f64, f64, f64, f64); 9] = [
        (0.5, 9.0, 40.0, 0.8655906377222828),
        (1.0, 9.0, 81.0, 0.4469550336015877),
        (2.7, 9.0, 261.0, 0.005086099642174434),
        (14.0, 19.0, 500.0, 1.528875594398264e-35),
        (3.0, 1.0, 5.0, 0.1438108087116039),
        (1.2, 200.0, 1000.0, 0.04258294571967537),
        (40.0, 9.0, 2000.0, 5.082783797045798e-66),
        (300.0, 9.0, 261.0, 3.7554929069715556e-132),
        (1.0004, 50000.0, 40000.0, 0.48332772884999636),
    ];
    const NORMAL_QUANTILES: [(f64, f64); 7] = [
        (0.4, 0.2533471031357997),
        (0.1, 1.2815515655446004),
        (0.025, 1.9599639845400545),
        (0.005, 2.575829303548901),
        (1e-06, 4.753424308822899),
        (1e-20, 9.262340089798409),
        (1e-200, 30.20559417957964),
    ];
    const STUDENT_QUANTILES: [(f64, f64, f64); 5] = [
        (0.025, 1.0, 12.706204736174705),
        (0.025, 4.0, 2.7764451051977943),
        (0.005, 29.0, 2.7563859036706053),
        (0.05, 1000.0, 1.6463788172854648),
        (1e-06, 12.5, 8.28093739722148),
    ];
}
