//! The configuration file as it is written: one struct per table, every key with its unit, default and effect.
//!
//! Nothing is checked here beyond types and known keys; `resolve` turns it into checked parameters. `None` is a key
//! that is not in the file and whose default depends on another key, or that has none. `docs/configuration.md` lists
//! every key with the default given here; a test compares the two.

mod kafka;
mod records;
mod work;

use serde::{Deserialize, Serialize};

pub(crate) use kafka::{RawHttp, RawKafka, RawLog, RawPropertyValue, RawStore, RawTopics};
pub(crate) use records::{RawEvents, RawFeatures, RawField, RawLabel, RawLabels, RawWindow};
pub(crate) use work::{RawDrift, RawPerformance, RawPromote, RawRetrain, RawScore};

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawConfig {
    /// Name of the application, `[a-z0-9._-]`; required. Prefix of topics, consumer groups and transactional ids.
    pub app: Option<String>,
    /// The events topic and what an event looks like.
    pub events: RawEvents,
    /// The labels topic; without this table there are no labels, no performance and no training.
    pub labels: Option<RawLabels>,
    /// What the model sees.
    pub features: RawFeatures,
    /// How the score role works.
    pub score: RawScore,
    /// When a feature or the score counts as drifted.
    pub drift: RawDrift,
    /// When performance counts as lost.
    pub performance: RawPerformance,
    /// When to train, on what, and how.
    pub retrain: RawRetrain,
    /// What is promoted.
    pub promote: RawPromote,
    /// The cluster and its topics.
    pub kafka: RawKafka,
    /// Where artifacts and examples are kept.
    pub store: RawStore,
    /// Health and metrics.
    pub http: RawHttp,
    /// Logs.
    pub log: RawLog,
}
