//! Drift: whether the features and scores of a window still look like those a model was trained on.
//!
//! A [`Profile`] is made once, with the model, from its training rows in time order. Shards [`count`] each window into the
//! profile's bins; counts merge exactly, so a verdict never depends on how events were spread. [`compare`] holds the
//! counts of a window against the profile: an effect (PSI above its expectation, KS distance), a p-value that knows how
//! much windows of the training data differed among themselves, and a false-discovery rate over all signals together.
//!
//! Opening and closing of alerts is not here (`monitor`).

mod compare;
mod count;
mod profile;
mod signal;
mod windows;

pub use compare::{Measure, SignalVerdict, Statistic, compare, most_important};
pub use count::{Batch, count};
pub use profile::{MAX_SIGNALS, Profile, ProfileError, ProfileInputs, SCORE, Sample};
pub use signal::{GivenSignal, MAX_BINS, SignalError, SignalProfile};
pub use windows::{DriftWindows, Reference};
