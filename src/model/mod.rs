//! Models: what turns a feature row into a score, and the artifact it travels in.
//!
//! A [`Model`] is data: a layout, what is made of its features, an estimator of one of two families, a decision threshold, the reference profile of its
//! training rows and the evidence it was registered with. The same bytes give the same scores, bit for bit, on every
//! machine: arithmetic in a fixed order, `libm` for the one transcendental function. Nothing read from an artifact is
//! trusted before it has been checked, so that scoring itself has no way to fail.
//!
//! Training is not here (`retrain`), nor is storage (`registry`). A model does not know its version: that is given to
//! its bytes when they are registered.
//!
//! `Model` holds a `drift::Profile`, the one import between modules of this layer; `drift` knows nothing of models.

mod artifact;
mod categories;
mod estimator;
mod forest;
mod import;
mod layout;
mod linear;
mod preparation;
mod selection;
mod tree;

pub use crate::data::{Columns, ColumnsError};
pub use artifact::{FORMAT_VERSION, Lineage, MAX_ARTIFACT_BYTES, Model, ModelError, ModelParts};
pub use categories::{
    CategoryError, Counted, Frequencies, FrequencyParts, MAX_CATEGORIES, MAX_PRIOR_WEIGHT, TargetParts, TargetShares,
};
pub use estimator::Estimator;
pub use forest::{Forest, ForestError, MAX_TREES};
pub use import::{ImportError, import_scaled_logistic};
pub use layout::{Layout, LayoutError, MAX_FEATURES, fingerprint};
pub use linear::{CLIP, Linear, LinearError, LinearParts};
pub use preparation::{Input, Preparation, PreparationError, Prepared};
pub use selection::Selection;
pub use tree::{LinkedNode, MAX_DEPTH, MAX_NODES, TreeError, TreeNodes};
