//! Labels of metrics, bounded by construction.
//!
//! A value is a name written in the source, a number that Driftless itself gives out (partition, shard, model version), or
//! the name of a signal, of which the configuration declares so many: no record can add a time series.

use metrics::SharedString;

/// One label of a metric with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label<'a> {
    /// An input of a stage: `events`, `labels`, `summaries`, or a hop.
    Input(&'static str),
    /// Why, from a closed list such as [`crate::data::RejectCode`].
    Reason(&'static str),
    /// Which role: `score`, `monitor`, `retrain`, or a hop.
    Role(&'static str),
    /// How it ended: `committed`, `aborted`, `registered`, ...
    Outcome(&'static str),
    /// Why a transaction was given up, from a closed list.
    Cause(&'static str),
    /// What sort: `assigned`, `revoked`, `lost`.
    Kind(&'static str),
    /// A command of the control log.
    Command(&'static str),
    /// Version of a model; 0 is the base rate.
    ModelVersion(u32),
    /// A partition of an input.
    Partition(i32),
    /// A shard of a stage.
    Shard(i32),
    /// A partition of the topic of a hop.
    HopPartition(&'static str, i32),
    /// A shard of a hop.
    HopShard(&'static str, i32),
    /// A signal that is watched for drift: a feature, `score` or `performance`.
    Signal(&'a str),
    /// Version of this program.
    Version(&'static str),
}

impl Label<'_> {
    /// The name under which it is exported.
    pub const fn name(self) -> &'static str {
        match self {
            Label::Input(_) => "input",
            Label::Reason(_) => "reason",
            Label::Role(_) => "role",
            Label::Outcome(_) => "result",
            Label::Cause(_) => "cause",
            Label::Kind(_) => "kind",
            Label::Command(_) => "command",
            Label::ModelVersion(_) => "model_version",
            Label::Partition(_) | Label::HopPartition(..) => "partition",
            Label::Shard(_) | Label::HopShard(..) => "shard",
            Label::Signal(_) => "signal",
            Label::Version(_) => "version",
        }
    }

    pub(super) fn value(self) -> SharedString {
        match self {
            Label::Input(text)
            | Label::Reason(text)
            | Label::Role(text)
            | Label::Outcome(text)
            | Label::Cause(text)
            | Label::Kind(text)
            | Label::Command(text)
            | Label::Version(text) => SharedString::const_str(text),
            Label::Signal(name) => name.to_owned().into(),
            Label::ModelVersion(number) => number.to_string().into(),
            Label::Partition(number) | Label::Shard(number) => number.to_string().into(),
            Label::HopPartition(hop, number) | Label::HopShard(hop, number) => format!("{hop}/{number}").into(),
        }
    }
}
