//! Outputs of a batch, collected in one arena until the runtime publishes them.
//!
//! A digest of all outputs since the last [`Outbox::clear`] is kept beside them: the journal stores it, and a replay
//! that produces other bytes is found out. The digest is XXH3 with 128 bits: fast, and no defence against forgery. Frames,
//! which name where a schema is registered and not what was computed, do not enter it, nor do places in traces: both are put
//! in after it was taken, and what is traced can be changed without another history.

use std::ops::Range;

use xxhash_rust::xxh3::Xxh3;

use super::{Header, Pen, Room, TracePoint, Traced};

/// The topics a machine writes to; the runtime knows their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Sink {
    /// One prediction per valid event.
    Predictions = 0,
    /// Label joins.
    Outcomes = 1,
    /// Records that could not be used, with their raw bytes.
    DeadLetters = 2,
    /// Partial statistics of one shard.
    Summaries = 3,
    /// State changes of monitored signals.
    DriftAlerts = 4,
    /// Performance by window and revision.
    Performance = 5,
    /// The control log.
    Models = 6,
    /// Late events with their raw bytes, where they go to a topic of their own.
    Late = 7,
    /// What goes on to the next stage of the chain.
    Hop = 8,
}

/// Bytes of a frame: a zero byte and four of a schema id, big end first.
const FRAME: usize = 5;

/// What stands before the values of a sink: a zero byte and the id of their schema, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frames([Option<u32>; 7]);

impl Frames {
    /// Frames values of `sink` with a schema id.
    pub fn set(&mut self, sink: Sink, schema: u32) {
        if let Some(frame) = self.0.get_mut(sink as usize) {
            *frame = Some(schema);
        }
    }

    fn of(&self, sink: Sink) -> Option<u32> {
        self.0.get(sink as usize).copied().flatten()
    }
}

/// One output, as slices into its outbox.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// Where it goes.
    pub sink: Sink,
    /// Partition of its topic; `None`: the one that belongs to the shard.
    pub partition: Option<i32>,
    /// Record key.
    pub key: Option<&'a [u8]>,
    /// Record value.
    pub value: Option<&'a [u8]>,
    /// Headers in their order.
    pub headers: &'a [Header],
}

/// Where an output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The topic.
    pub sink: Sink,
    /// Partition of it; `None`: the one that belongs to the shard.
    pub partition: Option<i32>,
}

impl From<Sink> for Route {
    fn from(sink: Sink) -> Self {
        Route { sink, partition: None }
    }
}

struct Entry {
    to: Route,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    /// Bytes at the beginning of the value that are its frame.
    frame: usize,
    headers: Vec<Header>,
}

/// Outputs in the order in which they were made.
pub struct Outbox {
    arena: Room,
    /// A value before it is put into the arena; memory that is used again.
    value: Vec<u8>,
    entries: Vec<Entry>,
    digest: Digest,
    muted: bool,
    frames: Frames,
    traced: Vec<Traced>,
    untraceable: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        let frames = Frames::default();
        let (arena, value, entries, traced) = (Room::default(), Vec::new(), Vec::new(), Vec::new());
        Outbox { arena, value, entries, digest: Digest::default(), muted: false, frames, traced, untraceable: 0 }
    }
}

impl Outbox {
    /// An outbox that digests what it is given and keeps none of it: for replay.
    pub fn muted() -> Self {
        Outbox { muted: true, ..Outbox::default() }
    }

    /// An outbox that puts frames before values.
    pub fn framed(frames: Frames) -> Self {
        Outbox { frames, ..Outbox::default() }
    }

    /// Appends an output whose value is what `encode` appends.
    pub fn push(
        &mut self,
        to: impl Into<Route>,
        key: Option<&[u8]>,
        headers: Vec<Header>,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        encode(&mut value);
        self.write(to, key, headers, |pen| pen.copy(&value));
        self.value = value;
    }

