//! Which roles a process runs, and why one of them stopped.

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

/// A role stopped, and why.
#[derive(Debug, thiserror::Error)]
#[error("{role}: {why}")]
pub struct RoleError {
    /// The role.
    pub role: &'static str,
    /// The reason, with what to do.
    pub why: String,
}

impl RoleError {
    pub(super) fn new(role: &'static str, why: impl std::fmt::Display) -> Self {
        RoleError { role, why: why.to_string() }
    }
}
