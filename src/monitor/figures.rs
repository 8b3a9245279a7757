//! What the last windows showed, for whoever looks at the monitor from outside.
//!
//! Figures enter no output and no state. Those of performance are read from the windows, which a restart brings back;
//! effects of drift are those of the last window judged since the start, and nothing before it.

use std::collections::BTreeMap;

use super::Monitor;
use super::alerts::Window;
use super::performance::record;
use crate::data::{Arm, PerformanceRecord, Timestamp};
use crate::drift::{SignalVerdict, Statistic};

/// Largest effect over its threshold, by signal.
pub(super) type Effects = BTreeMap<String, f64>;

/// The newest published window of the version in charge.
#[derive(Clone, Debug, PartialEq)]
pub struct PerformanceFigures {
    /// What was published.
    pub window: PerformanceRecord,
    /// AUC on the held-out rows of its training.
    pub reference_auc: Option<f64>,
}

impl Monitor {
    /// Keeps the effects of a window that has been judged.
    pub(super) fn note_effects(&mut self, verdicts: &[SignalVerdict]) {
        self.effects = verdicts.iter().map(|verdict| (verdict.signal.clone(), strongest(verdict))).collect();
    }

    /// Largest effect of the last window over its threshold, by signal; empty before one was judged.
    pub fn drift_effects(&self) -> &BTreeMap<String, f64> {
        &self.effects
    }

    /// Signals whose alert is open.
    pub fn open_signals(&self) -> impl Iterator<Item = &str> {
        self.state.alerts.all().map(|alert| alert.signal.as_str())
    }

    /// Since when the version in charge is; `None` for the base rate.
    pub fn in_charge_since(&self) -> Option<Timestamp> {
        self.state.ledger.since().filter(|_| self.model_version() > 0)
    }

    /// How the version in charge did in its newest published window; `None` before there is one.
    pub fn performance(&self) -> Option<PerformanceFigures> {
        let version = self.model_version();
        let length = self.params.performance.window;
        let windows = self.windows.sorted();
        let newest = windows
            .into_iter()
            .rev()
            .find(|((_, of, arm), merged)| *of == version && *arm == Arm::Champion && merged.is_published());
        let ((start, of, arm), merged) = newest?;
        let window = record(Window { start: *start, length }, (*of, *arm), merged);
        let reference_auc = self.state.champion.as_ref().and_then(|model| model.evidence().candidate.auc);
        Some(PerformanceFigures { window, reference_auc })
    }
}

fn strongest(verdict: &SignalVerdict) -> f64 {
    [Statistic::Psi, Statistic::Ks]
        .into_iter()
        .filter_map(|statistic| verdict.measure(statistic))
        .filter(|measure| measure.threshold > 0.0)
        .map(|measure| measure.effect / measure.threshold)
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::Measure;

    #[test]
    fn the_stronger_statistic_counts_and_none_is_zero() {
        let measure = |effect, threshold| Measure { value: effect, effect, threshold, p_value: 1.0, q_value: 1.0 };
        let verdict =
            |psi, ks| SignalVerdict { signal: "distance".to_owned(), n: 9, psi, ks, drifted: None, weight: 0.0 };
        assert_eq!(strongest(&verdict(Some(measure(0.1, 0.2)), Some(measure(0.3, 0.2)))), 0.3 / 0.2);
        assert_eq!(strongest(&verdict(Some(measure(-0.1, 0.2)), None)), 0.0);
        assert_eq!(strongest(&verdict(None, None)), 0.0);
    }
}
