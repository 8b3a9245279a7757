//! What checkpoints hold of the waiting predictions, and the chunks that are still to be written.
//!
//! A row never changes once it is committed, so a checkpoint only notes which rows are new and writes them later; a block
//! that goes meanwhile is kept until then. What changed of older rows is few bytes and is encoded when the checkpoint
//! begins. A chunk of rows belongs to one block.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::block::{Block, Mark};
use super::waiting::{Place, Waiting};
use crate::data::{BinaryError, Extent, Reader, StateChunk, Timestamp, Writer};

/// Format of a chunk, and of one without sampled traces: the lowest that says it all is written.
const STATE_VERSION: u64 = 2;
const WITHOUT_TRACES: u64 = 1;

const ROWS: u64 = 0;
const MARKS: u64 = 1;

/// Where the checkpoints of the waiting predictions stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// Rows whose label or standing changed since the last checkpoint began.
    marked: BTreeSet<(i64, u32)>,
    /// New rows of the checkpoint, the earliest block first.
    rows: VecDeque<Rows>,
    /// Blocks that have gone but are not written yet.
    gone: BTreeMap<i64, Block>,
    /// What changed of older rows.
    marks: VecDeque<StateChunk>,
}

#[derive(Clone, Copy, Debug)]
struct Rows {
    block: i64,
    from: u32,
    to: u32,
}

impl Written {
    pub(super) fn mark(&mut self, block: i64, row: u32) {
        self.marked.insert((block, row));
    }

    /// A block goes.
    pub(super) fn leaves(&mut self, number: i64, block: Block) {
        if self.rows.iter().any(|rows| rows.block == number) {
            self.gone.insert(number, block);
        }
    }
}

impl Waiting {
    /// Begins a checkpoint as of the last commit; all that it holds is bound to a time.
    pub fn begin_checkpoint(&mut self, extent: Extent) {
        let marked = std::mem::take(&mut self.written.marked);
        self.written = Written::default();
        let mut marks = MarkChunks::default();
        for (number, slab) in self.by_time.clone() {
            let block = self.block_mut(slab);
            let from = if extent == Extent::All { 0 } else { block.fixed };
            block.fixed = block.len();
            if from < block.fixed {
                let rows = Rows { block: number, from, to: block.fixed };
                self.written.rows.push_back(rows);
            }
            let end = self.block_end(number);
            let block = self.block(slab);
            let rows: Vec<u32> = match extent {
                Extent::All => (0..block.len()).collect(),
                // A row that was taken back may have been marked.
                Extent::Changes | Extent::Compact => {
                    let marked = marked.range((number, 0)..=(number, u32::MAX)).map(|(_, row)| *row);
                    marked.filter(|row| *row < block.len()).collect()
                }
            };
            marks.add(number, &rows, block, end);
        }
        self.written.marks = marks.finish();
    }

    /// The next chunk of the checkpoint, of about `size` bytes.
    pub fn next_chunk(&mut self, size: usize) -> Option<StateChunk> {
        let Some(rows) = self.written.rows.front().copied() else { return self.written.marks.pop_front() };
        let Rows { block: number, from, to } = rows;
        let until = Some(self.block_end(number));
        let block = match self.by_time.get(&number) {
            Some(slab) if !self.written.gone.contains_key(&number) => self.block(*slab),
            _ => self.written.gone.get(&number)?,
        };
        let mut out = Writer::default();
        let with_traces = block.is_traced(from..to);
        out.unsigned(if with_traces { STATE_VERSION } else { WITHOUT_TRACES });
        out.unsigned(ROWS);
        out.signed(number);
        out.unsigned(u64::from(from));
        let row = block.encode_rows(from..to, with_traces, size, &mut out);
        match self.written.rows.front_mut() {
            Some(rows) if row < to => rows.from = row,
            _ => {
                self.written.rows.pop_front();
                self.written.gone.remove(&number);
            }
        }
        Some(StateChunk { bytes: out.finish(), until })
    }

    /// Event time up to which chunks no longer matter.
    pub fn horizon(&self) -> Timestamp {
        self.passed
    }

    /// Sets the horizon, before any chunk is read.
    pub fn set_horizon(&mut self, passed: Timestamp) {
        self.passed = passed;
    }

    /// Takes in what [`Waiting::next_chunk`] gave.
    pub fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        let version = reader.version_up_to("the state of waiting predictions", STATE_VERSION)?;
        match reader.unsigned()? {
            ROWS => self.read_rows(version > WITHOUT_TRACES, reader),
            MARKS => self.read_marks(reader),
            _ => Err(BinaryError::Invalid { what: "kind of chunk", at: 0 }),
        }
    }

    fn read_rows(&mut self, with_traces: bool, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        let number = reader.signed()?;
        let first = reader.small()?;
        if self.block_end(number) <= self.passed {
            return Ok(());
        }
        let slab = self.open(number);
        if self.block(slab).len() != first {
            return Err(BinaryError::Invalid { what: "first row of a chunk", at: 0 });
        }
        let (start, span) = (self.block(slab).start(), self.span);
        Block::decode_rows(start, with_traces, reader, |id, prediction| {
            if prediction.event_time.interval(span) != number {
                return Err(BinaryError::Invalid { what: "event time in its block", at: 0 });
            }
            self.append(id, &prediction);
            Ok(())
        })?;
        let block = self.block_mut(slab);
        block.fixed = block.len();
        Ok(())
    }

    fn read_marks(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        while !reader.is_at_end() {
            let number = reader.signed()?;
            let mut row = 0u32;
            for _ in 0..reader.count()? {
                row = row.saturating_add(reader.small()?);
                let mark = Mark::read(reader)?;
                let slab = self.by_time.get(&number).copied().filter(|slab| row < self.block(*slab).len());
                match slab {
                    Some(slab) => {
                        if mark.is_superseded && !self.block(slab).is_superseded(row) {
                            self.forget(Place { block: slab, row });
                        }
                        mark.apply(self.block_mut(slab), row);
                    }
                    None if self.block_end(number) <= self.passed => {}
                    None => return Err(BinaryError::Invalid { what: "row of a label", at: 0 }),
                }
            }
        }
        Ok(())
    }
}

/// Bytes of a chunk of marks.
const MARKS_SIZE: usize = 128 << 10;
/// Rows that are named together, few enough for a chunk to stay near its size.
const MARKS_ROWS: usize = 4_096;

#[derive(Default)]
struct MarkChunks {
    done: VecDeque<StateChunk>,
    open: Writer,
    until: Option<Timestamp>,
}

impl MarkChunks {
    /// The block's number, how many rows, and each by its distance from the one before.
    fn add(&mut self, number: i64, rows: &[u32], block: &Block, end: Timestamp) {
        for rows in rows.chunks(MARKS_ROWS) {
            if self.open.is_empty() {
                self.open.unsigned(WITHOUT_TRACES);
                self.open.unsigned(MARKS);
            }
            self.open.signed(number);
            self.open.unsigned(rows.len() as u64);
            let mut before = 0;
            for row in rows {
                self.open.unsigned(u64::from(row - before));
                before = *row;
                block.encode_mark(*row, &mut self.open);
            }
            self.until = self.until.max(Some(end));
            if self.open.len() >= MARKS_SIZE {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if !self.open.is_empty() {
            let bytes = std::mem::take(&mut self.open).finish();
            self.done.push_back(StateChunk { bytes, until: self.until.take() });
        }
    }

    fn finish(mut self) -> VecDeque<StateChunk> {
        self.cut();
        self.done
    }
}
