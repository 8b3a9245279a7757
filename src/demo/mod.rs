//! The demonstration: a real year of departures through the whole loop, with a comparison at the end.
//!
//! It drives the same roles as `driftless run` does, step by step, and reads what they publish the way any other program
//! would. Nothing here decides anything in the loop: the stream, the reading, the comparison and the showing are all of it.

mod cluster;
pub mod flights;
mod outputs;
pub mod payments;
mod replay;
mod report;
mod rivals;
mod scored;
mod screen;
mod story;
mod summary;
mod weeks;

pub use cluster::{CONFIG, Folder, Setting, Stage};
pub use replay::{ReplayParams, replay};
pub use report::{GainStory, Report, VersionStory, Way};
pub use screen::{Progress, Screen};
pub use story::{Charge, Happening, Story, TrainingStory};
pub use weeks::{Standing, WeekStanding};
