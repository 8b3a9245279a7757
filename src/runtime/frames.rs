//! What stands before published records: schema ids, from the configuration or from a registration at the start.
//!
//! A frame names where the schema is registered and not what was computed, so it enters no digest, and what is compared
//! with what was published is compared without it.

use std::time::{Duration, Instant};

use super::stage::target;
use crate::config::Config;
use crate::config::formats::Framing;
use crate::data::params::OutputForm;
use crate::data::{Frames, Record, Sink};
use crate::schema_registry::{SchemaRegistry, SchemaRegistryError};

/// A zero byte and four of a schema id.
const FRAME: usize = 5;

/// The outputs that may have a frame.
pub(super) const FRAMED: [Sink; 4] = [Sink::Predictions, Sink::Outcomes, Sink::DriftAlerts, Sink::Performance];

/// The contract of what is published.
const SCHEMAS: [(Sink, &str); 4] = [
    (Sink::Predictions, include_str!("../../schemas/prediction.avsc")),
    (Sink::Outcomes, include_str!("../../schemas/outcome.avsc")),
    (Sink::DriftAlerts, include_str!("../../schemas/drift-alert.avsc")),
    (Sink::Performance, include_str!("../../schemas/performance.avsc")),
];
/// How long a registry may take to answer when the application starts.
const START_LIMIT: Duration = Duration::from_secs(60);
const START_PAUSE: Duration = Duration::from_millis(500);

/// The frames of the outputs; registers their schemas where the configuration gives no ids.
pub(super) fn settle(config: &Config, registry: Option<&SchemaRegistry>) -> Result<Frames, SchemaRegistryError> {
    let mut frames = configured(config);
    let Some(registry) = registry.filter(|_| config.outputs.framing == Framing::Registered) else { return Ok(frames) };
    let until = Instant::now() + START_LIMIT;
    for (sink, schema) in SCHEMAS {
        let topic = target(&config.topics, sink, 0).topic;
        let compact =
            serde_json::from_str::<serde_json::Value>(schema).map_or(schema.to_owned(), |json| json.to_string());
        let id = loop {
            match registry.register(&format!("{topic}-value"), &compact) {
                Err(SchemaRegistryError::Unavailable(why)) if Instant::now() < until => {
                    tracing::warn!(why, "schema_registry_not_ready");
                    std::thread::sleep(START_PAUSE);
                }
                answer => break answer?,
            }
        };
        tracing::info!(topic, schema = id, "schema_registered");
        frames.set(sink, id);
    }
    Ok(frames)
}

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
