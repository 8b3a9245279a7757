//! Fitting: a family and some rows become tasks, tasks become parts, parts become an estimator.
//!
//! Tasks own what they need and nothing else, so they may run anywhere; what comes out depends on the parameters alone.
//! A forest is divided over a fixed number of tasks, each with a seed of its own. Both families come from smartcore;
//! its forests are read through serde, since their nodes are private.
//!
//! Missing values are replaced before fitting, by the same numbers the estimator will use: the mean for a linear model;
//! for a forest a number below everything seen, so that a tree can ask whether a value is there.

mod stored_forest;

use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ShapeBuilder};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::logistic_regression::{
    LogisticRegression, LogisticRegressionParameters, LogisticRegressionSolverName,
};

use super::TrainingParams;
use super::design::Design;
use crate::data::params::ModelFamily;
use crate::model::{CLIP, Columns, Estimator, Forest, Linear, LinearParts, Preparation, TreeNodes};
use crate::stats::{Moments, SplitMix64};
use stored_forest::trees_of;

/// Larger values count as this in training: thresholds between two values have to stay finite.
const LARGEST: f64 = 1e300;

/// Why a fit gave no estimator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// The library refused.
    #[error("the {family} fit failed: {what}")]
    Failed {
        /// The family.
        family: &'static str,
        /// What it said.
        what: String,
    },
    /// A task did not come back: its thread ended early.
    #[error("a task of a fit was lost")]
    Lost,
}

/// One piece of fitting; independent of all others.
#[derive(Clone, Debug)]
pub struct FitTask(Work);

#[derive(Clone, Debug)]
enum Work {
    Linear { rows: Arc<FitRows>, ridge: f64 },
    Forest { rows: Arc<FitRows>, params: RandomForestRegressorParameters },
}

/// What a task brings back.
#[derive(Clone, Debug, PartialEq)]
pub struct FitPart(Piece);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Linear { coefficients: Vec<f64>, intercept: f64 },
    Forest { trees: Vec<TreeNodes>, importance: Vec<f64> },
}

/// Rows as the library wants them: nothing missing, for a linear model standardised.
#[derive(Debug)]
struct FitRows {
    /// A row per example, a column per feature; columns are contiguous.
    design: Array2<f64>,
    labels: Vec<bool>,
}

impl FitRows {
    /// What the forest wants: its trees cannot be read from a fit over an `ndarray`.
    fn matrix(&self) -> Result<DenseMatrix<f64>, String> {
        let by_column = self.design.t().iter().copied().collect();
        let (n_rows, width) = self.design.dim();
        DenseMatrix::new(n_rows, width, by_column, true).map_err(|error| error.to_string())
    }
}

/// An estimator, what it is given of a row, and what it makes of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fitted {
    pub preparation: Preparation,
    pub estimator: Estimator,
    /// Share of each input; they add up to 1, or are all 0.
    pub importance: Vec<f64>,
}

impl Fitted {
    /// Scores rows as the model made of it will.
    pub(super) fn score(&self, rows: &Columns) -> Vec<f64> {
        let mut scores = Vec::new();
        self.estimator.score(&self.preparation.inputs(rows, &mut Vec::new()), &mut scores);
        scores
    }
}

/// The fit of one family to some rows of a data set.
#[derive(Debug)]
pub(super) struct Fitting {
    family: ModelFamily,
    rows: Arc<FitRows>,
    preparation: Preparation,
    imputation: Vec<f64>,
    scale: Vec<f64>,
    params: TrainingParams,
    seed: u64,
}

impl Fitting {
    /// Readies rows for a family.
    pub(super) fn new(rows: &Design, family: ModelFamily, params: &TrainingParams, seed: u64) -> Self {
        let (width, n_rows) = (rows.inputs.width(), rows.inputs.n_rows());
        let mut imputation = Vec::with_capacity(width);
        let mut scale = Vec::with_capacity(width);
        let mut design = Array2::from_elem((n_rows, width).f(), f64::NAN);
        for (mut column, source) in design.columns_mut().into_iter().zip(rows.inputs.columns()) {
            for (value, found) in column.iter_mut().zip(source) {
                *value = if found.is_finite() { found.clamp(-LARGEST, LARGEST) } else { f64::NAN };
            }
            let (fill, spread) = match family {
                ModelFamily::Linear => centre(&column.view()),
                ModelFamily::Forest => (below(&column.view()), 1.0),
            };
            column.mapv_inplace(|value| {
                let present = if value.is_nan() { fill } else { value };
                match family {
                    ModelFamily::Linear => ((present - fill) / spread).clamp(-CLIP, CLIP),
                    ModelFamily::Forest => present,
                }
            });
            imputation.push(fill);
            scale.push(spread);
        }
        let preparation = rows.preparation.clone();
        let rows = Arc::new(FitRows { design, labels: rows.labels.clone() });
        Fitting { family, rows, preparation, imputation, scale, params: params.clone(), seed }
    }

