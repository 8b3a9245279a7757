//! Performance by window of event time, model version and arm, from scores and the labels joined so far.
//!
//! A label goes to the window of its event, however late it comes; a corrected one replaces what it was. Counts are
//! integers and losses exact sums, so a window is the same however its events were spread over shards.

use crate::data::params::PerformanceParams;
use crate::data::{Arm, BinaryError, PerformanceWindow, Reader, Span, Timestamp, Tracked, Writer};
use crate::stats::ScoreHistogram;

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;

/// What a window belongs to, in the order in which windows are published.
type Key = (Timestamp, u32, Arm);

/// A prediction whose window is meant.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    /// Event time.
    pub event_time: Timestamp,
    /// Version of the model.
    pub model_version: u32,
    /// Its part.
    pub arm: Arm,
    /// The published score.
    pub score: f64,
}

/// The performance windows of one shard.
#[derive(Clone, Debug)]
pub struct Performance {
    window: Span,
    offset: Span,
    windows: Tracked<Key, Window>,
}

#[derive(Clone, Debug)]
struct Window {
    predictions: u64,
    label_age_ms: i64,
    scores: Box<ScoreHistogram>,
    /// Changed since it was last published.
    unpublished: bool,
}

impl Performance {
    /// No windows yet.
    pub fn new(params: &PerformanceParams) -> Self {
        Performance { window: params.window, offset: params.offset, windows: Tracked::default() }
    }

    /// Counts predictions of a version, given by event time.
    pub fn predicted(&mut self, times: &[Timestamp], model_version: u32, arm: Arm) {
        for (_, of_window) in Timestamp::stretches(times, self.window, self.offset) {
            if let Some(first) = times.get(of_window.start) {
                self.window(*first, model_version, arm).predictions += of_window.len() as u64;
            }
        }
    }

    /// Counts the label of a prediction; `before` is the label it had until now.
    pub fn labelled(&mut self, scored: &Scored, label: LabelChange) {
        let window = self.window(scored.event_time, scored.model_version, scored.arm);
        if let Some(before) = label.before {
            window.scores.take_back(before.positive, scored.score);
            window.label_age_ms -= before.known_at.since(scored.event_time);
        }
        window.scores.add(label.now.positive, scored.score);
        window.label_age_ms += label.now.known_at.since(scored.event_time);
    }

    fn window(&mut self, at: Timestamp, model_version: u32, arm: Arm) -> &mut Window {
        let start = at.floor(self.window, self.offset);
        let window = self.windows.entry((start, model_version, arm), || Window {
            predictions: 0,
            label_age_ms: 0,
            scores: Box::default(),
            unpublished: false,
        });
        window.unpublished = true;
        window
    }

    /// The windows that changed since they were last taken, in order.
    pub fn take_changed(&mut self) -> Vec<PerformanceWindow> {
        let mut taken = Vec::new();
        self.windows.change_where(
            |window| window.unpublished,
            |key, window| {
                window.unpublished = false;
                let (start, model_version, arm) = *key;
                taken.push(PerformanceWindow {
                    start,
                    model_version,
                    arm,
                    predictions: window.predictions,
                    label_age_s: window.label_age_ms / 1_000,
                    scores: (*window.scores).clone(),
                });
            },
        );
        taken
    }

    /// Lets go of windows whose last label can no longer come.
    pub fn expire(&mut self, watermark: Timestamp, wait: Span) {
        let before = watermark.minus(wait).minus(self.window);
        self.windows.retain(|(start, ..), window| *start >= before || window.unpublished);
    }

    /// Takes over the windows of another configuration, if they are the same stretches of time; false if they are not,
    /// and have to be counted anew.
    pub fn adopt(&mut self, old: Performance) -> bool {
        let is_same = (self.window, self.offset) == (old.window, old.offset);
        if is_same {
            self.windows = old.windows;
        }
        is_same
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.windows.commit();
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        self.windows.rollback();
    }

    /// Begins a checkpoint as of the last commit.
    pub fn begin_checkpoint(&mut self, is_whole: bool) {
        self.windows.begin_checkpoint(is_whole);
    }

