//! Sketches of a fixed number of words: what a pane keeps of many values where it cannot keep all of them.
//!
//! Each is exact up to a size and has a stated error beyond, merges with another of its kind, and lies in plain words,
//! so that a slot holds it like everything else. All words 0 is an empty sketch.

pub(super) mod distinct;
pub(super) mod quantile;
pub(super) mod top;
