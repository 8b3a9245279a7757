//! A shard's checkpoints: when one begins, which of its chunks the next transaction carries, and which chunks count.
//!
//! Invariant: a marker is committed together with or after all chunks it counts, and no tombstone for a chunk that the
//! last committed marker counts goes before the next marker. So whatever is committed, the last marker with its chunks is
//! a whole state. Chunks that no marker came to count are let go of with the next marker.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::codec::{ChunkKey, ChunkSum, MARKER_KEY, Marker, StoredChunk};
use crate::data::{Extent, Machine, Timestamp};

/// Bytes of a chunk, about: small beside the largest record a broker takes. Tests have little state, and cut it as often.
const CHUNK: usize = if cfg!(test) { 200 } else { 128 << 10 };
/// Bytes of a checkpoint that one transaction carries, about.
const SLICE: usize = 8 * CHUNK;

/// Changes since a compact checkpoint, in sizes of it, that bring the next compact one.
const CHANGES: u64 = 3;

/// A record of the state topic; a tombstone without value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateRecord {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// A chunk that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    until: Option<Timestamp>,
    bytes: u64,
    sum: ChunkSum,
}

/// What a state topic was found to hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The last marker.
    pub marker: Option<Marker>,
    /// Chunks that it counts.
    pub live: BTreeMap<ChunkKey, Live>,
    /// Chunks that it does not.
    pub stray: Vec<ChunkKey>,
}

/// Where a shard stands when a checkpoint of it begins.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The last committed journal record.
    pub sequence: u64,
    pub journal_from: i64,
    pub config: String,
    pub positions: Vec<i64>,
    pub control: i64,
}

/// The checkpoints of one shard.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Number of the last one that was begun, by whomever.
    last: u64,
    base: u64,
    live: BTreeMap<ChunkKey, Live>,
    stray: Vec<ChunkKey>,
    open: Option<Open>,
    /// What the next transaction carries, or the open one does.
    outgoing: Vec<StateRecord>,
    begun: Instant,
    /// Something has been journaled since the last one began.
    is_stale: bool,
    /// The next one is to hold everything, and at once: chunks of another configuration have to go.
    is_anew: bool,
}

#[derive(Debug)]
struct Open {
    marker: Marker,
    /// It holds what is bound to a time as well: no chunk before it counts.
    is_all: bool,
    horizon: Timestamp,
    fresh: BTreeMap<ChunkKey, Live>,
    /// The marker is among what goes out.
    is_whole: bool,
}

impl Live {
    /// A chunk as it stands in the topic.
    pub(super) fn new(key: ChunkKey, until: Option<Timestamp>, value: &[u8]) -> Self {
        Live { until, bytes: value.len() as u64, sum: ChunkSum::of(key, value) }
    }

    pub(super) fn sum(&self) -> ChunkSum {
        self.sum
    }
}

impl Checkpoints {
    /// Continues what was `found`; `is_stale` if the journal went on after it.
    pub(super) fn new(found: Found, is_stale: bool, now: Instant) -> Self {
        let last = found.stray.iter().map(|key| key.checkpoint).max().unwrap_or(0);
        let marked = found.marker.as_ref();
        Checkpoints {
            last: last.max(marked.map_or(0, |marker| marker.checkpoint)),
            base: marked.map_or(0, |marker| marker.base),
            live: found.live,
            stray: found.stray,
            open: None,
            outgoing: Vec::new(),
            begun: now,
            is_stale,
            is_anew: false,
        }
    }

    /// Has the next one hold everything, and lets go of all chunks before it: they are of another configuration.
    pub(super) fn begin_with_everything(&mut self) {
        (self.is_stale, self.is_anew) = (true, true);
    }

    /// Whether one should begin now; none does before everything of the last one is out.
    pub(super) fn is_due(&self, now: Instant, interval: Duration) -> bool {
        let is_time = self.is_anew || now.saturating_duration_since(self.begun) >= interval;
        self.is_stale && self.is_idle() && is_time
    }