    /// Appends the next windows of the checkpoint, about `size` bytes of them; false if none is left.
    pub fn write_chunk(&mut self, size: usize, out: &mut Writer) -> bool {
        if !self.windows.has_pending() {
            return false;
        }
        out.unsigned(STATE_VERSION);
        self.windows.write_chunk(size, out, |(start, model_version, arm), window, out| {
            out.signed(start.millis());
            out.unsigned(u64::from(*model_version));
            out.flag(*arm == Arm::Canary);
            out.flag(window.is_some());
            let Some(window) = window else { return };
            out.unsigned(window.predictions);
            out.signed(window.label_age_ms);
            out.flag(window.unpublished);
            let scores = serde_json::to_vec(&window.scores).unwrap_or_default();
            out.slice(&scores);
        });
        true
    }

    /// Takes in what [`Performance::write_chunk`] wrote.
    pub fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("the performance state", STATE_VERSION)?;
        while !reader.is_at_end() {
            let start = Timestamp::from_millis(reader.signed()?);
            let model_version = reader.small()?;
            let arm = if reader.flag()? { Arm::Canary } else { Arm::Champion };
            let window = if reader.flag()? { Some(Window::read(reader)?) } else { None };
            self.windows.restore((start, model_version, arm), window);
        }
        Ok(())
    }
}

impl Window {
    fn read(reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let (predictions, label_age_ms, unpublished) = (reader.unsigned()?, reader.signed()?, reader.flag()?);
        let scores = serde_json::from_slice(reader.slice()?)
            .map_err(|_| BinaryError::Invalid { what: "score histogram", at: 0 })?;
        Ok(Window { predictions, label_age_ms, scores, unpublished })
    }
}

/// A label that counts from now on, and the one it replaces.
#[derive(Clone, Copy, Debug)]
pub struct LabelChange {
    /// The label until now.
    pub before: Option<KnownLabel>,
    /// The label from now on.
    pub now: KnownLabel,
}

/// A label and when it became known.
#[derive(Clone, Copy, Debug)]
pub struct KnownLabel {
    /// Whether it is the positive class.
    pub positive: bool,
    /// When it became known.
    pub known_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> PerformanceParams {
        PerformanceParams {
            window: Span::from_millis(100),
            offset: Span::default(),
            alert_below: 0.9,
            min_n: 1,
            every: Span::from_millis(100),
        }
    }

    fn scored(at: i64, score: f64) -> Scored {
        Scored { event_time: Timestamp::from_millis(at), model_version: 1, arm: Arm::Champion, score }
    }

    fn known(positive: bool, at: i64) -> KnownLabel {
        KnownLabel { positive, known_at: Timestamp::from_millis(at) }
    }

    #[test]
    fn a_late_label_changes_the_window_of_its_event() {
        let mut performance = Performance::new(&params());
        performance.predicted(&[50, 150].map(Timestamp::from_millis), 1, Arm::Champion);
        assert_eq!(performance.take_changed().len(), 2);
        assert!(performance.take_changed().is_empty());
        performance.labelled(&scored(50, 0.9), LabelChange { before: None, now: known(true, 3_050) });
        let changed = performance.take_changed();
        assert_eq!(
            changed.iter().map(|w| (w.start.millis(), w.label_age_s, w.scores.n())).collect::<Vec<_>>(),
            [(0, 3, 1)]
        );
    }

    #[test]
    fn a_correction_replaces_the_label_it_corrects() {
        let mut performance = Performance::new(&params());
        performance.predicted(&[Timestamp::from_millis(50)], 1, Arm::Champion);
        performance.labelled(&scored(50, 0.9), LabelChange { before: None, now: known(true, 1_050) });
        let change = LabelChange { before: Some(known(true, 1_050)), now: known(false, 2_050) };
        performance.labelled(&scored(50, 0.9), change);
        let changed = performance.take_changed();
        assert_eq!((changed[0].scores.n_positive(), changed[0].scores.n_negative(), changed[0].label_age_s), (0, 1, 2));
    }

    #[test]
    fn the_state_survives_encoding() -> Result<(), BinaryError> {
        let mut performance = Performance::new(&params());
        performance.predicted(&[Timestamp::from_millis(50)], 1, Arm::Champion);
        performance.labelled(&scored(50, 0.9), LabelChange { before: None, now: known(true, 1_050) });
        performance.commit();
        performance.begin_checkpoint(false);
        let mut out = Writer::default();
        assert!(performance.write_chunk(1 << 20, &mut out));
        let bytes = out.finish();
        let mut read = Performance::new(&params());
        read.read_chunk(&mut Reader::new(&bytes))?;
        assert_eq!(read.take_changed(), performance.take_changed());
        Ok(())
    }
}
