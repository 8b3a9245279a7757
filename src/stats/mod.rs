//! Statistics: numbers in, numbers out.
//!
//! Everything that turns counts, scores and samples into a verdict lives here and knows nothing of events, features or
//! topics. Three promises hold for every function below:
//!
//! - the same input gives the same bits on every machine: no clock, no ambient randomness, and `libm` instead of the
//!   platform's transcendental functions, because outputs of the pipeline are compared by digest;
//! - a result is finite and every p-value lies in [0, 1]; where there is not enough data the answer is `None`, never NaN;
//! - summaries (`BinCounts`, `ScoreHistogram`, `FixedSum`) merge to exactly what one pass over all the data gives.
//!   `Moments` merges up to rounding.
//!
//! What is significant, and what to do about it, is decided further up.

pub mod auc;
pub mod binned_ks;
pub mod bins;
pub mod counts;
pub mod delong;
pub mod dispersion;
pub mod distribution;
mod durbin_matrix;
pub mod fdr;
pub mod fixed_sum;
pub mod interval;
pub mod kolmogorov;
pub mod ks;
mod ks_exact;
pub mod loss;
pub mod moments;
pub mod paired;
pub mod psi;
pub mod quantile;
pub mod rng;
mod score_cells;
pub mod score_histogram;
pub mod special;

pub use auc::{AucResult, auc};
pub use binned_ks::{KsResult, binned_ks};
pub use bins::{Edges, EdgesError};
pub use counts::{BinCounts, BinMismatch};
pub use delong::{AucDifference, PairedScores};
pub use dispersion::{Dispersion, dispersion};
pub use fdr::q_values;
pub use fixed_sum::FixedSum;
pub use interval::{Confidence, Interval, Share};
pub use ks::KsSamples;
pub use moments::Moments;
pub use paired::{PairedDifference, paired_difference};
pub use psi::{PsiResult, psi};
pub use quantile::quantile_sorted;
pub use rng::SplitMix64;
pub use score_histogram::ScoreHistogram;
