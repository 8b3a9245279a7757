//! Groups of the memory transport: who owns which partition number, and what is committed.
//!
//! Cooperative, like the real thing: a change of membership moves the fewest partitions it can, and a partition goes to
//! its new owner only after the old one has released it. Invariant: a partition number has at most one owner, and only
//! its owner can commit.

use std::collections::{BTreeMap, BTreeSet};

use crate::transport::TopicPartition;

/// Names one member of a group; grows with every join, so order is age.
pub(super) type MemberNumber = u64;

#[derive(Debug, Default)]
pub(super) struct Group {
    members: BTreeSet<MemberNumber>,
    target: BTreeMap<i32, MemberNumber>,
    owner: BTreeMap<i32, MemberNumber>,
    pub(super) committed: BTreeMap<TopicPartition, i64>,
    /// What commits said, by partition number.
    pub(super) remarks: BTreeMap<i32, String>,
}

/// What changes for one member.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) assigned: Vec<i32>,
    pub(super) revoked: Vec<i32>,
}

impl Group {
    pub(super) fn join(&mut self, member: MemberNumber, partitions: i32) {
        self.members.insert(member);
        self.balance(partitions);
    }

    /// Removes a member; what it owned is free at once.
    pub(super) fn leave(&mut self, member: MemberNumber, partitions: i32) {
        self.members.remove(&member);
        self.owner.retain(|_, owner| *owner != member);
        self.balance(partitions);
    }

    pub(super) fn members(&self) -> impl Iterator<Item = MemberNumber> + '_ {
        self.members.iter().copied()
    }

    pub(super) fn has(&self, member: MemberNumber) -> bool {
        self.members.contains(&member)
    }

    pub(super) fn owns(&self, member: MemberNumber, partition: i32) -> bool {
        self.owner.get(&partition) == Some(&member)
    }

    pub(super) fn release(&mut self, member: MemberNumber, partitions: &[i32]) {
        for partition in partitions {
            // A partition still meant for this member comes back to it: its next poll assigns it again.
            if self.owns(member, *partition) {
                self.owner.remove(partition);
            }
        }
    }

    /// Takes what is free and meant for the member, and names what it owns and has to give back.
    pub(super) fn change(&mut self, member: MemberNumber) -> Change {
        let mut change = Change::default();
        for (partition, meant_for) in &self.target {
            match self.owner.get(partition) {
                None if *meant_for == member => change.assigned.push(*partition),
                Some(owner) if *owner == member && *meant_for != member => change.revoked.push(*partition),
                _ => {}
            }
        }
        self.owner.extend(change.assigned.iter().map(|partition| (*partition, member)));
        change
    }

    /// Gives every member its fair share, keeping what it has where that is possible.
    fn balance(&mut self, partitions: i32) {
        let n_members = self.members.len();
        self.target.retain(|_, member| self.members.contains(member));
        let Ok(n_partitions) = usize::try_from(partitions) else { return };
        if n_members == 0 {
            self.target.clear();
            return;
        }
        let mut free: BTreeSet<i32> = (0..partitions).collect();
        let mut kept: BTreeMap<MemberNumber, Vec<i32>> = BTreeMap::new();
        for (partition, member) in &self.target {
            kept.entry(*member).or_default().push(*partition);
        }
        // The members that hold most get the shares that are one larger.
        let mut order: Vec<MemberNumber> = self.members.iter().copied().collect();
        order.sort_by_key(|member| std::cmp::Reverse(kept.get(member).map_or(0, Vec::len)));
        let mut shares = BTreeMap::new();
        for (rank, member) in order.iter().enumerate() {
            let share = n_partitions / n_members + usize::from(rank < n_partitions % n_members);
            let held = kept.entry(*member).or_default();
            held.truncate(share);
            for partition in held.iter() {
                free.remove(partition);
            }
            shares.insert(*member, share);
        }
        self.target.clear();
        for (member, share) in shares {
            let mut held = kept.remove(&member).unwrap_or_default();
            while held.len() < share
                && let Some(partition) = free.pop_first()
            {
                held.push(partition);
            }
            self.target.extend(held.into_iter().map(|partition| (partition, member)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_moves_only_after_its_owner_released_it() {
        let mut group = Group::default();
        group.join(1, 4);
        assert_eq!(group.change(1).assigned, [0, 1, 2, 3]);
        group.join(2, 4);
        assert_eq!(group.change(2), Change::default());
        assert_eq!(group.change(1), Change { assigned: vec![], revoked: vec![2, 3] });
        group.release(1, &[2, 3]);
        assert_eq!(group.change(2).assigned, [2, 3]);
        assert!(group.owns(2, 3) && !group.owns(1, 3));
    }

    #[test]
    fn what_a_leaver_owned_goes_to_the_others() {
        let mut group = Group::default();
        for member in 1..=3 {
            group.join(member, 3);
        }
        for member in 1..=3 {
            assert_eq!(group.change(member).assigned.len(), 1);
        }
        group.leave(2, 3);
        let moved = group.change(1).assigned.len() + group.change(3).assigned.len();
        assert_eq!(moved, 1);
        assert!(!group.has(2));
    }

    #[test]
    fn members_without_a_share_get_nothing() {
        let mut group = Group::default();
        group.join(1, 1);
        group.join(2, 1);
        assert_eq!(group.change(1).assigned, [0]);
        assert_eq!(group.change(2), Change::default());
    }
}
