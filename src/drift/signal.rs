//! The reference of one signal: its bins, their counts in training, and how much those counts wander by themselves.
//!
//! Two sets of bins over the same data: fine ones, at up to 49 quantiles of the training rows, are what shards count into
//! and what the Kolmogorov-Smirnov distance is read from; PSI looks at up to ten coarser ones whose edges are edges of the
//! fine ones too, so that fine counts add up to them.

use serde::{Deserialize, Serialize};

use crate::stats::{BinCounts, Dispersion, Edges, dispersion};

/// The most fine bins of a signal.
pub const MAX_BINS: usize = 64;
const FINE_BINS: usize = 50;
/// From this many edges on a search of six fixed steps beats comparing with every edge.
const SEARCH_FROM: usize = 24;
const PSI_BINS: usize = 10;

/// What a signal looked like in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SignalParts", into = "SignalParts")]
pub struct SignalProfile {
    parts: SignalParts,
    n_psi_bins: usize,
    psi_reference: BinCounts,
    grid: Grid,
}

/// The edges once more, filled up with NaN, which no value is above.
#[derive(Clone, Debug)]
struct Grid([f64; MAX_BINS]);

/// It follows from the edges.
impl PartialEq for Grid {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalParts {
    name: String,
    edges: Edges,
    /// The PSI bin of each fine bin.
    psi_of: Vec<u8>,
    reference: BinCounts,
    dispersion: Dispersion,
    ks_phi: f64,
    importance: f64,
    /// The smallest and the largest finite value; models from before it was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range: Option<[f64; 2]>,
}

/// Why numbers are no reference of a signal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reference of signal `{name}` is not valid: {what}")]
pub struct SignalError {
    name: String,
    what: &'static str,
}

/// Names and weighs a signal.
pub(super) struct SignalLabel<'a> {
    pub name: &'a str,
    pub importance: f64,
}

/// A reference that was measured elsewhere: edges, and how many rows lay in each bin.
#[derive(Clone, Debug)]
pub struct GivenSignal<'a> {
    /// Name of the feature, or [`super::SCORE`].
    pub name: &'a str,
    /// Ascending edges; a value is in the bin numbered by how many edges are at or below it.
    pub edges: &'a [f64],
    /// Rows of each bin; none at all where nothing was counted.
    pub counts: Vec<u64>,
}

impl GivenSignal<'_> {
    /// The reference, each bin one of PSI's. How much the counts wander by themselves is not known: rows count as
    /// independent.
    ///
    /// # Errors
    /// Edges that are not finite and ascending, or counts of another number of bins.
    pub fn profile(self) -> Result<SignalProfile, SignalError> {
        let refused = |what| SignalError { name: self.name.to_owned(), what };
        let edges = Edges::new(self.edges.to_vec()).map_err(|_| refused("its edges are not finite and ascending"))?;
        let n_bins = edges.n_bins();
        let bins = if self.counts.is_empty() { vec![0; n_bins] } else { self.counts };
        SignalProfile::try_from(SignalParts {
            name: self.name.to_owned(),
            edges,
            psi_of: (0..n_bins).map(|bin| u8::try_from(bin).unwrap_or(u8::MAX)).collect(),
            reference: BinCounts { bins, missing: 0 },
            dispersion: Dispersion::INDEPENDENT,
            ks_phi: 1.0,
            importance: 0.0,
            range: None,
        })
    }
}

impl SignalProfile {
    /// Takes the values of training in time order and the ends of the blocks that are as long as a drift window.
    pub(super) fn build(label: &SignalLabel<'_>, values: &[f64], block_ends: &[usize]) -> SignalProfile {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let psi_edges = Edges::from_sample(&sorted, PSI_BINS);
        let edges = union(&psi_edges, &Edges::from_sample(&sorted, FINE_BINS));
        let psi_of = (0..edges.n_bins())
            .map(|bin| {
                let lowest = bin.checked_sub(1).and_then(|below| edges.as_slice().get(below));
                lowest.map_or(0, |&edge| psi_edges.bin(edge) as u8)
            })
            .collect();

        let mut blocks = Vec::with_capacity(block_ends.len());
        let mut start = 0;
        for &end in block_ends {
            blocks.push(BinCounts::of(&edges, values.get(start..end).unwrap_or_default()));
            start = end;
        }
        let mut reference = BinCounts::new(edges.n_bins());
        for block in &blocks {
            // all blocks were counted with the same edges
            let _ = reference.merge(block);
        }
        let importance = if label.importance.is_finite() { label.importance.max(0.0) } else { 0.0 };
        let mut finite = sorted.iter().copied().filter(|value| value.is_finite());
        let low = finite.next();
        let range = low.map(|low| [low, finite.next_back().unwrap_or(low)]);
        let parts = SignalParts {
            range,
            name: label.name.to_owned(),
            edges,
            psi_of,
            reference,
            dispersion: Dispersion::INDEPENDENT,
            ks_phi: 1.0,
            importance,
        };
        let mut signal = SignalProfile::complete(parts);
        let coarse: Vec<BinCounts> = blocks.iter().map(|block| signal.psi_counts(block)).collect();
        signal.parts.ks_phi = largest_phi(&coarse);
        signal.parts.dispersion = dispersion(&coarse).unwrap_or(Dispersion::INDEPENDENT);
        signal
    }

