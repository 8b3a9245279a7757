//! Members as their groups see them: a process that is gone is counted on until its session has run out.

use super::group::{Group, MemberNumber};
use super::{Memory, State};
use crate::transport::MemberSpec;

/// A member that its group knows.
#[derive(Clone, Debug)]
pub(super) struct GroupMember {
    pub(super) spec: MemberSpec,
    /// Its process is gone, and the group has not noticed.
    pub(super) dead: bool,
}

impl State {
    pub(super) fn group(&mut self, spec: &MemberSpec) -> &mut Group {
        self.groups.entry(spec.group.clone()).or_default()
    }

    pub(super) fn n_partitions(&self, spec: &MemberSpec) -> i32 {
        let n = spec.inputs.first().and_then(|topic| self.topics.get(topic)).map_or(0, <[_]>::len);
        i32::try_from(n).unwrap_or(i32::MAX)
    }

    pub(super) fn join_group(&mut self, spec: &MemberSpec) -> MemberNumber {
        let number = self.next_number();
        let partitions = self.n_partitions(spec);
        self.group(spec).join(number, partitions);
        self.members.insert(number, GroupMember { spec: spec.clone(), dead: false });
        number
    }

    pub(super) fn leave(&mut self, number: MemberNumber) {
        if let Some(member) = self.members.remove(&number) {
            let partitions = self.n_partitions(&member.spec);
            self.group(&member.spec).leave(number, partitions);
        }
    }

    /// Lets the groups drop the members of a transactional id, all or the dead ones only.
    pub(super) fn expire(&mut self, transactional_id: &str, dead_only: bool) {
        let of_id = self.members.iter().filter(|(_, member)| member.spec.transactional_id == transactional_id);
        let gone = of_id.filter(|(_, member)| member.dead || !dead_only).map(|(number, _)| *number);
        for number in gone.collect::<Vec<_>>() {
            self.leave(number);
        }
    }

    pub(super) fn crash(&mut self, transactional_id: &str) {
        self.kill_producer(transactional_id);
        for member in self.members.values_mut().filter(|member| member.spec.transactional_id == transactional_id) {
            member.dead = true;
        }
    }

    pub(super) fn kill(&mut self, transactional_id: &str) {
        self.crash(transactional_id);
        self.expire(transactional_id, true);
    }
}

impl Memory {
    /// Lets the group drop a member, as when its session ran out; it finds out and joins again.
    pub fn kick(&self, transactional_id: &str) {
        self.shared.lock().expire(transactional_id, false);
        self.shared.wake();
    }

    /// Lets the process of a member vanish: its calls fail, its transaction stays open, and its group counts on it until
    /// [`expire`](Self::expire).
    pub fn crash(&self, transactional_id: &str) {
        self.shared.lock().crash(transactional_id);
        self.shared.wake();
    }

    /// Lets the sessions run out that crashed processes under this transactional id have left behind.
    pub fn expire(&self, transactional_id: &str) {
        self.shared.lock().expire(transactional_id, true);
        self.shared.wake();
    }
}
