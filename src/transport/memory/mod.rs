//! A cluster inside the process, for tests, simulation and trying things out.
//!
//! It keeps what the worker's correctness rests on: transactions that readers see wholly or not at all, offsets committed
//! with them, one producer per transactional id, one owner per partition number, control records between the others, and
//! faults on cue ([`Cue`]). Everything sits behind one lock and happens in the order of the calls, so a
//! test on one thread is the same every time. It does not keep data beyond the process, nor does it compact.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::data::{Record, Timestamp};
use crate::transport::{
    Bounds, Member, MemberSpec, News, Outgoing, Position, Publisher, Reader, TopicPartition, TopicSpec, Transport,
    TransportError, partition_for,
};

mod cursor;
mod fault;
mod group;
mod log;
mod member;
mod session;
#[cfg(test)]
mod tests;
mod transaction;
mod upkeep;

pub use fault::{Cue, Fault};

use cursor::Cursors;
use fault::Script;
use group::{Group, MemberNumber};
use log::{Found, Topics};
use session::GroupMember;
use transaction::{TransactionNumber, Transactions};

#[derive(Debug, Default)]
struct State {
    topics: Topics,
    /// How each topic was created.
    specs: BTreeMap<String, TopicSpec>,
    groups: BTreeMap<String, Group>,
    members: BTreeMap<MemberNumber, GroupMember>,
    transactions: Transactions,
    /// Partitions whose records come late.
    stalled: BTreeSet<TopicPartition>,
    /// How often whoever read a partition has lost sight of it.
    lost: BTreeMap<TopicPartition, u64>,
    script: Script,
    numbers: u64,
    keyless: u64,
    now: Timestamp,
    #[cfg(test)]
    unfenced: bool,
}

/// What passes instead of time when a call waits.
type Waits = Box<dyn Fn(Duration) + Send + Sync>;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// `None`: calls wait by the machine's clock.
    waits: Option<Waits>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.state.fmt(formatter)
    }
}

impl Shared {
    /// A panic of another thread leaves the state usable: every change is complete before anything can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changed.notify_all();
    }

    /// Calls `take` until it has taken something or the time is up.
    fn poll(
        &self,
        timeout: Duration,
        mut take: impl FnMut(&mut State) -> Result<bool, TransportError>,
    ) -> Result<(), TransportError> {
        let mut state = self.lock();
        if let Some(waits) = &self.waits {
            if !take(&mut state)? && !timeout.is_zero() {
                drop(state);
                waits(timeout);
            }
            return Ok(());
        }
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if take(&mut state)? || left.is_zero() {
                return Ok(());
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn append(
        &mut self,
        outgoing: &Outgoing<'_>,
        transaction: Option<TransactionNumber>,
    ) -> Result<(), TransportError> {
        let partitions = self.topics.get(outgoing.topic).ok_or_else(|| log::no_topic(outgoing.topic))?.len();
        let n_partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let partition = match (outgoing.partition, outgoing.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for(key, n_partitions),
            (None, None) => {
                self.keyless += 1;
                (self.keyless % partitions.max(1) as u64) as i32
            }
        };
        let record = Record {
            offset: 0,
            timestamp: outgoing.timestamp.unwrap_or(self.now),
            key: outgoing.key.map(Into::into),
            value: outgoing.value.map(Into::into),
            headers: outgoing.headers.to_vec(),
        };
        self.topics.append(outgoing.topic, partition, record, transaction)?;
        if let Some(transaction) = transaction {
            self.wrote(transaction, outgoing.topic, partition);
        }
        Ok(())
    }
}

/// A cluster inside the process; clones are handles to the same one.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    shared: Arc<Shared>,
}

impl Memory {
    /// An empty cluster.
    pub fn new() -> Self {
        Memory::default()
    }

    /// An empty cluster whose calls never block: whenever one would wait, `waits` is told how long instead. For a
    /// simulation on one thread.
    pub fn simulated(waits: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Memory { shared: Arc::new(Shared { waits: Some(Box::new(waits)), ..Shared::default() }) }
    }

    /// Sets the clock that stamps records sent without a timestamp (at first the epoch); it never moves by itself.
    pub fn set_now(&self, now: Timestamp) {
        self.shared.lock().now = now;
    }

    /// Lets groups accept the commits of members they do not know: a broker that is wrong, to prove that it is noticed.
    #[cfg(test)]
    pub(crate) fn forget_fencing(&self) {
        self.shared.lock().unfenced = true;
    }

    /// Plans a fault.
    pub fn plan(&self, cue: Cue) {
        self.shared.lock().script.add(cue);
    }

    /// Lets the next commit (or send, for [`Fault::RefuseSend`]) of a transactional id meet a fault.
    pub fn plan_next(&self, transactional_id: &str, fault: Fault) {
        self.shared.lock().script.add_next(transactional_id, fault);
    }

    /// Takes all faults back that have not been met.
    pub fn forget_faults(&self) {
        self.shared.lock().script.forget();
    }

