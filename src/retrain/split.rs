//! The split in time: train, then validation, then holdout, each strictly later than the one before.
//!
//! Nothing is shuffled. A model is judged on what came after everything it has seen, as it will be in service.

use std::ops::Range;

use super::{Dataset, TrainingParams};
use crate::data::Timestamp;

/// Rows of a class that a part needs at least.
const MIN_OF_CLASS: usize = 10;

/// Row ranges of a data set, in time order and without gaps between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Oldest rows: what families are fitted to before one is chosen.
    pub train: Range<usize>,
    /// Rows to choose the family on; empty when there is nothing to choose.
    pub validation: Range<usize>,
    /// Newest rows: what the chosen model and the one in charge are compared on.
    pub holdout: Range<usize>,
}

/// Why a data set is not enough to train on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEnough {
    /// Too few rows in a part.
    #[error("{found} labelled rows to {purpose}, at least {needed} are needed")]
    Rows {
        /// What the part is for.
        purpose: &'static str,
        /// Rows found.
        found: usize,
        /// Rows needed.
        needed: usize,
    },
    /// Too few rows of one class in a part.
    #[error("{found} rows of the {class} class to {purpose}, at least {MIN_OF_CLASS} are needed")]
    Class {
        /// What the part is for.
        purpose: &'static str,
        /// The class.
        class: &'static str,
        /// Rows found.
        found: usize,
    },
    /// A holdout within one day: no interval can be given.
    #[error("the rows to compare on lie within one day, at least two days are needed")]
    OneDay,
}

impl Split {
    /// Divides a data set.
    ///
    /// # Errors
    /// A part that is too small or lacks a class.
    pub fn by_time(data: &Dataset, params: &TrainingParams) -> Result<Split, NotEnough> {
        let newest = data.times().last().copied().unwrap_or(Timestamp::MIN);
        let holdout_from = newest.minus(params.holdout);
        let choice = params.families.len() > 1;
        let validation_from = if choice { holdout_from.minus(params.validation) } else { holdout_from };
        let first_after = |time: Timestamp| data.times().partition_point(|&other| other <= time);
        let (train_end, validation_end) = (first_after(validation_from), first_after(holdout_from));
        let split =
            Split { train: 0..train_end, validation: train_end..validation_end, holdout: validation_end..data.len() };
        let small = (params.min_holdout / 2).max(2 * MIN_OF_CLASS);
        check(data, &split.train, "train on", params.min_train)?;
        if choice {
            check(data, &split.validation, "choose the family on", small)?;
        }
        check(data, &split.holdout, "compare on", params.min_holdout)?;
        Ok(split)
    }

    /// Train and validation together: what the chosen family is fitted to.
    pub fn all_train(&self) -> Range<usize> {
        self.train.start..self.validation.end
    }
}

fn check(data: &Dataset, rows: &Range<usize>, purpose: &'static str, needed: usize) -> Result<(), NotEnough> {
    let labels = data.labels().get(rows.clone()).unwrap_or_default();
    if labels.len() < needed {
        return Err(NotEnough::Rows { purpose, found: labels.len(), needed });
    }
    let positive = labels.iter().filter(|&&label| label).count();
    for (class, found) in [("positive", positive), ("negative", labels.len() - positive)] {
        if found < MIN_OF_CLASS {
            return Err(NotEnough::Class { purpose, class, found });
        }
    }
    Ok(())
}
