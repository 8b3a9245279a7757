//! The two-sample Kolmogorov-Smirnov test, from samples.
//!
//! The distance is the largest gap between the two empirical distribution functions. It is held as an integer over the
//! common denominator, so equal inputs give exactly 0 and the exact p-value needs no rounding. Upper tails are computed
//! directly and every input ends. Infinite values order as usual; NaN is missing and dropped. For counts see `binned_ks`.
//!
//! Which p-value to use: `exact_p` where both sides hold at most 10,000 values, `finite_p` else; `limit_p` and
//! `stephens_p` are what other tools print.

use super::kolmogorov::{finite_tail, limit_tail};
use super::ks_exact::{self, Lattice};

/// Largest sample of either side for which [`KsSamples::exact_p`] is computed.
const EXACT_LIMIT: usize = 10_000;

/// The Kolmogorov-Smirnov distances of two samples and where the largest lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KsSamples {
    /// The two-sided distance D, the larger of `first_above` and `first_below`.
    pub statistic: f64,
    /// The smallest value at which D is attained (infinities clamped to the largest floats).
    pub place: f64,
    /// Whether the first sample's distribution function is the higher one there (its values are smaller); true for D = 0.
    pub first_is_above: bool,
    /// The largest amount by which the first distribution function exceeds the second, at least 0.
    pub first_above: f64,
    /// The largest amount by which the second exceeds the first, at least 0.
    pub first_below: f64,
    /// Values of the first sample.
    pub n: usize,
    /// Values of the second sample.
    pub m: usize,
    /// D over gcd(n, m) / (n m).
    steps: i64,
}

impl KsSamples {
    /// Compares two samples in any order; `None` when either holds no number. Costs a sort of both.
    ///
    /// ```
    /// use driftless::stats::KsSamples;
    /// let ks = KsSamples::of(&[1.0, 2.0, 3.0, 4.0], &[3.0, 4.0, 5.0, 6.0]).unwrap();
    /// assert_eq!((ks.statistic, ks.place), (0.5, 2.0));
    /// ```
    pub fn of(first: &[f64], second: &[f64]) -> Option<Self> {
        let first = sorted_numbers(first);
        let second = sorted_numbers(second);
        let (n, m) = (first.len(), second.len());
        let (&first_lowest, &second_lowest) = (first.first()?, second.first()?);
        let divisor = gcd(n, m);
        let (first_weight, second_weight) = ((m / divisor) as i64, (n / divisor) as i64);
        let mut gap = 0; // (F1 - F2) n m / gcd
        let (mut highest, mut lowest) = (0, 0);
        let (mut highest_place, mut lowest_place) = (first_lowest, second_lowest);
        let (mut i, mut j) = (0, 0);
        while i < n || j < m {
            let x = match (first.get(i), second.get(j)) {
                (Some(&a), Some(&b)) => a.min(b),
                (Some(&a), None) => a,
                (None, Some(&b)) => b,
                (None, None) => break,
            };
            while first.get(i).is_some_and(|&value| value == x) {
                gap += first_weight;
                i += 1;
            }
            while second.get(j).is_some_and(|&value| value == x) {
                gap -= second_weight;
                j += 1;
            }
            if gap > highest {
                (highest, highest_place) = (gap, x);
            }
            if gap < lowest {
                (lowest, lowest_place) = (gap, x);
            }
        }
        let unit = 1.0 / (n as f64 * (m / divisor) as f64);
        let first_is_above = highest >= -lowest;
        let place = if first_is_above { highest_place } else { lowest_place };
        let steps = highest.max(-lowest);
        Some(Self {
            statistic: steps as f64 * unit,
            place: place.clamp(-f64::MAX, f64::MAX),
            first_is_above,
            first_above: highest as f64 * unit,
            first_below: -lowest as f64 * unit,
            n,
            m,
            steps,
        })
    }

    /// The exact p-value under continuous distributions (conservative with ties), by counting lattice paths; `None` when a
    /// side holds more than 10,000 values. Costs up to n m steps.
    pub fn exact_p(&self) -> Option<f64> {
        if self.n.max(self.m) > EXACT_LIMIT {
            return None;
        }
        let divisor = gcd(self.n, self.m);
        Some(ks_exact::chance_outside(Lattice { n: self.n, m: self.m, divisor, steps: self.steps }))
    }

    /// The p-value of the one-sample law at the rounded effective size, as scipy's asymptotic method does.
    pub fn finite_p(&self) -> f64 {
        finite_tail(self.statistic, libm::rint(self.effective_size()).max(1.0) as u64)
    }

