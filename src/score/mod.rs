//! The model in charge, and the base rate that answers before there is one.

mod champion;

pub use champion::{BaseRate, Champion, WentBy};