    fn complete(parts: SignalParts) -> SignalProfile {
        let n_psi_bins = parts.psi_of.last().map_or(1, |&bin| usize::from(bin) + 1);
        let mut grid = Grid([f64::NAN; MAX_BINS]);
        grid.0.iter_mut().zip(parts.edges.as_slice()).for_each(|(slot, &edge)| *slot = edge);
        let mut signal = SignalProfile { n_psi_bins, psi_reference: BinCounts::default(), grid, parts };
        signal.psi_reference = signal.psi_counts(&signal.parts.reference);
        signal
    }

    /// Name of the feature, or [`super::SCORE`].
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// Edges of the fine bins.
    pub fn edges(&self) -> &Edges {
        &self.parts.edges
    }

    /// The fine bin of a value, as [`Edges::bin`] gives it; 0 for NaN.
    #[inline]
    pub fn bin(&self, x: f64) -> usize {
        if self.parts.edges.as_slice().len() < SEARCH_FROM { self.parts.edges.bin(x) } else { self.grid.bin(x) }
    }

    /// Counts of the training rows in the fine bins.
    pub fn reference(&self) -> &BinCounts {
        &self.parts.reference
    }

    /// Counts of the training rows in the PSI bins.
    pub fn psi_reference(&self) -> &BinCounts {
        &self.psi_reference
    }

    /// How much more the PSI bins of windows varied in training than those of independent values.
    pub fn dispersion(&self) -> Dispersion {
        self.parts.dispersion
    }

    /// The largest design effect of the distribution function at any PSI edge: what the KS test divides its size by.
    pub fn ks_phi(&self) -> f64 {
        self.parts.ks_phi
    }

    /// The smallest and the largest finite value of training, where there was one and they were kept.
    pub fn range(&self) -> Option<[f64; 2]> {
        self.parts.range
    }

    /// The feature's share in what the model does, from 0 to 1; 0 if unknown.
    pub fn importance(&self) -> f64 {
        self.parts.importance
    }

    /// Adds fine counts up to PSI bins. Fine counts of another number of bins give as much as fits.
    pub fn psi_counts(&self, fine: &BinCounts) -> BinCounts {
        let mut coarse = BinCounts { bins: vec![0; self.n_psi_bins], missing: fine.missing };
        for (&count, &bin) in fine.bins.iter().zip(&self.parts.psi_of) {
            if let Some(sum) = coarse.bins.get_mut(usize::from(bin)) {
                *sum = sum.saturating_add(count);
            }
        }
        coarse
    }

    fn check(parts: &SignalParts) -> Result<(), &'static str> {
        let n_bins = parts.edges.n_bins();
        if parts.name.is_empty() {
            return Err("it has no name");
        }
        if n_bins > MAX_BINS {
            return Err("it has too many bins");
        }
        if parts.reference.bins.len() != n_bins || parts.psi_of.len() != n_bins {
            return Err("its counts do not belong to its edges");
        }
        let steps = parts.psi_of.windows(2).all(|pair| matches!(pair, &[a, b] if b == a || b == a.saturating_add(1)));
        if parts.psi_of.first() != Some(&0) || !steps {
            return Err("its PSI bins are not runs of its fine bins");
        }
        let phi = |phi: f64| phi.is_finite() && phi >= 1.0;
        if !phi(parts.dispersion.phi) || !phi(parts.ks_phi) || parts.dispersion.df.is_some_and(|df| !df.is_finite()) {
            return Err("its dispersion is out of range");
        }
        if !(0.0..=1.0).contains(&parts.importance) {
            return Err("its importance is out of range");
        }
        if parts.range.is_some_and(|[low, high]| !low.is_finite() || !high.is_finite() || low > high) {
            return Err("its smallest and largest value are none");
        }
        Ok(())
    }
}

impl Grid {
    /// How many edges are `<= x`: six steps without a branch.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the index is masked to the length of the array")]
    fn bin(&self, x: f64) -> usize {
        let mut below = 0;
        for step in [32, 16, 8, 4, 2, 1] {
            below += step * usize::from(self.0[(below + step - 1) & (MAX_BINS - 1)] <= x);
        }
        below
    }
}

/// The design effect of the share below an edge, where it is largest. A shift of level moves the whole distribution
/// function one way, and that is what neighbouring events have in common; the mean over bins that PSI uses would make
/// KS too sure of itself.
fn largest_phi(blocks: &[BinCounts]) -> f64 {
    let n_bins = blocks.first().map_or(0, |block| block.bins.len());
    let split_at = |block: &BinCounts, edge: usize| {
        let (below, above) = block.bins.split_at(edge.min(block.bins.len()));
        BinCounts { bins: vec![below.iter().sum(), above.iter().sum()], missing: 0 }
    };
    (1..n_bins)
        .filter_map(|edge| dispersion(&blocks.iter().map(|block| split_at(block, edge)).collect::<Vec<_>>()))
        .fold(1.0, |largest, found| found.phi.max(largest))
}

