//! What the model that answers does not know: categories that it did not see in training, counted by feature.
//!
//! Such a category has a value of its own in the model, so a prediction is made all the same; the counts tell how much of
//! the stream has become new to it. Taken back with the transaction; no part of any output or state.

use super::Pipeline;
use crate::data::params::FeatureParams;
use crate::model::Layout;

/// The counts, by feature of the row.
pub(super) struct Unseen {
    names: Vec<String>,
    counts: Vec<u64>,
    committed: Vec<u64>,
    /// Counts of one batch, by position in the layout of the model; memory that is used again.
    pub batch: Vec<u64>,
}

impl Unseen {
    pub(super) fn new(params: &FeatureParams) -> Self {
        let names: Vec<String> = params.codes().map(str::to_owned).collect();
        let counts = vec![0; names.len()];
        Unseen { names, committed: counts.clone(), counts, batch: Vec::new() }
    }

    /// Takes in the counts of a batch that a model of this layout scored.
    pub(super) fn add(&mut self, layout: &Layout) {
        for (count, feature) in self.batch.iter_mut().zip(layout.names()).filter(|(count, _)| **count > 0) {
            let known = self.names.iter().zip(&mut self.counts).find(|(name, _)| *name == feature);
            if let Some((_, sum)) = known {
                *sum += *count;
            }
            *count = 0;
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().map(String::as_str).zip(self.counts.iter().copied())
    }

    pub(super) fn commit(&mut self) {
        self.committed.clone_from(&self.counts);
    }

    pub(super) fn rollback(&mut self) {
        self.counts.clone_from(&self.committed);
    }
}

impl Pipeline {
    /// The version in charge, where it cannot answer: its model is not at hand or needs a feature that is not computed.
    pub fn unanswered(&self) -> Option<u32> {
        Some(self.champion.ledger().champion()).filter(|version| *version != self.champion.version())
    }

    /// For each feature that is a category, the predictions since the pipeline was made from one that the model that
    /// answered did not see in training.
    pub fn unseen(&self) -> impl Iterator<Item = (&str, u64)> {
        self.unseen.iter()
    }
}
