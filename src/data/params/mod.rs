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
mod features;
mod format;
mod labels;
mod retrain;
mod watch;

pub use chain::{ChainParams, Hop, HopOrder, Station};
pub use events::{
    EventParams, FieldColumn, FieldKind, FieldSpec, NumberIndex, TextIndex, TimeSource, TimeUnit, number_names,
    text_names,
};
pub use features::{Aggregate, FeatureParams, Grouping, Source, WindowSpec};
pub use format::{InputFormat, OutputForm};
pub use labels::{KindIndex, KindSpec, LabelParams, LabelSpec};
pub use retrain::{ModelFamily, PromoteParams, PromotionMetric, RetrainParams};
pub use watch::{Delivery, DriftParams, PerformanceParams, ScoreParams};
