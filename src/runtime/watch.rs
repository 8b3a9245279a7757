//! Figures of the roles, shown once per batch or transaction, never per event.

use std::time::Duration;

use super::checkpoint::Written;
use super::stages::{MONITOR, SCORE};
use crate::data::{ModelCommand, RejectCode};
use crate::monitor::{self, Monitor};
use crate::pipeline::{self, Pipeline};
use crate::telemetry::{Label, Metric, count, gauge, observe};

pub(super) fn rebalanced(kind: &'static str) {
    count(Metric::Rebalances, &[Label::Kind(kind)], 1);
}

pub(super) fn restored(took: Duration) {
    observe(Metric::RestoreSeconds, &[], took.as_secs_f64());
}

/// Offsets were passed over that retention had removed.
pub(super) fn skipped(role: &'static str, offsets: i64) {
    count(Metric::SkippedOffsets, &[Label::Role(role)], u64::try_from(offsets).unwrap_or(0));
}

/// A checkpoint is complete.
pub(super) fn checkpointed(role: &'static str, shard: i32, written: &Written) {
    let Written { checkpoint, is_compact, bytes, held } = *written;
    tracing::debug!(role, shard, checkpoint, is_compact, bytes, held, "checkpoint_written");
    count(Metric::CheckpointBytes, &[Label::Role(role)], bytes);
    if role != MONITOR {
        gauge(Metric::StateBytes, &[of_shard(role, shard)], held as f64);
    }
}

/// So many shards of the process are held back.
pub(super) fn held(shards: usize) {
    gauge(Metric::HeldShards, &[], shards as f64);
}

pub(super) fn batch(records: usize) {
    observe(Metric::BatchRecords, &[], records as f64);
}

pub(super) fn committed(role: &'static str, took: Duration) {
    count(Metric::Transactions, &[Label::Role(role), Label::Outcome("committed")], 1);
    observe(Metric::TransactionSeconds, &[Label::Role(role)], took.as_secs_f64());
}

pub(super) fn aborted(role: &'static str) {
    count(Metric::Transactions, &[Label::Role(role), Label::Outcome("aborted")], 1);
}

pub(super) fn lag(role: &'static str, partition: i32, records: i64) {
    let of = if role == SCORE { Label::Partition(partition) } else { Label::HopPartition(role, partition) };
    gauge(Metric::Lag, &[of], records.max(0) as f64);
}

fn of_shard(role: &'static str, shard: i32) -> Label {
    if role == SCORE { Label::Shard(shard) } else { Label::HopShard(role, shard) }
}

/// Another instance measures the shard from now on.
pub(super) fn released(role: &'static str, shard: i32) {
    lag(role, shard, 0);
    for metric in [Metric::StateGroups, Metric::WaitingPredictions, Metric::EarlyFollowUps] {
        gauge(metric, &[of_shard(role, shard)], 0.0);
    }
    if role != SCORE {
        gauge(Metric::HeldBack, &[of_shard(role, shard)], 0.0);
    }
}

/// A shard after a commit; `before` is what its machine had counted when it was last shown.
pub(super) fn scored(role: &'static str, machine: &Pipeline, before: &pipeline::Tally) {
    let now = machine.tally();
    let shard = machine.shard();
    let version = machine.model_version();
    let [events, labels, facts] = ["events", "labels", "facts"].map(Label::Input);
    let [events_of, labels_of] = if role == SCORE { [events, labels] } else { [Label::Input(role); 2] };
    count(Metric::Consumed, &[events_of], now.events - before.events);
    count(Metric::Consumed, &[labels_of], now.follow_ups - before.follow_ups);
    if now.facts > before.facts {
        count(Metric::Consumed, &[facts], now.facts - before.facts);
    }
    if machine.station().is_last() {
        count(Metric::Predictions, &[Label::ModelVersion(version)], now.predictions - before.predictions);
    }
    count(Metric::Late, &[], now.late - before.late);
    count(Metric::LateOutput, &[], now.late_output - before.late_output);
    count(Metric::Duplicates, &[], now.duplicates - before.duplicates);
    count(Metric::LabelsJoined, &[], now.labels - before.labels);
    count(Metric::EvictedGroups, &[], now.features.evicted - before.features.evicted);
    count(Metric::Unlisted, &[], now.features.unlisted - before.features.unlisted);
    for (input, (now, before)) in [events, labels, facts].into_iter().zip(now.rejects.iter().zip(&before.rejects)) {
        for (code, (now, before)) in RejectCode::ALL.iter().zip(now.iter().zip(before)) {
            if now > before {
                count(Metric::DeadLetters, &[input, Label::Reason(code.name())], now - before);
            }
        }
    }
    let [groups, waiting, early] = machine.held();
    gauge(Metric::StateGroups, &[of_shard(role, shard)], groups as f64);
    gauge(Metric::WaitingPredictions, &[of_shard(role, shard)], waiting as f64);
    gauge(Metric::EarlyFollowUps, &[of_shard(role, shard)], early as f64);
    if role != SCORE {
        gauge(Metric::HeldBack, &[of_shard(role, shard)], machine.held_back() as f64);
    }
    gauge(Metric::ModelVersion, &[Label::Role(role)], f64::from(version));
}

/// Events consumed less what became of them, over all shards of the process: zero unless something is wrong. What a
/// stage passes on counts there, and is consumed by the next.
pub(super) fn identity(tallies: impl Iterator<Item = pipeline::Tally>) {
    let difference: i64 = tallies.map(|tally| tally.unaccounted()).sum();
    gauge(Metric::CountIdentityDifference, &[], difference as f64);
}

pub(super) fn monitored(role: &'static str, machine: &Monitor, before: &monitor::Tally) {
    let now = machine.tally();
    gauge(Metric::AlertsOpen, &[], machine.open_alerts() as f64);
    gauge(Metric::ModelVersion, &[Label::Role(role)], f64::from(machine.model_version()));
    count(Metric::Promotions, &[Label::Command(ModelCommand::Promoted.name())], now.promoted - before.promoted);
    count(Metric::Promotions, &[Label::Command(ModelCommand::Refused.name())], now.refused - before.refused);
}

pub(super) fn trained(result: &'static str, took: Duration) {
    count(Metric::Trainings, &[Label::Outcome(result)], 1);
    observe(Metric::TrainingSeconds, &[], took.as_secs_f64());
}
