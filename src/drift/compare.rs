//! The verdict on one window: which signals have left their reference, by which statistic, and how far.
//!
//! A signal has drifted when three things hold at once for one statistic: the window has values enough, the effect
//! reaches its threshold, and the q-value (Benjamini and Hochberg 1995, over all signals and both statistics of the
//! window) is within the false-discovery rate. Significance alone would fire on every large window, effect alone on every
//! small one.

use std::cmp::Ordering;

use super::Profile;
use crate::data::params::DriftParams;
use crate::stats::{BinCounts, binned_ks, psi, q_values};

/// A statistic that is held against the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statistic {
    /// Population stability index.
    Psi,
    /// Kolmogorov-Smirnov distance.
    Ks,
}

impl Statistic {
    /// The name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            Statistic::Psi => "psi",
            Statistic::Ks => "ks",
        }
    }
}

/// One statistic of one signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// The statistic.
    pub value: f64,
    /// What is held against the threshold: PSI less its expectation without a change; the KS distance itself.
    pub effect: f64,
    /// The smallest effect that counts.
    pub threshold: f64,
    /// Chance of such a value without a change.
    pub p_value: f64,
    /// `p_value` corrected over all signals and statistics of the window.
    pub q_value: f64,
}

impl Measure {
    /// How many times its threshold the effect is; 0 for a threshold of 0 or an effect below it.
    fn strength(&self) -> f64 {
        let strength = self.effect / self.threshold;
        if strength.is_finite() { strength.max(0.0) } else { 0.0 }
    }
}

/// The verdict on one signal.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalVerdict {
    /// Name of the signal.
    pub signal: String,
    /// Values of the window, missing included.
    pub n: u64,
    /// PSI; `None` where a side has no values.
    pub psi: Option<Measure>,
    /// Kolmogorov-Smirnov; `None` where a side has no present values.
    pub ks: Option<Measure>,
    /// The statistic by which it has drifted, the stronger one if both.
    pub drifted: Option<Statistic>,
    /// Importance for the model times how many times its threshold the largest effect is: what to rank by.
    pub weight: f64,
}

impl SignalVerdict {
    /// The measure of a statistic.
    pub fn measure(&self, statistic: Statistic) -> Option<Measure> {
        match statistic {
            Statistic::Psi => self.psi,
            Statistic::Ks => self.ks,
        }
    }
}

/// Holds the counts of one window against the profile they were counted with; one verdict per signal, in its order.
///
/// Every number is finite whatever the counts: constant, empty, all missing, all in one bin. A signal without counts,
/// or with those of another profile, has no measure.
pub fn compare(profile: &Profile, current: &[BinCounts], params: &DriftParams) -> Vec<SignalVerdict> {
    let nothing = BinCounts::default();
    let counts = current.iter().chain(std::iter::repeat(&nothing));
    let mut verdicts: Vec<SignalVerdict> = profile
        .iter()
        .zip(counts)
        .map(|(signal, counts)| {
            let measure =
                |value, effect, threshold, p_value| Measure { value, effect, threshold, p_value, q_value: 1.0 };
            let same_bins = counts.bins.len() == signal.edges().n_bins();
            let coarse = signal.psi_counts(counts);
            let psi = psi(&coarse, signal.psi_reference(), signal.dispersion()).filter(|_| same_bins);
            let ks = binned_ks(counts, signal.reference(), signal.ks_phi());
            SignalVerdict {
                signal: signal.name().to_owned(),
                n: counts.total(),
                psi: psi.map(|found| measure(found.psi, found.excess, params.psi_effect, found.p_value)),
                ks: ks.map(|found| measure(found.statistic, found.statistic, params.ks_effect, found.p_value)),
                drifted: None,
                weight: signal.importance(),
            }
        })
        .collect();

    let mut measures: Vec<&mut Measure> =
        verdicts.iter_mut().flat_map(|verdict| [verdict.psi.as_mut(), verdict.ks.as_mut()]).flatten().collect();
    let q = q_values(&measures.iter().map(|measure| measure.p_value).collect::<Vec<_>>());
    for (measure, q_value) in measures.iter_mut().zip(q) {
        measure.q_value = q_value;
    }

    for verdict in &mut verdicts {
        let enough = verdict.n >= params.min_n;
        let passes = |measure: &Measure| {
            enough && measure.effect >= measure.threshold && measure.q_value <= params.false_discovery_rate
        };
        let strength = |measure: Option<Measure>| measure.as_ref().map_or(0.0, Measure::strength);
        let (psi, ks) = (strength(verdict.psi), strength(verdict.ks));
        verdict.drifted = match (verdict.psi.as_ref().is_some_and(passes), verdict.ks.as_ref().is_some_and(passes)) {
            (true, true) if ks > psi => Some(Statistic::Ks),
            (true, _) => Some(Statistic::Psi),
            (false, true) => Some(Statistic::Ks),
            (false, false) => None,
        };
        verdict.weight *= psi.max(ks);
    }
    verdicts
}

