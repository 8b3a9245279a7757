//! Drift: counts of the shards merged, and judged once their window is whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alerts::{Finding, Window};
use super::{Monitor, Sheet};
use crate::data::{DriftWindow, Timestamp};
use crate::drift::{SignalVerdict, Statistic, compare, most_important};
use crate::stats::BinCounts;

/// Features named in an alert.
const NAMED_FEATURES: usize = 5;

/// The last counts of each shard, by start of the window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    version: u32,
    windows: BTreeMap<Timestamp, BTreeMap<i32, Vec<BinCounts>>>,
    /// End of the last window judged: a report for an earlier one comes too late.
    judged: Option<Timestamp>,
}

impl Counts {
    /// Takes the counts of a shard in; those of another version than the one in charge have no use.
    pub(super) fn report(&mut self, shard: i32, window: DriftWindow, champion: u32) {
        let judged = self.judged.is_some_and(|judged| window.start < judged);
        if window.model_version == champion && champion == self.version && !judged {
            self.windows.entry(window.start).or_default().insert(shard, window.signals);
        }
    }

    /// Another version is in charge.
    pub(super) fn keep_only(&mut self, version: u32) {
        self.version = version;
        self.windows.clear();
        self.judged = None;
    }

    /// Windows are of another length from here on.
    pub(super) fn drop_windows(&mut self) {
        self.windows.clear();
    }

    /// The first window that ends by `reached`, merged over its shards.
    fn take_whole(&mut self, reached: Timestamp, length: crate::data::Span) -> Option<(Window, Vec<BinCounts>)> {
        let (&start, _) = self.windows.first_key_value()?;
        let window = Window { start, length };
        if window.end() > reached {
            return None;
        }
        self.judged = Some(window.end());
        let shards = self.windows.remove(&start)?;
        let mut merged: Vec<BinCounts> = Vec::new();
        for signals in shards.into_values() {
            if merged.is_empty() {
                merged = signals;
                continue;
            }
            for (sum, counts) in merged.iter_mut().zip(&signals) {
                // Counts of one version have the bins of one profile; others cannot be added and say nothing.
                let _ = sum.merge(counts);
            }
        }
        Some((window, merged))
    }
}

impl Monitor {
    pub(super) fn judge_drift(&mut self, reached: Timestamp, sheet: &mut Sheet<'_>) {
        let Some(champion) = self.state.champion.clone() else { return };
        let params = self.state.ledger.settings().drift(&self.params.drift);
        while let Some((window, counts)) = self.state.drift.take_whole(reached, params.window) {
            let verdicts = compare(champion.profile(), &counts, &params);
            let top_features = most_important(&verdicts, NAMED_FEATURES);
            self.note_effects(&verdicts);
            for verdict in verdicts {
                if verdict.n < params.min_n {
                    continue;
                }
                let finding = finding(verdict, window, &top_features);
                self.note(finding, sheet);
            }
        }
    }
}

fn finding(verdict: SignalVerdict, window: Window, top_features: &[String]) -> Finding {
    let strength = |statistic| {
        verdict.measure(statistic).map_or(0.0, |m| if m.threshold > 0.0 { m.effect / m.threshold } else { m.effect })
    };
    let stronger = if strength(Statistic::Ks) > strength(Statistic::Psi) { Statistic::Ks } else { Statistic::Psi };
    let statistic = verdict.drifted.unwrap_or(stronger);
    let measure = verdict.measure(statistic);
    let seen = match measure {
        Some(m) => format!(
            "{} {:.3}, effect {:.3} against {:.3}, q {:.1e}, over {} events from {} to {}",
            statistic.name(),
            m.value,
            m.effect,
            m.threshold,
            m.q_value,
            verdict.n,
            window.start,
            window.end()
        ),
        None => format!("no values among {} events from {} to {}", verdict.n, window.start, window.end()),
    };
    Finding {
        statistic: statistic.name(),
        value: measure.map(|m| m.value),
        p_value: measure.map(|m| m.q_value),
        effect: measure.map(|m| m.effect),
        threshold: measure.map(|m| m.threshold),
        n: verdict.n,
        window,
        top_features: top_features.to_vec(),
        outside: verdict.drifted.is_some(),
        seen,
        signal: verdict.signal,
    }
}
