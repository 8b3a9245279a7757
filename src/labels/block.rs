//! The waiting predictions of one stretch of event time, in columns: a few dozen bytes each.
//!
//! Rows are appended and never change, but for their label and for being superseded by the same event id coming again.
//! A block goes as a whole once its time has passed, so a prediction costs nothing when its wait ends.

use super::waiting::{Waited, WaitingPrediction};
use crate::data::{Arm, BinaryError, Reader, Timestamp, TracePoint, Writer};

/// Columns of one block; a row is one prediction.
#[derive(Clone, Debug)]
pub(super) struct Block {
    start: Timestamp,
    ids: Vec<u8>,
    /// Where each row's id ends.
    ends: Vec<u32>,
    /// Milliseconds since the block's start.
    times: Vec<u32>,
    scores: Vec<f64>,
    /// Position in `makers`.
    made_by: Vec<u16>,
    makers: Vec<Maker>,
    flags: Vec<u8>,
    /// As many per row as there are groupings.
    handles: Vec<u32>,
    /// Empty until the first label comes.
    labels: Vec<Label>,
    /// Rows of sampled traces, few among many, in their order.
    traces: Vec<(u32, TracePoint)>,
    /// Rows that a checkpoint holds or is about to hold.
    pub(super) fixed: u32,
}

/// The label that counts at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Whether it is the positive class.
    pub positive: bool,
    /// 0 for the first.
    pub revision: u32,
    /// When it became known.
    pub known_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Maker {
    model_version: u32,
    arm: Arm,
}

#[derive(Clone, Copy, Debug, Default)]
struct Label {
    known_at: i64,
    revision: u32,
}

/// The decision was the positive class.
const POSITIVE: u8 = 1;
/// The same event id came again later.
const SUPERSEDED: u8 = 2;
/// A label has come.
const LABELLED: u8 = 4;
/// It is the positive class.
const LABEL_POSITIVE: u8 = 8;

impl Block {
    pub(super) fn new(start: Timestamp) -> Self {
        Block {
            start,
            ids: Vec::new(),
            ends: Vec::new(),
            times: Vec::new(),
            scores: Vec::new(),
            made_by: Vec::new(),
            makers: Vec::new(),
            flags: Vec::new(),
            handles: Vec::new(),
            labels: Vec::new(),
            traces: Vec::new(),
            fixed: 0,
        }
    }

    /// First event time of its stretch.
    pub(super) fn start(&self) -> Timestamp {
        self.start
    }

    pub(super) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Appends a row. Its event time lies in the block's stretch, and every row has as many handles.
    pub(super) fn push(&mut self, id: &[u8], row: &WaitingPrediction) {
        let maker = Maker { model_version: row.model_version, arm: row.arm };
        // Looked for from the end: the version in charge is the last one that came.
        let made_by = self.makers.iter().rposition(|other| *other == maker).unwrap_or_else(|| {
            self.makers.push(maker);
            self.makers.len() - 1
        });
        if let Some(trace) = row.trace {
            self.traces.push((self.len(), trace));
        }
        self.ids.extend_from_slice(id);
        self.ends.push(self.ids.len() as u32);
        self.times.push(row.event_time.since(self.start) as u32);
        self.scores.push(row.score);
        self.made_by.push(made_by as u16);
        self.flags.push(if row.positive { POSITIVE } else { 0 });
        self.handles.extend_from_slice(&row.handles);
        if !self.labels.is_empty() {
            self.labels.push(Label::default());
        }
    }

    /// Takes the last row off.
    pub(super) fn pop(&mut self) {
        let stride = self.stride();
        self.ends.pop();
        self.ids.truncate(self.ends.last().map_or(0, |end| *end as usize));
        self.times.pop();
        self.scores.pop();
        self.made_by.pop();
        self.flags.pop();
        self.handles.truncate(self.handles.len() - stride);
        self.labels.truncate(self.ends.len());
        self.traces.pop_if(|(row, _)| *row as usize == self.ends.len());
    }

    fn stride(&self) -> usize {
        self.handles.len().checked_div(self.ends.len()).unwrap_or(0)
    }

    pub(super) fn id(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.ids[start..self.ends[row] as usize]
    }

    pub(super) fn event_time(&self, row: u32) -> Timestamp {
        Timestamp::from_millis(self.start.millis() + i64::from(self.times[row as usize]))
    }

