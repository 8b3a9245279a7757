//! Which numbers a model sees: fields as they are, then windows.

use serde::Serialize;

use super::{KindIndex, NumberIndex, TextIndex};
use crate::data::Span;

/// What a window is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Events, at their event time.
    Events,
    /// One kind of follow-up, at its known-at time.
    Kind(KindIndex),
}

/// What a window computes over the records of its group. Numeric columns are those of the window's [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Number of records; 0 when there are none.
    Count,
    /// Sum of the values present; 0 when there are none.
    Sum(NumberIndex),
    /// Mean of the values present; missing when there are none.
    Mean(NumberIndex),
    /// Largest of the values present; missing when there are none.
    Max(NumberIndex),
    /// Seconds since the latest record; missing when it lies further back than the window's span.
    SinceLast,
}

/// How records are grouped: by the record key alone or by the key and more strings of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grouping {
    /// The names joined by `_`, the key first.
    pub name: String,
    /// Text columns of the event that the group consists of beside the key.
    pub fields: Vec<TextIndex>,
}

/// One feature computed over a sliding window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowSpec {
    /// What it is over.
    pub of: Source,
    /// Position of its grouping in [`FeatureParams::groupings`].
    pub grouping: usize,
    /// Length of the window, a multiple of `panes` milliseconds; for [`Aggregate::SinceLast`] how far back the latest
    /// record is remembered.
    pub span: Span,
    /// The number of equal pieces the window is kept in.
    pub panes: u32,
    /// What it computes.
    pub aggregate: Aggregate,
}

impl WindowSpec {
    /// Length of one pane.
    pub const fn pane(&self) -> Span {
        Span::from_millis(self.span.millis() / self.panes as i64)
    }
}

/// The feature layout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureParams {
    /// Distinct groupings, in the order of their first use.
    pub groupings: Vec<Grouping>,
    /// Numeric columns of the event taken as they are: the first features.
    pub fields: Vec<NumberIndex>,
    /// The features after them.
    pub windows: Vec<WindowSpec>,
    /// Names of all features in layout order, `fields` then `windows`: `distance`,
    /// `origin_carrier.departed.mean_dep_delay.4h`, `origin.events.count.1h`, `origin_tailnum.landed.since_last`.
    pub names: Vec<String>,
}

impl FeatureParams {
    /// Number of features.
    pub fn width(&self) -> usize {
        self.names.len()
    }
}
