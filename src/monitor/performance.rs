//! Performance: windows of the shards merged, published with each revision, and held against the reference.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::alerts::{Finding, WHOLE, Window};
use super::{Monitor, Sheet};
use crate::data::{Arm, PerformanceRecord, PerformanceWindow, Sink, Timestamp};
use crate::stats::{Confidence, ScoreHistogram};

/// Start, version and arm: the order in which records are published.
pub(super) type Key = (Timestamp, u32, Arm);

/// The name of the signal.
pub(super) const PERFORMANCE: &str = "performance";
/// The least share of labelled predictions that a verdict rests on: early labels can be of another kind than late ones.
const LEAST_COVERAGE: f64 = 0.8;

/// What is to be done with the windows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Due {
    /// Windows that have changed since they were published.
    changed: BTreeSet<Key>,
    /// End of the last window that was judged.
    judged: Option<Timestamp>,
}

/// A window of all shards.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Merged {
    /// The last report of each.
    shards: BTreeMap<i32, PerformanceWindow>,
    next_revision: u32,
}

struct Totals {
    predictions: u64,
    label_age_s: i64,
    scores: ScoreHistogram,
}

impl Due {
    /// Windows are of another length from here on.
    pub(super) fn drop_windows(&mut self) {
        self.changed.clear();
    }
}

impl Merged {
    pub(super) fn is_published(&self) -> bool {
        self.next_revision > 0
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals { predictions: 0, label_age_s: 0, scores: ScoreHistogram::default() };
        for window in self.shards.values() {
            totals.predictions += window.predictions;
            totals.label_age_s += window.label_age_s;
            totals.scores.merge(&window.scores);
        }
        totals
    }
}

impl Monitor {
    /// Takes the report of a shard in.
    pub(super) fn report_performance(&mut self, shard: i32, window: PerformanceWindow) {
        let key = (window.start, window.model_version, window.arm);
        self.windows.entry(key, Merged::default).shards.insert(shard, window);
        self.state.due.changed.insert(key);
    }

    /// Publishes the next revision of every window that has changed, and forgets those whose labels can no longer come.
    pub(super) fn publish_performance(&mut self, reached: Timestamp, sheet: &mut Sheet<'_>) {
        let length = self.params.performance.window;
        let (windows, changed) = (&mut self.windows, &mut self.state.due.changed);
        let whole: Vec<Key> = changed.iter().filter(|(start, ..)| start.plus(length) <= reached).copied().collect();
        for key in whole {
            changed.remove(&key);
            let Some(merged) = windows.get_mut(&key) else { continue };
            let (window_start, model_version, arm) = key;
            let record = record(Window { start: window_start, length }, (model_version, arm), merged);
            merged.next_revision += 1;
            let id = format!("{WHOLE}:{}:v{model_version}:{}", window_start.millis(), arm.name());
            sheet.publish(Sink::Performance, &id, &record);
        }
        let keep_from = reached.minus(self.params.retrain.history.max(length)).minus(length);
        windows.retain(|key, _| key.0 >= keep_from || changed.contains(key));
    }

    /// Holds the newest whole window of the version in charge against its reference, once labels enough have come.
    pub(super) fn judge_performance(&mut self, reached: Timestamp, sheet: &mut Sheet<'_>) {
        let params = self.state.ledger.settings().performance(&self.params.performance);
        let version = self.state.ledger.champion();
        let Some(reference) = self.state.champion.as_ref().and_then(|model| model.evidence().candidate.auc) else {
            return;
        };
        let judged = self.state.due.judged;
        let windows = self.windows.sorted();
        let candidates = windows.into_iter().rev().filter(|((start, v, arm), _)| {
            *v == version && *arm == Arm::Champion && start.plus(params.window) <= reached
        });
        for ((start, ..), merged) in candidates {
            let window = Window { start: *start, length: params.window };
            if judged.is_some_and(|judged| window.end() <= judged) {
                return;
            }
            let totals = merged.totals();
            let n = totals.scores.n();
            let covered = n as f64 >= LEAST_COVERAGE * totals.predictions as f64;
            let Some(auc) = totals.scores.auc().filter(|_| n >= params.min_n && covered) else { continue };
            let interval = auc.interval(Confidence::P95);
            let bound = params.alert_below * reference;
            let finding = Finding {
                signal: PERFORMANCE.to_owned(),
                statistic: "auc",
                value: Some(auc.auc),
                p_value: None,
                effect: Some(1.0 - auc.auc / reference),
                threshold: Some(1.0 - params.alert_below),
                n,
                window,
                top_features: Vec::new(),
                outside: interval.high < bound,
                seen: format!(
                    "auc {:.3} [{:.3}, {:.3}] against {:.3} (reference {reference:.3}), over {n} labelled of {} from {} to {}",
                    auc.auc,
                    interval.low,
                    interval.high,
                    bound,
                    totals.predictions,
                    window.start,
                    window.end()
                ),
            };
            self.state.due.judged = Some(window.end());
            self.note(finding, sheet);
            return;
        }
    }
}

pub(super) fn record(window: Window, (model_version, arm): (u32, Arm), merged: &Merged) -> PerformanceRecord {
    let totals = merged.totals();
    let n = totals.scores.n();
    let per_label = |sum: f64| (n > 0).then(|| sum / n as f64);
    let auc = totals.scores.auc();
    let interval = auc.map(|auc| auc.interval(Confidence::P95));
    PerformanceRecord {
        window_start: window.start,
        window_end: window.end(),
        revision: merged.next_revision,
        model_version,
        arm,
        segment: WHOLE.to_owned(),
        predictions: totals.predictions,
        n,
        coverage: (totals.predictions > 0).then(|| n as f64 / totals.predictions as f64),
        label_age_s: per_label(totals.label_age_s as f64),
        positive_share: per_label(totals.scores.n_positive() as f64),
        auc: auc.map(|auc| auc.auc),
        auc_low: interval.map(|interval| interval.low),
        auc_high: interval.map(|interval| interval.high),
        log_loss: totals.scores.log_loss(),
        brier: totals.scores.brier(),
    }
}
