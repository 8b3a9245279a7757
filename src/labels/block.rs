//! The waiting predictions of one stretch of event time, in columns: a few dozen bytes each.
//!
//! Rows are appended and never change, but for their label and for being superseded by the same event id coming again.
//! A block goes as a whole once its time has passed, so a prediction costs nothing when its wait ends.

use super::waiting::{Labelled, Waited, WaitingPrediction};
use crate::data::{Arm, BinaryError, Reader, Timestamp, Writer};

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
    /// Rows that a checkpoint holds or is about to hold.
    pub(super) fixed: u32,
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
        }
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

    /// Appends a row without what can change.
    pub(super) fn encode_row(&self, row: u32, out: &mut Writer) {
        let waited = self.get(row);
        out.slice(self.id(row));
        out.unsigned(u64::from(self.times[row as usize]));
        out.unsigned(u64::from(waited.model_version));
        out.flag(waited.arm == Arm::Canary);
        out.float(waited.score);
        out.flag(waited.positive);
        out.unsigned(waited.handles.len() as u64);
        waited.handles.iter().for_each(|handle| out.unsigned(u64::from(*handle)));
    }

    /// Reads a row that [`Block::encode_row`] wrote; its id and the rest.
    pub(super) fn decode_row<'a>(&self, reader: &mut Reader<'a>) -> Result<(&'a [u8], WaitingPrediction), BinaryError> {
        let id = reader.slice()?;
        let event_time = Timestamp::from_millis(self.start.millis().saturating_add(i64::from(reader.small()?)));
        let model_version = reader.small()?;
        let arm = if reader.flag()? { Arm::Canary } else { Arm::Champion };
        let (score, positive) = (reader.float()?, reader.flag()?);
        let handles: Box<[u32]> = (0..reader.count()?).map(|_| reader.small()).collect::<Result<_, _>>()?;
        if self.len() > 0 && handles.len() != self.stride() {
            return Err(BinaryError::Invalid { what: "number of handles", at: 0 });
        }
        Ok((id, WaitingPrediction { event_time, model_version, arm, score, positive, handles }))
    }

    /// Appends what can change of a row.
    pub(super) fn encode_mark(&self, row: u32, out: &mut Writer) {
        out.flag(self.is_superseded(row));
        let label = self.label(row);
        out.flag(label.is_some());
        if let Some(label) = label {
            out.flag(label.positive);
            out.unsigned(u64::from(label.revision));
            out.signed(label.known_at.since(self.event_time(row)));
        }
    }

    /// Takes in what [`Block::encode_mark`] wrote.
    pub(super) fn decode_mark(&mut self, row: u32, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        self.set_superseded(row, reader.flag()?);
        let label = match reader.flag()? {
            true => {
                let (positive, revision) = (reader.flag()?, reader.small()?);
                let known_at = self.event_time(row).millis().saturating_add(reader.signed()?);
                Some(Labelled { positive, revision, known_at: Timestamp::from_millis(known_at) })
            }
            false => None,
        };
        self.set_label(row, label);
        Ok(())
    }
}
