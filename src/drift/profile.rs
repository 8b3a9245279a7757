//! The reference profile of a model version: one signal per feature, in layout order, and one for the score.
//!
//! Features are taken from the rows the model was trained on; scores from rows it was not fitted to, because a model
//! is surer of rows it has seen and its own memory would look like drift. Both samples are whole stretches of the
//! stream: thinned ones would make neighbouring events look more independent than they are.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::signal::{SignalLabel, SignalProfile};
use crate::data::{Span, Timestamp};
use crate::stats::BinCounts;

/// Name of the signal that is the score.
pub const SCORE: &str = "score";
/// The most signals of a profile.
pub const MAX_SIGNALS: usize = 4_097;
/// With fewer blocks than this, dispersion is measured on shorter ones.
const MIN_BLOCKS: usize = 4;
const SHORT_BLOCKS: usize = 10;

/// Reference distributions of all signals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<SignalProfile>", into = "Vec<SignalProfile>")]
pub struct Profile {
    signals: Vec<SignalProfile>,
}

/// Columns of values in time order, with their times.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Columns of equal length; NaN is missing.
    pub columns: &'a [Vec<f64>],
    /// Event time of each row, ascending.
    pub times: &'a [Timestamp],
}

/// What a profile is built from.
#[derive(Clone, Copy, Debug)]
pub struct ProfileInputs<'a> {
    /// Feature names in layout order.
    pub names: &'a [String],
    /// The training rows: one column per feature.
    pub features: Sample<'a>,
    /// The model's scores for rows it was not fitted to: one column.
    pub scores: Sample<'a>,
    /// Length of a drift window.
    pub window: Span,
    /// Each feature's share in what the model does, in layout order; empty if unknown.
    pub importance: &'a [f64],
}

/// Why signals are no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a profile of {found} signals is not possible; between 1 and {MAX_SIGNALS} are")]
pub struct ProfileError {
    found: usize,
}

impl Profile {
    /// Measures the reference distributions. Every input gives a valid profile; a signal without values gives one that
    /// nothing can drift from but presence. Costs a sort of every column.
    pub fn build(inputs: &ProfileInputs<'_>) -> Profile {
        let feature_blocks = block_ends(inputs.features.times, inputs.window);
        let mut signals = Vec::with_capacity(inputs.names.len() + 1);
        for (position, name) in inputs.names.iter().enumerate() {
            let importance = inputs.importance.get(position).copied().unwrap_or(0.0).min(1.0);
            let values = inputs.features.columns.get(position).map_or(&[][..], Vec::as_slice);
            signals.push(SignalProfile::build(&SignalLabel { name, importance }, values, &feature_blocks));
        }
        let scores = inputs.scores.columns.first().map_or(&[][..], Vec::as_slice);
        let score_blocks = block_ends(inputs.scores.times, inputs.window);
        signals.push(SignalProfile::build(&SignalLabel { name: SCORE, importance: 1.0 }, scores, &score_blocks));
        Profile { signals }
    }

    /// Replaces `outside` by whether a row of `columns`, one per feature, has a value outside what training saw. A missing
    /// value is not outside.
    pub fn outside(&self, columns: &[Vec<f64>], outside: &mut Vec<bool>) {
        outside.clear();
        outside.resize(columns.first().map_or(0, Vec::len), false);
        for (signal, column) in self.signals.iter().zip(columns) {
            let Some([low, high]) = signal.range() else { continue };
            for (outside, value) in outside.iter_mut().zip(column) {
                *outside |= *value < low || *value > high;
            }
        }
    }

    /// Whether it has one signal for each of these features, in this order, and one for the score.
    pub fn is_for(&self, names: &[String]) -> bool {
        let expected = names.iter().map(String::as_str).chain([SCORE]);
        self.signals.iter().map(SignalProfile::name).eq(expected)
    }

    /// Counts of nothing yet, one per signal: what [`super::count`] adds to.
    pub fn empty_counts(&self) -> Vec<BinCounts> {
        self.signals.iter().map(|signal| BinCounts::new(signal.edges().n_bins())).collect()
    }
}

/// Features in layout order, then the score.
impl Deref for Profile {
    type Target = [SignalProfile];

    fn deref(&self) -> &[SignalProfile] {
        &self.signals
    }
}

/// The row after the last one of each stretch that falls into one window; too few windows are cut into shorter blocks.
fn block_ends(times: &[Timestamp], window: Span) -> Vec<usize> {
    let window = Span::from_millis(window.millis().max(1));
    let mut ends: Vec<usize> = times
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| matches!(pair, [a, b] if a.interval(window) != b.interval(window)))
        .map(|(row, _)| row + 1)
        .collect();
    ends.push(times.len());
    if ends.len() < MIN_BLOCKS {
        ends = (1..=SHORT_BLOCKS).map(|block| times.len() * block / SHORT_BLOCKS).collect();
    }
    ends
}

impl TryFrom<Vec<SignalProfile>> for Profile {
    type Error = ProfileError;

    fn try_from(signals: Vec<SignalProfile>) -> Result<Self, ProfileError> {
        if signals.is_empty() || signals.len() > MAX_SIGNALS {
            return Err(ProfileError { found: signals.len() });
        }
        Ok(Profile { signals })
    }
}

impl From<Profile> for Vec<SignalProfile> {
    fn from(profile: Profile) -> Self {
        profile.signals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_the_windows_of_event_time() {
        let times: Vec<_> = [0, 1, 10, 19, 20, 35, 41].map(Timestamp::from_millis).to_vec();
        assert_eq!(block_ends(&times, Span::from_millis(10)), [2, 4, 5, 6, 7]);
    }

    #[test]
    fn too_few_windows_are_cut_into_ten_blocks() {
        let times = vec![Timestamp::from_millis(5); 100];
        assert_eq!(block_ends(&times, Span::from_days(1)), [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
        assert_eq!(block_ends(&[], Span::default()), [0; 10]);
    }

    #[test]
    fn a_profile_has_the_features_in_order_and_then_the_score() {
        let names = ["b".to_owned(), "a".to_owned()];
        let times = [0, 1, 2].map(Timestamp::from_millis);
        let columns = [vec![1.0, 2.0, 3.0], vec![f64::NAN; 3]];
        let profile = Profile::build(&ProfileInputs {
            names: &names,
            features: Sample { columns: &columns, times: &times },
            scores: Sample { columns: &[], times: &[] },
            window: Span::from_millis(1),
            importance: &[],
        });
        assert!(profile.is_for(&names));
        assert!(!profile.is_for(&names[..1]));
        assert_eq!(profile.empty_counts().len(), 3);
        let read: Profile = serde_json::from_str(&serde_json::to_string(&profile).unwrap()).unwrap();
        assert_eq!(read, profile);
        assert!(serde_json::from_str::<Profile>("[]").is_err());
    }
}
