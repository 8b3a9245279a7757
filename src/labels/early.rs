//! Follow-ups that came before their event.
//!
//! They are held as they came, so that one whose event never comes can be refused with its raw bytes.

use crate::data::{BinaryError, Reader, Record, Span, Timestamp, Tracked, Writer};

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;

/// A follow-up on hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Early {
    /// The shard's clock when it came.
    pub since: Timestamp,
    /// The record as it came.
    pub record: Record,
}

/// Follow-ups on hold, by the id of the event they wait for.
#[derive(Clone, Debug, Default)]
pub struct EarlyFollowUps {
    by_id: Tracked<Box<[u8]>, Vec<Early>>,
    held: Held,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    now: usize,
    committed: usize,
}

impl EarlyFollowUps {
    /// The most that are held in one shard; beyond it a follow-up without its event is refused at once.
    pub const CAPACITY: usize = 100_000;

    /// Number held.
    pub fn len(&self) -> usize {
        self.held.now
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.held.now == 0
    }

    /// Puts a follow-up on hold; gives it back if there is no room.
    pub fn hold(&mut self, id: &[u8], early: Early) -> Result<(), Early> {
        if self.held.now >= Self::CAPACITY {
            return Err(early);
        }
        self.by_id.entry(id.into(), Vec::new).push(early);
        self.held.now += 1;
        Ok(())
    }

    /// The follow-ups that waited for this event, in the order in which they came.
    pub fn take(&mut self, id: &[u8]) -> Vec<Early> {
        if self.held.now == 0 {
            return Vec::new();
        }
        let taken = self.by_id.remove(id).unwrap_or_default();
        self.held.now -= taken.len();
        taken
    }

    /// Takes out those whose wait has passed at `events`, the latest event time, in the order of event id and arrival.
    /// Follow-ups that run ahead of their events, as in a backfill, do not run out of time by it.
    pub fn expire(&mut self, events: Timestamp, wait: Span) -> Vec<Early> {
        let before = events.minus(wait);
        let due: Vec<Box<[u8]>> = self
            .by_id
            .sorted()
            .into_iter()
            .filter(|(_, held)| held.iter().any(|early| early.since < before))
            .map(|(id, _)| id.clone())
            .collect();
        let mut expired = Vec::new();
        for id in due {
            let (gone, kept): (Vec<_>, Vec<_>) = self.take(&id).into_iter().partition(|early| early.since < before);
            expired.extend(gone);
            if !kept.is_empty() {
                self.held.now += kept.len();
                self.by_id.insert(id, kept);
            }
        }
        expired
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.by_id.commit();
        self.held.committed = self.held.now;
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        self.by_id.rollback();
        self.held.now = self.held.committed;
    }

    /// Begins a checkpoint as of the last commit.
    pub fn begin_checkpoint(&mut self, is_whole: bool) {
        self.by_id.begin_checkpoint(is_whole);
    }

    /// Appends the next follow-ups of the checkpoint, about `size` bytes of them; false if none is left.
    pub fn write_chunk(&mut self, size: usize, out: &mut Writer) -> bool {
        if !self.by_id.has_pending() {
            return false;
        }
        out.unsigned(STATE_VERSION);
        self.by_id.write_chunk(size, out, |id, held, out| {
            out.slice(id);
            let held = held.map(Vec::as_slice).unwrap_or_default();
            out.unsigned(held.len() as u64);
            for early in held {
                out.signed(early.since.millis());
                early.record.write(out);
            }
        });
        true
    }

    /// Takes in what [`EarlyFollowUps::write_chunk`] wrote.
    pub fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("the state of early follow-ups", STATE_VERSION)?;
        while !reader.is_at_end() {
            let id: Box<[u8]> = reader.slice()?.into();
            let mut held = Vec::new();
            for _ in 0..reader.count()? {
                let since = Timestamp::from_millis(reader.signed()?);
                held.push(Early { since, record: Record::read(reader)? });
            }
            self.held.now -= self.by_id.get(&id).map_or(0, Vec::len);
            self.held.now += held.len();
            self.by_id.restore(id, (!held.is_empty()).then_some(held));
        }
        self.held.committed = self.held.now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Header;

    fn early(since: i64, offset: i64) -> Early {
        let record = Record {
            offset,
            timestamp: Timestamp::from_millis(since),
            key: Some(b"k"[..].into()),
            value: None,
            headers: vec![Header { name: "h".into(), value: Some(vec![1]) }],
        };
        Early { since: Timestamp::from_millis(since), record }
    }

    #[test]
    fn follow_ups_are_given_to_their_event_once_and_in_order() {
        let mut held = EarlyFollowUps::default();
        assert!(held.hold(b"a", early(1, 0)).is_ok() && held.hold(b"a", early(2, 1)).is_ok());
        assert_eq!(held.take(b"a").iter().map(|e| e.record.offset).collect::<Vec<_>>(), vec![0, 1]);
        assert!(held.take(b"a").is_empty() && held.is_empty());
    }

    #[test]
    fn those_whose_event_never_came_are_given_back() {
        let mut held = EarlyFollowUps::default();
        assert!(held.hold(b"b", early(1, 0)).is_ok() && held.hold(b"a", early(50, 1)).is_ok());
        let expired = held.expire(Timestamp::from_millis(60), Span::from_millis(20));
        assert_eq!(expired, vec![early(1, 0)]);
        assert_eq!(held.len(), 1);
        held.rollback();
        assert!(held.is_empty());
    }

    #[test]
    fn the_state_survives_encoding() -> Result<(), BinaryError> {
        let mut held = EarlyFollowUps::default();
        assert!(held.hold(b"a", early(1, 0)).is_ok());
        held.commit();
        held.begin_checkpoint(false);
        let mut out = Writer::default();
        assert!(held.write_chunk(1 << 20, &mut out) && !held.write_chunk(1 << 20, &mut Writer::default()));
        let bytes = out.finish();
        let mut read = EarlyFollowUps::default();
        read.read_chunk(&mut Reader::new(&bytes))?;
        assert_eq!(read.take(b"a"), vec![early(1, 0)]);
        Ok(())
    }
}