    /// The p-value of the limit law for large samples.
    pub fn limit_p(&self) -> f64 {
        limit_tail(self.effective_size().sqrt() * self.statistic)
    }

    /// The limit law with the small-sample correction of Stephens 1970.
    pub fn stephens_p(&self) -> f64 {
        stephens_tail(self.statistic, self.effective_size())
    }

    /// The one-sided p-value of `first_above` ("the first sample is smaller"), Hodges 1958, eq. 5.3.
    pub fn above_p(&self) -> f64 {
        self.one_sided(self.first_above)
    }

    /// The one-sided p-value of `first_below` ("the first sample is larger").
    pub fn below_p(&self) -> f64 {
        self.one_sided(self.first_below)
    }

    fn one_sided(&self, distance: f64) -> f64 {
        let larger = self.n.max(self.m) as f64;
        let smaller = self.n.min(self.m) as f64;
        let z = self.effective_size().sqrt() * distance;
        let correction = 2.0 * z * (larger + 2.0 * smaller) / (larger * smaller * (larger + smaller)).sqrt() / 3.0;
        libm::exp(-2.0 * z * z - correction).clamp(0.0, 1.0)
    }

    /// n m / (n + m).
    fn effective_size(&self) -> f64 {
        effective_size(self.n as f64, self.m as f64)
    }
}

/// The limit law at D (sqrt(e) + 0.12 + 0.11 / sqrt(e)) for effective size e (Stephens 1970, "Use of the
/// Kolmogorov-Smirnov, Cramer-von Mises and Related Statistics Without Extensive Tables").
pub(super) fn stephens_tail(statistic: f64, effective_size: f64) -> f64 {
    let root = effective_size.sqrt();
    if statistic <= 0.0 || root <= 0.0 {
        return 1.0;
    }
    limit_tail(statistic * (root + 0.12 + 0.11 / root))
}

pub(super) fn effective_size(n: f64, m: f64) -> f64 {
    n / (n + m) * m
}

fn sorted_numbers(sample: &[f64]) -> Vec<f64> {
    let mut numbers: Vec<f64> = sample.iter().copied().filter(|value| !value.is_nan()).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_samples_have_distance_zero_and_p_one() {
        let constant = [3.0; 50];
        let ks = KsSamples::of(&constant, &constant[..20]).unwrap();
        assert_eq!(ks.statistic, 0.0);
        let p = [ks.exact_p().unwrap(), ks.finite_p(), ks.limit_p(), ks.stephens_p(), ks.above_p(), ks.below_p()];
        assert_eq!(p, [1.0; 6]);
    }

    #[test]
    fn nothing_present_is_no_test() {
        assert_eq!(KsSamples::of(&[], &[1.0]), None);
        assert_eq!(KsSamples::of(&[1.0], &[f64::NAN]), None);
    }

    #[test]
    fn infinite_values_give_a_finite_place() {
        let ks = KsSamples::of(&[f64::NEG_INFINITY; 3], &[f64::INFINITY; 4]).unwrap();
        assert_eq!((ks.statistic, ks.place), (1.0, -f64::MAX));
        assert!(ks.exact_p().unwrap() > 0.0);
    }

    #[test]
    fn one_value_is_no_evidence() {
        let ks = KsSamples::of(&[1.0], &[2.0]).unwrap();
        assert_eq!(ks.exact_p(), Some(1.0));
    }

    #[test]
    fn exact_p_is_refused_above_its_limit() {
        let many: Vec<f64> = (0..10_001).map(f64::from).collect();
        assert_eq!(KsSamples::of(&many, &many[..5]).unwrap().exact_p(), None);
    }

    proptest! {
        #[test]
        fn p_values_are_probabilities_and_sides_swap(
            first in prop::collection::vec(-4i32..4, 1..40),
            second in prop::collection::vec(-4i32..4, 1..40),
        ) {
            let first: Vec<f64> = first.into_iter().map(f64::from).collect();
            let second: Vec<f64> = second.into_iter().map(f64::from).collect();
            let ks = KsSamples::of(&first, &second).unwrap();
            let swapped = KsSamples::of(&second, &first).unwrap();
            prop_assert_eq!(ks.statistic, swapped.statistic);
            prop_assert_eq!(ks.first_above, swapped.first_below);
            for p in [ks.exact_p().unwrap(), ks.finite_p(), ks.limit_p(), ks.stephens_p(), ks.above_p(), ks.below_p()] {
                prop_assert!((0.0..=1.0).contains(&p));
            }
            prop_assert!((ks.exact_p().unwrap() - swapped.exact_p().unwrap()).abs() < 1e-12);
        }
    }
}
