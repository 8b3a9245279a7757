//! Area under the ROC curve of one scorer, with its standard error.
//!
//! AUC is the chance that a random positive outranks a random negative, ties counting half (Hanley and McNeil 1982, "The
//! Meaning and Use of the Area under a ROC Curve", Radiology 143). The standard error is DeLong's (DeLong, DeLong and
//! Clarke-Pearson 1988, Biometrics 44), from each row's placement in the other class, in O(n log n) as shown by Sun and Xu
//! 2014 (IEEE Signal Processing Letters 21); one sort and one sweep over groups of ties give all placements. It assumes
//! independent rows. Comparing two scorers on the same rows is `delong`; a mergeable approximation is `score_histogram`.

use super::distribution::normal_upper_quantile;
use super::interval::{Confidence, Interval};

/// An area under the ROC curve with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AucResult {
    /// The area, in [0, 1].
    pub auc: f64,
    /// Its standard error, above 0.
    pub standard_error: f64,
    /// Rows of the positive class.
    pub n_positive: u64,
    /// Rows of the negative class.
    pub n_negative: u64,
}

impl AucResult {
    /// The normal interval, cut to [0, 1].
    pub fn interval(&self, confidence: Confidence) -> Interval {
        let reach = normal_upper_quantile(confidence.upper_tail()) * self.standard_error;
        Interval { low: (self.auc - reach).max(0.0), high: (self.auc + reach).min(1.0) }
    }
}

/// Returns the exact AUC of `scores` (higher means more likely positive) with DeLong's standard error.
///
/// `None` when a class is absent, the lengths differ, or a score is NaN. Infinite scores rank as usual. With a single row
/// in a class, or no spread at all (perfect separation, all scores equal), DeLong's formula has nothing to measure and
/// the variance of Hanley and McNeil (1982) stands in, so that the error is never 0.
///
/// ```
/// use driftless::stats::auc;
/// let result = auc(&[true, true, false, false], &[0.9, 0.4, 0.4, 0.1]).unwrap();
/// assert_eq!(result.auc, 0.875); // three pairs in order, one tie
/// ```
pub fn auc(labels: &[bool], scores: &[f64]) -> Option<AucResult> {
    let placements = Placements::of(labels, scores)?;
    let area = placements.auc();
    let classes = placements.classes();
    let deviation = |row: &Placed| (row.placement - area) * (row.placement - area);
    let mut sums = ClassSums::default();
    placements.rows.iter().for_each(|row| sums.add(row.positive, deviation(row)));
    Some(AucResult {
        auc: area,
        standard_error: sums.variance(classes).unwrap_or_else(|| hanley_mcneil_variance(area, classes)).sqrt(),
        n_positive: classes.positive,
        n_negative: classes.negative,
    })
}

/// Rows per class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClassCounts {
    pub positive: u64,
    pub negative: u64,
}

/// One row: its class, and the share of the other class it is ranked right against (ties half).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placed {
    pub positive: bool,
    pub placement: f64,
}

/// One row on its way through the sort.
struct Ranked {
    score: f64,
    positive: bool,
    row: usize,
}

/// The placements of all rows, in the order of the rows; both classes are present.
#[derive(Debug, Clone)]
pub(super) struct Placements {
    pub rows: Vec<Placed>,
    classes: ClassCounts,
}

impl Placements {
    pub(super) fn of(labels: &[bool], scores: &[f64]) -> Option<Self> {
        if labels.len() != scores.len() || scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        let positive = labels.iter().filter(|&&label| label).count() as u64;
        let classes = ClassCounts { positive, negative: labels.len() as u64 - positive };
        if classes.positive == 0 || classes.negative == 0 {
            return None;
        }
        let mut ranked: Vec<Ranked> = labels
            .iter()
            .zip(scores)
            .enumerate()
            .map(|(row, (&positive, &score))| Ranked { score, positive, row })
            .collect();
        ranked.sort_unstable_by(|left, right| left.score.total_cmp(&right.score));
        let mut rows = vec![Placed { positive: false, placement: 0.0 }; labels.len()];
        let mut below = ClassCounts { positive: 0, negative: 0 };
        // == and not total_cmp: -0.0 and 0.0 are neighbours in the order and one score
        for ties in ranked.chunk_by(|left, right| left.score == right.score) {
            let tied_positive = ties.iter().filter(|tied| tied.positive).count() as u64;
            let tied_negative = ties.len() as u64 - tied_positive;
            let above_positive = classes.positive - below.positive - tied_positive;
            let of_positive = (below.negative as f64 + 0.5 * tied_negative as f64) / classes.negative as f64;
            let of_negative = (above_positive as f64 + 0.5 * tied_positive as f64) / classes.positive as f64;
            for tied in ties {
                if let Some(placed) = rows.get_mut(tied.row) {
                    let placement = if tied.positive { of_positive } else { of_negative };
                    *placed = Placed { positive: tied.positive, placement };
                }
            }
            below.positive += tied_positive;
            below.negative += tied_negative;
        }
        Some(Self { rows, classes })
    }

    /// The mean placement of the positives.
    pub(super) fn auc(&self) -> f64 {
        let sum: f64 = self.rows.iter().filter(|row| row.positive).map(|row| row.placement).sum();
        (sum / self.classes.positive as f64).clamp(0.0, 1.0)
    }