    /// Appends an output whose value is written by `write` straight into the arena: more than once where room has to be
    /// made, and the same then.
    pub fn write(
        &mut self,
        to: impl Into<Route>,
        key: Option<&[u8]>,
        headers: Vec<Header>,
        write: impl Fn(&mut Pen<'_>),
    ) {
        let to: Route = to.into();
        let key = key.map(|bytes| self.copy(bytes));
        let start = self.arena.len();
        let frame = self.frames.of(to.sink);
        if let Some(schema) = frame {
            let [a, b, c, d] = schema.to_be_bytes();
            self.arena.copy(&[0, a, b, c, d]);
        }
        self.arena.write(write);
        let value = start..self.arena.len();
        let frame = if frame.is_some() { FRAME } else { 0 };
        self.add(Entry { to, key, value: Some(value), frame, headers });
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.arena.len();
        self.arena.copy(bytes);
        start..self.arena.len()
    }

    /// Appends an output whose key and value are copied as they are, nulls included.
    pub fn push_raw(&mut self, to: impl Into<Route>, key: Option<&[u8]>, value: Option<&[u8]>, headers: Vec<Header>) {
        let key = key.map(|bytes| self.copy(bytes));
        let value = value.map(|bytes| self.copy(bytes));
        self.add(Entry { to: to.into(), key, value, frame: 0, headers });
    }

    fn add(&mut self, entry: Entry) {
        self.digest.take(&[entry.to.sink as u8]);
        if let Some(partition) = entry.to.partition {
            self.digest.take(&partition.to_le_bytes());
        }
        self.digest.field(entry.key.clone().map(|range| &self.arena[range]));
        self.digest.field(entry.value.clone().map(|range| &self.arena[range.start + entry.frame..range.end]));
        self.digest.take(&entry.headers.len().to_le_bytes());
        for header in &entry.headers {
            self.digest.field(Some(header.name.as_bytes()));
            self.digest.field(header.value.as_deref());
        }
        self.digest.settle();
        if self.muted {
            self.arena.clear();
        } else {
            self.entries.push(entry);
        }
    }

    /// Lets the headers of the last output tell a place in a trace.
    pub fn place(&mut self, at: TracePoint) {
        if let Some(entry) = self.entries.last_mut().filter(|_| !self.muted) {
            at.put(&mut entry.headers);
        }
    }

    /// Notes what was done for a sampled trace.
    pub fn note(&mut self, traced: Traced) {
        if !self.muted {
            self.traced.push(traced);
        }
    }

    /// Notes a header that tells of a trace and cannot be read.
    pub fn note_untraceable(&mut self) {
        self.untraceable += u64::from(!self.muted);
    }

    /// What was noted of traces since it was last asked for.
    pub fn take_traced(&mut self) -> (Vec<Traced>, u64) {
        (std::mem::take(&mut self.traced), std::mem::take(&mut self.untraceable))
    }

    /// The outputs in their order.
    pub fn iter(&self) -> impl Iterator<Item = Output<'_>> {
        self.entries.iter().map(|entry| Output {
            sink: entry.to.sink,
            partition: entry.to.partition,
            key: entry.key.clone().map(|range| &self.arena[range]),
            value: entry.value.clone().map(|range| &self.arena[range]),
            headers: &entry.headers,
        })
    }

    /// Number of outputs held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no output is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Digest of every output since the last [`Outbox::clear`].
    pub fn digest(&self) -> u128 {
        self.digest.value()
    }

    /// Lets go of the outputs and keeps the digest: they have been handed to the producer of the open transaction.
    pub fn drain(&mut self) {
        self.arena.clear();
        self.entries.clear();
    }

    /// Forgets outputs and digest: a new transaction begins.
    pub fn clear(&mut self) {
        self.drain();
        self.traced.clear();
        self.untraceable = 0;
        self.digest.reset();
    }
}

