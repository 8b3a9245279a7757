//! Predictions that wait for their labels: blocks of event time, found by event id.
//!
//! Invariant: an id leads to its last prediction only, and to none whose wait has passed. What was appended or labelled
//! since the last commit can be taken back. A checkpoint writes every row once, when it is new, and later only what
//! changed of it; all of it is bound to the block's time.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::block::{Block, Labelled};
use super::written::Written;
use crate::data::{Arm, FixedState, HashTable, Span, Timestamp, TracePoint};

/// Blocks within a wait, where that gives blocks of a sensible length.
const BLOCKS: i64 = 64;
/// Milliseconds; a block has a price of some hundred bytes.
const SHORTEST_BLOCK: i64 = 1_000;
/// Milliseconds; a block goes at once when its time has passed, and that is not to be felt.
const LONGEST_BLOCK: i64 = 60_000;

/// The id of an event, shared by everyone who holds it.
pub type EventId = Arc<[u8]>;

/// What is kept of a prediction until its label can no longer come.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingPrediction {
    /// Event time.
    pub event_time: Timestamp,
    /// Version of the model.
    pub model_version: u32,
    /// Its part.
    pub arm: Arm,
    /// The published score.
    pub score: f64,
    /// Whether the decision was the positive class.
    pub positive: bool,
    /// Where the event's follow-ups go.
    pub handles: Box<[u32]>,
    /// Its place in its trace, where that is sampled.
    pub trace: Option<TracePoint>,
}

/// A prediction that waits, as it is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waited<'a> {
    /// Event time.
    pub event_time: Timestamp,
    /// Version of the model.
    pub model_version: u32,
    /// Its part.
    pub arm: Arm,
    /// The published score.
    pub score: f64,
    /// Whether the decision was the positive class.
    pub positive: bool,
    /// The label so far, with its revision.
    pub label: Option<Labelled>,
    /// Where the event's follow-ups go.
    pub handles: &'a [u32],
    /// Its place in its trace, where that is sampled.
    pub trace: Option<TracePoint>,
}

/// What a label did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// The first label of the event.
    First,
    /// Another class than before.
    Corrected {
        /// The label that no longer counts.
        before: Labelled,
        /// Revision of the new one.
        revision: u32,
    },
    /// The class it already had; nothing changes.
    Repeated,
}

/// A row: its block's number in the slab, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: u32,
    pub(super) row: u32,
}

#[derive(Clone, Debug)]
enum Undo {
    Appended { place: Place, superseded: Option<Place> },
    Labelled(Place, Option<Labelled>),
    Gone(u32, Box<Block>),
    Passed(Timestamp),
}

/// Waiting predictions of one shard.
#[derive(Clone, Debug)]
pub struct Waiting {
    wait: Span,
    /// Event time that a block covers.
    pub(super) span: Span,
    slab: Vec<Block>,
    /// Numbers in the slab that no block holds.
    free: Vec<u32>,
    /// Blocks in use by the number of their stretch of time.
    pub(super) by_time: BTreeMap<i64, u32>,
    index: HashTable<Place>,
    /// Predictions from before this time have waited long enough.
    pub(super) passed: Timestamp,
    log: Vec<Undo>,
    pub(super) written: Written,
}

impl Waiting {
    /// Nothing waits; what will, waits for `wait` of event time.
    pub fn new(wait: Span) -> Self {
        Waiting {
            wait,
            span: Span::from_millis((wait.millis() / BLOCKS).clamp(SHORTEST_BLOCK, LONGEST_BLOCK)),
            slab: Vec::new(),
            free: Vec::new(),
            by_time: BTreeMap::new(),
            index: HashTable::new(),
            passed: Timestamp::MIN,
            log: Vec::new(),
            written: Written::default(),
        }
    }

