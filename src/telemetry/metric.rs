//! The metrics, and what each of them promises; the table is in `table`.
//!
//! Names are a contract with dashboards and alert rules: added to, not renamed. Base units, as Prometheus has it.

use super::declaration::Declaration;
use super::table;

/// Every metric Driftless exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Version of the program.
    BuildInfo,
    /// When the process started.
    Start,
    /// Which roles the process runs.
    Role,
    /// Whether the process can do its work.
    Ready,
    /// Memory in use.
    ResidentMemory,
    /// Memory allowed.
    MemoryLimit,
    /// Records consumed.
    Consumed,
    /// Predictions published.
    Predictions,
    /// Records that could not be used.
    DeadLetters,
    /// Events behind the watermark.
    Late,
    /// Events behind the watermark that were not scored.
    LateOutput,
    /// Events that came before.
    Duplicates,
    /// First labels joined.
    LabelsJoined,
    /// Shards that take nothing because their events have gone bad.
    HeldShards,
    /// Whether the counts add up.
    CountIdentityDifference,
    /// Transactions by how they ended.
    Transactions,
    /// Transactions given up, by why.
    Aborted,
    /// How long a transaction took.
    TransactionSeconds,
    /// How long an event waited for its prediction.
    Latency,
    /// How much a transaction consumed.
    BatchRecords,
    /// Records not read yet.
    Lag,
    /// How long records have waited.
    LagSeconds,
    /// Offsets that were gone before they were read.
    SkippedOffsets,
    /// Changes of the assignment.
    Rebalances,
    /// How long restoring a shard took.
    RestoreSeconds,
    /// How much checkpoints have written.
    CheckpointBytes,
    /// How much a restore of a shard would read.
    StateBytes,
    /// Groups with windows.
    StateGroups,
    /// Groups forgotten because there were too many.
    EvictedGroups,
    /// Values that were in no list.
    Unlisted,
    /// Categories a model did not see in training.
    UnseenCategories,
    /// Predictions waiting for labels.
    WaitingPredictions,
    /// Follow-ups waiting for events.
    EarlyFollowUps,
    /// Records waiting for their turn.
    HeldBack,
    /// Keys of which facts are known.
    FactKeys,
    /// The version in charge.
    ModelVersion,
    /// Since when a version is in charge.
    ModelPromoted,
    /// Alerts open.
    AlertsOpen,
    /// Alerts by signal.
    AlertOpen,
    /// How far a signal is from its reference.
    DriftEffect,
    /// How good the predictions are.
    PerformanceAuc,
    /// How good they are at least.
    PerformanceAucLow,
    /// How good they were promised to be.
    PerformanceReference,
    /// What that rests on.
    PerformanceLabels,
    /// Share of predictions with labels.
    LabelCoverage,
    /// How late labels come.
    LabelAge,
    /// Trainings asked for.
    TrainingsAsked,
    /// Trainings under way.
    TrainingsOpen,
    /// Trainings by how they ended.
    Trainings,
    /// How long a training took.
    TrainingSeconds,
    /// Commands of the control log.
    Promotions,
    /// Notices to whoever is told.
    Notifications,
    /// Settings that are not those of the configuration.
    SettingsByCommand,
    /// Records of the control log without effect.
    ControlRecordsIgnored,
    /// Spans, by what became of them.
    Spans,
    /// Headers of traces that cannot be read.
    TraceparentsMalformed,
}

impl Metric {
    /// Every metric, in the order of the documentation.
    pub const ALL: [Metric; 56] = [
        Metric::BuildInfo,
        Metric::Start,
        Metric::Role,
        Metric::Ready,
        Metric::ResidentMemory,
        Metric::MemoryLimit,
        Metric::Consumed,
        Metric::Predictions,
        Metric::DeadLetters,
        Metric::Late,
        Metric::LateOutput,
        Metric::Duplicates,
        Metric::LabelsJoined,
        Metric::HeldShards,
        Metric::CountIdentityDifference,
        Metric::Transactions,
        Metric::Aborted,
        Metric::TransactionSeconds,
        Metric::Latency,
        Metric::BatchRecords,
        Metric::Lag,
        Metric::LagSeconds,
        Metric::SkippedOffsets,
        Metric::Rebalances,
        Metric::RestoreSeconds,
        Metric::CheckpointBytes,
        Metric::StateBytes,
        Metric::StateGroups,
        Metric::EvictedGroups,
        Metric::Unlisted,
        Metric::UnseenCategories,
        Metric::WaitingPredictions,
        Metric::EarlyFollowUps,
        Metric::HeldBack,
        Metric::FactKeys,
        Metric::ModelVersion,
        Metric::ModelPromoted,
        Metric::AlertsOpen,
        Metric::AlertOpen,
        Metric::DriftEffect,
        Metric::PerformanceAuc,
        Metric::PerformanceAucLow,
        Metric::PerformanceReference,
        Metric::PerformanceLabels,
        Metric::LabelCoverage,
        Metric::LabelAge,
        Metric::TrainingsAsked,
        Metric::TrainingsOpen,
        Metric::Trainings,
        Metric::TrainingSeconds,
        Metric::Promotions,
        Metric::Notifications,
        Metric::SettingsByCommand,
        Metric::ControlRecordsIgnored,
        Metric::Spans,
        Metric::TraceparentsMalformed,
    ];

    /// Name, kind, unit, labels and help.
    pub const fn declaration(self) -> Declaration {
        table::declaration(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use metrics::Unit;

    use super::super::declaration::Kind;
    use super::*;

    #[test]
    fn every_metric_follows_the_naming_rules() {
        let mut names = BTreeSet::new();
        for metric in Metric::ALL {
            let Declaration { name, kind, unit, labels, help } = metric.declaration();
            assert!(names.insert(name), "{name} is declared twice");
            assert!(name.starts_with("driftless_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert_eq!(unit == Unit::Seconds, name.ends_with("_seconds"), "{name}");
            assert!(help.ends_with('.') && help.len() < 120, "{name}: {help}");
            assert!(labels.len() <= 2, "{name}");
        }
    }

    #[test]
    fn buckets_ascend() {
        for metric in Metric::ALL {
            if let Kind::Histogram(bounds) = metric.declaration().kind {
                assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{metric:?}");
            }
        }
    }
}
