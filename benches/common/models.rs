//! Models with the measure of real ones: the profile and the scales are those of the rows, the coefficients and splits are
//! drawn from a seed. What scoring costs does not depend on them.

use std::sync::Arc;

use anyhow::Result;
use driftless::data::{
    ArtifactRef, Columns, ControlItem, Evidence, Gain, HoldoutScore, ModelCommand, ModelRecord, Span, Timestamp,
};
use driftless::drift::{Profile, ProfileInputs, Sample};
use driftless::model::{
    Estimator, Forest, Layout, Lineage, Linear, LinearParts, Model, ModelParts, Preparation, TreeNodes,
};
use driftless::stats::SplitMix64;

const TREES: usize = 100;
const DEPTH: u32 = 6;

/// Rows to measure profiles on.
pub(crate) struct Rows<'a> {
    pub(crate) names: &'a [String],
    pub(crate) columns: &'a Columns,
    pub(crate) times: &'a [Timestamp],
}

/// Logistic regression.
pub(crate) fn linear(rows: &Rows<'_>) -> Result<Model> {
    let mut random = SplitMix64::new(1);
    let moments: Vec<(f64, f64)> = (0..rows.columns.width()).map(|at| moments(rows.columns.column(at))).collect();
    let parts = LinearParts {
        mean: moments.iter().map(|(mean, _)| *mean).collect(),
        scale: moments.iter().map(|(_, scale)| *scale).collect(),
        coefficients: moments.iter().map(|_| random.unit() - 0.5).collect(),
        intercept: -1.3,
    };
    model(rows, Estimator::Linear(Linear::new(parts)?))
}

/// A hundred full trees of depth six, split at values that occur.
pub(crate) fn forest(rows: &Rows<'_>) -> Result<Model> {
    let mut random = SplitMix64::new(2);
    let width = rows.columns.width();
    let tree = |random: &mut SplitMix64| {
        let (splits, leaves) = (2_usize.pow(DEPTH) - 1, 2_usize.pow(DEPTH));
        let mut nodes = TreeNodes { feature: Vec::new(), value: Vec::new() };
        for _ in 0..splits {
            let feature = random.below(width as u64);
            let values = rows.columns.column(feature as usize);
            let threshold = values[random.below(values.len() as u64) as usize];
            nodes.feature.push(feature as i32);
            nodes.value.push(if threshold.is_finite() { threshold } else { 0.0 });
        }
        nodes.feature.extend(vec![-1; leaves]);
        nodes.value.extend((0..leaves).map(|_| random.unit()));
        nodes
    };
    let trees: Vec<TreeNodes> = (0..TREES).map(|_| tree(&mut random)).collect();
    let imputation = (0..width).map(|at| moments(rows.columns.column(at)).0).collect();
    model(rows, Estimator::Forest(Forest::new(imputation, &trees)?))
}

fn model(rows: &Rows<'_>, estimator: Estimator) -> Result<Model> {
    let mut scores = Vec::new();
    estimator.score(rows.columns, &mut scores);
    let profile = Profile::build(&ProfileInputs {
        names: rows.names,
        features: Sample { columns: rows.columns.columns(), times: rows.times },
        scores: Sample { columns: &[scores], times: rows.times },
        window: Span::from_days(7),
        importance: &[],
    });
    let at = Timestamp::from_millis(0);
    let score = HoldoutScore { auc: None, log_loss: 0.5 };
    let parts = ModelParts {
        layout: Layout::new(rows.names.to_vec())?,
        preparation: Preparation::default(),
        estimator,
        threshold: 0.5,
        profile,
        lineage: Lineage { cutoff: at, seed: 1, examples_sha256: String::new(), trained_by: "benchmark".to_owned() },
        evidence: Evidence {
            trained_from: at,
            trained_to: at,
            holdout_from: at,
            holdout_to: at,
            n_train: rows.times.len() as u64,
            n_holdout: 0,
            champion: score,
            candidate: score,
            log_loss_gain: Gain { mean: 0.0, low: 0.0, high: 0.0 },
            auc_gain: None,
        },
    };
    Ok(Model::new(parts)?)
}

fn moments(column: &[f64]) -> (f64, f64) {
    let present: Vec<f64> = column.iter().copied().filter(|x| x.is_finite()).collect();
    let n = present.len().max(1) as f64;
    let mean = present.iter().sum::<f64>() / n;
    let variance = present.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    (mean, if variance > 1e-12 { variance.sqrt() } else { 1.0 })
}

/// The two control records that put version 1 in charge.
pub(crate) fn promotion(artifact: &ArtifactRef) -> [ModelRecord; 2] {
    [(ModelCommand::Registered, Some(artifact.clone())), (ModelCommand::Promoted, None)].map(|(command, artifact)| {
        ModelRecord {
            at: Timestamp::from_millis(0),
            by: "benchmark".to_owned(),
            why: "to be measured".to_owned(),
            artifact,
            ..ModelRecord::plain(command, 1)
        }
    })
}

/// The same as the control items of a pipeline.
pub(crate) fn promotion_items(model: &Arc<Model>) -> [Arc<ControlItem<Model>>; 2] {
    let artifact = ArtifactRef { sha256: "0".repeat(64), bytes: 0 };
    promotion(&artifact).map(|record| Arc::new(ControlItem { offset: 0, record, model: Some(model.clone()) }))
}
