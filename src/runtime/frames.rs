//! What stands before published records: schema ids.
//!
//! A frame names where the schema is registered and not what was computed, so it enters no digest, and what is compared
//! with what was published is compared without it.

use crate::config::Config;
use crate::config::formats::Framing;
use crate::data::params::OutputForm;
use crate::data::{Frames, Record, Sink};

/// A zero byte and four of a schema id.
const FRAME: usize = 5;

/// The outputs that may have a frame.
pub(super) const FRAMED: [Sink; 4] = [Sink::Predictions, Sink::Outcomes, Sink::DriftAlerts, Sink::Performance];

/// The frames whose ids stand in the configuration.
pub(super) fn configured(config: &Config) -> Frames {
    let mut frames = Frames::default();
    if let Framing::Ids(ids) = config.outputs.framing {
        frames.set(Sink::Predictions, ids.predictions);
        frames.set(Sink::Outcomes, ids.outcomes);
        frames.set(Sink::DriftAlerts, ids.drift_alerts);
        frames.set(Sink::Performance, ids.performance);
    }
    frames
}

/// Whether values of `sink` have a frame.
pub(super) fn is_framed(config: &Config, sink: Sink) -> bool {
    config.outputs.form == OutputForm::Avro && config.outputs.framing != Framing::Plain && FRAMED.contains(&sink)
}

/// A published record without its frame.
pub(super) fn unframed(mut record: Record) -> Record {
    if let Some([0, rest @ ..]) = record.value.as_deref()
        && let Some(datum) = rest.get(FRAME - 1..)
    {
        record.value = Some(datum.into());
    }
    record
}