    /// The family fitted.
    pub(super) fn family(&self) -> ModelFamily {
        self.family
    }

    /// The tasks, in the order in which [`Fitting::combine`] wants their parts.
    pub(super) fn tasks(&self) -> Vec<FitTask> {
        match self.family {
            ModelFamily::Linear => {
                vec![FitTask(Work::Linear { rows: Arc::clone(&self.rows), ridge: self.params.ridge })]
            }
            ModelFamily::Forest => {
                let parts = self.params.parts.min(self.params.trees).max(1);
                let mut seeds = SplitMix64::new(self.seed);
                (0..parts)
                    .map(|part| {
                        let n_trees = self.params.trees * (part + 1) / parts - self.params.trees * part / parts;
                        let params = RandomForestRegressorParameters {
                            max_depth: Some(self.params.depth),
                            min_samples_leaf: self.params.min_leaf,
                            min_samples_split: 2 * self.params.min_leaf.max(1),
                            n_trees,
                            m: self.params.features_per_split.map(|m| m.min(self.imputation.len())),
                            keep_samples: false,
                            seed: seeds.next_u64(),
                        };
                        FitTask(Work::Forest { rows: Arc::clone(&self.rows), params })
                    })
                    .collect()
            }
        }
    }

    /// Puts the parts together.
    ///
    /// # Errors
    /// A part that failed or is of another fit, or parts that make no valid estimator.
    pub(super) fn combine(&self, parts: Vec<Result<FitPart, FitError>>) -> Result<Fitted, FitError> {
        let failed = |what: String| FitError::Failed { family: self.family.name(), what };
        if parts.len() != self.tasks().len() {
            return Err(FitError::Lost);
        }
        let mut trees = Vec::new();
        let mut importance = vec![0.0; self.imputation.len()];
        for part in parts {
            match (part?.0, self.family) {
                (Piece::Linear { coefficients, intercept }, ModelFamily::Linear) => {
                    importance.iter_mut().zip(&coefficients).for_each(|(sum, weight)| *sum = weight.abs());
                    let (mean, scale) = (self.imputation.clone(), self.scale.clone());
                    let linear = Linear::new(LinearParts { mean, scale, coefficients, intercept });
                    let estimator = Estimator::Linear(linear.map_err(|error| failed(error.to_string()))?);
                    let preparation = self.preparation.clone();
                    return Ok(Fitted { preparation, estimator, importance: shares(importance) });
                }
                (Piece::Forest { trees: more, importance: part }, ModelFamily::Forest) => {
                    let weight = more.len() as f64;
                    importance.iter_mut().zip(part).for_each(|(sum, share)| *sum += weight * share);
                    trees.extend(more);
                }
                _ => return Err(FitError::Lost),
            }
        }
        let forest = Forest::new(self.imputation.clone(), &trees).map_err(|error| failed(error.to_string()))?;
        let (preparation, estimator) = (self.preparation.clone(), Estimator::Forest(forest));
        Ok(Fitted { preparation, estimator, importance: shares(importance) })
    }
}

impl FitTask {
    /// Does the work; deterministic. Costs seconds.
    ///
    /// # Errors
    /// What the library refuses, or a result that is not finite.
    pub fn run(&self) -> Result<FitPart, FitError> {
        match &self.0 {
            Work::Linear { rows, ridge } => fit_linear(rows, *ridge),
            Work::Forest { rows, params } => fit_forest(rows, params),
        }
        .map(FitPart)
    }
}

fn fit_linear(rows: &FitRows, ridge: f64) -> Result<Piece, FitError> {
    use smartcore::linalg::basic::arrays::Array;

    let failed = |what: String| FitError::Failed { family: "linear", what };
    let labels: Vec<i32> = rows.labels.iter().map(|&label| i32::from(label)).collect();
    let params = LogisticRegressionParameters { solver: LogisticRegressionSolverName::LBFGS, alpha: ridge };
    let fitted = LogisticRegression::fit(&rows.design, &labels, params).map_err(|error| failed(error.to_string()))?;
    let coefficients: Vec<f64> = fitted.coefficients().iterator(0).copied().collect();
    let intercept = fitted.intercept().iterator(0).copied().next().unwrap_or(f64::NAN);
    Ok(Piece::Linear { coefficients, intercept })
}

type SmartcoreForest = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

fn fit_forest(rows: &FitRows, params: &RandomForestRegressorParameters) -> Result<Piece, FitError> {
    let failed = |what: String| FitError::Failed { family: "forest", what };
    let labels: Vec<f64> = rows.labels.iter().map(|&label| f64::from(u8::from(label))).collect();
    let x = rows.matrix().map_err(failed)?;
    let forest: SmartcoreForest =
        RandomForestRegressor::fit(&x, &labels, params.clone()).map_err(|error| failed(error.to_string()))?;
    let importance = forest.compute_feature_importances().map_err(|error| failed(error.to_string()))?;
    Ok(Piece::Forest { trees: trees_of(&forest).map_err(failed)?, importance })
}

