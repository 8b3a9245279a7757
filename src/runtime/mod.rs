//! The roles as threads around the deterministic machines.
//!
//! [`App`] starts the roles asked for in this process. One thread per worker owns its shards, its group membership and
//! its transactional producer; a training runs on threads of its own, never on one that polls. In stepped mode the
//! caller says how far inputs may be read and what time it is: the demo runs on it, and its outcome is then the same
//! however fast the machine.

mod alignment;
mod app;
mod behind;
mod board;
mod breaker;
mod change;
mod checkpoint;
mod clock;
mod control;
mod cores;
mod decisions;
mod dlq;
mod frames;
mod guards;
mod history;
mod job;
mod letters;
mod notify;
mod pace;
mod replay;
mod reset;
mod restore;
mod retrain;
mod roles;
mod settle;
mod setup;
mod shard;
#[cfg(test)]
mod simulation;
mod stage;
mod stages;
mod topics;
mod traces;
mod twin;
mod watch;
mod why;
mod worker;

pub use app::{App, AppSetup};
pub use change::check_change;
pub use dlq::{Letter, LetterFilter, LetterSource, Letters, MAX_HOPS, Obstacle, ResendParams, Resent, resend};
pub use history::{HistoryError, Stretch};
pub use job::train;
pub use replay::{
    AlertLine, AlertsReport, Destination, Difference, DifferenceKind, FieldDifference, JournalDifference,
    JournalReport, Progress, Quality, ReplayParams, ReplayReport, ScoreReport, TopicReport, WhatIf, WhatIfReport,
    replay,
};
pub use reset::{Beginning, ResetError, ResetParams, ResetPlan, plan_reset};
pub use roles::{RoleError, Roles};
pub use setup::{SetupError, chain_params, pipeline_params};
pub use topics::topic_specs;
pub use why::{Sought, Why, WhyParams, why};
