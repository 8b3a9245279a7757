//! Upper bounds of the buckets of histograms, ascending, in the unit of their metrics.

/// From a commit on a local broker to the default transaction time-out.
pub(super) const TRANSACTION_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// From a commit on a local broker to events that waited for a day; what lies beyond is a replay of the past.
pub(super) const LATENCY_SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 3600.0, 86_400.0];
/// From one record to the largest batches librdkafka hands over in a second.
pub(super) const BATCH_RECORDS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0];
/// From an empty journal to an hour of it.
pub(super) const RESTORE_SECONDS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0];
/// From a linear model on a day of rows to a forest on years.
pub(super) const TRAINING_SECONDS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];