/// Mean and standard deviation of the present values; 0 and 1 where there are none, spread 1 for a constant.
fn centre(values: &ArrayView1<'_, f64>) -> (f64, f64) {
    let mut moments = Moments::default();
    values.iter().filter(|value| !value.is_nan()).for_each(|&value| moments.add(value));
    let spread = moments.variance().map_or(1.0, f64::sqrt);
    (moments.mean().unwrap_or(0.0), if (1e-150..=LARGEST).contains(&spread) { spread } else { 1.0 })
}

/// A number below all present values; 0 where there are none.
fn below(values: &ArrayView1<'_, f64>) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if least.is_finite() { (least - 0.5 * (most - least) - 1.0).max(-2.0 * LARGEST) } else { 0.0 }
}

fn shares(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 && sum.is_finite() {
        weights.iter_mut().for_each(|weight| *weight = (*weight / sum).clamp(0.0, 1.0));
    } else {
        weights.fill(0.0);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::aview1;
    use proptest::prelude::*;

    fn rows(n: usize, width: usize, seed: u64) -> FitRows {
        let mut rng = SplitMix64::new(seed);
        let value = |i: usize| {
            let u = rng.unit();
            if (i / n).is_multiple_of(2) { u } else { (u * 9.0).floor() }
        };
        let values: Vec<f64> = (0..n * width).map(value).collect();
        let mut rng = SplitMix64::new(seed ^ 1);
        let labels = (0..n).map(|row| values[row] + 0.3 * rng.unit() > 0.7).collect();
        FitRows { design: Array2::from_shape_vec((n, width).f(), values).unwrap(), labels }
    }

    fn params(n_trees: usize, depth: u16, leaf: usize, seed: u64) -> RandomForestRegressorParameters {
        RandomForestRegressorParameters {
            max_depth: Some(depth),
            min_samples_leaf: leaf,
            min_samples_split: 2 * leaf,
            n_trees,
            m: Some(2),
            keep_samples: false,
            seed,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_flat_forest_predicts_as_smartcore_bit_for_bit(
            seed in any::<u64>(), n_trees in 1usize..20, depth in 1u16..14, leaf in 1usize..9, n_probes in 0usize..300,
        ) {
            let rows = rows(400, 5, seed);
            let labels: Vec<f64> = rows.labels.iter().map(|&label| f64::from(u8::from(label))).collect();
            let theirs: SmartcoreForest =
                RandomForestRegressor::fit(&rows.matrix().unwrap(), &labels, params(n_trees, depth, leaf, seed)).unwrap();
            let ours = Forest::new(vec![0.0; 5], &trees_of(&theirs).unwrap()).unwrap();
            let mut rng = SplitMix64::new(!seed);
            let mut probes: Vec<Vec<f64>> = (0..n_probes).map(|_| (0..5).map(|_| rng.unit() * 9.0 - 1.0).collect()).collect();
            probes.extend((0..40).map(|row| rows.design.row(row).to_vec()));
            let mut columns = Columns::new(5);
            probes.iter().for_each(|probe| columns.push_row(probe));
            let expected = theirs.predict(&DenseMatrix::from_2d_vec(&probes).unwrap()).unwrap();
            let mut found = vec![0.0; probes.len()];
            ours.score(&columns, &mut found);
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert_eq!(found.to_bits(), expected.to_bits());
            }
        }
    }

    #[test]
    fn the_number_below_is_below_and_finite() {
        for values in [vec![1.0, 5.0], vec![-3.0], vec![-LARGEST, LARGEST], vec![f64::NAN, 2.0]] {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let below = below(&aview1(&values));
            assert!(below < least && below.is_finite(), "{values:?}");
        }
        assert_eq!(below(&aview1(&[f64::NAN])), 0.0);
    }

    #[test]
    fn a_constant_and_an_empty_column_have_a_centre() {
        assert_eq!(centre(&aview1(&[4.0; 9])), (4.0, 1.0));
        assert_eq!(centre(&aview1(&[f64::NAN; 9])), (0.0, 1.0));
        assert!(centre(&aview1(&[LARGEST, -LARGEST])).1.is_finite());
    }

    #[test]
    fn lost_and_foreign_parts_are_refused() {
        let params = TrainingParams::default();
        let rows = Design { preparation: Preparation::default(), inputs: Columns::new(1), labels: vec![] };
        let fitting = Fitting::new(&rows, ModelFamily::Linear, &params, 1);
        assert_eq!(fitting.combine(vec![]), Err(FitError::Lost));
        assert!(fitting.combine(vec![fitting.tasks()[0].run()]).is_err());
        let foreign = FitPart(Piece::Forest { trees: vec![], importance: vec![] });
        assert_eq!(fitting.combine(vec![Ok(foreign)]), Err(FitError::Lost));
    }
}
