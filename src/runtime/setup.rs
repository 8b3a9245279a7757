//! From the configuration to the parameters of the machines.

use crate::codec::{EventDecoder, FactDecoder, LabelDecoder};
use crate::config::Config;
use crate::data::Span;
use crate::data::params::{
    InputFormat, KindIndex, KindSpec, LabelParams, LabelSpec, NumberIndex, Station, TimeSource, TraceParams,
};
use crate::model::{Layout, LayoutError};
use crate::monitor::MonitorParams;
use crate::pipeline::PipelineParams;

/// Why a configuration makes no machine.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A layout without features, or with too many.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A schema file that is none, or does not fit the declared fields.
    #[error("{topic}: {why}")]
    Schema {
        /// The input.
        topic: String,
        /// What is wrong.
        why: String,
    },
}

/// The parameters of the score stage, where it is the only one.
///
/// # Errors
/// A layout without features, or with too many; a schema file that does not fit the declared fields.
pub fn pipeline_params(config: &Config) -> Result<PipelineParams, SetupError> {
    stage_params(config, Station::default())
}

/// The parameters of each stage of the chain over `shards` shards.
///
/// # Errors
/// As [`pipeline_params`].
pub fn chain_params(config: &Config, shards: i32) -> Result<Vec<PipelineParams>, SetupError> {
    let station = |stage| Station { chain: config.chain.clone(), stage, shards };
    (0..=config.chain.hops.len()).map(|stage| stage_params(config, station(stage))).collect()
}

fn stage_params(config: &Config, station: Station) -> Result<PipelineParams, SetupError> {
    let refused = |topic: &str, why: &str| SetupError::Schema { topic: format!("`{topic}`"), why: why.to_owned() };
    if let Some(why) = EventDecoder::new(&config.events).misfit() {
        return Err(refused(&config.events.topic, why));
    }
    if let Some(labels) = &config.labels
        && let Some(why) = LabelDecoder::new(labels).misfit()
    {
        return Err(refused(&labels.topic, why));
    }
    for facts in &config.facts {
        if let Some(why) = FactDecoder::new(facts).misfit() {
            return Err(refused(&facts.topic, why));
        }
    }
    Ok(PipelineParams {
        station,
        events: config.events.clone(),
        labels: config.labels.clone().unwrap_or_else(no_labels),
        facts: config.facts.clone(),
        features: config.features.clone(),
        layout: layout(config)?.fingerprint().to_owned(),
        score: config.score.clone(),
        drift: config.drift.clone(),
        performance: config.performance.clone(),
        outputs: config.outputs.form,
        traces: config.traces.as_ref().map(|traces| TraceParams::new(&config.app, &config.events.topic, traces.ratio)),
    })
}

/// The feature layout.
pub(super) fn layout(config: &Config) -> Result<Layout, LayoutError> {
    Layout::new(config.features.names.clone())
}

/// The parameters of the monitor over `shards` shards.
pub(super) fn monitor_params(config: &Config, shards: i32) -> MonitorParams {
    MonitorParams {
        shards,
        drift: config.drift.clone(),
        performance: config.performance.clone(),
        retrain: config.retrain.clone(),
        promote: config.promote.clone(),
        outputs: config.outputs.form,
    }
}

/// Without a labels topic no follow-up ever comes; what is declared here only names the two decisions.
fn no_labels() -> LabelParams {
    LabelParams {
        topic: String::new(),
        format: InputFormat::Json,
        event_id: "event_id".to_owned(),
        time: TimeSource::Record,
        kind: None,
        kinds: vec![KindSpec { name: "label".to_owned(), fields: Vec::new() }],
        wait: Span::default(),
        label: LabelSpec {
            kind: KindIndex(0),
            field: NumberIndex(0),
            positive: "true".to_owned(),
            negative: "false".to_owned(),
            prior: 0.5,
        },
    }
}