    /// Number of predictions held, those superseded left out.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The prediction of an event.
    pub fn get(&self, id: &[u8]) -> Option<Waited<'_>> {
        let place = self.find(id)?;
        Some(self.block(place.block).get(place.row))
    }

    /// Holds a prediction; false for one whose wait has passed. An event id that comes again replaces the one before.
    pub fn hold(&mut self, id: &[u8], prediction: &WaitingPrediction) -> bool {
        // Without a wait there are no labels.
        if self.wait == Span::default() || prediction.event_time < self.passed {
            return false;
        }
        let superseded = self.find_any(id);
        if let Some(old) = superseded {
            self.supersede(old, true);
        }
        let place = self.append(id, prediction);
        self.log.push(Undo::Appended { place, superseded });
        true
    }

    /// Sets the score of a prediction that is held, once the batch has been scored; of several with one id the last counts.
    pub fn scored(&mut self, id: &[u8], score: f64, positive: bool) {
        if let Some(place) = self.find(id) {
            self.slab[place.block as usize].set_score(place.row, score, positive);
        }
    }

    /// Joins a label; `None` if no prediction waits under this id.
    pub fn join(&mut self, id: &[u8], positive: bool, known_at: Timestamp) -> Option<Join> {
        let place = self.find(id)?;
        let before = self.block(place.block).label(place.row);
        let (join, revision) = match before {
            Some(label) if label.positive == positive => return Some(Join::Repeated),
            Some(before) => (Join::Corrected { before, revision: before.revision + 1 }, before.revision + 1),
            None => (Join::First, 0),
        };
        self.log.push(Undo::Labelled(place, before));
        self.label(place, Some(Labelled { positive, revision, known_at }));
        Some(join)
    }

    /// Lets go of predictions whose wait has passed at `watermark`.
    pub fn expire(&mut self, watermark: Timestamp) {
        let passed = watermark.minus(self.wait).max(self.passed);
        self.log.push(Undo::Passed(self.passed));
        self.passed = passed;
        while let Some((number, slab)) = self.by_time.first_key_value().map(|(number, slab)| (*number, *slab))
            && self.block_end(number) <= passed
        {
            self.by_time.remove(&number);
            self.unlink(slab);
            let block = std::mem::replace(&mut self.slab[slab as usize], Block::new(Timestamp::MIN));
            self.log.push(Undo::Gone(slab, Box::new(block)));
        }
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        for undo in self.log.drain(..) {
            if let Undo::Gone(slab, block) = undo {
                self.free.push(slab);
                self.written.leaves(block.start().interval(self.span), *block);
            }
        }
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        while let Some(undo) = self.log.pop() {
            match undo {
                Undo::Appended { place, superseded } => {
                    self.forget(place);
                    let block = &mut self.slab[place.block as usize];
                    block.pop();
                    if block.len() == 0 {
                        self.by_time.remove(&block.start().interval(self.span));
                        self.free.push(place.block);
                    }
                    if let Some(old) = superseded {
                        self.supersede(old, false);
                    }
                }
                Undo::Labelled(place, before) => self.label(place, before),
                Undo::Gone(slab, block) => {
                    self.by_time.insert(block.start().interval(self.span), slab);
                    self.slab[slab as usize] = *block;
                    self.link(slab);
                }
                Undo::Passed(before) => self.passed = before,
            }
        }
    }

    pub(super) fn block(&self, slab: u32) -> &Block {
        &self.slab[slab as usize]
    }

    pub(super) fn block_mut(&mut self, slab: u32) -> &mut Block {
        &mut self.slab[slab as usize]
    }

    /// One past the last event time of a stretch.
    pub(super) fn block_end(&self, number: i64) -> Timestamp {
        self.block_start(number).plus(self.span)
    }

    fn block_start(&self, number: i64) -> Timestamp {
        Timestamp::from_millis(number.saturating_mul(self.span.millis()))
    }

    /// The place of an id whose wait has not passed.
    fn find(&self, id: &[u8]) -> Option<Place> {
        self.find_any(id).filter(|place| self.block(place.block).event_time(place.row) >= self.passed)
    }

    fn find_any(&self, id: &[u8]) -> Option<Place> {
        let hash = FixedState.hash_one(id);
        self.index.find(hash, |place| self.slab[place.block as usize].id(place.row) == id).copied()
    }

    /// Appends a row and leads its id there.
    pub(super) fn append(&mut self, id: &[u8], prediction: &WaitingPrediction) -> Place {
        let number = prediction.event_time.interval(self.span);
        let slab = self.open(number);
        let block = &mut self.slab[slab as usize];
        block.push(id, prediction);
        let place = Place { block: slab, row: block.len() - 1 };
        self.remember(place);
        place
    }

    /// The block of a stretch of time, made if there is none.
    pub(super) fn open(&mut self, number: i64) -> u32 {
        if let Some(slab) = self.by_time.get(&number) {
            return *slab;
        }
        let block = Block::new(self.block_start(number));
        let slab = match self.free.pop() {
            Some(slab) => {
                self.slab[slab as usize] = block;
                slab
            }
            None => {
                self.slab.push(block);
                (self.slab.len() - 1) as u32
            }
        };
        self.by_time.insert(number, slab);
        slab
    }

    fn remember(&mut self, place: Place) {
        let slab = &self.slab;
        let hash = |place: &Place| FixedState.hash_one(slab[place.block as usize].id(place.row));
        self.index.insert_unique(hash(&place), place, hash);
    }

    pub(super) fn forget(&mut self, place: Place) {
        let hash = FixedState.hash_one(self.block(place.block).id(place.row));
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == place) {
            entry.remove();
        }
    }

    /// Takes an id's lead to `place` away or, undoing, gives it back.
    pub(super) fn supersede(&mut self, place: Place, is_superseded: bool) {
        if is_superseded {
            self.forget(place);
        } else {
            self.remember(place);
        }
        self.block_mut(place.block).set_superseded(place.row, is_superseded);
        self.mark(place);
    }

    fn label(&mut self, place: Place, label: Option<Labelled>) {
        self.block_mut(place.block).set_label(place.row, label);
        self.mark(place);
    }

    fn mark(&mut self, place: Place) {
        let number = self.block(place.block).start().interval(self.span);
        self.written.mark(number, place.row);
    }

    fn unlink(&mut self, slab: u32) {
        for row in 0..self.block(slab).len() {
            self.forget(Place { block: slab, row });
        }
    }

    fn link(&mut self, slab: u32) {
        for row in 0..self.block(slab).len() {
            if !self.block(slab).is_superseded(row) {
                self.remember(Place { block: slab, row });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Extent, Reader, Seed};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn prediction(ms: i64) -> WaitingPrediction {
        WaitingPrediction {
            event_time: at(ms),
            model_version: 1,
            arm: Arm::Champion,
            score: 0.25,
            positive: false,
            handles: vec![3, 0].into(),
            trace: None,
        }
    }

    fn traced(ms: i64) -> WaitingPrediction {
        WaitingPrediction { trace: Some(TracePoint::root(&[Seed::Number(ms)])), ..prediction(ms) }
    }

    fn waiting() -> Waiting {
        Waiting::new(Span::from_millis(100))
    }

    #[test]
    fn a_label_counts_once_and_a_correction_has_the_next_revision() {
        let mut waiting = waiting();
        assert_eq!(waiting.join(b"a", true, at(20)), None);
        waiting.hold(b"a", &prediction(10));
        assert_eq!(waiting.join(b"a", true, at(20)), Some(Join::First));
        assert_eq!(waiting.join(b"a", true, at(25)), Some(Join::Repeated));
        let before = Labelled { positive: true, revision: 0, known_at: at(20) };
        assert_eq!(waiting.join(b"a", false, at(30)), Some(Join::Corrected { before, revision: 1 }));
    }

    #[test]
    fn a_prediction_is_found_as_long_as_its_wait() {
        let mut waiting = waiting();
        waiting.hold(b"a", &prediction(10));
        waiting.expire(at(110));
        assert!(waiting.get(b"a").is_some());
        waiting.expire(at(111));
        assert!(waiting.get(b"a").is_none());
        waiting.expire(at(5_000));
        assert!(waiting.is_empty());
        waiting.rollback();
        assert!(waiting.is_empty() && waiting.by_time.is_empty(), "the hold itself was not committed either");
    }

    #[test]
    fn an_id_that_comes_again_leads_to_the_last_prediction() {
        let mut waiting = waiting();
        waiting.hold(b"a", &prediction(10));
        waiting.commit();
        waiting.hold(b"a", &prediction(20));
        assert_eq!(waiting.get(b"a").map(|waited| waited.event_time), Some(at(20)));
        assert_eq!(waiting.len(), 1);
        waiting.rollback();
        assert_eq!(waiting.get(b"a").map(|waited| waited.event_time), Some(at(10)));
    }

    #[test]
    fn a_rollback_brings_back_what_had_gone() {
        let mut waiting = waiting();
        waiting.hold(b"a", &prediction(10));
        waiting.join(b"a", true, at(11));
        waiting.commit();
        waiting.expire(at(9_000));
        assert!(waiting.is_empty());
        waiting.rollback();
        assert_eq!(waiting.get(b"a").and_then(|waited| waited.label).map(|label| label.known_at), Some(at(11)));
    }

    #[test]
    fn a_place_in_a_trace_waits_with_its_prediction_and_goes_with_it() {
        let mut waiting = waiting();
        waiting.hold(b"a", &prediction(10));
        waiting.hold(b"b", &traced(11));
        waiting.commit();
        waiting.hold(b"c", &traced(12));
        waiting.hold(b"b", &prediction(13));
        let trace = |waiting: &Waiting, id: &[u8]| waiting.get(id).and_then(|waited| waited.trace);
        assert_eq!((trace(&waiting, b"b"), trace(&waiting, b"c")), (None, traced(12).trace));
        waiting.rollback();
        assert_eq!((trace(&waiting, b"a"), trace(&waiting, b"b")), (None, traced(11).trace));
        waiting.hold(b"d", &prediction(12));
        assert_eq!(trace(&waiting, b"d"), None);
    }

    /// What a checkpoint of everything holds.
    fn chunks(waiting: &mut Waiting) -> Vec<Vec<u8>> {
        waiting.commit();
        waiting.begin_checkpoint(Extent::All);
        std::iter::from_fn(|| waiting.next_chunk(1 << 20)).map(|chunk| chunk.bytes).collect()
    }

    fn restored(chunks: &[&[u8]]) -> Waiting {
        let mut waiting = waiting();
        chunks.iter().for_each(|chunk| waiting.read_chunk(&mut Reader::new(chunk)).unwrap());
        waiting
    }

    #[test]
    fn rows_are_written_as_they_were_published_and_those_of_traces_in_a_version_of_their_own() {
        let published: [&[u8]; 2] = [
            include_bytes!("../../tests/fixtures/waiting-v1.bin"),
            include_bytes!("../../tests/fixtures/waiting-v2.bin"),
        ];
        let mut without = waiting();
        without.hold(b"a", &prediction(10));
        without.hold(b"b", &WaitingPrediction { model_version: 300, positive: true, ..prediction(12) });
        assert_eq!(chunks(&mut without)[0], published[0]);
        let mut with = waiting();
        with.hold(b"a", &prediction(10));
        with.hold(b"b", &traced(12));
        with.hold(b"c", &prediction(9));
        let written = chunks(&mut with);
        assert_eq!(written[0], published[1]);
        assert_eq!((published[0][0], published[1][0]), (1, 2));
        assert_eq!(restored(&published[..1]).get(b"b").map(|waited| waited.model_version), Some(300));
        let waiting = restored(&[&written[0], &written[1]]);
        for id in [b"a", b"b", b"c"] {
            assert_eq!(waiting.get(id), with.get(id));
        }
        let mut other = written[0].clone();
        other[0] = 3;
        let error = waiting.clone().read_chunk(&mut Reader::new(&other)).unwrap_err().to_string();
        assert_eq!(error, "the state of waiting predictions has format version 3; this binary reads versions up to 2");
    }
}
