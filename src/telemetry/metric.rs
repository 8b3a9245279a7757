//! The names: every metric with kind, unit, labels and help.
//!
//! Names are a contract with dashboards and alert rules: added to, not renamed. Base units, as Prometheus has it.

use metrics::Unit;

use super::declaration::{Declaration, Kind};

/// Every metric Driftless exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Version of the program.
    BuildInfo,
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
    /// How long a transaction took.
    TransactionSeconds,
    /// How much a transaction consumed.
    BatchRecords,
    /// Records not read yet.
    Lag,
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
    /// Predictions waiting for labels.
    WaitingPredictions,
    /// Follow-ups waiting for events.
    EarlyFollowUps,
    /// Records waiting for their turn.
    HeldBack,
    /// The version in charge.
    ModelVersion,
    /// Alerts open.
    AlertsOpen,
    /// Trainings by how they ended.
    Trainings,
    /// How long a training took.
    TrainingSeconds,
    /// Commands of the control log.
    Promotions,
}

/// From a commit on a local broker to the default transaction time-out.
const TRANSACTION_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// From one record to the largest batches librdkafka hands over in a second.
const BATCH_RECORDS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0];
/// From an empty journal to an hour of it.
const RESTORE_SECONDS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0];
/// From a linear model on a day of rows to a forest on years.
const TRAINING_SECONDS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];

impl Metric {
    /// Every metric, in the order of the documentation.
    pub const ALL: [Metric; 30] = [
        Metric::BuildInfo,
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
        Metric::TransactionSeconds,
        Metric::BatchRecords,
        Metric::Lag,
        Metric::SkippedOffsets,
        Metric::Rebalances,
        Metric::RestoreSeconds,
        Metric::CheckpointBytes,
        Metric::StateBytes,
        Metric::StateGroups,
        Metric::EvictedGroups,
        Metric::Unlisted,
        Metric::WaitingPredictions,
        Metric::EarlyFollowUps,
        Metric::HeldBack,
        Metric::ModelVersion,
        Metric::AlertsOpen,
        Metric::Trainings,
        Metric::TrainingSeconds,
        Metric::Promotions,
    ];

