//! Confidence levels, intervals, and the interval of a share.
//!
//! A `Confidence` is checked once, when made, so no interval further down can be asked for something impossible. Shares
//! (accuracy, error rate, label coverage) take Wilson's interval, which stays inside [0, 1] and is sensible at 0 and 1,
//! where the textbook interval has width 0 (Wilson 1927, JASA 22; Brown, Cai and DasGupta 2001, Statistical Science 16).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::distribution::normal_upper_quantile;

/// The chance with which a two-sided interval covers the truth, between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

/// A confidence that is not between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("confidence `{0}` must lie between 0 and 1, such as 0.95")]
pub struct ConfidenceError(pub f64);

impl Confidence {
    /// 95 %.
    pub const P95: Self = Self(0.95);
    /// 99 %.
    pub const P99: Self = Self(0.99);

    /// Checks a level.
    ///
    /// # Errors
    /// A level that is not strictly between 0 and 1.
    pub fn new(level: f64) -> Result<Self, ConfidenceError> {
        if level > 0.0 && level < 1.0 { Ok(Self(level)) } else { Err(ConfidenceError(level)) }
    }

    /// The level as given.
    pub fn level(self) -> f64 {
        self.0
    }

    /// The probability above the interval: (1 - level) / 2.
    pub fn upper_tail(self) -> f64 {
        0.5 * (1.0 - self.0)
    }
}

impl TryFrom<f64> for Confidence {
    type Error = ConfidenceError;

    fn try_from(level: f64) -> Result<Self, ConfidenceError> {
        Self::new(level)
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

/// Two finite ends, `low` <= `high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// `hits` out of `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Cases that count; more than `n` are taken as `n`.
    pub hits: u64,
    /// All cases.
    pub n: u64,
}

impl Share {
    /// The share itself; `None` without cases.
    pub fn value(self) -> Option<f64> {
        (self.n > 0).then(|| self.hits.min(self.n) as f64 / self.n as f64)
    }

    /// Wilson's score interval (1927, eq. 4); `None` without cases.
    ///
    /// ```
    /// use driftless::stats::{Confidence, Share};
    /// let interval = Share { hits: 0, n: 10 }.wilson(Confidence::P95).unwrap();
    /// assert!(interval.low == 0.0 && (interval.high - 0.2775).abs() < 1e-4);
    /// ```
    pub fn wilson(self, confidence: Confidence) -> Option<Interval> {
        let share = self.value()?;
        let n = self.n as f64;
        let z = normal_upper_quantile(confidence.upper_tail());
        let z_square_share = z * z / n;
        let centre = (share + 0.5 * z_square_share) / (1.0 + z_square_share);
        let reach = z / (1.0 + z_square_share) * (share * (1.0 - share) / n + 0.25 * z_square_share / n).sqrt();
        // at 0 and 1 one end is the share itself, up to rounding
        let low = if share == 0.0 { 0.0 } else { (centre - reach).clamp(0.0, share) };
        let high = if share == 1.0 { 1.0 } else { (centre + reach).clamp(share, 1.0) };
        Some(Interval { low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn impossible_confidence_is_refused_by_value() {
        for level in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Confidence::new(level).is_err());
        }
        let error = serde_json::from_str::<Confidence>("95").unwrap_err().to_string();
        assert!(error.contains("confidence `95`"), "{error}");
    }

    #[test]
    fn no_cases_have_no_interval() {
        assert_eq!(Share { hits: 0, n: 0 }.wilson(Confidence::P95), None);
        assert_eq!(Share { hits: 3, n: 0 }.value(), None);
        assert_eq!(Share { hits: 5, n: 4 }.value(), Some(1.0));
    }

    proptest! {
        #[test]
        fn interval_holds_the_share(hits in 0u64..2000, n in 1u64..2000, level in 0.001..0.9999f64) {
            let share = Share { hits, n };
            let interval = share.wilson(Confidence::new(level).unwrap()).unwrap();
            let value = share.value().unwrap();
            prop_assert!(0.0 <= interval.low && interval.low <= value);
            prop_assert!(value <= interval.high && interval.high <= 1.0);
        }
    }

    /// Oracle: scipy 1.17.1, `stats.binomtest(hits, n).proportion_ci(level, "wilson")`.
    #[test]
    fn wilson_agrees_with_scipy() {
        for (hits, n, level, low, high) in WILSON {
            let interval = Share { hits, n }.wilson(Confidence::new(level).unwrap()).unwrap();
            assert!((interval.low - low).abs() < 1e-12 && (interval.high - high).abs() < 1e-12, "{interval:?}");
        }
    }

    const WILSON: [(u64, u64, f64, f64, f64); 5] = [
        (0, 10, 0.95, 0.0, 0.27753279986288926),
        (7, 10, 0.95, 0.39677814746114526, 0.892208732593699),
        (830, 1000, 0.99, 0.7972513263242065, 0.858398504839545),
        (10, 10, 0.9, 0.787058029916593, 1.0),
        (1, 100000, 0.95, 1.765247730378316e-06, 5.664709659040965e-05),
    ];
}
