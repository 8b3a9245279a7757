//! Ids of events that came within a window of event time: whether one has come before.
//!
//! An id is known while the event that brought it lies no further behind the shard's time than the window; that is
//! decided at each look by the two times alone, so it does not matter when an id is let go of. Ids are kept as 128 bits of
//! XXH3, so long ones cost no more: among a billion ids two alike are met once in 10^20 streams, by chance; who can
//! choose the ids of events can repeat one as well. Beyond [`Recent::CAPACITY`] the oldest are let go of early.

use xxhash_rust::xxh3::xxh3_128;

use crate::data::{BinaryError, Reader, Span, Timestamp, Tracked, Writer};

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;
/// Ids are let go of in so many steps per window.
const SWEEPS: i64 = 8;
/// The part of all ids that goes where there is no room.
const CROWDED_OUT: usize = 8;

/// What is known of the ids of a shard.
#[derive(Clone, Debug)]
pub struct Recent {
    window: Span,
    capacity: usize,
    /// Event time of the event that brought the id.
    times: Tracked<u128, Timestamp>,
}

impl Recent {
    /// The most ids that are held in one shard: some 200 MB.
    pub const CAPACITY: usize = 1 << 22;

    /// Knows nothing yet; what comes is known for `window`.
    pub fn new(window: Span) -> Self {
        Recent { window, capacity: Self::CAPACITY, times: Tracked::default() }
    }

    /// Number of ids held.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether an event with this id came within the window before `clock`, the shard's time; takes note of it if not.
    pub fn is_known(&mut self, id: &[u8], at: Timestamp, clock: Timestamp) -> bool {
        let id = xxh3_128(id);
        if self.times.get(&id).is_some_and(|first| *first >= clock.minus(self.window)) {
            return true;
        }
        if self.times.len() >= self.capacity {
            self.crowd_out();
        }
        self.times.insert(id, at);
        false
    }

    /// Lets go of the oldest ids, by time and then by id.
    fn crowd_out(&mut self) {
        let mut all: Vec<(Timestamp, u128)> = self.times.sorted().into_iter().map(|(id, at)| (*at, *id)).collect();
        all.sort_unstable();
        for (_, id) in all.iter().take(self.capacity.div_ceil(CROWDED_OUT)) {
            self.times.remove(id);
        }
    }

    /// Lets go of ids that can no longer be known, now that the shard's time has passed from `before` to `clock`; not each
    /// time, because it costs a look at every one.
    pub fn expire(&mut self, before: Timestamp, clock: Timestamp) {
        let step = Span::from_millis((self.window.millis() / SWEEPS).max(1));
        if before.interval(step) != clock.interval(step) {
            let oldest = clock.minus(self.window);
            self.times.retain(|_, at| *at >= oldest);
        }
    }

    /// Takes over what another configuration knew.
    pub fn adopt(&mut self, old: Recent) {
        self.times = old.times;
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.times.commit();
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        self.times.rollback();
    }

    /// Begins a checkpoint as of the last commit.
    pub fn begin_checkpoint(&mut self, is_whole: bool) {
        self.times.begin_checkpoint(is_whole);
    }

    /// Appends the next ids of the checkpoint, about `size` bytes of them; false if none is left.
    pub fn write_chunk(&mut self, size: usize, out: &mut Writer) -> bool {
        if !self.times.has_pending() {
            return false;
        }
        out.unsigned(STATE_VERSION);
        self.times.write_chunk(size, out, |id, at, out| {
            out.digest(*id);
            out.flag(at.is_some());
            out.signed(at.copied().unwrap_or_default().millis());
        });
        true
    }

    /// Takes in what [`Recent::write_chunk`] wrote.
    pub fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("the state of recent ids", STATE_VERSION)?;
        while !reader.is_at_end() {
            let id = reader.digest()?;
            let is_held = reader.flag()?;
            let at = Timestamp::from_millis(reader.signed()?);
            self.times.restore(id, is_held.then_some(at));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn recent() -> Recent {
        Recent::new(Span::from_millis(100))
    }

    #[test]
    fn an_id_is_known_within_the_window_of_its_first_event() {
        let mut recent = recent();
        assert!(!recent.is_known(b"a", at(1_000), at(1_000)));
        assert!(recent.is_known(b"a", at(1_050), at(1_050)));
        assert!(recent.is_known(b"a", at(1_100), at(1_100)), "a second one does not prolong it, and its end is inside");
        assert!(!recent.is_known(b"a", at(1_101), at(1_101)));
        assert!(recent.is_known(b"a", at(1_000), at(1_101)), "it counts from the event that was taken");
        assert!(!recent.is_known(b"b", at(1_101), at(1_101)));
    }

    #[test]
    fn letting_go_changes_no_answer() {
        let mut swept = recent();
        let mut unswept = recent();
        let mut random = crate::stats::SplitMix64::new(5);
        let mut clock = at(-500);
        for _ in 0..2_000 {
            let time = clock.plus(Span::from_millis(random.below(9) as i64)).minus(Span::from_millis(4));
            let before = clock;
            clock = clock.max(time);
            swept.expire(before, clock);
            let id = [random.below(40) as u8];
            assert_eq!(swept.is_known(&id, time, clock), unswept.is_known(&id, time, clock));
        }
        assert!(swept.len() <= unswept.len());
    }

    #[test]
    fn where_there_is_no_room_the_oldest_go() {
        let mut recent = Recent { capacity: 8, ..recent() };
        for number in 0..8 {
            assert!(!recent.is_known(&[number], at(i64::from(number)), at(8)));
        }
        assert!(!recent.is_known(b"more", at(8), at(8)));
        assert_eq!(recent.len(), 8);
        assert!(recent.is_known(&[1], at(8), at(8)) && !recent.is_known(&[0], at(8), at(8)));
    }

    #[test]
    fn the_state_survives_encoding_and_is_taken_back() -> Result<(), BinaryError> {
        let mut recent = recent();
        assert!(!recent.is_known(b"a", at(1), at(1)));
        recent.commit();
        assert!(!recent.is_known(b"b", at(1), at(1)));
        recent.rollback();
        recent.begin_checkpoint(false);
        let mut out = Writer::default();
        assert!(recent.write_chunk(1 << 20, &mut out) && !recent.write_chunk(1 << 20, &mut Writer::default()));
        let bytes = out.finish();
        let mut read = Recent::new(Span::from_millis(100));
        read.read_chunk(&mut Reader::new(&bytes))?;
        assert!(read.is_known(b"a", at(2), at(2)) && !read.is_known(b"b", at(2), at(2)));
        Ok(())
    }
}
