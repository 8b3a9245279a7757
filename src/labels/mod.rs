//! Predictions that wait for their labels, and follow-ups that wait for their events.
//!
//! A prediction waits `wait` of event time for its label; a repeated label counts once, a changed one is a correction
//! with the next revision. A follow-up that comes before its event is held until the event comes or `wait` has passed,
//! then it is given back to be refused: nothing is dropped unseen.

mod block;
mod early;
mod moved;
mod waiting;
mod written;

pub use block::Labelled;
pub use early::{Early, EarlyFollowUps};
pub use waiting::{EventId, Join, Waited, Waiting, WaitingPrediction};
