//! The difference of two AUCs on the same rows.
//!
//! Champion and challenger see the same events, so their AUCs move together; comparing their separate intervals throws most
//! of the evidence away. DeLong, DeLong and Clarke-Pearson 1988 (Biometrics 44, eq. 8) give the variance of the
//! difference: it is the variance of the difference of placements, row by row. Rows are taken as independent; where they
//! come in clusters, and for losses, use `paired`.

use super::auc::{ClassSums, Placements, hanley_mcneil_variance};
use super::distribution::{normal_two_sided, normal_upper_quantile};
use super::interval::Confidence;

/// Two scorers over the same rows.
#[derive(Debug, Clone, Copy)]
pub struct PairedScores<'a> {
    /// Whether the row is positive.
    pub labels: &'a [bool],
    /// Scores of the first scorer, one per row.
    pub first: &'a [f64],
    /// Scores of the second, one per row.
    pub second: &'a [f64],
}

/// AUC of the second scorer minus AUC of the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AucDifference {
    /// Second minus first; positive when the second is better.
    pub difference: f64,
    /// Lower end of the interval, at least -1.
    pub low: f64,
    /// Upper end of the interval, at most 1.
    pub high: f64,
    /// Two-sided p-value of no difference.
    pub p_value: f64,
    /// Rows of the positive class.
    pub n_positive: u64,
    /// Rows of the negative class.
    pub n_negative: u64,
}

impl PairedScores<'_> {
    /// Returns how much better the second scorer ranks, with a normal interval.
    ///
    /// `None` when a class is absent, lengths differ or a score is NaN. Scorers that rank alike differ by 0 with p 1 and an
    /// interval of width 0. Where the difference has no spread to measure (a single row in a class, or each scorer constant
    /// or perfect), the variances of both are added as if independent, which widens the interval. O(n log n).
    pub fn auc_difference(&self, confidence: Confidence) -> Option<AucDifference> {
        let first = Placements::of(self.labels, self.first)?;
        let second = Placements::of(self.labels, self.second)?;
        let classes = first.classes();
        let difference = second.auc() - first.auc();
        let same_ranks = first.rows == second.rows;
        let mut sums = ClassSums::default();
        for (before, after) in first.rows.iter().zip(&second.rows) {
            let deviation = after.placement - before.placement - difference;
            sums.add(before.positive, deviation * deviation);
        }
        let variance = if same_ranks {
            0.0
        } else {
            sums.variance(classes).unwrap_or_else(|| {
                hanley_mcneil_variance(first.auc(), classes) + hanley_mcneil_variance(second.auc(), classes)
            })
        };
        let error = variance.sqrt();
        let reach = normal_upper_quantile(confidence.upper_tail()) * error;
        Some(AucDifference {
            difference,
            low: (difference - reach).max(-1.0),
            high: (difference + reach).min(1.0),
            p_value: if error > 0.0 { normal_two_sided(difference / error) } else { 1.0 },
            n_positive: classes.positive,
            n_negative: classes.negative,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::auc::auc;
    use crate::stats::rng::SplitMix64;
    use proptest::prelude::*;

    #[test]
    fn equal_rankings_do_not_differ() {
        let labels = [true, false, true, false];
        let first = [0.9, 0.2, 0.4, 0.5];
        let second = first.map(|score| score / 10.0);
        let result = PairedScores { labels: &labels, first: &first, second: &second }.auc_difference(Confidence::P95);
        let result = result.unwrap();
        assert_eq!((result.difference, result.p_value, result.low, result.high), (0.0, 1.0, 0.0, 0.0));
    }

    #[test]
    fn perfect_against_reversed_is_finite() {
        let labels = [true, false];
        let pair = PairedScores { labels: &labels, first: &[0.0, 1.0], second: &[1.0, 0.0] };
        let result = pair.auc_difference(Confidence::P95).unwrap();
        assert_eq!(result.difference, 1.0);
        assert!(result.low < 1.0 && result.p_value > 0.0);
    }

    /// Two equally good noisy scorers: 5 % of comparisons are significant at 5 %.
    #[test]
    fn level_holds_for_equal_scorers() {
        let mut rng = SplitMix64::new(11);
        let mut alarms = 0;
        for _ in 0..1000 {
            let labels: Vec<bool> = (0..200).map(|_| rng.unit() < 0.3).collect();
            let signal: Vec<f64> = labels.iter().map(|&label| rng.unit() + if label { 0.3 } else { 0.0 }).collect();
            let mut noisy = || -> Vec<f64> { signal.iter().map(|score| score + 0.5 * rng.unit()).collect() };
            let (first, second) = (noisy(), noisy());
            let pair = PairedScores { labels: &labels, first: &first, second: &second };
            alarms += usize::from(pair.auc_difference(Confidence::P95).unwrap().p_value < 0.05);
        }
        assert!((30..=72).contains(&alarms), "{alarms} of 1000, 50 expected");
    }

    proptest! {
        #[test]
        fn difference_is_antisymmetric(rows in prop::collection::vec((any::<bool>(), 0i32..9, 0i32..9), 2..50)) {
            let labels: Vec<bool> = rows.iter().map(|row| row.0).collect();
            let first: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
            let second: Vec<f64> = rows.iter().map(|row| f64::from(row.2)).collect();
            let forward = PairedScores { labels: &labels, first: &first, second: &second };
            let backward = PairedScores { labels: &labels, first: &second, second: &first };
            let Some(result) = forward.auc_difference(Confidence::P95) else { return Ok(()); };
            let mirrored = backward.auc_difference(Confidence::P95).unwrap();
            prop_assert!((result.difference + mirrored.difference).abs() < 1e-12);
            prop_assert!((result.p_value - mirrored.p_value).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&result.p_value));
            prop_assert!(result.low <= result.difference && result.difference <= result.high);
            let areas = auc(&labels, &second).unwrap().auc - auc(&labels, &first).unwrap().auc;
            prop_assert!((areas - result.difference).abs() < 1e-12);
        }
    }
}
