//! A cluster inside the process, for tests, simulation and trying things out.
//!
//! It keeps what the worker's correctness rests on: transactions that readers see wholly or not at all, offsets committed
//! with them, one producer per transactional id, one owner per partition number, control records between the others, and
//! faults on cue ([`Cue`]). Everything sits behind one lock and happens in the order of the calls, so a
//! test on one thread is the same every time. It does not keep data beyond the process, nor does it compact.

use std::collections::BTreeMap;
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
#[cfg(test)]
mod tests;
mod upkeep;

pub use fault::{Cue, Fault};

use cursor::Cursors;
use fault::Script;
use group::{Group, MemberNumber};
use log::{Found, Topics, TransactionNumber};

/// Producer state of one transactional id.
#[derive(Debug, Default)]
struct Producer {
    epoch: u64,
    killed: bool,
    open: Option<TransactionNumber>,
    member: Option<GroupMember>,
}

#[derive(Clone, Debug)]
struct GroupMember {
    spec: MemberSpec,
    number: MemberNumber,
}

#[derive(Debug, Default)]
struct State {
    topics: Topics,
    /// How each topic was created.
    specs: BTreeMap<String, TopicSpec>,
    groups: BTreeMap<String, Group>,
    producers: BTreeMap<String, Producer>,
    script: Script,
    numbers: u64,
    keyless: u64,
    now: Timestamp,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// A panic of another thread leaves the state usable: every change is complete before anything can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn group(&mut self, spec: &MemberSpec) -> &mut Group {
        self.groups.entry(spec.group.clone()).or_default()
    }

    fn n_partitions(&self, spec: &MemberSpec) -> i32 {
        let n = spec.inputs.first().and_then(|topic| self.topics.get(topic)).map_or(0, <[_]>::len);
        i32::try_from(n).unwrap_or(i32::MAX)
    }

    fn join_group(&mut self, spec: &MemberSpec) -> MemberNumber {
        let number = self.next_number();
        let partitions = self.n_partitions(spec);
        self.group(spec).join(number, partitions);
        if let Some(producer) = self.producers.get_mut(&spec.transactional_id) {
            producer.member = Some(GroupMember { spec: spec.clone(), number });
        }
        number
    }

    fn leave(&mut self, spec: &MemberSpec, number: MemberNumber) {
        let partitions = self.n_partitions(spec);
        self.group(spec).leave(number, partitions);
    }

    fn kick(&mut self, transactional_id: &str) {
        if let Some(member) = self.producers.get(transactional_id).and_then(|producer| producer.member.clone()) {
            self.leave(&member.spec, member.number);
        }
    }

    fn kill(&mut self, transactional_id: &str) {
        self.kick(transactional_id);
        if let Some(producer) = self.producers.get_mut(transactional_id) {
            producer.killed = true;
        }
    }

    /// Starts a new epoch of a transactional id: aborts what is open, shuts the previous producer out.
    fn fence(&mut self, transactional_id: &str) -> u64 {
        let producer = self.producers.entry(transactional_id.to_owned()).or_default();
        producer.epoch += 1;
        producer.killed = false;
        let epoch = producer.epoch;
        if let Some(transaction) = producer.open.take() {
            self.topics.end(transaction, false);
        }
        epoch
    }

    fn alive(&self, transactional_id: &str, epoch: u64) -> Result<&Producer, TransportError> {
        match self.producers.get(transactional_id) {
            Some(producer) if producer.epoch == epoch && !producer.killed => Ok(producer),
            Some(producer) if producer.epoch != epoch => {
                Err(TransportError::Fenced(format!("another producer took `{transactional_id}` over")))
            }
            _ => Err(TransportError::Fatal(format!("`{transactional_id}` was killed"))),
        }
    }

    fn begin(&mut self, transactional_id: &str, epoch: u64) -> Result<(), TransportError> {
        if self.alive(transactional_id, epoch)?.open.is_some() {
            return Err(TransportError::Fatal("a transaction is open already".to_owned()));
        }
        let number = self.next_number();
        if let Some(producer) = self.producers.get_mut(transactional_id) {
            producer.open = Some(number);
        }
        Ok(())
    }

    fn open_transaction(&self, transactional_id: &str, epoch: u64) -> Result<TransactionNumber, TransportError> {
        let open = self.alive(transactional_id, epoch)?.open;
        open.ok_or_else(|| TransportError::Fatal("no transaction is open".to_owned()))
    }

    fn close_transaction(&mut self, transactional_id: &str) {
        if let Some(producer) = self.producers.get_mut(transactional_id) {
            producer.open = None;
        }
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

    /// Sets the clock that stamps records sent without a timestamp (at first the epoch); it never moves by itself.
    pub fn set_now(&self, now: Timestamp) {
        self.shared.lock().now = now;
    }

    /// Plans a fault.
    pub fn plan(&self, cue: Cue) {
        self.shared.lock().script.add(cue);
    }

    /// Lets the group drop a member, as when its session ran out; it finds out and joins again.
    pub fn kick(&self, transactional_id: &str) {
        self.shared.lock().kick(transactional_id);
        self.shared.changed.notify_all();
    }

    /// Kills a member as `kill -9` does: its calls fail, its open transaction stays open until the id is used again.
    /// The group notices at once.
    pub fn kill(&self, transactional_id: &str) {
        self.shared.lock().kill(transactional_id);
        self.shared.changed.notify_all();
    }

    /// Drops the records before `start`, as retention does.
    ///
    /// # Errors
    /// `Configuration` if there is no such partition.
    pub fn trim(&self, at: &TopicPartition, start: i64) -> Result<(), TransportError> {
        self.shared.lock().topics.trim(&at.topic, at.partition, start)
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
        self.shared.changed.notify_all();
        Ok(())
    }
}

struct MemoryReader {
    shared: Arc<Shared>,
    cursors: Cursors,
}

impl Reader for MemoryReader {
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        let deadline = Instant::now() + timeout;
        let before = news.len();
        let mut state = self.shared.lock();
        loop {
            self.cursors.take(&state.topics, max, news)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if news.len() > before || left.is_zero() {
                return Ok(());
            }
            state = self.shared.wait(state, left);
        }
    }

    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.cursors.start(&self.shared.lock().topics, positions)
    }
}

struct MemoryPublisher {
    shared: Arc<Shared>,
}

impl Publisher for MemoryPublisher {
    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.shared.lock().append(outgoing, None)?;
        self.shared.changed.notify_all();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TransportError> {
        Ok(())
    }
}
