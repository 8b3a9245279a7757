//! Figures of the roles, shown once per batch or transaction.

use std::time::Duration;

pub(super) fn rebalanced(_role: &'static str, _kind: &'static str) {}
pub(super) fn restored(_role: &'static str, _took: Duration) {}
pub(super) fn batch(_records: usize) {}
pub(super) fn committed(_role: &'static str, _took: Duration) {}
pub(super) fn aborted(_role: &'static str) {}
pub(super) fn scored(_shard: i32, _machine: &crate::pipeline::Pipeline, _before: &crate::pipeline::Tally) {}
pub(super) fn monitored(_machine: &crate::monitor::Monitor) {}
pub(super) fn trained(_result: &'static str, _took: Duration) {}
