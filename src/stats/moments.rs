//! Mean, spread and range of a stream, in constant space and mergeable.
//!
//! Updates follow Welford 1962 (Technometrics 4) and merging Chan, Golub and LeVeque 1979 ("Updating Formulae and a Pairwise
//! Algorithm for Computing Sample Variances", eq. 2.1), which do not lose digits when the mean is large against the spread.
//! Count and range merge exactly, mean and variance up to rounding: where bits matter, merge in a fixed order. Only finite
//! numbers enter.

use serde::{Deserialize, Serialize};

/// Values are pulled in to this magnitude, so that squares and their sums stay finite.
const MAGNITUDE_LIMIT: f64 = 1e140;

/// Count, mean, variance and range of the finite values seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    n: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Moments {
    /// Adds a value; NaN and infinities are left out. Magnitudes above 1e140 count as 1e140.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let value = value.clamp(-MAGNITUDE_LIMIT, MAGNITUDE_LIMIT);
        self.merge(&Self { n: 1, mean: value, squares: 0.0, min: value, max: value });
    }

    /// Adds the values of another part.
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = *other;
            return;
        }
        let n = self.n.saturating_add(other.n);
        let other_share = other.n as f64 / n as f64;
        let gap = other.mean - self.mean;
        self.mean += gap * other_share;
        self.squares += other.squares + gap * gap * (self.n as f64 * other_share);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.n = n;
    }

    /// Finite values seen.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Their mean; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then_some(self.mean)
    }

    /// The unbiased sample variance; `None` with fewer than two values.
    pub fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.squares / (self.n - 1) as f64)
    }

    /// The smallest value; `None` without values.
    pub fn min(&self) -> Option<f64> {
        (self.n > 0).then_some(self.min)
    }

    /// The largest value; `None` without values.
    pub fn max(&self) -> Option<f64> {
        (self.n > 0).then_some(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.add(value));
        moments
    }

    #[test]
    fn too_few_values_have_no_moments() {
        let none = of(&[f64::NAN, f64::INFINITY]);
        assert_eq!((none.n(), none.mean(), none.min(), none.max()), (0, None, None, None));
        assert_eq!((of(&[3.0]).mean(), of(&[3.0]).variance()), (Some(3.0), None));
        assert_eq!(of(&[3.0; 9]).variance(), Some(0.0));
    }

    #[test]
    fn large_offset_keeps_the_variance() {
        assert_eq!(of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).variance(), Some(30.0));
    }

    #[test]
    fn huge_values_stay_finite() {
        let moments = of(&[f64::MAX, -f64::MAX, f64::MAX]);
        assert!(moments.mean().unwrap().is_finite() && moments.variance().unwrap().is_finite());
    }

    proptest! {
        #[test]
        fn merged_parts_equal_the_whole(values in prop::collection::vec(-1e3..1e3f64, 0..80), cut in 0usize..80) {
            let (head, tail) = values.split_at(cut.min(values.len()));
            let mut merged = of(head);
            merged.merge(&of(tail));
            let whole = of(&values);
            prop_assert_eq!((merged.n(), merged.min(), merged.max()), (whole.n(), whole.min(), whole.max()));
            if let (Some(ours), Some(theirs)) = (merged.variance(), whole.variance()) {
                prop_assert!((ours - theirs).abs() <= 1e-9 * (1.0 + theirs));
                prop_assert!((merged.mean().unwrap() - whole.mean().unwrap()).abs() < 1e-10);
            }
        }
    }
}