    /// Whether none is being written.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_none() && self.outgoing.is_empty()
    }

    /// Whether something has been journaled that no checkpoint holds.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Begins one, right after a commit of the machine.
    pub(super) fn begin<M: Machine>(&mut self, machine: &mut M, origin: Origin, now: Instant) {
        self.last += 1;
        let extent = match std::mem::take(&mut self.is_anew) {
            true => Extent::All,
            false if self.is_to_be_compact() => Extent::Compact,
            false => Extent::Changes,
        };
        if extent != Extent::Changes {
            self.base = self.last;
        }
        let head = machine.begin_checkpoint(extent);
        let marker = Marker {
            checkpoint: self.last,
            base: self.base,
            sequence: origin.sequence,
            journal_from: origin.journal_from,
            config: origin.config,
            positions: origin.positions,
            control: origin.control,
            sum: ChunkSum::default(),
            head,
        };
        let is_all = extent == Extent::All;
        self.open = Some(Open { marker, is_all, horizon: machine.horizon(), fresh: BTreeMap::new(), is_whole: false });
        self.begun = now;
        self.is_stale = false;
    }

    /// Once the changes written since the last compact one are [`CHANGES`] times as much as it was, the next one is
    /// compact: what is written is the changes and a third, and what is read four times the state at most.
    fn is_to_be_compact(&self) -> bool {
        let unbound = self.live.iter().filter(|(_, live)| live.until.is_none());
        let (mut compact, mut changes) = (0, 0);
        for (key, live) in unbound {
            *(if key.checkpoint == self.base { &mut compact } else { &mut changes }) += live.bytes;
        }
        self.base == 0 || changes > CHANGES * compact
    }

    /// Takes the next slice of the open checkpoint from the machine, right after a commit of it, once the last is out.
    pub(super) fn prepare<M: Machine>(&mut self, machine: &mut M) {
        let Some(open) = self.open.as_mut().filter(|_| self.outgoing.is_empty()) else { return };
        let mut size = 0;
        while !open.is_whole && size < SLICE {
            let Some(chunk) = machine.next_chunk(CHUNK) else {
                open.is_whole = true;
                break;
            };
            let key = ChunkKey { checkpoint: open.marker.checkpoint, index: open.fresh.len() as u32 };
            let value = StoredChunk { until: chunk.until, bytes: &chunk.bytes }.encode();
            size += value.len();
            open.fresh.insert(key, Live::new(key, chunk.until, &value));
            self.outgoing.push(StateRecord { key: key.encode().to_vec(), value: Some(value) });
        }
        if open.is_whole {
            self.mark();
        }
    }

    /// Puts the marker and the tombstones it makes possible on their way, in one transaction.
    fn mark(&mut self) {
        let Some(open) = &mut self.open else { return };
        self.live.append(&mut open.fresh);
        let (base, horizon, is_all) = (open.marker.base, open.horizon, open.is_all);
        let dead = self.live.extract_if(.., |key, live| match live.until {
            Some(until) if !is_all => until <= horizon,
            Some(_) | None => key.checkpoint < base,
        });
        let dead: Vec<ChunkKey> = dead.map(|(key, _)| key).chain(self.stray.drain(..)).collect();
        for live in self.live.values() {
            open.marker.sum.add(live.sum);
        }
        let tombstones = dead.into_iter().map(|key| StateRecord { key: key.encode().to_vec(), value: None });
        self.outgoing.extend(tombstones);
        self.outgoing.push(StateRecord { key: MARKER_KEY.to_vec(), value: Some(open.marker.encode()) });
    }

    /// What the next transaction is to carry.
    pub(super) fn outgoing(&self) -> &[StateRecord] {
        &self.outgoing
    }

    /// A transaction of the shard is committed, with all that was outgoing; the marker's, if it was complete.
    pub(super) fn committed(&mut self, is_journaled: bool) -> Option<Written> {
        self.is_stale |= is_journaled;
        self.outgoing.clear();
        let open = self.open.take_if(|open| open.is_whole)?;
        let bytes = self.live.range(ChunkKey { checkpoint: open.marker.checkpoint, index: 0 }..);
        Some(Written {
            checkpoint: open.marker.checkpoint,
            is_compact: open.marker.checkpoint == open.marker.base,
            bytes: bytes.map(|(_, live)| live.bytes).sum(),
            held: self.live.values().map(|live| live.bytes).sum(),
        })
    }
}

