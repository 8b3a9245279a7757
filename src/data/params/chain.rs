//! The chain of stages that an event goes through: one for its own key, one more for each entity with another key.
//!
//! Invariant: every grouping of windows belongs to exactly one stage, the one that is keyed by an entity which the
//! grouping contains. Without hops there is one stage, which does everything.

use serde::{Deserialize, Serialize};

use super::{FeatureParams, TextIndex};
use crate::data::Span;

/// In which order a hop gives out what has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopOrder {
    /// By event time, once every shard of the stage before has passed it.
    #[default]
    EventTime,
    /// As it comes.
    Arrival,
}

impl HopOrder {
    /// The name used in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            HopOrder::EventTime => "event-time",
            HopOrder::Arrival => "arrival",
        }
    }
}

/// A stage after the first: its shards are keyed by an entity of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Names of the entity's fields, joined by `_`.
    pub name: String,
    /// Text columns of the event that name the entity.
    pub fields: Vec<TextIndex>,
}

/// The stages after the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChainParams {
    /// In the order in which an event goes through them.
    pub hops: Vec<Hop>,
    /// Stage of each grouping of [`FeatureParams::groupings`]; 0 is the one that reads the events, 1 the first hop.
    pub stages: Vec<usize>,
    /// In which order hops give out what has come.
    pub order: HopOrder,
    /// How long a shard of the stage before has to have had nothing to read before a hop goes on without it.
    pub idle_after: Span,
}

/// The place of a machine in the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Station {
    /// The chain.
    pub chain: ChainParams,
    /// 0 for the stage that reads the events.
    pub stage: usize,
    /// Number of shards of every stage, and partitions of every topic between them.
    pub shards: i32,
}

impl Station {
    /// Whether there is one stage only.
    pub fn is_alone(&self) -> bool {
        self.chain.hops.is_empty()
    }

    /// Whether it reads events and labels themselves.
    pub fn is_first(&self) -> bool {
        self.stage == 0
    }

    /// Whether it scores and joins labels.
    pub fn is_last(&self) -> bool {
        self.next().is_none()
    }

    /// The hop that it is; `None` for the first stage.
    pub fn hop(&self) -> Option<&Hop> {
        self.chain.hops.get(self.stage.checked_sub(1)?)
    }

    /// The hop after it.
    pub fn next(&self) -> Option<&Hop> {
        self.chain.hops.get(self.stage)
    }

    /// Whether it computes the windows of a grouping.
    pub fn computes(&self, grouping: usize) -> bool {
        self.stage_of(grouping) == self.stage
    }

    /// Positions in the layout of the windows that this stage and those before it compute.
    pub fn known(&self, features: &FeatureParams) -> Vec<usize> {
        let windows = features.windows.iter().enumerate();
        let known = windows.filter(|(_, window)| self.stage_of(window.grouping) <= self.stage);
        known.map(|(position, _)| features.fields.len() + position).collect()
    }

    fn stage_of(&self, grouping: usize) -> usize {
        self.chain.stages.get(grouping).copied().unwrap_or(0)
    }
}
