//! What only an operator's command asks of a cluster: who is in a group, letting its offsets go, making a topic anew.
//!
//! Nothing that runs all the time needs it, and the access rights for it are often given to people only. All of it is
//! destructive; whoever calls has asked first.

use super::{TopicSpec, Transport, TransportError};

/// A cluster that can be tidied up.
pub trait Upkeep: Transport {
    /// The members that a group has now, by the names of their clients; none if there is no such group.
    ///
    /// A member that was killed counts until its session has run out.
    fn members(&self, group: &str) -> Result<Vec<String>, TransportError>;

    /// Deletes a group with its committed offsets; nothing happens if there is none.
    ///
    /// `Configuration` if it has members: the cluster refuses it, so that no member loses its offsets.
    fn forget(&self, group: &str) -> Result<(), TransportError>;

    /// Deletes the topic that `spec` names, if there is one, and creates it again, empty, with the partitions of `spec`.
    /// A topic that existed keeps its replication and its settings.
    fn remake(&self, spec: &TopicSpec) -> Result<(), TransportError>;
}
