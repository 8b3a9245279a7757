//! Producers and their transactions in the memory transport, with what lies between asking for a commit and seeing it.
//!
//! As on a broker: offsets are pending from the moment they are added, a commit is decided at once, and only then do its
//! markers reach the partitions and the group, one by one. Until its marker is there a partition shows nothing of the
//! transaction, and until the group's is there nobody learns its offsets. Invariant: a decided transaction is never
//! undone, an undecided one ends with its owner's epoch.

use std::collections::{BTreeMap, BTreeSet};

use super::{Shared, State};
use crate::data::{Span, Timestamp};
use crate::transport::{MemberSpec, Position, TransportError};

/// Names one transaction.
pub(super) type TransactionNumber = u64;

/// Producer state of one transactional id.
#[derive(Debug, Default)]
pub(super) struct Producer {
    epoch: u64,
    killed: bool,
    open: Option<TransactionNumber>,
}

/// Where a transaction has to be marked as ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    /// In the group, for the offsets.
    Offsets,
    Partition(String, i32),
}

#[derive(Debug)]
struct Transaction {
    owner: String,
    since: Timestamp,
    offsets: Option<Offsets>,
    marks: BTreeSet<Mark>,
    /// Whether it is committed; `None` while it is open.
    decided: Option<bool>,
    /// Its commit was sent and has not arrived: the owner has lost it.
    adrift: bool,
    /// The commit will arrive later.
    late: bool,
}

#[derive(Debug)]
struct Offsets {
    group: String,
    positions: Vec<Position>,
    remarks: BTreeMap<i32, String>,
}

/// All producers, and transactions that are not over yet.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    producers: BTreeMap<String, Producer>,
    under_way: BTreeMap<TransactionNumber, Transaction>,
    /// Markers are written when [`super::Memory::mark`] says so, not at once.
    marks_late: bool,
}

impl State {
    /// Starts a new epoch of a transactional id: aborts what is open, shuts the previous producer out.
    pub(super) fn fence(&mut self, transactional_id: &str) -> u64 {
        self.finish_marks(transactional_id);
        let producer = self.transactions.producers.entry(transactional_id.to_owned()).or_default();
        producer.epoch += 1;
        producer.killed = false;
        let epoch = producer.epoch;
        if let Some(transaction) = producer.open.take() {
            self.decide(transaction, false);
            self.finish_marks(transactional_id);
        }
        epoch
    }

    pub(super) fn alive(&self, transactional_id: &str, epoch: u64) -> Result<&Producer, TransportError> {
        match self.transactions.producers.get(transactional_id) {
            Some(producer) if producer.epoch == epoch && !producer.killed => Ok(producer),
            Some(producer) if producer.epoch != epoch => {
                Err(TransportError::Fenced(format!("another producer took `{transactional_id}` over")))
            }
            _ => Err(TransportError::Fatal(format!("`{transactional_id}` was killed"))),
        }
    }

    pub(super) fn kill_producer(&mut self, transactional_id: &str) {
        if let Some(producer) = self.transactions.producers.get_mut(transactional_id) {
            producer.killed = true;
        }
    }

    /// Opens a transaction, once the one before is marked everywhere.
    pub(super) fn begin(&mut self, transactional_id: &str, epoch: u64) -> Result<(), TransportError> {
        if self.alive(transactional_id, epoch)?.open.is_some() {
            return Err(TransportError::Fatal("a transaction is open already".to_owned()));
        }
        self.finish_marks(transactional_id);
        let number = self.next_number();
        if let Some(producer) = self.transactions.producers.get_mut(transactional_id) {
            producer.open = Some(number);
        }
        let transaction = Transaction {
            owner: transactional_id.to_owned(),
            since: self.now,
            offsets: None,
            marks: BTreeSet::new(),
            decided: None,
            adrift: false,
            late: false,
        };
        self.transactions.under_way.insert(number, transaction);
        Ok(())
    }

    pub(super) fn open_transaction(
        &self,
        transactional_id: &str,
        epoch: u64,
    ) -> Result<TransactionNumber, TransportError> {
        let open = self.alive(transactional_id, epoch)?.open;
        open.ok_or_else(|| TransportError::Fatal("no transaction is open".to_owned()))
    }

    /// Remembers that a transaction wrote to a partition.
    pub(super) fn wrote(&mut self, transaction: TransactionNumber, topic: &str, partition: i32) {
        if let Some(transaction) = self.transactions.under_way.get_mut(&transaction) {
            transaction.marks.insert(Mark::Partition(topic.to_owned(), partition));
        }
    }

    /// Adds offsets to a transaction; nobody can read them until it is decided.
    pub(super) fn add_offsets(
        &mut self,
        transaction: TransactionNumber,
        spec: &MemberSpec,
        positions: &[Position],
        remarks: BTreeMap<i32, String>,
    ) {
        if let Some(transaction) = self.transactions.under_way.get_mut(&transaction) {
            transaction.marks.insert(Mark::Offsets);
            transaction.offsets = Some(Offsets { group: spec.group.clone(), positions: positions.to_vec(), remarks });
        }
    }

    /// The owner has asked for a commit that has not arrived, and may or may not do so later.
    pub(super) fn set_adrift(&mut self, transaction: TransactionNumber, late: bool) {
        if let Some(transaction) = self.transactions.under_way.get_mut(&transaction) {
            (transaction.adrift, transaction.late) = (true, late);
        }
    }

