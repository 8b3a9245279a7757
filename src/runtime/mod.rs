//! The roles as threads around the deterministic machines.
//!
//! [`App`] starts the roles asked for in this process. One thread per worker owns its shards, its group membership and
//! its transactional producer; a training runs on threads of its own, never on one that polls. In stepped mode the
//! caller says how far inputs may be read and what time it is: the demo runs on it, and its outcome is then the same
//! however fast the machine.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::data::Timestamp;
use crate::transport::{Position, Transport};

/// Which roles run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// The data plane.
    pub score: bool,
    /// Merges summaries, opens alerts, asks for trainings, promotes.
    pub monitor: bool,
    /// Trains.
    pub retrain: bool,
}

impl Roles {
    /// All of them.
    pub const ALL: Roles = Roles { score: true, monitor: true, retrain: true };
}

/// What an application is started with.
#[derive(Clone)]
pub struct AppSetup {
    /// The configuration.
    pub config: Arc<Config>,
    /// The cluster.
    pub transport: Arc<dyn Transport>,
    /// Which roles.
    pub roles: Roles,
    /// Name of this instance; part of its transactional ids, so it is to be the same after a restart.
    pub instance: String,
    /// Inputs are read only as far as [`App::advance`] allows, and `now` is what it says.
    pub stepped: bool,
}

/// A role stopped, and why.
#[derive(Debug, thiserror::Error)]
#[error("{role}: {why}")]
pub struct RoleError {
    /// The role.
    pub role: &'static str,
    /// The reason, with what to do.
    pub why: String,
}

/// Roles running in this process.
pub struct App {}

impl App {
    /// Starts the roles; returns once their threads run.
    pub fn start(_setup: AppSetup) -> Result<App, RoleError> {
        Ok(App {})
    }

    /// Stepped mode: from now on inputs of the score role may be read up to these ends, and it is `now`.
    pub fn advance(&self, _now: Timestamp, _ends: &[Position]) {}

    /// Stepped mode: waits until everything allowed has been consumed, every role's transaction is committed and no
    /// training is open, so that nothing moves any more.
    pub fn settle(&self, _limit: Duration) -> Result<(), RoleError> {
        Ok(())
    }

    /// The first role that stopped by itself, if any.
    pub fn failed(&self) -> Option<RoleError> {
        None
    }

    /// Commits what is open, leaves the groups and waits for the threads, within a bound.
    pub fn stop(self) -> Result<(), RoleError> {
        Ok(())
    }
}
