//! `[retrain]` and `[promote]`.

use super::range::{at_least_zero, positive, whole};
use crate::config::error::Problem;
use crate::config::raw::{RawPromote, RawRetrain};
use crate::data::TrainingReason;
use crate::data::params::{ModelFamily, PromoteParams, RetrainParams};

const ALL_REASONS: [TrainingReason; 4] =
    [TrainingReason::Drift, TrainingReason::Performance, TrainingReason::Schedule, TrainingReason::Labels];

pub(super) fn retrain(raw: &RawRetrain, width: usize, labelled: bool) -> Result<RetrainParams, Problem> {
    let on = reasons(raw, labelled)?;
    check_spans(raw, &on)?;
    let min_labels = whole("retrain.min_labels", raw.min_labels, 10..=1_000_000_000)?;
    let max_rows = whole("retrain.max_rows", raw.max_rows, 100..=10_000_000)?;
    if (max_rows as u64) < min_labels {
        let message =
            format!("{max_rows} is below `retrain.min_labels`, which is {min_labels}; write at least {min_labels}");
        return Err(Problem::new("retrain.max_rows", message));
    }
    let features_per_split = match raw.features_per_split {
        0 => width.isqrt().max(1),
        n if n <= width => n,
        n => {
            let message = format!("{n} is more than the {width} features there are; write at most {width}, or 0");
            return Err(Problem::new("retrain.features_per_split", message));
        }
    };
    Ok(RetrainParams {
        on,
        first_after: raw.first_after,
        min_labels,
        cool_down: raw.cool_down,
        schedule: raw.schedule,
        new_labels: Some(raw.new_labels).filter(|labels| *labels > 0),
        history: raw.history,
        holdout: raw.holdout,
        max_rows,
        families: families(&raw.families)?,
        trees: whole("retrain.trees", raw.trees, 1..=1_000)?,
        max_depth: whole("retrain.max_depth", raw.max_depth, 1..=32)?,
        min_leaf: whole("retrain.min_leaf", raw.min_leaf, 1..=1_000_000)?,
        features_per_split,
        seed: raw.seed,
        prepared: Vec::new(),
    })
}

fn reasons(raw: &RawRetrain, labelled: bool) -> Result<Vec<TrainingReason>, Problem> {
    let mut on = match (&raw.on, labelled) {
        (None, true) => ALL_REASONS.to_vec(),
        (None, false) => Vec::new(),
        (Some(on), false) if !on.is_empty() => {
            let message = "asks for trainings, but without `[labels]` there is nothing to learn from; add `[labels]` or \
                           write `on = []`";
            return Err(Problem::new("retrain.on", message));
        }
        (Some(on), _) => on.clone(),
    };
    on.sort_unstable();
    on.dedup();
    Ok(on)
}

fn check_spans(raw: &RawRetrain, on: &[TrainingReason]) -> Result<(), Problem> {
    let (history, holdout) = (positive("retrain.history", raw.history)?, positive("retrain.holdout", raw.holdout)?);
    let (first_after, cool_down) = (positive("retrain.first_after", raw.first_after)?, raw.cool_down);
    if holdout >= history {
        let message = format!(
            "`{holdout}` leaves nothing to train on: it must be shorter than `retrain.history`, which is `{history}`"
        );
        return Err(Problem::new("retrain.holdout", message));
    }
    if first_after <= holdout {
        let message = format!(
            "`{first_after}` must be longer than `retrain.holdout`, which is `{holdout}`: the first training needs rows \
             before the held-out ones"
        );
        return Err(Problem::new("retrain.first_after", message));
    }
    if on.contains(&TrainingReason::Schedule) {
        let schedule = positive("retrain.schedule", raw.schedule)?;
        if schedule < cool_down {
            let message = format!(
                "`{schedule}` is shorter than `retrain.cool_down`, which is `{cool_down}`, and would never be kept; write \
                 at least `{cool_down}` or leave `schedule` out of `retrain.on`"
            );
            return Err(Problem::new("retrain.schedule", message));
        }
    }
    Ok(())
}

fn families(raw: &[ModelFamily]) -> Result<Vec<ModelFamily>, Problem> {
    if raw.is_empty() {
        return Err(Problem::new("retrain.families", "is empty; write `forest`, `linear` or both"));
    }
    let mut families: Vec<ModelFamily> = Vec::new();
    for family in raw {
        if families.contains(family) {
            return Err(Problem::new("retrain.families", format!("names `{}` twice", family.name())));
        }
        families.push(*family);
    }
    Ok(families)
}

pub(super) fn promote(raw: &RawPromote) -> Result<PromoteParams, Problem> {
    let min_gain = at_least_zero("promote.min_gain", raw.min_gain, true)?;
    Ok(PromoteParams { auto: raw.auto, metric: raw.metric, min_gain })
}