    pub(super) fn is_adrift(&self, transaction: TransactionNumber) -> bool {
        self.transactions.under_way.get(&transaction).is_some_and(|transaction| transaction.adrift)
    }

    /// Decides a transaction; its markers follow.
    pub(super) fn decide(&mut self, number: TransactionNumber, commit: bool) {
        let Some(transaction) = self.transactions.under_way.get_mut(&number) else { return };
        transaction.decided = Some(commit);
        let owner = transaction.owner.clone();
        let wrote_nothing = transaction.marks.is_empty();
        if let Some(producer) = self.transactions.producers.get_mut(&owner)
            && producer.open == Some(number)
        {
            producer.open = None;
        }
        if wrote_nothing || !self.transactions.marks_late {
            self.finish_marks(&owner);
        }
    }

    /// Whether a transaction that is not over yet holds offsets of these partitions.
    pub(super) fn is_undecided(&self, group: &str, partitions: &[i32]) -> bool {
        self.transactions.under_way.values().any(|transaction| {
            transaction.marks.contains(&Mark::Offsets)
                && transaction.offsets.as_ref().is_some_and(|offsets| {
                    offsets.group == group
                        && offsets.positions.iter().any(|position| partitions.contains(&position.at.partition))
                })
        })
    }

    fn finish_marks(&mut self, transactional_id: &str) {
        let under_way = self.transactions.under_way.iter();
        let decided = under_way.filter(|(_, of)| of.owner == transactional_id && of.decided.is_some());
        for number in decided.map(|(number, _)| *number).collect::<Vec<_>>() {
            let marks = self.transactions.under_way.get(&number).map(|of| of.marks.clone()).unwrap_or_default();
            for mark in marks {
                self.set_mark(number, &mark);
            }
            self.transactions.under_way.remove(&number);
        }
    }

    fn set_mark(&mut self, number: TransactionNumber, mark: &Mark) {
        let Some(transaction) = self.transactions.under_way.get_mut(&number) else { return };
        let Some(commit) = transaction.decided else { return };
        if !transaction.marks.remove(mark) {
            return;
        }
        match mark {
            Mark::Partition(topic, partition) => self.topics.end(topic, *partition, number, commit),
            Mark::Offsets => {
                let Some(offsets) = transaction.offsets.take().filter(|_| commit) else { return };
                let group = self.groups.entry(offsets.group).or_default();
                group.remarks.extend(offsets.positions.iter().map(|position| (position.at.partition, String::new())));
                group.remarks.extend(offsets.remarks);
                group.committed.extend(offsets.positions.into_iter().map(|position| (position.at, position.next)));
            }
        }
    }

    fn marks(&self) -> Vec<(TransactionNumber, Mark)> {
        let decided = self.transactions.under_way.iter().filter(|(_, of)| of.decided.is_some());
        decided.flat_map(|(number, of)| of.marks.iter().map(|mark| (*number, mark.clone()))).collect()
    }
}

impl super::Memory {
    /// Lets the markers of decided transactions wait for [`mark`](Self::mark), or be written at once again.
    pub fn delay_marks(&self, late: bool) {
        self.shared.lock().transactions.marks_late = late;
        if !late {
            while self.mark(0) {}
        }
    }

    /// Writes one of the markers that wait, chosen by `choice`; false if none does.
    pub fn mark(&self, choice: u64) -> bool {
        let mut state = self.shared.lock();
        let marks = state.marks();
        let Some(index) = choice.checked_rem(marks.len() as u64) else { return false };
        if let Some((number, mark)) = marks.get(index as usize) {
            state.set_mark(*number, mark);
            state.transactions.under_way.retain(|_, of| of.decided.is_none() || !of.marks.is_empty());
        }
        Shared::wake(&self.shared);
        true
    }

    /// Lets commits arrive that were late ([`super::Fault::DelayCommit`]), where nobody has fenced their owner meanwhile.
    pub fn deliver_commits(&self) {
        let mut state = self.shared.lock();
        let late = state.transactions.under_way.iter().filter(|(_, of)| of.late && of.decided.is_none());
        for number in late.map(|(number, _)| *number).collect::<Vec<_>>() {
            state.decide(number, true);
        }
        Shared::wake(&self.shared);
    }

    /// Aborts transactions that have been open for longer than `limit` by [`super::Memory::set_now`], and shuts their
    /// producers out, as the coordinator does.
    pub fn time_out(&self, limit: Span) {
        let mut state = self.shared.lock();
        let now = state.now;
        let under_way = state.transactions.under_way.values();
        let old = under_way.filter(|of| of.decided.is_none() && of.since.plus(limit) < now);
        for owner in old.map(|of| of.owner.clone()).collect::<Vec<_>>() {
            let killed = state.transactions.producers.get(&owner).is_some_and(|producer| producer.killed);
            state.fence(&owner);
            if killed {
                state.kill_producer(&owner);
            }
        }
        Shared::wake(&self.shared);
    }

    /// The transactions under way, for whoever looks for the cause of a breach.
    pub fn under_way(&self) -> Vec<String> {
        self.shared.lock().transactions.under_way.values().map(|of| format!("{of:?}")).collect()
    }

    /// Whether no transaction is under way.
    pub fn is_at_rest(&self) -> bool {
        self.shared.lock().transactions.under_way.is_empty()
    }
}
