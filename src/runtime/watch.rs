//! Figures of the roles, shown once per batch or transaction, never per event.

use std::collections::BTreeSet;
use std::time::Duration;

use super::checkpoint::Written;
use super::stages::{MONITOR, SCORE};
use crate::data::{ModelCommand, RejectCode};
use crate::monitor::{self, Monitor};
use crate::pipeline::{self, Pipeline};
use crate::telemetry::{Label, Metric, count, gauge, observe, observe_all, unknown};

/// What [`monitored`] shows of performance.
const PERFORMANCE: [Metric; 6] = [
    Metric::PerformanceAuc,
    Metric::PerformanceAucLow,
    Metric::PerformanceReference,
    Metric::PerformanceLabels,
    Metric::LabelCoverage,
    Metric::LabelAge,
];

/// Shows what is counted seldom at zero: a rate sees nothing of a series that appears with its first occurrence.
pub(super) fn begin() {
    for result in [ModelCommand::Registered, ModelCommand::TrainingFailed] {
        count(Metric::Trainings, &[Label::Outcome(result.name())], 0);
    }
    for command in [ModelCommand::Promoted, ModelCommand::Refused] {
        count(Metric::Promotions, &[Label::Command(command.name())], 0);
    }
    for role in [SCORE, MONITOR] {
        count(Metric::Transactions, &[Label::Role(role), Label::Outcome("aborted")], 0);
        count(Metric::SkippedOffsets, &[Label::Role(role)], 0);
        for cause in Cause::ALL {
            count(Metric::Aborted, &[Label::Role(role), Label::Cause(cause.name())], 0);
        }
    }
    for input in ["events", "labels"] {
        count(Metric::DeadLetters, &[Label::Input(input), Label::Reason(RejectCode::Panic.name())], 0);
    }
    for kind in ["assigned", "revoked", "lost"] {
        count(Metric::Rebalances, &[Label::Kind(kind)], 0);
    }
    for result in ["delivered", "given_up"] {
        count(Metric::Notifications, &[Label::Outcome(result)], 0);
    }
    control(0, 0, 0);
    gauge(Metric::HeldShards, &[], 0.0);
    gauge(Metric::TrainingsOpen, &[], 0.0);
}

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

/// Why a transaction was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The cluster, or the client, did not take a record or the commit.
    Refused,
    /// The group has given its partitions to others.
    PartitionsLost,
    /// Handling a record panicked.
    Panic,
    /// Another producer took the transactional id over.
    Fenced,
    /// The client is finished.
    ClientLost,
}

impl Cause {
    const ALL: [Cause; 5] = [Cause::Refused, Cause::PartitionsLost, Cause::Panic, Cause::Fenced, Cause::ClientLost];

    const fn name(self) -> &'static str {
        match self {
            Cause::Refused => "refused",
            Cause::PartitionsLost => "partitions_lost",
            Cause::Panic => "panic",
            Cause::Fenced => "fenced",
            Cause::ClientLost => "client_lost",
        }
    }
}

pub(super) fn aborted(role: &'static str, cause: Cause) {
    count(Metric::Transactions, &[Label::Role(role), Label::Outcome("aborted")], 1);
    count(Metric::Aborted, &[Label::Role(role), Label::Cause(cause.name())], 1);
}

/// How long events have waited for what was committed now.
pub(super) fn latencies(role: &'static str, seconds: impl Iterator<Item = f64>) {
    observe_all(Metric::Latency, &[Label::Role(role)], seconds);
}

/// What became of a notice.
pub(super) fn notified(result: &'static str) {
    count(Metric::Notifications, &[Label::Outcome(result)], 1);
}

/// The control log as far as it has been read.
pub(super) fn control(settings: usize, void: usize, unreadable: usize) {
    gauge(Metric::SettingsByCommand, &[], settings as f64);
    gauge(Metric::ControlRecordsIgnored, &[Label::Reason("void")], void as f64);
    gauge(Metric::ControlRecordsIgnored, &[Label::Reason("unreadable")], unreadable as f64);
}

/// The process runs this role.
pub(super) fn runs(role: &'static str) {
    gauge(Metric::Role, &[Label::Role(role)], 1.0);
}

/// How far a shard is behind the end of its first input, in records and in time.
pub(super) fn lag(role: &'static str, partition: i32, records: i64, behind: Duration) {
    let of = if role == SCORE { Label::Partition(partition) } else { Label::HopPartition(role, partition) };
    gauge(Metric::Lag, &[of], records.max(0) as f64);
    gauge(Metric::LagSeconds, &[of], behind.as_secs_f64());
}

