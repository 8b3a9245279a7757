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
        let mut first = 0;
        while let Some(time) = times.get(first) {
            let start = time.floor(self.window, self.offset);
            let run = times[first..].iter().take_while(|time| time.floor(self.window, self.offset) == start).count();
            if start.plus(self.window) > watermark {
                let window = self.windows.entry((start, reference.model_version), || Window {
                    signals: reference.profile.empty_counts(),
                    unpublished: true,
                });
                window.unpublished = true;
                count(reference.profile, batch, first..first + run, &mut window.signals);
            }
            first += run;
        }
    }

    /// The windows that changed since they were last taken, in order.
    pub fn take_changed(&mut self) -> Vec<DriftWindow> {
        let changed: Vec<_> =
            self.windows.sorted().into_iter().filter_map(|(key, window)| window.unpublished.then_some(*key)).collect();
        let mut taken = Vec::with_capacity(changed.len());
        for key in changed {
            if let Some(window) = self.windows.get_mut(&key) {
                window.unpublished = false;
                taken.push(DriftWindow { start: key.0, model_version: key.1, signals: window.signals.clone() });
            }
        }
        taken
    }

    /// Lets go of windows that `watermark` has passed and that have been published.
    pub fn expire(&mut self, watermark: Timestamp) {
        let window = self.window;
        self.windows.retain(|(start, _), held| start.plus(window) > watermark || held.unpublished);
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.windows.commit();
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        self.windows.rollback();
    }

    /// Appends the state in its versioned form.
    pub fn encode(&self, out: &mut Writer) {
        out.unsigned(STATE_VERSION);
        let sorted = self.windows.sorted();
        out.unsigned(sorted.len() as u64);
        for ((start, version), window) in sorted {
            out.signed(start.millis());
            out.unsigned(u64::from(*version));
            out.flag(window.unpublished);
            out.unsigned(window.signals.len() as u64);
            for counts in &window.signals {
                out.unsigned(counts.missing);
                out.unsigned(counts.bins.len() as u64);
                counts.bins.iter().for_each(|count| out.unsigned(*count));
            }
        }
    }

    /// Replaces the state by an encoded one of the same configuration.
    pub fn decode(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("the drift state", STATE_VERSION)?;
        self.windows = Tracked::default();
        for _ in 0..reader.count()? {
            let key = (Timestamp::from_millis(reader.signed()?), reader.small()?);
            let unpublished = reader.flag()?;
            let mut signals = Vec::new();
            for _ in 0..reader.count()? {
                let missing = reader.unsigned()?;
                let bins = (0..reader.count()?).map(|_| reader.unsigned()).collect::<Result<_, _>>()?;
                signals.push(BinCounts { bins, missing });
            }
            self.windows.insert(key, Window { signals, unpublished });
        }
        self.windows.commit();
        Ok(())
    }
}
