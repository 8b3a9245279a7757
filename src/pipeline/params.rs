//! What a pipeline is built from.

use crate::data::params::{
    DriftParams, EventParams, FactParams, FeatureParams, LabelParams, OutputForm, PerformanceParams, ScoreParams,
    Station, TraceParams,
};

/// What a pipeline is built from.
#[derive(Clone, Debug)]
pub struct PipelineParams {
    /// The events.
    pub events: EventParams,
    /// Their follow-ups.
    pub labels: LabelParams,
    /// What is known of their keys.
    pub facts: Vec<FactParams>,
    /// The feature layout.
    pub features: FeatureParams,
    /// Fingerprint of the layout.
    pub layout: String,
    /// Scoring.
    pub score: ScoreParams,
    /// Drift windows.
    pub drift: DriftParams,
    /// Performance windows and the pace of summaries.
    pub performance: PerformanceParams,
    /// The form of predictions and outcomes.
    pub outputs: OutputForm,
    /// Its place in the chain of stages.
    pub station: Station,
    /// Which events are followed through distributed traces; `None`: headers are not looked at.
    pub traces: Option<TraceParams>,
}