/// XXH3 of a stream of short pieces, which are put beside each other first: a call for each costs more than the hash.
struct Digest {
    hash: Xxh3,
    beside: Vec<u8>,
}

impl Default for Digest {
    fn default() -> Self {
        Digest { hash: Xxh3::new(), beside: Vec::new() }
    }
}

impl Digest {
    /// Bytes that are hashed at once, about.
    const ENOUGH: usize = 4 << 10;

    fn take(&mut self, bytes: &[u8]) {
        self.beside.extend_from_slice(bytes);
    }

    /// A field with its length, so that null, empty and two in one differ.
    fn field(&mut self, field: Option<&[u8]>) {
        match field {
            Some(bytes) => {
                self.take(&(bytes.len() as u64).to_le_bytes());
                self.take(bytes);
            }
            None => self.take(&u64::MAX.to_le_bytes()),
        }
    }

    /// Hashes what has been taken, if it is enough.
    fn settle(&mut self) {
        if self.beside.len() >= Self::ENOUGH {
            self.hash.update(&self.beside);
            self.beside.clear();
        }
    }

    fn value(&self) -> u128 {
        let mut hash = self.hash.clone();
        hash.update(&self.beside);
        hash.digest128()
    }

    fn reset(&mut self) {
        self.hash.reset();
        self.beside.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_muted_outbox_digests_the_same_and_keeps_nothing() {
        let mut loud = Outbox::default();
        let mut muted = Outbox::muted();
        for out in [&mut loud, &mut muted] {
            out.push(Sink::Predictions, Some(b"k"), Vec::new(), |buffer| buffer.extend_from_slice(b"v"));
            out.push_raw(Sink::DeadLetters, None, None, vec![Header { name: "h".into(), value: None }]);
        }
        assert_eq!(loud.digest(), muted.digest());
        assert_eq!((loud.len(), muted.len()), (2, 0));
    }

    #[test]
    fn a_frame_stands_before_the_value_and_changes_no_digest() {
        let mut frames = Frames::default();
        frames.set(Sink::Predictions, 0x0102_0304);
        let (mut plain, mut framed) = (Outbox::default(), Outbox::framed(frames));
        for out in [&mut plain, &mut framed] {
            out.push(Sink::Predictions, Some(b"k"), Vec::new(), |buffer| buffer.extend_from_slice(b"v"));
            out.push(Sink::Summaries, None, Vec::new(), |buffer| buffer.extend_from_slice(b"s"));
        }
        assert_eq!(plain.digest(), framed.digest());
        let values: Vec<_> = framed.iter().map(|output| output.value).collect();
        assert_eq!(values, [Some(b"\x00\x01\x02\x03\x04v".as_slice()), Some(b"s".as_slice())]);
    }

    #[test]
    fn the_digest_tells_null_from_empty_and_survives_a_drain() {
        let digest = |value: Option<&[u8]>| {
            let mut out = Outbox::default();
            out.push_raw(Sink::DeadLetters, None, value, Vec::new());
            let before = out.digest();
            out.drain();
            assert_eq!(before, out.digest());
            before
        };
        assert_ne!(digest(None), digest(Some(b"")));
    }

    #[test]
    fn a_place_in_a_trace_stands_in_the_headers_and_changes_no_digest() {
        let at = TracePoint::root(&[]);
        let header = Header { name: "h".into(), value: None };
        let (mut plain, mut traced, mut muted) = (Outbox::default(), Outbox::default(), Outbox::muted());
        for out in [&mut plain, &mut traced, &mut muted] {
            out.push(Sink::Predictions, None, vec![header.clone()], |buffer| buffer.push(1));
        }
        traced.place(at);
        muted.place(at);
        assert_eq!((plain.digest(), traced.digest()), (traced.digest(), muted.digest()));
        let headers: Vec<_> = traced.iter().map(|output| output.headers.to_vec()).collect();
        assert_eq!(headers, [[header, at.header()]]);
    }
}
