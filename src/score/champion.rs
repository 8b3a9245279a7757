//! Who answers: the promoted model, or the base rate.

use std::sync::Arc;

use crate::data::ControlItem;
use crate::model::Model;
use crate::rollout::{Effect, Ledger};

/// The share of positives among the labels joined so far, drawn towards a prior until there are many.
///
/// With p the prior, k positives among n labels: `(k + w p) / (n + w)`, the posterior mean of a beta distribution whose
/// prior weighs as much as w = 20 labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaseRate {
    prior: f64,
    positives: i64,
    labels: i64,
}

/// Labels that the prior weighs as much as.
const PRIOR_WEIGHT: f64 = 20.0;

impl BaseRate {
    /// No labels yet.
    pub fn new(prior: f64) -> Self {
        BaseRate { prior, positives: 0, labels: 0 }
    }

    /// Counts a first label.
    pub fn first(&mut self, positive: bool) {
        self.labels += 1;
        self.positives += i64::from(positive);
    }

    /// Counts a correction to the other class.
    pub fn corrected(&mut self, positive: bool) {
        self.positives += if positive { 1 } else { -1 };
    }

    /// The rate, between 0 and 1.
    pub fn score(&self) -> f64 {
        (self.positives as f64 + PRIOR_WEIGHT * self.prior) / (self.labels as f64 + PRIOR_WEIGHT)
    }

    /// Labels counted.
    pub fn labels(&self) -> u64 {
        self.labels.unsigned_abs()
    }

    /// The counts behind the rate, positives first: what a state holds.
    pub fn counts(&self) -> [i64; 2] {
        [self.positives, self.labels]
    }

    /// Sets the counts, from a state.
    pub fn set_counts(&mut self, [positives, labels]: [i64; 2]) {
        self.positives = positives;
        self.labels = labels;
    }
}

/// The version in charge with its model.
///
/// The ledger is folded as every reader folds it. What answers can differ from it in one case: a version whose artifact
/// is not at hand, or expects another layout, does not answer; the one before goes on. A bad model never stops scoring,
/// and predictions always name the version that made them.
#[derive(Clone, Debug, Default)]
pub struct Champion {
    ledger: Ledger,
    serving: u32,
    model: Option<Arc<Model>>,
}

impl Champion {
    /// The fold of the control log.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The version that answers; 0 is the base rate.
    pub fn version(&self) -> u32 {
        self.serving
    }

    /// The model that answers; `None` while the base rate does.
    pub fn model(&self) -> Option<&Arc<Model>> {
        self.model.as_ref()
    }

    /// Takes a record of the control log in; `layout` is the fingerprint of the rows that are scored.
    pub fn apply(&mut self, item: &ControlItem<Model>, layout: &str) -> Effect {
        let effect = self.ledger.apply(&item.record);
        if effect == Effect::Switched {
            let usable = item.model.as_ref().filter(|model| model.layout().fingerprint() == layout);
            if item.record.version == 0 || usable.is_some() {
                self.model = usable.cloned();
                self.serving = item.record.version;
            }
        }
        effect
    }

    /// Takes over the control log as far as another champion had taken it in, and the version that answered there; false
    /// if the model of that version is not at hand.
    pub fn restore(&mut self, control: &[Arc<ControlItem<Model>>], serving: u32) -> bool {
        for item in control {
            self.ledger.apply(&item.record);
            if item.record.version == serving && item.model.is_some() {
                self.model.clone_from(&item.model);
            }
        }
        self.serving = serving;
        serving == 0 || self.model.is_some()
    }
}
