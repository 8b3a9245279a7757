//! Scores and labels of a window, summarised for AUC, log loss and Brier score.
//!
//! An exact AUC needs all scores; shards keep this instead: positives and negatives per score cell, merged by addition, so
//! the result does not depend on how events were spread. Scores inside a cell count as ties; the cells (`score_cells`) are
//! finer towards 0 and 1, because a fraud model lives below 0.05, where equal cells would merge what it tells apart. AUC
//! stays within about 1e-3 of the exact one (tested). Losses are summed exactly beside the cells.

use serde::{Deserialize, Serialize};

use super::auc::{AucResult, ClassCounts, ClassSums, hanley_mcneil_variance};
use super::fixed_sum::FixedSum;
use super::loss::{brier, log_loss};
use super::score_cells::{CELLS, cell_of};

/// Positives and negatives of one score cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cell {
    positive: u64,
    negative: u64,
}

/// Scores with their labels, as counts per score cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Sparse", into = "Sparse")]
pub struct ScoreHistogram {
    cells: Vec<Cell>,
    log_loss: FixedSum,
    brier: FixedSum,
}

impl Default for ScoreHistogram {
    fn default() -> Self {
        Self { cells: vec![Cell::default(); CELLS], log_loss: FixedSum::default(), brier: FixedSum::default() }
    }
}

impl ScoreHistogram {
    /// Adds one labelled score. A score outside [0, 1] counts as the nearer end; NaN is not a score: it is left out, and
    /// the answer is false.
    pub fn add(&mut self, label: bool, score: f64) -> bool {
        if score.is_nan() {
            return false;
        }
        if let Some(cell) = self.cells.get_mut(cell_of(score)) {
            if label {
                cell.positive += 1;
            } else {
                cell.negative += 1;
            }
        }
        self.log_loss.add(log_loss(label, score));
        self.brier.add(brier(label, score.clamp(0.0, 1.0)));
        true
    }

    /// Takes back a labelled score that was added before, because its label has been corrected.
    pub fn take_back(&mut self, label: bool, score: f64) {
        if score.is_nan() {
            return;
        }
        if let Some(cell) = self.cells.get_mut(cell_of(score)) {
            let count = if label { &mut cell.positive } else { &mut cell.negative };
            *count = count.saturating_sub(1);
        }
        self.log_loss.take_back(log_loss(label, score));
        self.brier.take_back(brier(label, score.clamp(0.0, 1.0)));
    }

    /// Adds the scores of another part.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.cells.iter_mut().zip(&other.cells) {
            ours.positive = ours.positive.saturating_add(theirs.positive);
            ours.negative = ours.negative.saturating_add(theirs.negative);
        }
        self.log_loss.merge(other.log_loss);
        self.brier.merge(other.brier);
    }

    /// Labelled scores so far.
    pub fn n(&self) -> u64 {
        self.n_positive().saturating_add(self.n_negative())
    }

    /// Scores with a positive label.
    pub fn n_positive(&self) -> u64 {
        self.cells.iter().fold(0, |sum, cell| sum.saturating_add(cell.positive))
    }

    /// Scores with a negative label.
    pub fn n_negative(&self) -> u64 {
        self.cells.iter().fold(0, |sum, cell| sum.saturating_add(cell.negative))
    }

    /// Mean log loss; `None` without scores.
    pub fn log_loss(&self) -> Option<f64> {
        self.mean(self.log_loss)
    }

    /// Mean Brier score; `None` without scores.
    pub fn brier(&self) -> Option<f64> {
        self.mean(self.brier)
    }

    fn mean(&self, sum: FixedSum) -> Option<f64> {
        let n = self.n();
        (n > 0).then(|| sum.value() / n as f64)
    }

    /// Area under the ROC curve, scores of one cell being ties, with DeLong's standard error over the cells (see
    /// [`super::auc::auc`] for the fallback). `None` when a class is absent.
    pub fn auc(&self) -> Option<AucResult> {
        let classes = ClassCounts { positive: self.n_positive(), negative: self.n_negative() };
        if classes.positive == 0 || classes.negative == 0 {
            return None;
        }
        let p = classes.positive as f64;
        let mut area = 0.0;
        self.for_each_placement(classes, |cell, of_positive, _| area += cell.positive as f64 * of_positive / p);
        let area = area.clamp(0.0, 1.0);
        let mut sums = ClassSums::default();
        self.for_each_placement(classes, |cell, of_positive, of_negative| {
            sums.add(true, cell.positive as f64 * (of_positive - area) * (of_positive - area));
            sums.add(false, cell.negative as f64 * (of_negative - area) * (of_negative - area));
        });
        Some(AucResult {
            auc: area,
            standard_error: sums.variance(classes).unwrap_or_else(|| hanley_mcneil_variance(area, classes)).sqrt(),
            n_positive: classes.positive,
            n_negative: classes.negative,
        })
    }

    /// Visits occupied cells in ascending order with the placement of their positives and of their negatives.
    fn for_each_placement(&self, classes: ClassCounts, mut visit: impl FnMut(&Cell, f64, f64)) {
        let (p, n) = (classes.positive as f64, classes.negative as f64);
        let (mut positive_below, mut negative_below) = (0.0, 0.0);
        for cell in self.cells.iter().filter(|cell| cell.positive > 0 || cell.negative > 0) {
            let (positive, negative) = (cell.positive as f64, cell.negative as f64);
            let of_positive = (negative_below + 0.5 * negative) / n;
            let of_negative = (p - positive_below - 0.5 * positive) / p;
            visit(cell, of_positive, of_negative);
            positive_below += positive;
            negative_below += negative;
        }
    }
}