/// Names of the drifted signals other than the score, the one that matters most for the model first, at most `limit`.
pub fn most_important(verdicts: &[SignalVerdict], limit: usize) -> Vec<String> {
    let mut drifted: Vec<&SignalVerdict> =
        verdicts.iter().filter(|verdict| verdict.drifted.is_some() && verdict.signal != super::SCORE).collect();
    drifted.sort_by(|a, b| b.weight.partial_cmp(&a.weight).unwrap_or(Ordering::Equal));
    drifted.into_iter().take(limit).map(|verdict| verdict.signal.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, ProfileInputs, Sample, count};
    use super::*;
    use crate::data::{Span, Timestamp};
    use crate::stats::SplitMix64;
    use proptest::prelude::*;

    const PARAMS: DriftParams = DriftParams {
        window: Span::from_days(1),
        offset: Span::from_days(0),
        psi_effect: 0.1,
        ks_effect: 0.1,
        false_discovery_rate: 0.01,
        min_n: 100,
    };

    fn column(seed: u64, n: usize, of: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut rng = SplitMix64::new(seed);
        (0..n).map(|_| of(rng.below(1 << 20) as f64 / f64::from(1 << 20))).collect()
    }

    fn profile() -> Profile {
        let n = 5_000;
        let names = ["steady", "shifting", "constant", "silent"].map(str::to_owned);
        let columns = [column(1, n, |u| u), column(2, n, |u| u), vec![2.0; n], vec![f64::NAN; n]];
        let times: Vec<_> = (0..n as i64).map(Timestamp::from_millis).collect();
        Profile::build(&ProfileInputs {
            names: &names,
            features: Sample { columns: &columns, times: &times },
            scores: Sample { columns: &[column(3, n, |u| u * u)], times: &times },
            window: Span::from_millis(500),
            importance: &[0.2, 0.7, 0.1, 0.0],
        })
    }

    fn verdicts(columns: &[Vec<f64>], scores: &[f64]) -> Vec<SignalVerdict> {
        let profile = profile();
        let mut counts = profile.empty_counts();
        count(&profile, Batch { columns, scores }, 0..scores.len(), &mut counts);
        compare(&profile, &counts, &PARAMS)
    }

    #[test]
    fn a_window_like_the_reference_is_quiet_and_a_shifted_one_is_not() {
        let n = 1_000;
        let score = column(9, n, |u| u * u);
        let same = [column(4, n, |u| u), column(5, n, |u| u), vec![2.0; n], vec![f64::NAN; n]];
        assert!(verdicts(&same, &score).iter().all(|verdict| verdict.drifted.is_none()));
        let moved = [column(4, n, |u| u), column(5, n, |u| u + 0.3), vec![2.0; n], vec![f64::NAN; n]];
        let found = verdicts(&moved, &score);
        let drifted: Vec<_> = found.iter().filter(|verdict| verdict.drifted.is_some()).map(|v| &v.signal).collect();
        assert_eq!(drifted, ["shifting"]);
        assert_eq!(most_important(&found, 5), ["shifting"]);
    }

    #[test]
    fn a_constant_that_moves_and_a_silent_feature_that_speaks_drift() {
        let n = 1_000;
        let score = column(9, n, |u| u * u);
        let changed = [column(4, n, |u| u), column(5, n, |u| u), vec![2.001; n], vec![0.0; n]];
        let found = verdicts(&changed, &score);
        let drifted: Vec<_> = found.iter().filter(|verdict| verdict.drifted.is_some()).map(|v| &v.signal).collect();
        assert_eq!(drifted, ["constant", "silent"]);
        assert_eq!(most_important(&found, 5)[0], "constant");
    }

    #[test]
    fn a_feature_that_falls_silent_drifts_by_psi() {
        let n = 1_000;
        let gone = [column(4, n, |u| u), vec![f64::NAN; n], vec![2.0; n], vec![f64::NAN; n]];
        let found = verdicts(&gone, &column(9, n, |u| u * u));
        assert_eq!(found[1].drifted, Some(Statistic::Psi));
        assert_eq!(found[1].ks, None);
    }

    #[test]
    fn a_small_window_is_not_judged() {
        let moved = [vec![9.0; 50], vec![9.0; 50], vec![9.0; 50], vec![9.0; 50]];
        assert!(verdicts(&moved, &[0.5; 50]).iter().all(|verdict| verdict.drifted.is_none() && verdict.n == 50));
    }

    proptest! {
        #[test]
        fn every_number_is_finite_whatever_the_counts(
            counts in prop::collection::vec((prop::collection::vec(0u64..900, 0..60), 0u64..900), 0..7),
        ) {
            let profile = profile();
            let mut current: Vec<BinCounts> =
                counts.into_iter().map(|(bins, missing)| BinCounts { bins, missing }).collect();
            for (counts, signal) in current.iter_mut().zip(profile.iter()).step_by(2) {
                counts.bins.resize(signal.edges().n_bins(), 0);
            }
            for verdict in compare(&profile, &current, &PARAMS) {
                prop_assert!(verdict.weight.is_finite());
                for measure in [verdict.psi, verdict.ks].into_iter().flatten() {
                    prop_assert!(measure.value.is_finite() && measure.effect.is_finite());
                    prop_assert!((0.0..=1.0).contains(&measure.p_value) && (0.0..=1.0).contains(&measure.q_value));
                }
            }
        }
    }
}