fn of_shard(role: &'static str, shard: i32) -> Label<'static> {
    if role == SCORE { Label::Shard(shard) } else { Label::HopShard(role, shard) }
}

/// Another instance measures the shard from now on.
pub(super) fn released(role: &'static str, shard: i32) {
    lag(role, shard, 0, Duration::ZERO);
    for metric in [Metric::StateGroups, Metric::WaitingPredictions, Metric::EarlyFollowUps] {
        gauge(metric, &[of_shard(role, shard)], 0.0);
    }
    if role != SCORE {
        gauge(Metric::HeldBack, &[of_shard(role, shard)], 0.0);
    }
}

/// A shard after a commit; `before` and `before_unseen` are what its machine had counted when it was last shown.
pub(super) fn scored(role: &'static str, machine: &Pipeline, before: &pipeline::Tally, before_unseen: &[u64]) {
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
    let before_unseen = before_unseen.iter().copied().chain(std::iter::repeat(0));
    for ((feature, now), before) in machine.unseen().zip(before_unseen) {
        count(Metric::UnseenCategories, &[Label::Signal(feature)], now - before);
    }
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
    if let Some(keys) = machine.known_keys() {
        fact_keys(role, shard, keys);
    }
    gauge(Metric::ModelVersion, &[Label::Role(role)], f64::from(version));
}

/// Of so many keys a shard knows facts.
pub(super) fn fact_keys(role: &'static str, shard: i32, keys: usize) {
    gauge(Metric::FactKeys, &[of_shard(role, shard)], keys as f64);
}

/// Events consumed less what became of them, over all shards of the process: zero unless something is wrong. What a
/// stage passes on counts there, and is consumed by the next.
pub(super) fn identity(tallies: impl Iterator<Item = pipeline::Tally>) {
    let difference: i64 = tallies.map(|tally| tally.unaccounted()).sum();
    gauge(Metric::CountIdentityDifference, &[], difference as f64);
}

/// The monitor after a commit; `before` is what was shown last. Remembers in `signals` which ones have been shown.
pub(super) fn monitored(
    role: &'static str,
    machine: &Monitor,
    before: &monitor::Tally,
    signals: &mut BTreeSet<String>,
) {
    let now = machine.tally();
    count(Metric::Consumed, &[Label::Input("summaries")], now.summaries - before.summaries);
    count(Metric::TrainingsAsked, &[], now.trainings_asked - before.trainings_asked);
    count(Metric::Promotions, &[Label::Command(ModelCommand::Promoted.name())], now.promoted - before.promoted);
    count(Metric::Promotions, &[Label::Command(ModelCommand::Refused.name())], now.refused - before.refused);
    gauge(Metric::ModelVersion, &[Label::Role(role)], f64::from(machine.model_version()));
    match machine.in_charge_since() {
        Some(at) => gauge(Metric::ModelPromoted, &[], at.millis() as f64 / 1_000.0),
        None => unknown(Metric::ModelPromoted, &[]),
    }
    let open: BTreeSet<&str> = machine.open_signals().collect();
    let effects = machine.drift_effects();
    gauge(Metric::AlertsOpen, &[], open.len() as f64);
    signals.extend(open.iter().map(|signal| (*signal).to_owned()).chain(effects.keys().cloned()));
    for signal in &*signals {
        let label = [Label::Signal(signal)];
        gauge(Metric::AlertOpen, &label, if open.contains(signal.as_str()) { 1.0 } else { 0.0 });
        // What was measured against the version before says nothing of this one; performance has no such effect.
        gauge(Metric::DriftEffect, &label, effects.get(signal).copied().unwrap_or(0.0));
    }
    performance(machine);
}

fn performance(machine: &Monitor) {
    let Some(figures) = machine.performance() else {
        return PERFORMANCE.into_iter().for_each(|metric| unknown(metric, &[]));
    };
    let window = &figures.window;
    let values =
        [window.auc, window.auc_low, figures.reference_auc, Some(window.n as f64), window.coverage, window.label_age_s];
    for (metric, value) in PERFORMANCE.into_iter().zip(values) {
        match value {
            Some(value) => gauge(metric, &[], value),
            None => unknown(metric, &[]),
        }
    }
}

/// Another instance is the active monitor from now on: nothing it will find is to be contradicted from here.
pub(super) fn stood_by(role: &'static str, signals: &BTreeSet<String>) {
    gauge(Metric::AlertsOpen, &[], 0.0);
    for signal in signals {
        gauge(Metric::AlertOpen, &[Label::Signal(signal)], 0.0);
        gauge(Metric::DriftEffect, &[Label::Signal(signal)], 0.0);
    }
    unknown(Metric::ModelVersion, &[Label::Role(role)]);
    for metric in PERFORMANCE.into_iter().chain([Metric::ModelPromoted]) {
        unknown(metric, &[]);
    }
}

pub(super) fn trainings_open(n: usize) {
    gauge(Metric::TrainingsOpen, &[], n as f64);
}

pub(super) fn trained(result: &'static str, took: Duration) {
    count(Metric::Trainings, &[Label::Outcome(result)], 1);
    observe(Metric::TrainingSeconds, &[], took.as_secs_f64());
}
