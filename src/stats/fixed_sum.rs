//! A sum of non-negative numbers that does not depend on their order.
//!
//! Floating-point addition is not associative, so a sum merged over shards would change with the number of shards. Losses
//! are bounded and need few digits: they are added as integers in units of 2^-30 (about 1e-9). Each value is rounded once;
//! after that addition and merging are exact. Half a billion values of the largest log loss fit before it saturates.

use serde::{Deserialize, Serialize};

const UNITS_PER_ONE: f64 = (1_u64 << 30) as f64;

/// An exact, mergeable sum in fixed point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FixedSum {
    units: u64,
}

impl FixedSum {
    /// Adds a value, rounded to 2^-30. Negative values and NaN add nothing; the sum stops at 2^34.
    pub fn add(&mut self, value: f64) {
        let units = libm::round(value * UNITS_PER_ONE) as u64; // `as` saturates and maps NaN to 0
        self.units = self.units.saturating_add(units);
    }

    /// Takes back a value that was added before.
    pub fn take_back(&mut self, value: f64) {
        let units = libm::round(value * UNITS_PER_ONE) as u64;
        self.units = self.units.saturating_sub(units);
    }

    /// Adds another part of the sum.
    pub fn merge(&mut self, other: Self) {
        self.units = self.units.saturating_add(other.units);
    }

    /// The sum.
    pub fn value(&self) -> f64 {
        self.units as f64 / UNITS_PER_ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strange_values_keep_the_sum_finite() {
        let mut sum = FixedSum::default();
        sum.add(f64::NAN);
        sum.add(-5.0);
        assert_eq!(sum.value(), 0.0);
        sum.add(f64::INFINITY);
        sum.add(1.0);
        assert!(sum.value().is_finite());
    }

    proptest! {
        #[test]
        fn order_and_cuts_do_not_matter(values in prop::collection::vec(0.0..40.0f64, 0..100), cut in 0usize..100) {
            let sum_of = |part: &[f64]| {
                let mut sum = FixedSum::default();
                part.iter().for_each(|&value| sum.add(value));
                sum
            };
            let (head, tail) = values.split_at(cut.min(values.len()));
            let mut merged = sum_of(tail);
            merged.merge(sum_of(head));
            prop_assert_eq!(merged, sum_of(&values));
            prop_assert!((merged.value() - values.iter().sum::<f64>()).abs() < 1e-7);
        }
    }
}
