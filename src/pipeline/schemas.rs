//! Writer schemas that were looked up: part of the state, as nobody could look them up again for a replay.
//!
//! Bounded: beyond so many facts or bytes the oldest is let go of, and looked up again when a record names it. So what is
//! held depends on the sequence of facts alone.

use std::sync::Arc;

use crate::data::{SchemaFact, Writer};

/// Most facts held.
const MAX_FACTS: usize = 1_024;
/// Most bytes held.
const MAX_BYTES: usize = 8 << 20;

/// The facts, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    held: Vec<Arc<SchemaFact>>,
    /// As of the last commit.
    committed: Vec<Arc<SchemaFact>>,
    /// Taken in since the last commit.
    open: Vec<Arc<SchemaFact>>,
    /// Committed since the last checkpoint began.
    fresh: Vec<Arc<SchemaFact>>,
    /// What is left of the open checkpoint, the next one last.
    unwritten: Vec<Arc<SchemaFact>>,
}

impl Schemas {
    /// Takes a fact in; those that are let go of for it.
    pub(super) fn take(&mut self, fact: &Arc<SchemaFact>) -> Vec<Arc<SchemaFact>> {
        self.held.retain(|held| (held.input, held.id) != (fact.input, fact.id));
        self.held.push(fact.clone());
        self.open.push(fact.clone());
        let mut bytes: usize = self.held.iter().map(|held| held.size()).sum();
        let mut gone = 0;
        while self.held.len() - gone > 1 && (bytes > MAX_BYTES || self.held.len() - gone > MAX_FACTS) {
            bytes -= self.held.get(gone).map_or(0, |oldest| oldest.size());
            gone += 1;
        }
        self.held.drain(..gone).collect()
    }

    /// All facts, the oldest first.
    pub(super) fn held(&self) -> &[Arc<SchemaFact>] {
        &self.held
    }

    pub(super) fn commit(&mut self) {
        if !self.open.is_empty() {
            self.fresh.append(&mut self.open);
            self.committed.clone_from(&self.held);
        }
    }

    /// Takes back what came since the last commit: the facts that are no longer held, then those that are held again.
    pub(super) fn rollback(&mut self) -> Option<TakenBack> {
        if self.open.is_empty() {
            return None;
        }
        let forgotten = std::mem::take(&mut self.open);
        self.held.clone_from(&self.committed);
        Some(TakenBack { forgotten, held: self.held.clone() })
    }

    /// Begins a checkpoint of everything, or of what came since the last one.
    pub(super) fn begin_checkpoint(&mut self, is_whole: bool) {
        let fresh = std::mem::take(&mut self.fresh);
        self.unwritten = if is_whole { self.held.clone() } else { fresh };
        self.unwritten.reverse();
    }

    /// Writes the next fact of the checkpoint; false if none is left.
    pub(super) fn write_chunk(&mut self, out: &mut Writer) -> bool {
        let Some(fact) = self.unwritten.pop() else { return false };
        fact.write(out);
        true
    }
}

/// What a rollback changes.
pub(super) struct TakenBack {
    /// Facts that are no longer held.
    pub forgotten: Vec<Arc<SchemaFact>>,
    /// Facts that are held, those that were let go of meanwhile among them.
    pub held: Vec<Arc<SchemaFact>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{InputIndex, Reader, SchemaVerdict};

    fn fact(id: u32, bytes: usize) -> Arc<SchemaFact> {
        Arc::new(SchemaFact { input: InputIndex(0), id, verdict: SchemaVerdict::Schema("x".repeat(bytes)) })
    }

    fn ids(facts: &[Arc<SchemaFact>]) -> Vec<u32> {
        facts.iter().map(|fact| fact.id).collect()
    }

    #[test]
    fn the_oldest_facts_make_room_for_new_ones() {
        let mut schemas = Schemas::default();
        for id in 0..MAX_FACTS as u32 {
            assert!(schemas.take(&fact(id, 0)).is_empty());
        }
        assert_eq!(ids(&schemas.take(&fact(9_999, 0))), [0]);
        let gone = schemas.take(&fact(10_000, MAX_BYTES));
        assert_eq!((gone.len(), schemas.held().len()), (MAX_FACTS, 1), "a fact is held even if it fills all there is");
    }

    #[test]
    fn what_was_not_committed_is_taken_back_and_never_checkpointed() {
        let mut schemas = Schemas::default();
        schemas.take(&fact(1, 5));
        schemas.commit();
        schemas.take(&fact(2, 5));
        schemas.take(&fact(1, 9));
        let back = schemas.rollback().unwrap();
        assert_eq!((ids(&back.forgotten), ids(&back.held)), (vec![2, 1], vec![1]));
        assert_eq!(schemas.held(), [fact(1, 5)]);
        assert!(schemas.rollback().is_none());
        schemas.take(&fact(3, 5));
        schemas.commit();
        for (is_whole, expected) in [(false, vec![1, 3]), (false, vec![]), (true, vec![1, 3])] {
            schemas.begin_checkpoint(is_whole);
            let mut written = Vec::new();
            let mut out = Writer::default();
            while schemas.write_chunk(&mut out) {
                let bytes = std::mem::take(&mut out).finish();
                written.push(SchemaFact::read(&mut Reader::new(&bytes)).unwrap().id);
            }
            assert_eq!(written, expected);
        }
    }
}
