//! What a worker needs to know of the stage it works for.

use std::sync::Arc;

use super::breaker::Counted;
use crate::config::params::Topics;
use crate::data::{Machine, Sink};
use crate::model::Model;

/// What machines are built from, with the hash of the configuration it came from.
#[derive(Clone)]
pub(super) struct Plan<P> {
    pub params: Arc<P>,
    pub config: String,
}

/// A stage: its inputs, its machine, and where its outputs go.
pub(super) trait Stage: Send + Sync + 'static {
    /// The machine of one shard.
    type Machine: Machine<Model = Model>;

    /// Name of the role, also that of its consumer group and transactional ids.
    fn role(&self) -> &'static str;

    /// Topics read, the one that the group shares out first.
    fn inputs(&self) -> Vec<String>;

    /// Topic of the journal, one partition per shard.
    fn journal(&self) -> &str;

    /// Topic that its state is written to, one partition per shard.
    fn state(&self) -> &str;

    /// Topics to whose partition of a shard only the shard's owner writes.
    fn own(&self) -> Vec<&str>;

    /// Topic of the next stage of the chain, which every shard writes to every partition of; `None` at the last.
    fn next(&self) -> Option<&str>;

    /// Whether other shards write to the same partitions of its outputs. A shard then notes in its state topic that it
    /// has opened a transaction, so that whoever takes it over sees what a dead owner has left.
    fn shares_outputs(&self) -> bool;

    /// Hash of the configuration that the machine is built from.
    fn config(&self) -> &str;

    /// Hash of the configuration before, whose shards are taken over; `None`: no other one's.
    fn previous(&self) -> Option<&str>;

    /// A machine of the configuration before that has seen nothing.
    fn previous_machine(&self, shard: i32) -> Option<Self::Machine>;

    /// A machine that has seen nothing.
    fn machine(&self, shard: i32) -> Self::Machine;

    /// Whether inputs and commands are taken step by step in stepped mode, and the machine is told when it has read
    /// everything.
    fn is_paced(&self) -> bool;

    /// Whether its shards are held to each other's time in a backlog.
    fn is_aligned(&self) -> bool {
        false
    }

    /// Whether the commands it takes in are told as log lines: one stage does, so that each is told once.
    fn tells_decisions(&self) -> bool;

    /// A machine has been brought up to date: what it has counted so far has been shown before.
    fn restored(&self, shard: i32, machine: &Self::Machine);

    /// What the machine has counted of its events, where a shard is held back when too many are refused.
    fn counted(&self, _machine: &Self::Machine) -> Option<Counted> {
        None
    }

    /// Shows the machine's figures after a commit.
    fn observe(&self, shard: i32, machine: &Self::Machine);

    /// Another instance shows the figures of the shard from now on.
    fn released(&self, shard: i32);
}

/// Topic and partition of an output of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub topic: &'a str,
    pub partition: i32,
}

/// Where an output of a shard goes: what belongs to one event to the partition number of its input, the rest to the only
/// partition of its topic.
pub(super) fn target(topics: &Topics, sink: Sink, shard: i32) -> Target<'_> {
    match sink {
        Sink::Predictions => Target { topic: &topics.predictions, partition: shard },
        Sink::Outcomes => Target { topic: &topics.outcomes, partition: shard },
        Sink::DeadLetters => Target { topic: &topics.dead_letters, partition: shard },
        Sink::Summaries => Target { topic: &topics.summaries, partition: 0 },
        Sink::DriftAlerts => Target { topic: &topics.drift_alerts, partition: 0 },
        Sink::Performance => Target { topic: &topics.performance, partition: 0 },
        // Written only where the configuration has the topic.
        Sink::Late => Target { topic: topics.late.as_deref().unwrap_or_default(), partition: shard },
        Sink::Models => Target { topic: &topics.models, partition: 0 },
        // A stage that writes to one names it, and the partition comes with the output.
        Sink::Hop => Target { topic: "", partition: shard },
    }
}
