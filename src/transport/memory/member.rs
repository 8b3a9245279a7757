//! A member over the memory transport: the whole contract of [`Member`], with the faults of the script.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::cursor::Cursors;
use super::group::MemberNumber;
use super::{Fault, Shared, State};
use crate::transport::{CommittedOffset, Member, MemberSpec, News, Outgoing, Position, TopicPartition, TransportError};

pub(super) struct MemoryMember {
    shared: Arc<Shared>,
    spec: MemberSpec,
    number: MemberNumber,
    epoch: u64,
    cursors: Cursors,
    /// Told as assigned, not released yet.
    owned: BTreeSet<i32>,
    /// Told as revoked, not released yet.
    revoked: BTreeSet<i32>,
    /// Told as lost, not released yet; the group is joined again when this is empty.
    lost: BTreeSet<i32>,
    /// What the next commit says, by partition number.
    remarks: BTreeMap<i32, String>,
}

impl MemoryMember {
    pub(super) fn join(shared: &Arc<Shared>, spec: &MemberSpec) -> Result<Self, TransportError> {
        let mut state = shared.lock();
        for topic in &spec.inputs {
            state.topics.partition(topic, 0)?;
        }
        let epoch = state.fence(&spec.transactional_id);
        let number = state.join_group(spec);
        shared.wake();
        drop(state);
        Ok(MemoryMember {
            shared: Arc::clone(shared),
            spec: spec.clone(),
            number,
            epoch,
            cursors: Cursors::new(&spec.inputs),
            owned: BTreeSet::new(),
            revoked: BTreeSet::new(),
            lost: BTreeSet::new(),
            remarks: BTreeMap::new(),
        })
    }

    fn group_news(&mut self, state: &mut State, news: &mut Vec<News>) {
        if !state.group(&self.spec).has(self.number) {
            if !self.lost.is_empty() {
                return;
            }
            if !self.owned.is_empty() {
                self.lost = std::mem::take(&mut self.owned);
                self.revoked.clear();
                news.push(News::Lost(self.lost.iter().copied().collect()));
                return;
            }
            self.number = state.join_group(&self.spec);
        }
        let change = state.group(&self.spec).change(self.number);
        if !change.assigned.is_empty() {
            self.owned.extend(&change.assigned);
            news.push(News::Assigned(change.assigned));
        }
        let revoked: Vec<i32> = change.revoked.into_iter().filter(|p| self.revoked.insert(*p)).collect();
        if !revoked.is_empty() {
            news.push(News::Revoked(revoked));
        }
    }
}

impl State {
    /// The broker looks at the membership alone: who is known to the group may commit what it says.
    fn may_commit(&mut self, spec: &MemberSpec, member: MemberNumber) -> Result<(), TransportError> {
        #[cfg(test)]
        if self.unfenced {
            return Ok(());
        }
        if self.group(spec).has(member) {
            return Ok(());
        }
        Err(TransportError::Aborted("the group does not know this member".to_owned()))
    }
}