    /// Name, kind, unit, labels and help.
    #[expect(clippy::too_many_lines, reason = "one table, one place to read it")]
    pub const fn declaration(self) -> Declaration {
        use Kind::{Counter, Gauge, Histogram};
        match self {
            Metric::BuildInfo => Declaration {
                name: "driftless_build_info",
                kind: Gauge,
                unit: Unit::Count,
                labels: &["version"],
                help: "Always 1; the label says which version of Driftless runs.",
            },
            Metric::Consumed => Declaration {
                name: "driftless_consumed_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &["input"],
                help: "Records consumed in committed transactions, by input.",
            },
            Metric::Predictions => Declaration {
                name: "driftless_predictions_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &["model_version"],
                help: "Predictions published, by model version; version 0 is the base rate.",
            },
            Metric::DeadLetters => Declaration {
                name: "driftless_dead_letters_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &["input", "reason"],
                help: "Records that could not be used and went to the dead-letter topic, by input and reason.",
            },
            Metric::Late => Declaration {
                name: "driftless_late_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &[],
                help: "Events behind the watermark of their shard: scored and flagged, or in their own topic.",
            },
            Metric::LateOutput => Declaration {
                name: "driftless_late_output_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &[],
                help: "Late events that went to their own topic instead of being scored.",
            },
            Metric::Duplicates => Declaration {
                name: "driftless_duplicates_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &[],
                help: "Events left out because their id had come before, within events.deduplicate.",
            },
            Metric::LabelsJoined => Declaration {
                name: "driftless_labels_joined_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &[],
                help: "Predictions whose first label has come; corrections are not counted again.",
            },
            Metric::HeldShards => Declaration {
                name: "driftless_held_shards",
                kind: Gauge,
                unit: Unit::Count,
                labels: &[],
                help: "Shards of this process held back because too many of their events were refused.",
            },
            Metric::CountIdentityDifference => Declaration {
                name: "driftless_count_identity_difference",
                kind: Gauge,
                unit: Unit::Count,
                labels: &[],
                help: "Events consumed less what became of them, over the stages of a process; anything but 0 is a defect.",
            },
            Metric::Transactions => Declaration {
                name: "driftless_transactions_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &["role", "result"],
                help: "Transactions, by role and by how they ended (committed, aborted).",
            },
            Metric::TransactionSeconds => Declaration {
                name: "driftless_transaction_seconds",
                kind: Histogram(TRANSACTION_SECONDS),
                unit: Unit::Seconds,
                labels: &["role"],
                help: "Time from the first record of a transaction to its commit, by role.",
            },
            Metric::BatchRecords => Declaration {
                name: "driftless_batch_records",
                kind: Histogram(BATCH_RECORDS),
                unit: Unit::Count,
                labels: &[],
                help: "Records consumed by one transaction of the score role.",
            },
            Metric::Lag => Declaration {
                name: "driftless_lag_records",
                kind: Gauge,
                unit: Unit::Count,
                labels: &["partition"],
                help: "Records of the events topic not read yet, by partition, as of the last poll.",
            },
            Metric::SkippedOffsets => Declaration {
                name: "driftless_skipped_offsets_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &["role"],
                help: "Offsets of inputs that retention removed unread and that were skipped, by role.",
            },
            Metric::Rebalances => Declaration {
                name: "driftless_rebalances_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &["kind"],
                help: "Changes of the assignment, by kind (assigned, revoked, lost).",
            },
            Metric::RestoreSeconds => Declaration {
                name: "driftless_restore_seconds",
                kind: Histogram(RESTORE_SECONDS),
                unit: Unit::Seconds,
                labels: &[],
                help: "Time to restore the state of one shard before it may go on.",
            },
            Metric::CheckpointBytes => Declaration {
                name: "driftless_checkpoint_bytes_total",
                kind: Counter,
                unit: Unit::Bytes,
                labels: &["role"],
                help: "Bytes of state written by checkpoints, by role.",
            },
            Metric::StateBytes => Declaration {
                name: "driftless_state_bytes",
                kind: Gauge,
                unit: Unit::Bytes,
                labels: &["shard"],
                help: "Bytes of the checkpoint that a restore of the shard would read, by shard of the score role.",
            },
            Metric::StateGroups => Declaration {
                name: "driftless_state_groups",
                kind: Gauge,
                unit: Unit::Count,
                labels: &["shard"],
                help: "Groups (keys, or keys with more fields) that hold windows, by shard.",
            },
            Metric::EvictedGroups => Declaration {
                name: "driftless_evicted_groups_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &[],
                help: "Groups of windows forgotten because there were more than `features.max_keys`.",
            },
            Metric::Unlisted => Declaration {
                name: "driftless_unlisted_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &[],
                help: "Values of string fields that were in none of the lists that features look them up in.",
            },
            Metric::WaitingPredictions => Declaration {
                name: "driftless_waiting_predictions",
                kind: Gauge,
                unit: Unit::Count,
                labels: &["shard"],
                help: "Predictions waiting for their labels, by shard.",
            },
            Metric::EarlyFollowUps => Declaration {
                name: "driftless_early_follow_ups",
                kind: Gauge,
                unit: Unit::Count,
                labels: &["shard"],
                help: "Follow-ups waiting for their events, by shard.",
            },
            Metric::HeldBack => Declaration {
                name: "driftless_held_back_records",
                kind: Gauge,
                unit: Unit::Count,
                labels: &["shard"],
                help: "Records that wait in a hop until every shard before it has passed their time, by shard.",
            },
            Metric::ModelVersion => Declaration {
                name: "driftless_model_version",
                kind: Gauge,
                unit: Unit::Count,
                labels: &["role"],
                help: "Model version in charge as each role of this process knows it; 0 is the base rate.",
            },
            Metric::AlertsOpen => Declaration {
                name: "driftless_alerts_open",
                kind: Gauge,
                unit: Unit::Count,
                labels: &[],
                help: "Alerts open now; reported by the active monitor.",
            },
            Metric::Trainings => Declaration {
                name: "driftless_trainings_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &["result"],
                help: "Trainings, by how they ended (registered, training_failed).",
            },
            Metric::TrainingSeconds => Declaration {
                name: "driftless_training_seconds",
                kind: Histogram(TRAINING_SECONDS),
                unit: Unit::Seconds,
                labels: &[],
                help: "Time from the request for a training to its candidate.",
            },
            Metric::Promotions => Declaration {
                name: "driftless_promotions_total",
                kind: Counter,
                unit: Unit::Count,
                labels: &["command"],
                help: "Records written to the control log by the monitor, by command (promoted, refused, rolled_back).",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
