//! Which model is in charge: the fold of the control log, and the decision about a candidate.

mod decide;
mod ledger;
mod settings;

pub use decide::{Decision, decide};
pub use ledger::{Effect, Ledger, Version};
pub use settings::{InForce, Settings};
