//! The table of metrics: name, kind, unit, labels and help of each.
//!
//! `docs/metrics.md` shows it to a person, and a test holds the two together. What a metric means does not change; what
//! turns out to mean something else gets another name.

use metrics::Unit;

use super::buckets::{BATCH_RECORDS, LATENCY_SECONDS, RESTORE_SECONDS, TRAINING_SECONDS, TRANSACTION_SECONDS};
use super::declaration::{Declaration, counter, gauge, histogram};
use super::metric::Metric;

/// Name, kind, unit, labels and help.
#[expect(clippy::too_many_lines, reason = "one table, one place to read it")]
pub(super) const fn declaration(metric: Metric) -> Declaration {
    match metric {
        Metric::BuildInfo => gauge(
            "driftless_build_info",
            Unit::Count,
            &["version"],
            "Always 1; the label says which version of Driftless runs.",
        ),
        Metric::Start => gauge(
            "driftless_start_timestamp_seconds",
            Unit::Seconds,
            &[],
            "When the process started, in seconds since 1970.",
        ),
        Metric::Role => gauge("driftless_role", Unit::Count, &["role"], "1 for each role that the process runs."),
        Metric::Ready => gauge(
            "driftless_ready",
            Unit::Count,
            &[],
            "1 while every role of the process holds what it was assigned, restored; what `/readyz` says.",
        ),
        Metric::ResidentMemory => gauge(
            "driftless_resident_memory_bytes",
            Unit::Bytes,
            &[],
            "Memory of the process that is in RAM; where the system tells.",
        ),
        Metric::MemoryLimit => gauge(
            "driftless_memory_limit_bytes",
            Unit::Bytes,
            &[],
            "Memory that the process may use before the system ends it; where there is a limit.",
        ),
        Metric::Consumed => counter(
            "driftless_consumed_total",
            Unit::Count,
            &["input"],
            "Records consumed in committed transactions, by input.",
        ),
        Metric::Predictions => counter(
            "driftless_predictions_total",
            Unit::Count,
            &["model_version"],
            "Predictions published, by model version; version 0 is the base rate.",
        ),
        Metric::DeadLetters => counter(
            "driftless_dead_letters_total",
            Unit::Count,
            &["input", "reason"],
            "Records that could not be used and went to the dead-letter topic, by input and reason.",
        ),
        Metric::Late => counter(
            "driftless_late_total",
            Unit::Count,
            &[],
            "Events behind the watermark of their shard: scored and flagged, or in their own topic.",
        ),
        Metric::LateOutput => counter(
            "driftless_late_output_total",
            Unit::Count,
            &[],
            "Late events that went to their own topic instead of being scored.",
        ),
        Metric::Duplicates => counter(
            "driftless_duplicates_total",
            Unit::Count,
            &[],
            "Events left out because their id had come before, within events.deduplicate.",
        ),
        Metric::LabelsJoined => counter(
            "driftless_labels_joined_total",
            Unit::Count,
            &[],
            "Predictions whose first label has come; corrections are not counted again.",
        ),
        Metric::HeldShards => gauge(
            "driftless_held_shards",
            Unit::Count,
            &[],
            "Shards of this process held back because too many of their events were refused.",
        ),
        Metric::CountIdentityDifference => gauge(
            "driftless_count_identity_difference",
            Unit::Count,
            &[],
            "Events consumed less what became of them, over the stages of a process; anything but 0 is a defect.",
        ),
        Metric::Transactions => counter(
            "driftless_transactions_total",
            Unit::Count,
            &["role", "result"],
            "Transactions, by role and by how they ended (committed, aborted).",
        ),
        Metric::Aborted => counter(
            "driftless_aborted_transactions_total",
            Unit::Count,
            &["role", "cause"],
            "Transactions given up, by role and by cause (refused, partitions_lost, panic, fenced, client_lost).",
        ),
        Metric::TransactionSeconds => histogram(
            "driftless_transaction_seconds",
            TRANSACTION_SECONDS,
            Unit::Seconds,
            &["role"],
            "Time from the first record of a transaction to its commit, by role.",
        ),
        Metric::Latency => histogram(
            "driftless_latency_seconds",
            LATENCY_SECONDS,
            Unit::Seconds,
            &["role"],
            "From the timestamp of an event's record to the commit of its prediction; of a hop, from the stage before it.",
        ),
        Metric::BatchRecords => histogram(
            "driftless_batch_records",
            BATCH_RECORDS,
            Unit::Count,
            &[],
            "Records consumed by one transaction of the score role.",
        ),
        Metric::Lag => gauge(
            "driftless_lag_records",
            Unit::Count,
            &["partition"],
            "Records of the events topic not read yet, those of open transactions included, by partition, as of the last look.",
        ),
        Metric::LagSeconds => gauge(
            "driftless_lag_seconds",
            Unit::Seconds,
            &["partition"],
            "Time for which the shard has had records of its first input to read, by partition; 0 at the end.",
        ),
        Metric::SkippedOffsets => counter(
            "driftless_skipped_offsets_total",
            Unit::Count,
            &["role"],
            "Offsets of inputs that retention removed unread and that were skipped, by role.",
        ),
        Metric::Rebalances => counter(
            "driftless_rebalances_total",
            Unit::Count,
            &["kind"],
            "Changes of the assignment, by kind (assigned, revoked, lost).",
        ),
        Metric::RestoreSeconds => histogram(
            "driftless_restore_seconds",
            RESTORE_SECONDS,
            Unit::Seconds,
            &[],
            "Time to restore the state of one shard before it may go on.",
        ),
        Metric::CheckpointBytes => counter(
            "driftless_checkpoint_bytes_total",
            Unit::Bytes,
            &["role"],
            "Bytes of state written by checkpoints, by role.",
        ),
        Metric::StateBytes => gauge(
            "driftless_state_bytes",
            Unit::Bytes,
            &["shard"],
            "Bytes of the checkpoint that a restore of the shard would read, by shard of the score role.",
        ),
        Metric::StateGroups => gauge(
            "driftless_state_groups",
            Unit::Count,
            &["shard"],
            "Groups (keys, or keys with more fields) that hold windows, by shard.",
        ),
        Metric::EvictedGroups => counter(
            "driftless_evicted_groups_total",
            Unit::Count,
            &[],
            "Groups of windows forgotten because there were more than `features.max_keys`.",
        ),
        Metric::Unlisted => counter(
            "driftless_unlisted_total",
            Unit::Count,
            &[],
            "Values of string fields that were in none of the lists that features look them up in.",
        ),
        Metric::UnseenCategories => counter(
            "driftless_unseen_categories_total",
            Unit::Count,
            &["signal"],
            "Predictions from a category that the model had not seen in training, by feature.",
        ),
        Metric::WaitingPredictions => gauge(
            "driftless_waiting_predictions",
            Unit::Count,
            &["shard"],
            "Predictions waiting for their labels, by shard.",
        ),
        Metric::EarlyFollowUps => gauge(
            "driftless_early_follow_ups",
            Unit::Count,
            &["shard"],
            "Follow-ups waiting for their events, by shard.",
        ),
        Metric::HeldBack => gauge(
            "driftless_held_back_records",
            Unit::Count,
            &["shard"],
            "Records that wait in a hop until every shard before it has passed their time, by shard.",
        ),
        Metric::FactKeys => gauge(
            "driftless_fact_keys",
            Unit::Count,
            &["shard"],
            "Keys of which facts are known, over all topics of facts, by shard; where there are such topics.",
        ),
        Metric::ModelVersion => gauge(
            "driftless_model_version",
            Unit::Count,
            &["role"],
            "Model version in charge as each role of this process knows it; 0 is the base rate.",
        ),
        Metric::ModelPromoted => gauge(
            "driftless_model_promoted_timestamp_seconds",
            Unit::Seconds,
            &[],
            "When the version in charge took charge, in seconds since 1970; NaN while it is the base rate.",
        ),
        Metric::AlertsOpen => {
            gauge("driftless_alerts_open", Unit::Count, &[], "Alerts open now; reported by the active monitor.")
        }
        Metric::AlertOpen => gauge(
            "driftless_alert_open",
            Unit::Count,
            &["signal"],
            "1 while the alert of the signal is open, 0 once it is over; reported by the active monitor.",
        ),
        Metric::DriftEffect => gauge(
            "driftless_drift_effect_ratio",
            Unit::Count,
            &["signal"],
            "Largest effect of the last window over its threshold, by signal; from 1 on an alert opens if significant.",
        ),
        Metric::PerformanceAuc => gauge(
            "driftless_performance_auc",
            Unit::Count,
            &[],
            "AUC of the version in charge in its newest published window; NaN while unknown.",
        ),
        Metric::PerformanceAucLow => gauge(
            "driftless_performance_auc_low",
            Unit::Count,
            &[],
            "Lower end of the 95 % interval of that AUC; NaN while unknown.",
        ),
        Metric::PerformanceReference => gauge(
            "driftless_performance_reference_auc",
            Unit::Count,
            &[],
            "AUC of the version in charge on the held-out rows of its training; NaN while unknown.",
        ),
        Metric::PerformanceLabels => gauge(
            "driftless_performance_labels",
            Unit::Count,
            &[],
            "Labelled predictions that the newest published window of the version in charge rests on.",
        ),
        Metric::LabelCoverage => gauge(
            "driftless_label_coverage_ratio",
            Unit::Count,
            &[],
            "Share of the predictions of that window whose label has come; NaN while unknown.",
        ),
        Metric::LabelAge => gauge(
            "driftless_label_age_seconds",
            Unit::Seconds,
            &[],
            "Mean event time from the events of that window to their labels; NaN while unknown.",
        ),
        Metric::TrainingsAsked => {
            counter("driftless_trainings_asked_total", Unit::Count, &[], "Trainings that the monitor asked for.")
        }
        Metric::TrainingsOpen => {
            gauge("driftless_trainings_open", Unit::Count, &[], "Trainings taken up and not ended yet.")
        }
        Metric::Trainings => counter(
            "driftless_trainings_total",
            Unit::Count,
            &["result"],
            "Trainings, by how they ended (registered, training_failed).",
        ),
        Metric::TrainingSeconds => histogram(
            "driftless_training_seconds",
            TRAINING_SECONDS,
            Unit::Seconds,
            &[],
            "Time from the request for a training to its candidate.",
        ),
        Metric::Promotions => counter(
            "driftless_promotions_total",
            Unit::Count,
            &["command"],
            "Records written to the control log by the monitor, by command (promoted, refused, rolled_back).",
        ),
        Metric::Notifications => counter(
            "driftless_notifications_total",
            Unit::Count,
            &["result"],
            "Notices to the receiver of `[notify]`, by what became of them (delivered, given_up).",
        ),
        Metric::SettingsByCommand => gauge(
            "driftless_settings_by_command",
            Unit::Count,
            &[],
            "Settings that a command has changed: they are not those of the configuration.",
        ),
        Metric::ControlRecordsIgnored => gauge(
            "driftless_control_records_ignored",
            Unit::Count,
            &["reason"],
            "Records of the control log without effect, by why (void: too late or senseless; unreadable).",
        ),
        Metric::Spans => counter(
            "driftless_spans_total",
            Unit::Count,
            &["result"],
            "Spans of sampled traces, by what became of them (exported, dropped).",
        ),
        Metric::TraceparentsMalformed => counter(
            "driftless_malformed_traceparents_total",
            Unit::Count,
            &[],
            "Events whose traceparent header could not be read, where traces are on; they count as without one.",
        ),
    }
}
