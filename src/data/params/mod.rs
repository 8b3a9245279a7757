//! Checked parameters of the deterministic part, resolved once from the configuration file.
//!
//! They live in the lowest layer so that every module can take what concerns it without knowing the file. Whoever holds
//! one may rely on it: names are resolved to indices, spans divide by their panes, thresholds lie in their range. Only
//! `config` builds them outside tests.
//!
//! Values of a record are addressed by column: numbers and booleans (as 0 and 1) by [`NumberIndex`], strings by
//! [`TextIndex`], each counted on its own per record kind, in the order of the field names.

mod chain;
mod events;
mod facts;
mod features;
mod format;
mod labels;
mod pattern;
mod prepared;
mod retrain;
mod time_format;
mod traces;
mod watch;

pub use chain::{ChainParams, Hop, HopOrder, Station};
pub use events::{
    Deduplicate, EventParams, FieldColumn, FieldKind, FieldSpec, MAX_VALUE_BYTES, NumberIndex, OnDuplicate, OnLate,
    OneOf, TextIndex, TimeSource, TimeUnit, number_names, text_names,
};
pub use facts::{FactParams, MAX_FACT_BYTES};
pub use features::{Aggregate, Calendar, Derived, FeatureParams, Grouping, Source, Step, WindowKind, WindowSpec};
pub use format::{InputFormat, OutputForm};
pub use labels::{KindIndex, KindSpec, LabelParams, LabelSpec};
pub use pattern::{Pattern, PatternError};
pub use prepared::{Filling, PreparedSpec, Preparing, Scaling};
pub use retrain::{ModelFamily, PromoteParams, PromotionMetric, RetrainParams};
pub use time_format::{TimeFormat, TimeFormatError};
pub use traces::TraceParams;
pub use watch::{BreakerParams, Delivery, DriftParams, PerformanceParams, ScoreParams};
