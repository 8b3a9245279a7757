//! What a hop holds back until its turn: events and follow-ups by rank.
//!
//! Invariant: nothing is given out twice, and always the lowest rank first. It is bounded: beyond [`HeldBack::CAPACITY`]
//! the first is given out before its time. What went in or out since the last commit can be taken back.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::codec::HopHead;
use crate::data::{BinaryError, Rank, Reader, Timestamp, Tracked, Writer};

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;

/// Records held back in one shard.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldBack {
    records: Tracked<Rank, Arc<[u8]>>,
    order: BTreeSet<Rank>,
    log: Vec<Change>,
    /// What comes out is handled one record at a time.
    pub is_careful: bool,
    /// What has come out and is being handled, where that is known.
    pub at_hand: Option<Rank>,
}

#[derive(Clone, Debug)]
enum Change {
    In(Rank),
    Out(Rank),
}

impl HeldBack {
    /// The most that are held in one shard.
    pub(super) const CAPACITY: usize = 500_000;

    /// Number held.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is held.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Holds a record; false if there is one of this rank already.
    pub(super) fn hold(&mut self, rank: Rank, bytes: &[u8]) -> bool {
        if !self.order.insert(rank.clone()) {
            return false;
        }
        self.log.push(Change::In(rank.clone()));
        self.records.insert(rank, bytes.into());
        true
    }

    /// The first of those from before `bound`, and the first of all where there are too many.
    pub(super) fn next(&mut self, bound: Timestamp) -> Option<(Rank, Arc<[u8]>)> {
        let first = self.order.first().filter(|rank| rank.at < bound || self.order.len() > Self::CAPACITY)?;
        let bytes = self.records.remove(first)?;
        let rank = self.order.pop_first()?;
        self.log.push(Change::Out(rank.clone()));
        Some((rank, bytes))
    }

    /// Takes one out before its time; false if it is not there.
    pub(super) fn drop(&mut self, rank: &Rank) -> bool {
        let is_there = self.order.remove(rank);
        if is_there {
            self.records.remove(rank);
            self.log.push(Change::Out(rank.clone()));
        }
        is_there
    }

    pub(super) fn commit(&mut self) {
        self.records.commit();
        self.log.clear();
    }

    pub(super) fn rollback(&mut self) {
        self.records.rollback();
        while let Some(change) = self.log.pop() {
            match change {
                Change::In(rank) => _ = self.order.remove(&rank),
                Change::Out(rank) => _ = self.order.insert(rank),
            }
        }
    }

    /// Begins a checkpoint as of the last commit.
    pub(super) fn begin_checkpoint(&mut self, is_whole: bool) {
        self.records.begin_checkpoint(is_whole);
    }

    /// Appends the next records of the checkpoint, about `size` bytes of them; false if none is left.
    pub(super) fn write_chunk(&mut self, size: usize, out: &mut Writer) -> bool {
        if !self.records.has_pending() {
            return false;
        }
        out.unsigned(STATE_VERSION);
        self.records.write_chunk(size, out, |rank, bytes, out| {
            rank.write(out);
            out.optional(bytes.map(AsRef::as_ref));
        });
        true
    }

    /// Takes in what [`HeldBack::write_chunk`] wrote.
    pub(super) fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("what a hop holds back", STATE_VERSION)?;
        while !reader.is_at_end() {
            let rank = Rank::read(reader)?;
            let bytes: Option<Arc<[u8]>> = reader.optional()?.map(Into::into);
            match &bytes {
                Some(bytes) => {
                    if HopHead::read(bytes)? != HopHead::Ranked(rank.clone()) {
                        return Err(BinaryError::Invalid { what: "rank", at: 0 });
                    }
                    self.order.insert(rank.clone());
                }
                None => _ = self.order.remove(&rank),
            }
            self.records.restore(rank, bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::HopEvent;

    fn event(ms: i64, id: &str) -> (Rank, Vec<u8>) {
        let at = Timestamp::from_millis(ms);
        let rank = Rank { at, is_follow_up: false, id: id.as_bytes().into(), partition: 0, offset: 0 };
        let event = HopEvent {
            rank: rank.clone(),
            key: None,
            timestamp: at,
            late: false,
            warming: false,
            numbers: Vec::new(),
            texts: Vec::new(),
            features: Vec::new(),
            headers: Vec::new(),
        };
        (rank, event.encode())
    }

    fn drain(held: &mut HeldBack, bound: i64) -> Vec<String> {
        let next = || held.next(Timestamp::from_millis(bound));
        std::iter::from_fn(next).map(|(rank, _)| String::from_utf8_lossy(&rank.id).into_owned()).collect()
    }

    #[test]
    fn records_come_out_by_rank_once_their_time_has_passed_and_a_rollback_takes_them_back() {
        let mut held = HeldBack::default();
        for (ms, id) in [(5, "c"), (3, "b"), (3, "a"), (9, "d")] {
            let (rank, bytes) = event(ms, id);
            assert!(held.hold(rank.clone(), &bytes) && !held.hold(rank, &bytes));
        }
        assert_eq!(drain(&mut held, 5), ["a", "b"]);
        held.commit();
        assert_eq!(drain(&mut held, 10), ["c", "d"]);
        held.rollback();
        assert_eq!((drain(&mut held, 6), held.len()), (vec!["c".to_owned()], 1));
    }

    #[test]
    fn the_state_survives_checkpoints_in_pieces() -> Result<(), BinaryError> {
        let mut held = HeldBack::default();
        let mut read = HeldBack::default();
        for (round, ms) in [10, 20, 30].into_iter().enumerate() {
            for n in 0..4 {
                let (rank, bytes) = event(ms + n, &format!("e{ms}{n}"));
                held.hold(rank, &bytes);
            }
            drain(&mut held, ms + 2);
            held.commit();
            held.begin_checkpoint(round == 0);
            drain(&mut held, ms + 3);
            let mut out = Writer::default();
            while held.write_chunk(30, &mut out) {
                let bytes = std::mem::take(&mut out).finish();
                read.read_chunk(&mut Reader::new(&bytes))?;
            }
            held.rollback();
            assert_eq!(read.order, held.order);
        }
        Ok(())
    }
}