    /// Holds back what is read from a partition (`true`), as a slow fetch does, or lets it come. Nothing is said of the
    /// partition's end meanwhile.
    pub fn stall(&self, at: &TopicPartition, stalled: bool) {
        let mut state = self.shared.lock();
        if stalled {
            state.stalled.insert(at.clone());
        } else {
            state.stalled.remove(at);
        }
        self.shared.wake();
    }

    /// Lets whoever reads a partition now hear nothing of it any more, until it starts to read there anew: a client's
    /// fetching can come to a halt while brokers come and go.
    pub fn lose_sight(&self, at: &TopicPartition) {
        *self.shared.lock().lost.entry(at.clone()).or_default() += 1;
    }

    /// Kills a member as `kill -9` does: its calls fail, its open transaction stays open until the id is used again.
    /// The group notices at once.
    pub fn kill(&self, transactional_id: &str) {
        self.shared.lock().kill(transactional_id);
        self.shared.wake();
    }

    /// Drops the records before `start`, as retention does.
    ///
    /// # Errors
    /// `Configuration` if there is no such partition.
    pub fn trim(&self, at: &TopicPartition, start: i64) -> Result<(), TransportError> {
        self.shared.lock().topics.trim(&at.topic, at.partition, start)
    }

    /// Removes every committed record that another one of its key follows, as a broker cleans a compacted topic.
    ///
    /// # Errors
    /// `Configuration` if there is no such partition.
    pub fn compact(&self, at: &TopicPartition) -> Result<(), TransportError> {
        self.shared.lock().topics.compact(&at.topic, at.partition)
    }

    /// All records of a partition that a reader of committed records can see; none if there is no such partition.
    pub fn records(&self, at: &TopicPartition) -> Vec<Record> {
        let state = self.shared.lock();
        let Ok(partition) = state.topics.partition(&at.topic, at.partition) else { return Vec::new() };
        let mut records: Vec<Record> = Vec::new();
        let mut next = partition.bounds().start;
        while let Found::Record(record) = partition.at(next) {
            next = record.offset + 1;
            records.push(record.clone());
        }
        records
    }

    /// The offset a group committed.
    pub fn committed(&self, group: &str, at: &TopicPartition) -> Option<i64> {
        self.shared.lock().groups.get(group).and_then(|group| group.committed.get(at).copied())
    }
}

impl Transport for Memory {
    fn join(&self, spec: &MemberSpec) -> Result<Box<dyn Member>, TransportError> {
        Ok(Box::new(member::MemoryMember::join(&self.shared, spec)?))
    }

    fn reader(&self, topics: &[String]) -> Result<Box<dyn Reader>, TransportError> {
        let state = self.shared.lock();
        for topic in topics {
            state.topics.partition(topic, 0)?;
        }
        Ok(Box::new(MemoryReader { shared: Arc::clone(&self.shared), cursors: Cursors::new(topics) }))
    }

    fn publisher(&self) -> Result<Box<dyn Publisher>, TransportError> {
        Ok(Box::new(MemoryPublisher { shared: Arc::clone(&self.shared) }))
    }

    fn bounds(&self, topic: &str) -> Result<Option<Vec<Bounds>>, TransportError> {
        let state = self.shared.lock();
        Ok(state.topics.get(topic).map(|partitions| partitions.iter().map(log::Partition::bounds).collect()))
    }

    fn cleanup_policy(&self, topic: &str) -> Result<Option<String>, TransportError> {
        Ok(Some(self.shared.lock().cleanup_policy(topic)))
    }

    fn create(&self, topics: &[TopicSpec]) -> Result<Vec<String>, TransportError> {
        let mut state = self.shared.lock();
        let mut created = Vec::new();
        for topic in topics {
            if topic.partitions < 1 {
                return Err(TransportError::Configuration(format!(
                    "topic `{}` cannot have {} partitions; give it at least 1",
                    topic.name, topic.partitions
                )));
            }
            if state.topics.create(&topic.name, topic.partitions) {
                state.specs.insert(topic.name.clone(), topic.clone());
                created.push(topic.name.clone());
            }
        }
        Ok(created)
    }

    fn fence(&self, transactional_id: &str) -> Result<(), TransportError> {
        self.shared.lock().fence(transactional_id);
        self.shared.wake();
        Ok(())
    }
}

struct MemoryReader {
    shared: Arc<Shared>,
    cursors: Cursors,
}

impl Reader for MemoryReader {
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        let before = news.len();
        self.shared.poll(timeout, |state| {
            self.cursors.take(state, max, news)?;
            Ok(news.len() > before)
        })
    }

    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.cursors.start(&self.shared.lock(), positions)
    }
}

struct MemoryPublisher {
    shared: Arc<Shared>,
}

impl Publisher for MemoryPublisher {
    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.shared.lock().append(outgoing, None)?;
        self.shared.wake();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TransportError> {
        Ok(())
    }
}
