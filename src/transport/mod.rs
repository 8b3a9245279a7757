//! How records come in and go out: Kafka, Kafka's mock cluster inside the process, or memory.
//!
//! A [`Member`] is what one worker thread owns: its membership in the group of a stage, the fetching of the inputs it
//! was given, and one transactional producer. A [`Reader`] follows partitions without a group. A [`Publisher`] writes
//! without transactions. The same worker runs over all of them; only [`Kafka`](kafka::Kafka) proves exactly-once.
//!
//! All of it blocks and belongs on plain threads, never on a tokio worker.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::data::{Header, Record, Timestamp};
pub use crate::data::{murmur2, partition_for};

pub(crate) mod failpoint;
pub mod kafka;
pub mod memory;
mod upkeep;

pub use upkeep::Upkeep;

/// What went wrong, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The open transaction cannot be committed; abort it, restore, and go on.
    #[error("transaction aborted: {0}")]
    Aborted(String),
    /// This producer or member is finished; drop it and join again.
    #[error("kafka client is no longer usable: {0}")]
    Fatal(String),
    /// Another producer took the transactional id over; what was open is aborted. Drop this one; join again only if its
    /// owner is known to be the rightful one.
    #[error("shut out: {0}")]
    Fenced(String),
    /// The position is not among the records that the partition holds: they were removed, or the topic was made anew.
    #[error("{0}")]
    Gone(String),
    /// It may work in a moment.
    #[error("kafka did not answer: {0}")]
    Retriable(String),
    /// Nothing will change without an operator: authentication, authorisation, a missing topic, a bad property.
    #[error("{0}")]
    Configuration(String),
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

/// A point in a partition: the next offset to read, or to have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub at: TopicPartition,
    /// Next offset.
    pub next: i64,
}

/// Where the records of a partition begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First offset still there.
    pub start: i64,
    /// One past the last record a reader of committed records can see now (the last stable offset).
    pub end: i64,
    /// One past the last record written, those of open transactions included. A restore waits until `end` has reached
    /// the `high` it saw first: aiming at `end` alone can miss state whose commit is decided but not yet marked.
    pub high: i64,
}

/// News from a [`Member`] or [`Reader`].
#[derive(Debug)]
pub enum News {
    /// A record of a partition that was started.
    Record {
        /// Index of the partition's topic in the order of [`MemberSpec::inputs`] (for a reader: of its topics).
        input: usize,
        /// Partition number.
        partition: i32,
        /// The record, copied out of the client.
        record: Record,
    },
    /// The partition has been read to its end; `next` is past control records too.
    ///
    /// An `End` that follows a `start` says that everything before the [`Bounds::end`] asked for before that `start` has
    /// been delivered, also where compaction removed the last records and `next` stays below it.
    End {
        /// Index of the topic.
        input: usize,
        /// Partition number.
        partition: i32,
        /// The next offset to be written there.
        next: i64,
    },
    /// The group gave these partition numbers (of the first input) to this member. Nothing is fetched until
    /// [`Member::start`].
    Assigned(Vec<i32>),
    /// The group wants these partition numbers back; finish, then call [`Member::release`].
    Revoked(Vec<i32>),
    /// These partition numbers already belong to somebody else: drop what was done for them, then call
    /// [`Member::release`].
    Lost(Vec<i32>),
}

/// What a worker joins with.
#[derive(Clone, Debug)]
pub struct MemberSpec {
    /// Consumer group of the stage.
    pub group: String,
    /// Transactional id: `<app>.<role>.<instance>.<worker>`, stable over restarts of the instance.
    pub transactional_id: String,
    /// Topics of the stage; the group subscribes to the first only.
    pub inputs: Vec<String>,
}

/// One record to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition number, or `None` to let Java's partitioner (murmur2 of the key) choose.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
    /// Headers.
    pub headers: &'a [Header],
    /// Record timestamp, or `None` for the client's clock.
    pub timestamp: Option<Timestamp>,
}

/// What one worker thread owns: group membership, fetching, and a transactional producer.
pub trait Member {
    /// Takes news for at most `timeout`, returning as soon as there is any; appends to `news` at most `max` records.
    ///
    /// What was appended before an error counts: it will not be told again.
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError>;

    /// Begins to fetch these partitions from these offsets (replacing an earlier position).
    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError>;

    /// Stops fetching all inputs of these partition numbers; records already fetched are dropped.
    fn stop(&mut self, partitions: &[i32]) -> Result<(), TransportError>;

    /// Holds back (`true`) or lets flow (`false`) one input of one partition number; where it is let flow, it goes on after
    /// the last record that was told, and its end is told again.
    fn pause(&mut self, input: usize, partition: i32, paused: bool) -> Result<(), TransportError>;

    /// Acknowledges a revocation or a loss: stops fetching and gives the partition numbers back to the group. The group
    /// waits until everything that was asked back together has been released.
    fn release(&mut self, partitions: &[i32]) -> Result<(), TransportError>;

