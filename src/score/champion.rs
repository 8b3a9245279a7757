//! Who answers: the promoted model, or the base rate.

use std::borrow::Cow;
use std::sync::Arc;

use crate::data::{Columns, ControlItem};
use crate::model::{Model, Selection};
use crate::rollout::{Effect, Ledger, Settings};

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
/// is not at hand, or that needs a feature the rows do not have, does not answer; the one before goes on, or the base
/// rate where the rows are no longer what that one needs either. A bad model never stops scoring, and predictions always
/// name the version that made them.
#[derive(Clone, Debug, Default)]
pub struct Champion {
    ledger: Ledger,
    serving: u32,
    answers: Option<Answers>,
    /// The model in charge, whether it answers or not.
    in_charge: Option<Arc<Model>>,
    /// The threshold that a command has set, for whoever answers.
    threshold: Option<f64>,
}

/// What a champion went by, as a state holds it.
#[derive(Clone, Debug, Default)]
pub struct WentBy {
    /// The version that answered.
    pub serving: u32,
    /// The settings that commands had changed.
    pub settings: Settings,
}

/// A model that scores rows of the layout at hand.
#[derive(Clone, Debug)]
struct Answers {
    model: Arc<Model>,
    selection: Selection,
}

impl Answers {
    fn new(model: &Arc<Model>, layout: &[String]) -> Option<Self> {
        let selection = Selection::of(model.layout(), layout)?;
        Some(Answers { model: model.clone(), selection })
    }
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
        self.answers.as_ref().map(|answers| &answers.model)
    }

    /// Whether a score is decided as the positive class: by the threshold that a command has set, else by that of the model
    /// that answers, else by the configured one.
    pub fn decides_positive(&self, score: f64, configured: f64) -> bool {
        let own = || self.model().map_or(configured, |model| model.threshold());
        score >= self.threshold.unwrap_or_else(own)
    }

    /// Rows as the model that answers expects them.
    pub fn columns<'a>(&self, rows: &'a Columns) -> Cow<'a, Columns> {
        self.answers.as_ref().map_or(Cow::Borrowed(rows), |answers| answers.selection.take(rows))
    }

    /// Takes a record of the control log in; `layout` names the features of the rows that are scored.
    pub fn apply(&mut self, item: &ControlItem<Model>, layout: &[String]) -> Effect {
        let effect = self.ledger.apply(&item.record);
        if effect == Effect::Switched {
            self.in_charge.clone_from(&item.model);
            self.take_charge(layout);
        }
        self.threshold = self.ledger.settings().threshold();
        effect
    }

    /// Lets the model in charge answer, if it can.
    fn take_charge(&mut self, layout: &[String]) -> bool {
        let answers = self.in_charge.as_ref().and_then(|model| Answers::new(model, layout));
        let can = self.ledger.champion() == 0 || answers.is_some();
        if can {
            (self.serving, self.answers) = (self.ledger.champion(), answers);
        }
        can
    }

    /// Takes over the control log as far as another champion had taken it in, and what it went by; false if the version that
    /// answered there cannot answer.
    pub fn restore(&mut self, control: &[Arc<ControlItem<Model>>], went_by: WentBy, layout: &[String]) -> bool {
        let WentBy { serving, settings } = went_by;
        let mut model = None;
        for item in control {
            if self.ledger.apply(&item.record) == Effect::Switched {
                self.in_charge.clone_from(&item.model);
            }
            if item.record.version == serving && item.model.is_some() {
                model.clone_from(&item.model);
            }
        }
        self.threshold = settings.threshold();
        self.ledger.set_settings(settings);
        self.serving = serving;
        self.answers = model.as_ref().filter(|_| serving != 0).and_then(|model| Answers::new(model, layout));
        serving == 0 || self.answers.is_some()
    }

    /// Takes over from a champion that scored rows of another layout: the version in charge answers if it can, else the
    /// one that answered, else the base rate.
    pub fn adopt(&mut self, old: Champion, layout: &[String]) {
        *self = old;
        if !self.take_charge(layout) {
            self.answers = self.answers.take().and_then(|answers| Answers::new(&answers.model, layout));
            self.serving = if self.answers.is_some() { self.serving } else { 0 };
        }
    }
}
