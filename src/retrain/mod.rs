//! Retraining: from logged rows and their labels to a candidate with evidence.
//!
//! [`Examples`] joins what was logged; a [`Dataset`] is what of it was known before a cutoff, in time order; a
//! [`Training`] splits it by time, fits, chooses a family, fits the chosen one on all training rows and evaluates that
//! very model once, beside the model in charge, on later rows. What single features are prepared by are
//! statistics of the rows fitted, and travel in the model. The fits are handed out as [`FitTask`]s, which may run on
//! any number of threads: the result is the same bits, because tasks and their seeds are fixed by the parameters.
//!
//! When to train, and what becomes of the candidate, is not decided here (`monitor`); storing it is `registry`.

#[cfg(test)]
mod battery;
mod dataset;
mod design;
#[cfg(test)]
mod design_tests;
mod evaluate;
mod examples;
mod fit;
#[cfg(test)]
mod leakage;
mod ordered;
mod params;
mod sample;
mod split;
mod training;

pub use dataset::{Dataset, DatasetParams};
pub use evaluate::{Comparison, Rivals, evaluate};
pub use examples::{ExampleRow, Examples, LabelRow};
pub use fit::{FitError, FitPart, FitTask};
pub use params::{Configured, TrainingParams, TrainingParamsError};
pub use split::{NotEnough, Split};
pub use training::{Candidate, Step, Training, TrainingInputs, TrainingOutcome, train};