fn union(first: &Edges, second: &Edges) -> Edges {
    let mut all = [first.as_slice(), second.as_slice()].concat();
    all.sort_unstable_by(f64::total_cmp);
    all.dedup();
    Edges::new(all).unwrap_or_else(|_| first.clone())
}

impl TryFrom<SignalParts> for SignalProfile {
    type Error = SignalError;

    fn try_from(parts: SignalParts) -> Result<Self, SignalError> {
        match SignalProfile::check(&parts) {
            Ok(()) => Ok(SignalProfile::complete(parts)),
            Err(what) => Err(SignalError { name: parts.name, what }),
        }
    }
}

impl From<SignalProfile> for SignalParts {
    fn from(signal: SignalProfile) -> Self {
        signal.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(values: &[f64], block_ends: &[usize]) -> SignalProfile {
        SignalProfile::build(&SignalLabel { name: "x", importance: 0.5 }, values, block_ends)
    }

    #[test]
    fn psi_bins_are_runs_of_fine_bins_at_the_deciles() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        let signal = build(&values, &[500, 1_000]);
        assert_eq!(signal.edges().n_bins(), 50);
        assert_eq!(signal.psi_reference().bins, [100; 10]);
        assert_eq!(signal.reference().bins, [20; 50]);
    }

    #[test]
    fn constant_missing_and_infinite_columns_have_a_reference() {
        for values in [vec![3.0; 40], vec![f64::NAN; 40], vec![f64::INFINITY; 40], vec![]] {
            let signal = build(&values, &[values.len() / 2, values.len()]);
            let read: SignalProfile = serde_json::from_str(&serde_json::to_string(&signal).unwrap()).unwrap();
            assert_eq!(read, signal);
            assert_eq!(signal.reference().total(), values.len() as u64);
            assert_eq!(signal.dispersion(), Dispersion::INDEPENDENT);
        }
    }

    #[test]
    fn every_value_is_put_where_its_edges_put_it() {
        let mut rng = crate::stats::SplitMix64::new(5);
        for n_values in [1, 3, 24, 31, 60, 900] {
            let values: Vec<f64> = (0..n_values).map(|_| (rng.unit() * 400.0).floor() / 4.0).collect();
            let signal = build(&values, &[values.len()]);
            let probes = [f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -0.0].into_iter().chain(values.iter().copied());
            for x in probes.chain((0..800).map(|_| rng.unit() * 110.0 - 5.0)) {
                assert_eq!(signal.bin(x), signal.edges().bin(x), "{x} among {n_values}");
            }
            assert_eq!(signal.bin(f64::NAN), 0);
        }
    }

    #[test]
    fn rare_ones_among_zeros_keep_a_bin_in_both_sets() {
        let values: Vec<f64> = (0..1_000).map(|i| if i % 50 == 0 { 1.0 } else { 0.0 }).collect();
        let signal = build(&values, &[500, 1_000]);
        assert_eq!(signal.psi_reference().bins.iter().filter(|&&count| count > 0).count(), 2);
        assert_eq!(signal.psi_reference().bins.iter().sum::<u64>(), 1_000);
    }

    #[test]
    fn blocks_of_different_level_raise_phi_most_for_ks() {
        let values: Vec<f64> = (0..1_000).map(|i| f64::from(i % 10) + f64::from(i / 100 % 2 * 5)).collect();
        let signal = build(&values, &(1..=10).map(|block| block * 100).collect::<Vec<_>>());
        assert!(signal.dispersion().phi > 3.0, "{:?}", signal.dispersion());
        assert!(signal.ks_phi() > signal.dispersion().phi);
    }

    #[test]
    fn the_range_is_that_of_the_finite_values() {
        let range = |values: &[f64]| build(values, &[values.len()]).range();
        assert_eq!(range(&[2.0, f64::NAN, -1.0, f64::INFINITY]), Some([-1.0, 2.0]));
        assert_eq!((range(&[3.0]), range(&[f64::NAN, f64::NEG_INFINITY])), (Some([3.0, 3.0]), None));
    }

    #[test]
    fn a_stored_reference_is_checked() {
        let signal = build(&(0..100).map(f64::from).collect::<Vec<_>>(), &[50, 100]);
        let good = serde_json::to_value(&signal).unwrap();
        for (field, wrong) in [
            ("psi_of", serde_json::json!([0, 2])),
            ("ks_phi", serde_json::json!(0.5)),
            ("importance", serde_json::json!(-1.0)),
            ("name", serde_json::json!("")),
            ("range", serde_json::json!([1.0, 0.0])),
            ("edges", serde_json::json!([2.0, 1.0])),
            ("reference", serde_json::json!({"bins": [1], "missing": 0})),
        ] {
            let mut bad = good.clone();
            bad[field] = wrong;
            assert!(serde_json::from_value::<SignalProfile>(bad).is_err(), "{field}");
        }
    }
}
