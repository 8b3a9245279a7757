//! Which numbers a model sees: fields as they are, then windows, then what is derived from both.

use serde::Serialize;

use super::{FieldColumn, KindIndex, NumberIndex, TextIndex};
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

/// What a window computes over the records of its group. Columns are those of the window's [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Number of records; 0 when there are none.
    Count,
    /// Number of records per hour of the window's length.
    Rate,
    /// Sum of the values present; 0 when there are none.
    Sum(NumberIndex),
    /// Mean of the values present; missing when there are none.
    Mean(NumberIndex),
    /// Sample variance; missing with fewer than two values.
    Variance(NumberIndex),
    /// Square root of the sample variance.
    Std(NumberIndex),
    /// Smallest of the values present; missing when there are none.
    Min(NumberIndex),
    /// Largest of the values present; missing when there are none.
    Max(NumberIndex),
    /// The value that is earliest in time.
    First(NumberIndex),
    /// The value that is latest in time.
    Last(NumberIndex),
    /// The event's own value divided by the mean.
    Ratio(NumberIndex),
    /// The value below which a share of the values lies.
    Quantile {
        /// Whose values.
        of: NumberIndex,
        /// The share, in ten-thousandths.
        share: u32,
    },
    /// Number of different values.
    Distinct(FieldColumn),
    /// Share of the most frequent value.
    TopShare(FieldColumn),
    /// Whether the event's own value is the most frequent.
    IsTop(FieldColumn),
    /// Seconds since the latest record; missing when it lies further back than the window reaches.
    SinceLast,
    /// Seconds from the start of the session.
    Duration,
}

impl Aggregate {
    /// The column it reads, if any.
    pub fn column(self) -> Option<FieldColumn> {
        match self {
            Aggregate::Count | Aggregate::Rate | Aggregate::SinceLast | Aggregate::Duration => None,
            Aggregate::Sum(column)
            | Aggregate::Mean(column)
            | Aggregate::Variance(column)
            | Aggregate::Std(column)
            | Aggregate::Min(column)
            | Aggregate::Max(column)
            | Aggregate::First(column)
            | Aggregate::Last(column)
            | Aggregate::Ratio(column)
            | Aggregate::Quantile { of: column, .. } => Some(FieldColumn::Number(column)),
            Aggregate::Distinct(column) | Aggregate::TopShare(column) | Aggregate::IsTop(column) => Some(column),
        }
    }
}

/// How records are grouped: by the record key alone or by the key and more strings of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grouping {
    /// The names joined by `_`, the key first.
    pub name: String,
    /// Text columns of the event that the group consists of beside the key.
    pub fields: Vec<TextIndex>,
}

/// Which records a window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowKind {
    /// The last `span`, in panes.
    Sliding {
        /// Length, a multiple of `panes` milliseconds.
        span: Span,
        /// The number of equal pieces it is kept in.
        panes: u32,
        /// How long before the event it ends; 0 is at the event.
        delay: Span,
    },
    /// A stretch of a fixed grid.
    Tumbling {
        /// Length, a multiple of `every`.
        span: Span,
        /// From the start of one window to the start of the next.
        every: Span,
        /// Shift of the grid from 1970-01-01T00:00Z.
        offset: Span,
        /// How long before the event the moment lies whose window it is.
        delay: Span,
        /// The last window that is over, not the one that is going on.
        is_completed: bool,
    },
    /// Records no further apart than `gap`.
    Session {
        /// The longest pause within a session.
        gap: Span,
        /// The last session that is over, not the one the event belongs to.
        is_completed: bool,
    },
    /// Everything since the group was first seen.
    Ever {
        /// The age at which a record counts half; none: it counts whole for ever.
        half_life: Option<Span>,
    },
}

/// One feature computed over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WindowSpec {
    /// What it is over.
    pub of: Source,
    /// Position of its grouping in [`FeatureParams::groupings`].
    pub grouping: usize,
    /// Which records.
    pub kind: WindowKind,
    /// The event itself is left out.
    pub is_past: bool,
    /// The window ends at the latest event of the group that was seen, not at the event.
    pub ends_at_latest: bool,
    /// What it computes.
    pub aggregate: Aggregate,
}

/// Half-lives after which what a decaying window holds is forgotten: less than a billionth of it would be left.
const HALF_LIVES_KEPT: i64 = 32;

impl WindowSpec {
    /// A sliding window that ends at the event and counts it.
    pub fn sliding(of: Source, grouping: usize, span: Span, panes: u32, aggregate: Aggregate) -> Self {
        let kind = WindowKind::Sliding { span, panes, delay: Span::default() };
        WindowSpec { of, grouping, kind, is_past: false, ends_at_latest: false, aggregate }
    }

