//! What the model sees: fields, windows, encodings of strings, and what is derived from them.

use serde::{Deserialize, Serialize};

use crate::data::Span;
use crate::data::params::HopOrder;

/// `[features]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawFeatures {
    /// Number and boolean fields of the event that are features as they are; default none.
    pub fields: Vec<String>,
    /// `event-time` or `arrival`; default `event-time`. In which order a hop takes in what comes from all shards: by
    /// time, once all have passed it by `events.lateness`, or at once.
    pub order: HopOrder,
    /// Length of time; default `1s`. How long a shard has to have had nothing to read before a hop goes on without it.
    pub idle_after: Span,
    /// Windows.
    pub windows: Vec<RawWindow>,
    /// Numbers made of string fields.
    pub encoded: Vec<RawEncoded>,
    /// Features computed from fields and features.
    pub derived: Vec<RawDerived>,
    /// What a training makes of features before it fits.
    pub prepared: Vec<RawPrepared>,
    /// Names of the features of the row, in its order; default: everything that is computed.
    pub row: Vec<String>,
    /// Most groups that a shard keeps of one grouping, from 1 to 100000000; default 1000000.
    pub max_keys: u32,
    /// Hours and minutes that local time is ahead of UTC, for the calendar functions; default `+00:00`.
    pub utc_offset: String,
}

impl Default for RawFeatures {
    fn default() -> Self {
        RawFeatures {
            fields: Vec::new(),
            order: HopOrder::default(),
            idle_after: Span::from_millis(1_000),
            windows: Vec::new(),
            encoded: Vec::new(),
            derived: Vec::new(),
            prepared: Vec::new(),
            row: Vec::new(),
            max_keys: 1_000_000,
            utc_offset: "+00:00".to_owned(),
        }
    }
}

/// `[[features.windows]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawWindow {
    /// `sliding`, `tumbling`, `session` or `ever`; default `sliding`.
    pub kind: RawWindowKind,
    /// `events` or a kind of follow-up; default `events`.
    pub of: String,
    /// `events.key` and string fields of the event; default: the key alone. Without the key the strings are an entity of
    /// their own, and its events go through a hop.
    pub by: Option<Vec<String>>,
    /// Lengths of time; required for sliding and tumbling windows. Each aggregate is computed over each.
    pub spans: Vec<Span>,
    /// What to compute; required.
    pub aggregates: Vec<String>,
    /// Pieces a sliding window is kept in, from 1 to 1000; default 12. More slide more smoothly and cost more memory.
    pub panes: Option<u32>,
    /// From the start of one tumbling window to the next; default: its span.
    pub every: Option<Span>,
    /// Shift of the grid of tumbling windows from 1970-01-01T00:00Z; default none.
    pub offset: Option<Span>,
    /// `current` or `completed` tumbling windows or sessions; default `current`.
    pub which: Option<RawWhich>,
    /// Longest pause within a session; required for sessions.
    pub gap: Option<Span>,
    /// Age at which a record counts half in an `ever` window; default: it counts whole for ever.
    pub half_life: Option<Span>,
    /// How long before the event a sliding window ends; default none.
    pub delay: Option<Span>,
    /// Whether the event itself counts; default true.
    pub includes_event: bool,
    /// `event` or `latest`: what a window ends at; default `event`.
    pub ends: RawEnds,
}

impl Default for RawWindow {
    fn default() -> Self {
        RawWindow {
            kind: RawWindowKind::Sliding,
            of: "events".to_owned(),
            by: None,
            spans: Vec::new(),
            aggregates: Vec::new(),
            panes: None,
            every: None,
            offset: None,
            which: None,
            gap: None,
            half_life: None,
            delay: None,
            includes_event: true,
            ends: RawEnds::Event,
        }
    }
}

/// `features.windows.kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawWindowKind {
    Sliding,
    Tumbling,
    Session,
    Ever,
}

/// `features.windows.which`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawWhich {
    Current,
    Completed,
}

/// `features.windows.ends`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawEnds {
    Event,
    Latest,
}

/// `[[features.encoded]]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawEncoded {
    /// A string field of the event; required.
    pub field: Option<String>,
    /// `one_hot`, `ordinal`, `hashed`, `target` or `frequency`; required.
    #[serde(rename = "as")]
    pub how: Option<RawEncoding>,
    /// The values that are told apart, for `one_hot` and `ordinal`.
    pub categories: Vec<String>,
    /// Number of buckets, for `hashed`.
    pub buckets: Option<u32>,
    /// Training rows that the overall share of positives weighs as much as, for `target`, from 0 on; default 20.
    pub prior_weight: Option<f64>,
    /// Most categories a model tells apart, for `target` and `frequency`, from 1 to 1000000; default 100000.
    pub max_categories: Option<u32>,
}

/// `features.encoded.as`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawEncoding {
    OneHot,
    Ordinal,
    Hashed,
    Target,
    Frequency,
}

/// `[[features.derived]]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawDerived {
    /// Its name; required.
    pub name: Option<String>,
    /// What it is computed as; required.
    pub expr: Option<String>,
}

/// `[[features.prepared]]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPrepared {
    /// Features of the row; required.
    pub features: Vec<String>,
    /// `standardised` or `normalised`; default: the number as it is.
    #[serde(rename = "as")]
    pub how: Option<RawScaling>,
    /// The quantiles that become 0 and 1, for `normalised`; default `[0.0, 1.0]`, the smallest and the largest value.
    pub quantiles: Option<[f64; 2]>,
    /// `keep`, `mean` or `median`; default `keep`. What a missing value counts as.
    pub missing: RawFilling,
    /// Whether the model is also told that a value is missing; default false.
    pub indicator: bool,
}

/// `features.prepared.as`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawScaling {
    Standardised,
    Normalised,
}

/// `features.prepared.missing`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawFilling {
    #[default]
    Keep,
    Mean,
    Median,
}

impl RawWindowKind {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            RawWindowKind::Sliding => "sliding",
            RawWindowKind::Tumbling => "tumbling",
            RawWindowKind::Session => "session",
            RawWindowKind::Ever => "ever",
        }
    }
}