/// A checkpoint that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub checkpoint: u64,
    pub is_compact: bool,
    /// Bytes of its chunks.
    pub bytes: u64,
    /// Bytes of all chunks that count.
    pub held: u64,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{BinaryError, ControlItem, Item, Outbox, StateChunk};

    /// Three chunks in every checkpoint: two bound to a time, one not.
    #[derive(Default)]
    struct Still {
        began: Vec<Extent>,
        left: usize,
    }

    impl Machine for Still {
        type Model = ();

        fn handle(&mut self, _: &[Item<()>], _: Timestamp, _: &mut Outbox) {}

        fn commit(&mut self) {}

        fn rollback(&mut self) {}

        fn begin_checkpoint(&mut self, extent: Extent) -> Vec<u8> {
            self.began.push(extent);
            self.left = 3;
            Vec::new()
        }

        fn next_chunk(&mut self, _: usize) -> Option<StateChunk> {
            self.left = self.left.checked_sub(1)?;
            let until = (self.left > 0).then(|| Timestamp::from_millis(1_000));
            Some(StateChunk { bytes: vec![self.left as u8], until })
        }

        fn horizon(&self) -> Timestamp {
            Timestamp::from_millis(10)
        }

        fn adopt(&mut self, _: Self) {}

        fn restore_head(&mut self, _: &[u8], _: &[Arc<ControlItem<()>>]) -> Result<(), BinaryError> {
            Ok(())
        }

        fn restore_chunk(&mut self, _: &[u8]) -> Result<(), BinaryError> {
            Ok(())
        }
    }

    /// Writes one checkpoint; what it put on its way.
    fn write(checkpoints: &mut Checkpoints, machine: &mut Still) -> Vec<StateRecord> {
        let origin =
            Origin { sequence: 1, journal_from: 1, config: "new".to_owned(), positions: Vec::new(), control: 0 };
        checkpoints.begin(machine, origin, Instant::now());
        checkpoints.prepare(machine);
        let records = checkpoints.outgoing().to_vec();
        assert!(checkpoints.committed(false).is_some());
        records
    }

    fn marker(records: &[StateRecord]) -> Marker {
        let marker = records.iter().find(|record| record.key == MARKER_KEY).and_then(|record| record.value.as_deref());
        Marker::decode(marker.unwrap()).unwrap()
    }

    #[test]
    fn the_first_checkpoint_of_a_changed_configuration_holds_everything_and_lets_go_of_all_before() {
        let now = Instant::now();
        let mut machine = Still::default();
        let mut checkpoints = Checkpoints::new(Found::default(), true, now);
        let before = marker(&write(&mut checkpoints, &mut machine));
        write(&mut checkpoints, &mut machine);
        assert_eq!(machine.began, [Extent::Compact, Extent::Changes]);
        let (live, stray) = (checkpoints.live.clone(), vec![ChunkKey { checkpoint: 7, index: 0 }]);
        let found = Found { marker: Some(before), live, stray };
        let mut checkpoints = Checkpoints::new(found, false, now);
        assert!(!checkpoints.is_due(now, Duration::ZERO));
        checkpoints.begin_with_everything();
        assert!(checkpoints.is_due(now, Duration::from_secs(3_600)));
        let records = write(&mut checkpoints, &mut machine);
        let marker = marker(&records);
        assert_eq!((machine.began[2], marker.checkpoint, marker.base, marker.sum.chunks), (Extent::All, 8, 8, 3));
        let gone = records.iter().filter(|record| record.value.is_none()).count();
        assert_eq!((gone, checkpoints.live.len()), (7, 3), "six chunks that counted, and the stray one");
        assert!(!checkpoints.is_stale());
        write(&mut checkpoints, &mut machine);
        assert_eq!(machine.began[3], Extent::Changes);
    }
}