/// The stored form: occupied cells only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sparse {
    /// Cell number, positives, negatives.
    cells: Vec<(u16, u64, u64)>,
    log_loss: FixedSum,
    brier: FixedSum,
}

impl From<ScoreHistogram> for Sparse {
    fn from(histogram: ScoreHistogram) -> Self {
        let cells = (0_u16..)
            .zip(&histogram.cells)
            .filter(|(_, cell)| cell.positive > 0 || cell.negative > 0)
            .map(|(index, cell)| (index, cell.positive, cell.negative))
            .collect();
        Self { cells, log_loss: histogram.log_loss, brier: histogram.brier }
    }
}

impl TryFrom<Sparse> for ScoreHistogram {
    type Error = String;

    fn try_from(sparse: Sparse) -> Result<Self, String> {
        let mut histogram = Self { log_loss: sparse.log_loss, brier: sparse.brier, ..Self::default() };
        for (index, positive, negative) in sparse.cells {
            let cell = histogram
                .cells
                .get_mut(usize::from(index))
                .ok_or_else(|| format!("score cell `{index}` does not exist; cells are 0 to {}", CELLS - 1))?;
            *cell = Cell { positive, negative };
        }
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::auc::auc;
    use crate::stats::rng::SplitMix64;
    use proptest::prelude::*;

    #[test]
    fn a_score_taken_back_leaves_no_trace() {
        let mut scores = ScoreHistogram::default();
        scores.add(true, 0.3);
        let before = scores.clone();
        scores.add(false, 0.7);
        scores.take_back(false, 0.7);
        assert_eq!(scores, before);
    }

    fn of(rows: &[(bool, f64)]) -> ScoreHistogram {
        let mut histogram = ScoreHistogram::default();
        rows.iter().for_each(|&(label, score)| assert!(histogram.add(label, score)));
        histogram
    }

    #[test]
    fn one_class_or_nothing_has_no_auc() {
        assert_eq!(ScoreHistogram::default().auc(), None);
        assert_eq!(ScoreHistogram::default().log_loss(), None);
        assert_eq!(of(&[(true, 0.3), (true, 0.4)]).auc(), None);
    }

    #[test]
    fn nan_is_left_out_and_far_scores_are_pulled_in() {
        let mut histogram = ScoreHistogram::default();
        assert!(!histogram.add(true, f64::NAN));
        assert_eq!(histogram.n(), 0);
        histogram.add(true, f64::INFINITY);
        histogram.add(false, -7.0);
        assert_eq!(histogram.auc().unwrap().auc, 1.0);
        assert!(histogram.auc().unwrap().standard_error > 0.0);
        assert_eq!(histogram.brier(), Some(0.0));
    }

    #[test]
    fn constant_scores_have_auc_one_half() {
        let result = of(&[(true, 0.2), (false, 0.2), (false, 0.2)]).auc().unwrap();
        assert_eq!(result.auc, 0.5);
        assert!(result.standard_error > 0.0);
    }

    #[test]
    fn binned_auc_is_near_the_exact_one_even_for_rare_positives() {
        let mut rng = SplitMix64::new(5);
        for scale in [1.0, 0.3, 0.02] {
            let rows: Vec<(bool, f64)> = (0..20_000)
                .map(|_| {
                    let score = scale * rng.unit();
                    (rng.unit() < score, score)
                })
                .collect();
            let (labels, scores): (Vec<bool>, Vec<f64>) = rows.iter().copied().unzip();
            let exact = auc(&labels, &scores).unwrap();
            let binned = of(&rows).auc().unwrap();
            assert!((exact.auc - binned.auc).abs() < 1e-3, "{exact:?} {binned:?}");
            assert!((exact.standard_error / binned.standard_error - 1.0).abs() < 0.02);
        }
    }

    #[test]
    fn stored_form_is_sparse_and_checked() {
        let histogram = of(&[(true, 0.7), (false, 0.7), (false, 0.1)]);
        let text = serde_json::to_string(&histogram).unwrap();
        assert!(text.len() < 100, "{text}");
        assert_eq!(serde_json::from_str::<ScoreHistogram>(&text).unwrap(), histogram);
        let wrong = serde_json::from_str::<ScoreHistogram>(r#"{"cells":[[512,1,1]],"log_loss":0,"brier":0}"#);
        assert!(wrong.unwrap_err().to_string().contains("score cell `512` does not exist"));
    }

    proptest! {
        #[test]
        fn merged_parts_equal_the_whole(
            rows in prop::collection::vec((any::<bool>(), -0.1..1.1f64), 0..100),
            cut in 0usize..100,
        ) {
            let (head, tail) = rows.split_at(cut.min(rows.len()));
            let mut merged = of(tail);
            merged.merge(&of(head));
            prop_assert_eq!(merged, of(&rows));
        }
    }
}