    pub(super) fn get(&self, row: u32) -> Waited<'_> {
        let at = row as usize;
        let maker = self.makers[usize::from(self.made_by[at])];
        let stride = self.stride();
        Waited {
            event_time: self.event_time(row),
            model_version: maker.model_version,
            arm: maker.arm,
            score: self.scores[at],
            positive: self.flags[at] & POSITIVE != 0,
            label: self.label(row),
            handles: &self.handles[at * stride..(at + 1) * stride],
            trace: self.trace(row),
        }
    }

    fn trace(&self, row: u32) -> Option<TracePoint> {
        let at = self.traces.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        self.traces.get(at).map(|(_, trace)| *trace)
    }

    /// Whether any of these rows is of a sampled trace.
    pub(super) fn is_traced(&self, rows: std::ops::Range<u32>) -> bool {
        let first = self.traces.partition_point(|(row, _)| *row < rows.start);
        self.traces.get(first).is_some_and(|(row, _)| *row < rows.end)
    }

    pub(super) fn set_score(&mut self, row: u32, score: f64, positive: bool) {
        let at = row as usize;
        self.scores[at] = score;
        self.flags[at] = self.flags[at] & !POSITIVE | if positive { POSITIVE } else { 0 };
    }

    pub(super) fn label(&self, row: u32) -> Option<Labelled> {
        let flags = self.flags[row as usize];
        let label = self.labels.get(row as usize).filter(|_| flags & LABELLED != 0)?;
        Some(Labelled {
            positive: flags & LABEL_POSITIVE != 0,
            revision: label.revision,
            known_at: Timestamp::from_millis(label.known_at),
        })
    }

    pub(super) fn set_label(&mut self, row: u32, label: Option<Labelled>) {
        let at = row as usize;
        self.flags[at] &= !(LABELLED | LABEL_POSITIVE);
        let Some(label) = label else { return };
        self.labels.resize(self.ends.len(), Label::default());
        self.labels[at] = Label { known_at: label.known_at.millis(), revision: label.revision };
        self.flags[at] |= LABELLED | if label.positive { LABEL_POSITIVE } else { 0 };
    }

    pub(super) fn is_superseded(&self, row: u32) -> bool {
        self.flags[row as usize] & SUPERSEDED != 0
    }

    pub(super) fn set_superseded(&mut self, row: u32, is_superseded: bool) {
        let flags = &mut self.flags[row as usize];
        *flags = *flags & !SUPERSEDED | if is_superseded { SUPERSEDED } else { 0 };
    }

    /// Appends rows without what can change, until `to` or until about `size` bytes are written; the row after the last.
    pub(super) fn encode_rows(
        &self,
        rows: std::ops::Range<u32>,
        with_traces: bool,
        size: usize,
        out: &mut Writer,
    ) -> u32 {
        let std::ops::Range { start: from, end: to } = rows;
        out.unsigned(self.stride() as u64);
        let mut time = 0;
        for row in from..to {
            if out.len() >= size && row > from {
                return row;
            }
            let waited = self.get(row);
            out.slice(self.id(row));
            out.signed(i64::from(self.times[row as usize]) - time);
            time = i64::from(self.times[row as usize]);
            let made = u64::from(waited.model_version) << 2;
            out.unsigned(made | u64::from(waited.arm == Arm::Canary) << 1 | u64::from(waited.positive));
            out.float(waited.score);
            waited.handles.iter().for_each(|handle| out.unsigned(u64::from(*handle)));
            if with_traces {
                out.flag(waited.trace.is_some());
                waited.trace.iter().for_each(|trace| trace.write(out));
            }
        }
        to
    }

    /// Reads the rows that [`Block::encode_rows`] wrote and gives each with its id to `take`.
    pub(super) fn decode_rows(
        start: Timestamp,
        with_traces: bool,
        reader: &mut Reader<'_>,
        mut take: impl FnMut(&[u8], WaitingPrediction) -> Result<(), BinaryError>,
    ) -> Result<(), BinaryError> {
        let stride = reader.small()?;
        let mut time = 0i64;
        while !reader.is_at_end() {
            let id = reader.slice()?;
            time = time.saturating_add(reader.signed()?);
            let event_time = Timestamp::from_millis(start.millis().saturating_add(time));
            let made = reader.unsigned()?;
            let model_version =
                u32::try_from(made >> 2).map_err(|_| BinaryError::Invalid { what: "model version", at: 0 })?;
            let arm = if made & 2 == 2 { Arm::Canary } else { Arm::Champion };
            let score = reader.float()?;
            let handles: Box<[u32]> = (0..stride).map(|_| reader.small()).collect::<Result<_, _>>()?;
            let trace = if with_traces && reader.flag()? { Some(TracePoint::read(reader)?) } else { None };
            let positive = made & 1 == 1;
            take(id, WaitingPrediction { event_time, model_version, arm, score, positive, handles, trace })?;
        }
        Ok(())
    }

    /// Appends what can change of a row.
    pub(super) fn encode_mark(&self, row: u32, out: &mut Writer) {
        let label = self.label(row);
        let revision = label.map_or(0, |label| u64::from(label.revision)) << 3;
        let positive = u64::from(label.is_some_and(|label| label.positive)) << 2;
        out.unsigned(revision | positive | u64::from(label.is_some()) << 1 | u64::from(self.is_superseded(row)));
        if let Some(label) = label {
            out.signed(label.known_at.since(self.event_time(row)));
        }
    }
}

/// What can change of a row, as [`Block::encode_mark`] wrote it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) is_superseded: bool,
    label: Option<MarkedLabel>,
}

#[derive(Clone, Copy, Debug)]
struct MarkedLabel {
    positive: bool,
    revision: u32,
    /// Milliseconds from the event to the moment it became known.
    age: i64,
}

impl Mark {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let packed = reader.unsigned()?;
        let revision = u32::try_from(packed >> 3).map_err(|_| BinaryError::Invalid { what: "revision", at: 0 })?;
        let positive = packed & 4 == 4;
        let label =
            if packed & 2 == 2 { Some(MarkedLabel { positive, revision, age: reader.signed()? }) } else { None };
        Ok(Mark { is_superseded: packed & 1 == 1, label })
    }

    pub(super) fn apply(self, block: &mut Block, row: u32) {
        let since = block.event_time(row).millis();
        let label = self.label.map(|MarkedLabel { positive, revision, age }| Labelled {
            positive,
            revision,
            known_at: Timestamp::from_millis(since.saturating_add(age)),
        });
        block.set_superseded(row, self.is_superseded);
        block.set_label(row, label);
    }
}