impl Member for MemoryMember {
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        let before = news.len();
        let shared = Arc::clone(&self.shared);
        shared.poll(timeout, |state| {
            state.alive(&self.spec.transactional_id, self.epoch)?;
            self.group_news(state, news);
            self.cursors.take(state, max, news)?;
            Ok(news.len() > before)
        })
    }

    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        let state = self.shared.lock();
        state.alive(&self.spec.transactional_id, self.epoch)?;
        self.cursors.start(&state, positions)
    }

    fn stop(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.cursors.stop(partitions);
        Ok(())
    }

    fn pause(&mut self, input: usize, partition: i32, paused: bool) -> Result<(), TransportError> {
        self.cursors.pause(input, partition, paused);
        Ok(())
    }

    fn release(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.cursors.stop(partitions);
        for partition in partitions {
            self.owned.remove(partition);
            self.revoked.remove(partition);
            self.lost.remove(partition);
        }
        let mut state = self.shared.lock();
        state.group(&self.spec).release(self.number, partitions);
        self.shared.wake();
        Ok(())
    }

    fn committed(&mut self, partitions: &[i32]) -> Result<Vec<CommittedOffset>, TransportError> {
        let mut state = self.shared.lock();
        state.alive(&self.spec.transactional_id, self.epoch)?;
        if state.is_undecided(&self.spec.group, partitions) {
            return Err(TransportError::Retriable("a transaction holds offsets that are not decided yet".to_owned()));
        }
        let committed = &state.group(&self.spec).committed;
        let mut offsets = Vec::with_capacity(partitions.len() * self.spec.inputs.len());
        for (input, topic) in self.spec.inputs.iter().enumerate() {
            for partition in partitions.iter().copied() {
                let next = committed.get(&TopicPartition::new(topic, partition)).copied();
                offsets.push(CommittedOffset { input, partition, next });
            }
        }
        Ok(offsets)
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.shared.lock().begin(&self.spec.transactional_id, self.epoch)
    }

    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        let mut state = self.shared.lock();
        let transaction = state.open_transaction(&self.spec.transactional_id, self.epoch)?;
        if state.script.send(&self.spec.transactional_id).is_some() {
            return Err(TransportError::Aborted("the script refuses this record".to_owned()));
        }
        state.append(outgoing, Some(transaction))
    }

    fn send_ahead(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        let mut state = self.shared.lock();
        state.alive(&self.spec.transactional_id, self.epoch)?;
        if state.script.send(&self.spec.transactional_id).is_some() {
            return Err(TransportError::Aborted("the script refuses this record".to_owned()));
        }
        state.append(outgoing, None)?;
        self.shared.changed.notify_all();
        Ok(())
    }

    fn commit(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        let mut state = self.shared.lock();
        let state = &mut *state;
        let transaction = state.open_transaction(&self.spec.transactional_id, self.epoch)?;
        let fault = state.script.commit(&self.spec.transactional_id);
        match fault {
            Some(Fault::RefuseCommit) => {
                return Err(TransportError::Aborted("the script refuses this commit".to_owned()));
            }
            Some(Fault::Kick) => state.leave(self.number),
            Some(Fault::Kill) => {
                state.kill(&self.spec.transactional_id);
                self.shared.wake();
                return Err(TransportError::Fatal("the script killed this process".to_owned()));
            }
            Some(Fault::LoseCommit | Fault::DelayCommit | Fault::LoseAnswer | Fault::RefuseSend) | None => {}
        }
        if !positions.is_empty() {
            state.may_commit(&self.spec, self.number)?;
            state.add_offsets(transaction, &self.spec, positions, std::mem::take(&mut self.remarks));
        }
        if let Some(lost @ (Fault::LoseCommit | Fault::DelayCommit)) = fault {
            state.set_adrift(transaction, lost == Fault::DelayCommit);
            return Err(lost_answer());
        }
        state.decide(transaction, true);
        self.shared.wake();
        if fault == Some(Fault::LoseAnswer) { Err(lost_answer()) } else { Ok(()) }
    }

    fn remark(&mut self, partition: i32, remark: String) {
        self.remarks.insert(partition, remark);
    }

    fn remarks(&mut self, _partitions: i32) -> Result<BTreeMap<i32, String>, TransportError> {
        let mut state = self.shared.lock();
        state.alive(&self.spec.transactional_id, self.epoch)?;
        Ok(state.group(&self.spec).remarks.clone())
    }

    fn abort(&mut self) -> Result<(), TransportError> {
        self.remarks.clear();
        let mut state = self.shared.lock();
        let transaction = state.open_transaction(&self.spec.transactional_id, self.epoch)?;
        state.decide(transaction, false);
        self.shared.wake();
        Ok(())
    }

    fn close(self: Box<Self>) {}
}

fn lost_answer() -> TransportError {
    TransportError::Fatal("the answer to the commit was lost".to_owned())
}

impl Drop for MemoryMember {
    /// Leaves as a clean exit does: the group at once, an open transaction aborted, unless a commit of it was sent. A
    /// process that crashed does nothing any more.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.members.get(&self.number).is_some_and(|member| member.dead) {
            return;
        }
        state.leave(self.number);
        if let Ok(transaction) = state.open_transaction(&self.spec.transactional_id, self.epoch)
            && !state.is_adrift(transaction)
        {
            state.decide(transaction, false);
        }
        self.shared.wake();
    }
}
