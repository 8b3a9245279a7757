//! The drift windows of one shard: counts per tumbling window of event time and model version.
//!
//! A window takes counts until the watermark has passed its end; an event that comes later is scored, and leaves the
//! window as it is. Counts belong to the profile of one version, so a promotion inside a window starts new counts.

use super::{Batch, Profile, count};
use crate::data::params::DriftParams;
use crate::data::{BinaryError, DriftWindow, Reader, Span, Timestamp, Tracked, Writer};
use crate::stats::BinCounts;

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;

/// Counts of open windows.
#[derive(Clone, Debug)]
pub struct DriftWindows {
    window: Span,
    offset: Span,
    windows: Tracked<(Timestamp, u32), Window>,
}

#[derive(Clone, Debug)]
struct Window {
    signals: Vec<BinCounts>,
    /// Changed since it was last published.
    unpublished: bool,
}

/// The version whose profile counts.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// The version.
    pub model_version: u32,
    /// Its profile.
    pub profile: &'a Profile,
}

impl DriftWindows {
    /// No windows yet.
    pub fn new(params: &DriftParams) -> Self {
        DriftWindows { window: params.window, offset: params.offset, windows: Tracked::default() }
    }

    /// Counts the rows of a batch whose windows are still open at `watermark`; `times` are their event times.
    pub fn count(&mut self, reference: Reference<'_>, batch: Batch<'_>, times: &[Timestamp], watermark: Timestamp) {
        for (start, rows) in Timestamp::stretches(times, self.window, self.offset) {
            if start.plus(self.window) <= watermark {
                continue;
            }
            let window = self.windows.entry((start, reference.model_version), || Window {
                signals: reference.profile.empty_counts(),
                unpublished: true,
            });
            window.unpublished = true;
            count(reference.profile, batch, rows, &mut window.signals);
        }
    }

    /// The windows that changed since they were last taken, in order.
    pub fn take_changed(&mut self) -> Vec<DriftWindow> {
        let mut taken = Vec::new();
        self.windows.change_where(
            |window| window.unpublished,
            |key, window| {
                window.unpublished = false;
                taken.push(DriftWindow { start: key.0, model_version: key.1, signals: window.signals.clone() });
            },
        );
        taken
    }

    /// Lets go of windows that `watermark` has passed and that have been published.
    pub fn expire(&mut self, watermark: Timestamp) {
        let window = self.window;
        self.windows.retain(|(start, _), held| start.plus(window) > watermark || held.unpublished);
    }

    /// Takes over the windows of another configuration, if they are the same stretches of time.
    pub fn adopt(&mut self, old: DriftWindows) {
        if (self.window, self.offset) == (old.window, old.offset) {
            self.windows = old.windows;
        }
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
        self.windows.write_chunk(size, out, |(start, version), window, out| {
            out.signed(start.millis());
            out.unsigned(u64::from(*version));
            out.flag(window.is_some());
            let Some(window) = window else { return };
            out.flag(window.unpublished);
            out.unsigned(window.signals.len() as u64);
            for counts in &window.signals {
                out.unsigned(counts.missing);
                out.unsigned(counts.bins.len() as u64);
                counts.bins.iter().for_each(|count| out.unsigned(*count));
            }
        });
        true
    }

    /// Takes in what [`DriftWindows::write_chunk`] wrote.
    pub fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("the drift state", STATE_VERSION)?;
        while !reader.is_at_end() {
            let key = (Timestamp::from_millis(reader.signed()?), reader.small()?);
            let window = if reader.flag()? { Some(Window::read(reader)?) } else { None };
            self.windows.restore(key, window);
        }
        Ok(())
    }
}

impl Window {
    fn read(reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let unpublished = reader.flag()?;
        let mut signals = Vec::new();
        for _ in 0..reader.count()? {
            let missing = reader.unsigned()?;
            let bins = (0..reader.count()?).map(|_| reader.unsigned()).collect::<Result<_, _>>()?;
            signals.push(BinCounts { bins, missing });
        }
        Ok(Window { signals, unpublished })
    }
}