    /// How long ago a record may be and still matter; `None` for ever.
    pub fn reach(&self) -> Option<Span> {
        let sum = |a: Span, b: Span| Span::from_millis(a.millis().saturating_add(b.millis()));
        match self.kind {
            WindowKind::Sliding { span, panes, delay } => {
                let pane = Span::from_millis(span.millis() / i64::from(panes.max(1)));
                Some(if delay == Span::default() { span } else { sum(sum(span, delay), pane) })
            }
            WindowKind::Tumbling { span, every, delay, .. } => Some(sum(sum(span, every), delay)),
            WindowKind::Session { gap, .. } => Some(sum(gap, gap)),
            WindowKind::Ever { half_life } => {
                half_life.map(|half| Span::from_millis(half.millis().saturating_mul(HALF_LIVES_KEPT)))
            }
        }
    }
}

/// A calendar reading of the event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Calendar {
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// Hours since midnight with their fraction.
    HourOfDay,
    /// 1 is Monday, 7 Sunday.
    Weekday,
    /// 1 to 31.
    Day,
    /// 1 to 12.
    Month,
    /// 1 to 366.
    DayOfYear,
}

/// One step of a derived feature: it takes its arguments from a stack and leaves its result there. Missing is NaN.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A constant.
    Constant(f64),
    /// A number of the event.
    Field(NumberIndex),
    /// What was computed before, by its position among everything computed.
    Computed(usize),
    /// The time of the event, in the configured zone.
    Calendar(Calendar),
    /// 1 if the text is the given one, 0 if it is another.
    Is(TextIndex, String),
    /// Position of the text in the list; its length for one that is not there.
    Ordinal(TextIndex, Vec<String>),
    /// Hash of the text modulo the number.
    Hash(TextIndex, u32),
    /// The text as a whole number that is the same wherever it comes up: the first 48 bits of its hash.
    Code(TextIndex),
    /// 1 if there is no such text, else 0.
    NoText(TextIndex),
    /// Adds.
    Add,
    /// Subtracts.
    Subtract,
    /// Multiplies.
    Multiply,
    /// Divides.
    Divide,
    /// To the power of.
    Power,
    /// Changes the sign.
    Negate,
    /// 1 if less, else 0.
    Less,
    /// 1 if less or equal, else 0.
    LessOrEqual,
    /// 1 if equal, else 0.
    Equal,
    /// 1 if neither is 0, else 0.
    And,
    /// 1 if either is not 0, else 0.
    Or,
    /// 1 if 0, else 0.
    Not,
    /// The second if the first is not 0, else the third.
    If,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// Without its sign.
    Abs,
    /// Square root.
    Sqrt,
    /// Natural logarithm.
    Log,
    /// Natural logarithm of one more.
    Log1p,
    /// Exponential.
    Exp,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Down to a whole number.
    Floor,
    /// Up to a whole number.
    Ceil,
    /// To the nearest whole number, halves away from 0.
    Round,
    /// 1 if missing, else 0.
    Missing,
    /// The first, or if it is missing the second.
    Coalesce,
    /// The number of edges that are not above the value.
    Bucket(Vec<f64>),
}

impl Derived {
    /// The columns of the event it reads, each as often as it does.
    pub fn columns(&self) -> impl Iterator<Item = FieldColumn> + '_ {
        self.steps.iter().filter_map(|step| match step {
            Step::Field(column) => Some(FieldColumn::Number(*column)),
            Step::Is(column, _)
            | Step::Ordinal(column, _)
            | Step::Hash(column, _)
            | Step::Code(column)
            | Step::NoText(column) => Some(FieldColumn::Text(*column)),
            _ => None,
        })
    }
}

/// A feature computed from fields and features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Derived {
    /// As it was written.
    pub text: String,
    /// What is done, in order; one value is left.
    pub steps: Vec<Step>,
}

/// The feature layout.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FeatureParams {
    /// Distinct groupings, in the order of their first use.
    pub groupings: Vec<Grouping>,
    /// Numeric columns of the event taken as they are: computed first.
    pub fields: Vec<NumberIndex>,
    /// Computed after them.
    pub windows: Vec<WindowSpec>,
    /// Computed last.
    pub derived: Vec<Derived>,
    /// Names of everything computed.
    pub computed: Vec<String>,
    /// For each feature of the row its position among everything computed: fields, windows, derived; empty: everything is.
    pub row: Vec<usize>,
    /// Names of the features of the row, in its order: `distance`, `origin_carrier.departed.mean_dep_delay.4h`,
    /// `origin.events.count.1h`, `origin_tailnum.landed.since_last`.
    pub names: Vec<String>,
    /// Most groups kept of each grouping; 0 is no bound.
    pub max_keys: u32,
    /// What is added to event time before the calendar is read, in milliseconds.
    pub utc_offset: i64,
}

impl FeatureParams {
    /// Number of features of the row.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// Number of values computed, of which the row is a choice.
    pub fn n_computed(&self) -> usize {
        self.fields.len() + self.windows.len() + self.derived.len()
    }

    /// Where a computed value stands in the row, if it does.
    pub fn in_row(&self, computed: usize) -> Option<usize> {
        if self.row.is_empty() {
            return (computed < self.n_computed()).then_some(computed);
        }
        self.row.iter().position(|other| *other == computed)
    }
}
