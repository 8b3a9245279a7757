//! How far a group has come, seen from outside: its committed offsets, without joining it.
//!
//! A look joins nothing and commits nothing, so it can be taken of a running application at any time. Offsets of a
//! transaction that is still open are not waited for: what is told is what was committed last.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::Kafka;
use super::admin::ASK_LIMIT;
use super::bounded::Bounded;
use super::context::Quiet;
use super::errors::failed;
use crate::transport::TransportError;

/// A client that asks what one group has committed.
pub struct GroupProgress {
    group: String,
    client: Bounded<BaseConsumer<Quiet>>,
}

impl Kafka {
    /// A look at a group from outside.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn progress_of(&self, group: &str) -> Result<GroupProgress, TransportError> {
        let client = self
            .settings
            .outside(group)
            .create_with_context(Quiet)
            .map_err(|error| failed("cannot create a client", &error))?;
        Ok(GroupProgress { group: group.to_owned(), client: Bounded::new("progress", client) })
    }
}

impl GroupProgress {
    /// The next offset to read of each partition of a topic, 0 to `partitions`; `None` where nothing was committed.
    ///
    /// # Errors
    /// When the cluster does not answer, or may not be asked.
    pub fn committed(&self, topic: &str, partitions: i32) -> Result<Vec<Option<i64>>, TransportError> {
        let what = || format!("cannot ask for the offsets of group `{}`", self.group);
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, partitions - 1);
        let answer = self.client.committed_offsets(asked, ASK_LIMIT).map_err(|error| failed(&what(), &error))?;
        let mut offsets = Vec::new();
        for partition in 0..partitions {
            let Some(found) = answer.find_partition(topic, partition) else {
                return Err(TransportError::Retriable(format!("{}: not all partitions answered", what())));
            };
            found.error().map_err(|error| failed(&what(), &error))?;
            offsets.push(match found.offset() {
                Offset::Offset(next) => Some(next),
                _ => None,
            });
        }
        Ok(offsets)
    }
}