    pub(super) fn classes(&self) -> ClassCounts {
        self.classes
    }
}

/// Sums of squared (or crossed) deviations of placements, per class.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ClassSums {
    positive: f64,
    negative: f64,
}

impl ClassSums {
    pub(super) fn add(&mut self, positive: bool, value: f64) {
        if positive {
            self.positive += value;
        } else {
            self.negative += value;
        }
    }

    /// DeLong's variance: S10 / P + S01 / N with sample variances S; `None` when it cannot be formed or is 0.
    pub(super) fn variance(&self, classes: ClassCounts) -> Option<f64> {
        let (p, n) = (classes.positive as f64, classes.negative as f64);
        if p < 2.0 || n < 2.0 {
            return None;
        }
        let variance = self.positive / (p - 1.0) / p + self.negative / (n - 1.0) / n;
        (variance > 1e-24).then_some(variance) // below are rounding errors of equal placements
    }
}

/// The variance of an AUC under exponential score distributions (Hanley and McNeil 1982, eq. 2), with the area pulled in
/// by half a pair from 0 and 1, where the formula would claim certainty, and mirrored below 1/2, where its model does not
/// reach.
pub(super) fn hanley_mcneil_variance(area: f64, classes: ClassCounts) -> f64 {
    let (p, n) = (classes.positive as f64, classes.negative as f64);
    let half_pair = 0.5 / (p * n);
    let area = area.max(1.0 - area).min(1.0 - half_pair);
    let q1 = area / (2.0 - area);
    let q2 = 2.0 * area * area / (1.0 + area);
    (area * (1.0 - area) + (p - 1.0) * (q1 - area * area) + (n - 1.0) * (q2 - area * area)) / (p * n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(labels: &[bool], scores: &[f64]) -> f64 {
        let (mut wins, mut pairs) = (0.0, 0.0);
        for (&positive, &high) in labels.iter().zip(scores).filter(|row| *row.0) {
            for (_, &low) in labels.iter().zip(scores).filter(|row| *row.0 != positive) {
                pairs += 1.0;
                wins += if high > low {
                    1.0
                } else if high == low {
                    0.5
                } else {
                    0.0
                };
            }
        }
        wins / pairs
    }

    #[test]
    fn one_class_nan_or_uneven_rows_have_no_auc() {
        assert_eq!(auc(&[], &[]), None);
        assert_eq!(auc(&[false; 3], &[0.1, 0.2, 0.3]), None);
        assert_eq!(auc(&[true; 3], &[0.1, 0.2, 0.3]), None);
        assert_eq!(auc(&[true, false], &[0.1, f64::NAN]), None);
        assert_eq!(auc(&[true, false], &[0.1]), None);
    }

    #[test]
    fn certainty_is_never_claimed() {
        for (labels, scores, expected) in [
            (vec![true, false], vec![1.0, 0.0], 1.0),
            (vec![true, true, false, false], vec![f64::INFINITY, 0.9, 0.2, f64::NEG_INFINITY], 1.0),
            (vec![true, true, false, false], vec![0.5; 4], 0.5),
            (vec![true, false, false], vec![-0.0, 0.0, 0.0], 0.5),
        ] {
            let result = auc(&labels, &scores).unwrap();
            assert_eq!(result.auc, expected);
            assert!(result.standard_error > 0.0 && result.standard_error.is_finite());
            let Interval { low, high } = result.interval(Confidence::P95);
            assert!(low >= 0.0 && high <= 1.0 && low < high);
        }
    }

    /// By hand: placements of positives 1, 1/2 and of negatives 1, 1/2, each with sample variance 1/8.
    #[test]
    fn delong_error_matches_a_case_by_hand() {
        let result = auc(&[true, true, false, false], &[0.9, 0.4, 0.6, 0.1]).unwrap();
        assert_eq!(result.auc, 0.75);
        assert!((result.standard_error - (0.125_f64 / 2.0 + 0.125 / 2.0).sqrt()).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn auc_counts_pairs_and_ignores_scale(rows in prop::collection::vec((any::<bool>(), -6i32..6), 2..60)) {
            let labels: Vec<bool> = rows.iter().map(|row| row.0).collect();
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
            let Some(result) = auc(&labels, &scores) else { return Ok(()); };
            prop_assert!((result.auc - naive(&labels, &scores)).abs() < 1e-12);
            let cubed: Vec<f64> = scores.iter().map(|score| score * score * score + 7.0).collect();
            prop_assert_eq!(auc(&labels, &cubed), Some(result));
            let negated: Vec<f64> = scores.iter().map(|score| -score).collect();
            let reversed = auc(&labels, &negated).unwrap();
            prop_assert!((reversed.auc + result.auc - 1.0).abs() < 1e-12);
            prop_assert!((reversed.standard_error - result.standard_error).abs() < 1e-12);
            let mut shifted = labels.clone();
            let mut shifted_scores = scores.clone();
            shifted.rotate_left(1);
            shifted_scores.rotate_left(1);
            prop_assert!((auc(&shifted, &shifted_scores).unwrap().auc - result.auc).abs() < 1e-12);
        }
    }
}