    /// Offsets committed by the group for all inputs of these partition numbers, in any order; `None` where nothing was.
    ///
    /// `Retriable` while a transaction of a dead owner leaves them undecided: try again, or [`Transport::fence`] it.
    fn committed(&mut self, partitions: &[i32]) -> Result<Vec<CommittedOffset>, TransportError>;

    /// Opens a transaction.
    fn begin(&mut self) -> Result<(), TransportError>;

    /// Adds a record to the open transaction. Waits while the client's queue is full; never drops.
    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError>;

    /// Writes a record at once, outside the open transaction, so that readers need not wait for its end; an abort does
    /// not take it back. [`Member::commit`] waits for it, and is refused with `Aborted` if it was not delivered.
    fn send_ahead(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError>;

    /// Adds records to the open transaction, in their order: [`Member::send`] for many, which costs less.
    fn send_all(&mut self, records: &mut dyn Iterator<Item = Outgoing<'_>>) -> Result<(), TransportError> {
        for record in records {
            self.send(&record)?;
        }
        Ok(())
    }

    /// [`Member::send_ahead`] for many.
    fn send_all_ahead(&mut self, records: &mut dyn Iterator<Item = Outgoing<'_>>) -> Result<(), TransportError> {
        for record in records {
            self.send_ahead(&record)?;
        }
        Ok(())
    }

    /// Waits for all deliveries, adds the input offsets with fresh group metadata, and commits.
    fn commit(&mut self, positions: &[Position]) -> Result<(), TransportError>;

    /// Has the next commit carry a remark beside the offset of the first input of a partition number, where the cluster
    /// can hold it. It is heard once it is committed.
    fn remark(&mut self, _partition: i32, _remark: String) {}

    /// What the group's commits carry as of now, by partition number, of this many; empty where a commit carries none,
    /// and nothing of partitions that nothing was committed for.
    fn remarks(&mut self, _partitions: i32) -> Result<BTreeMap<i32, String>, TransportError> {
        Ok(BTreeMap::new())
    }

    /// Gives the open transaction up: purge, drain, abort.
    fn abort(&mut self) -> Result<(), TransportError>;

    /// Leaves the group and closes, within a bound.
    fn close(self: Box<Self>);
}

/// A committed offset of one input of one partition number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Index of the input.
    pub input: usize,
    /// Partition number.
    pub partition: i32,
    /// Next offset to read; `None` if nothing was committed.
    pub next: Option<i64>,
}

/// Follows partitions without a group; sees committed records only.
pub trait Reader: Send {
    /// Takes news (`Record` and `End` only) for at most `timeout`, returning as soon as there is any; at most `max`
    /// records.
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError>;

    /// Begins to read these partitions from these offsets (replacing an earlier position); `News::input` then counts
    /// topics in the order of [`Transport::reader`]'s `topics`.
    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError>;
}

/// Writes without transactions (idempotent, all replicas): for `produce`, the operator's commands and tests.
pub trait Publisher: Send {
    /// Queues a record; waits while the client's queue is full.
    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError>;

    /// Waits until everything queued has been acknowledged.
    fn flush(&mut self) -> Result<(), TransportError>;
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replication factor; -1 for the broker's default.
    pub replication: i32,
    /// Topic configuration, such as `retention.ms` = `-1`.
    pub config: Vec<(String, String)>,
}

/// A cluster.
pub trait Transport: Send + Sync {
    /// Joins a stage as one worker. The transactional producer is initialised before the group is joined.
    fn join(&self, spec: &MemberSpec) -> Result<Box<dyn Member>, TransportError>;

    /// A reader over `topics`, at no position yet.
    fn reader(&self, topics: &[String]) -> Result<Box<dyn Reader>, TransportError>;

    /// A publisher.
    fn publisher(&self) -> Result<Box<dyn Publisher>, TransportError>;

    /// Bounds of every partition of a topic, in partition order, as a reader of committed records sees them; `None` if
    /// there is no such topic.
    fn bounds(&self, topic: &str) -> Result<Option<Vec<Bounds>>, TransportError>;

    /// Bounds of one partition; `None` if there is no such partition.
    fn bounds_at(&self, topic: &str, partition: i32) -> Result<Option<Bounds>, TransportError> {
        Ok(self.bounds(topic)?.and_then(|all| all.get(partition as usize).copied()))
    }

    /// The cleanup policy of a topic, such as `delete` or `compact,delete`; `None` where the cluster cannot tell.
    ///
    /// `Configuration` where it may not be asked.
    fn cleanup_policy(&self, _topic: &str) -> Result<Option<String>, TransportError> {
        Ok(None)
    }

    /// Creates the topics that do not exist yet; returns the names of those created.
    fn create(&self, topics: &[TopicSpec]) -> Result<Vec<String>, TransportError>;

    /// Aborts whatever transaction is open under this transactional id and shuts its producer out: how a new owner ends
    /// the transaction of a dead one instead of waiting for its time-out.
    fn fence(&self, transactional_id: &str) -> Result<(), TransportError>;
}
