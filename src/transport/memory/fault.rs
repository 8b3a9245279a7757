//! Faults that the memory transport plays on cue, so that a test can stand at every step of the protocol.

use std::collections::BTreeMap;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The commit is refused with [`Aborted`](crate::transport::TransportError::Aborted); nothing becomes visible.
    RefuseCommit,
    /// The commit is applied, but its answer is lost: [`Fatal`](crate::transport::TransportError::Fatal).
    LoseAnswer,
    /// The commit never arrives and nobody can tell: `Fatal`; the transaction stays open until the next owner of the
    /// transactional id.
    LoseCommit,
    /// The commit arrives only at [`Memory::deliver_commits`](super::Memory::deliver_commits), if the transactional id has
    /// had no other owner by then; for the member it is lost: `Fatal`.
    DelayCommit,
    /// The group drops the member as its commit arrives: `Aborted`, and the next poll tells what is lost.
    Kick,
    /// The process dies as the commit is asked for: `Fatal` now and for every later call, the transaction stays open.
    Kill,
    /// A record is refused with `Aborted`.
    RefuseSend,
}

impl Fault {
    fn is_of_send(self) -> bool {
        self == Fault::RefuseSend
    }
}

/// When a fault is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// The member's transactional id.
    pub transactional_id: String,
    /// The how-manieth commit (or send, for [`Fault::RefuseSend`]) of that id, from 1, counted over rejoins.
    pub nth: u64,
    /// What happens then.
    pub fault: Fault,
}

#[derive(Debug, Default)]
struct Count {
    commits: u64,
    sends: u64,
}

/// The cues still to come, and how far every transactional id is.
#[derive(Debug, Default)]
pub(super) struct Script {
    cues: Vec<Cue>,
    counts: BTreeMap<String, Count>,
}

impl Script {
    pub(super) fn add(&mut self, cue: Cue) {
        self.cues.push(cue);
    }

    pub(super) fn forget(&mut self) {
        self.cues.clear();
    }

    /// Lets the next commit (or send) of an id meet a fault.
    pub(super) fn add_next(&mut self, transactional_id: &str, fault: Fault) {
        let count = self.counts.entry(transactional_id.to_owned()).or_default();
        let nth = 1 + if fault.is_of_send() { count.sends } else { count.commits };
        self.cues.push(Cue { transactional_id: transactional_id.to_owned(), nth, fault });
    }

    /// Counts a commit and returns the fault it meets.
    pub(super) fn commit(&mut self, transactional_id: &str) -> Option<Fault> {
        let count = self.counts.entry(transactional_id.to_owned()).or_default();
        count.commits += 1;
        let nth = count.commits;
        self.due(transactional_id, nth, false)
    }

    /// Counts a send and returns the fault it meets.
    pub(super) fn send(&mut self, transactional_id: &str) -> Option<Fault> {
        let count = self.counts.entry(transactional_id.to_owned()).or_default();
        count.sends += 1;
        let nth = count.sends;
        self.due(transactional_id, nth, true)
    }

    fn due(&mut self, transactional_id: &str, nth: u64, of_send: bool) -> Option<Fault> {
        let at = self.cues.iter().position(|cue| {
            cue.fault.is_of_send() == of_send && cue.nth == nth && cue.transactional_id == transactional_id
        })?;
        Some(self.cues.remove(at).fault)
    }
}
