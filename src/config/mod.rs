//! One TOML file, resolved once into checked parameters.
//!
//! Three steps, as in ripgrep's flags: `raw` holds what was written, `resolve` checks it and turns names into indices,
//! and what comes out ([`Config`], with the parameters of [`crate::data::params`]) can be used without a second look.
//! Unknown keys are refused; every error names the key path, the value, and what to write instead. Secrets are named
//! here and fetched only when a client is made.
//!
//! Nothing here talks to a broker.

mod brokers;
mod error;
pub mod formats;
mod load;
mod locate;
pub mod notify;
pub mod params;
mod parse;
mod raw;
mod resolve;
mod secret;
mod settings;
mod suggest;
pub mod traces;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::data::params::{
    ChainParams, DriftParams, EventParams, FactParams, FeatureParams, Hop, LabelParams, OutputForm, PerformanceParams,
    PromoteParams, RetrainParams, ScoreParams,
};
pub use error::{ConfigError, Place, Problem};
use formats::{OutputParams, SchemaRegistryParams};
use notify::NotifyParams;
use params::{HttpParams, KafkaParams, LogParams, StoreParams, Topics};
pub use secret::{Secret, SecretSource};
use traces::TracesParams;

/// A configuration that has been checked as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name of the application: prefix of topics, consumer groups and transactional ids.
    pub app: String,
    /// The events topic and what an event looks like.
    pub events: EventParams,
    /// The labels topic; `None`: no labels, no performance, no training.
    pub labels: Option<LabelParams>,
    /// What is known of the events' keys.
    pub facts: Vec<FactParams>,
    /// What the model sees.
    pub features: FeatureParams,
    /// The stages that an event goes through.
    pub chain: ChainParams,
    /// How the score role works.
    pub score: ScoreParams,
    /// When a feature or the score counts as drifted.
    pub drift: DriftParams,
    /// When performance counts as lost.
    pub performance: PerformanceParams,
    /// When to train, on what, and how.
    pub retrain: RetrainParams,
    /// What is promoted.
    pub promote: PromoteParams,
    /// How published records are written.
    pub outputs: OutputParams,
    /// Where schemas are looked up; `None`: nowhere.
    pub schema_registry: Option<SchemaRegistryParams>,
    /// Who is told of what the monitor decides; `None`: nobody.
    pub notify: Option<NotifyParams>,
    /// Which events are followed through distributed traces; `None`: none.
    pub traces: Option<TracesParams>,
    /// The cluster.
    pub kafka: KafkaParams,
    /// All topic names.
    pub topics: Topics,
    /// Where artifacts and examples are kept.
    pub store: StoreParams,
    /// Health and metrics.
    pub http: HttpParams,
    /// Logs.
    pub log: LogParams,
}

/// What enters [`Config::digest`], in this order.
#[derive(Serialize)]
struct Meaning<'a> {
    events: &'a EventParams,
    labels: Option<&'a LabelParams>,
    #[serde(skip_serializing_if = "<[FactParams]>::is_empty")]
    facts: &'a [FactParams],
    features: &'a FeatureParams,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<&'a ChainParams>,
    threshold: f64,
    drift: &'a DriftParams,
    performance: &'a PerformanceParams,
    retrain: &'a RetrainParams,
    promote: &'a PromoteParams,
    #[serde(skip_serializing_if = "OutputForm::is_json")]
    outputs: OutputForm,
}

impl Config {
    /// SHA-256 in hex over everything that changes results: events, labels, facts, features, threshold, drift, performance,
    /// retraining, promotion and the form of what is published. Where the work is done (brokers, other topic names, workers, transactions, store, HTTP,
    /// logs, traces) does not enter it, nor does how the same value was written (`72h` or `3d`).
    pub fn digest(&self) -> String {
        let meaning = Meaning {
            events: &self.events,
            labels: self.labels.as_ref(),
            facts: &self.facts,
            features: &self.features,
            chain: (!self.chain.hops.is_empty()).then_some(&self.chain),
            threshold: self.score.threshold,
            drift: &self.drift,
            performance: &self.performance,
            retrain: &self.retrain,
            promote: &self.promote,
            outputs: self.outputs.form,
        };
        #[expect(clippy::expect_used, reason = "plain structs with text keys always serialise")]
        let bytes = serde_json::to_vec(&meaning).expect("plain structs with text keys always serialise");
        Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Name of the stage that a hop is: of its consumer group and its transactional ids.
    pub fn hop_role(hop: &Hop) -> String {
        format!("hop.{}", hop.name)
    }

    /// The consumer group of a role: `<app>.<role>`.
    pub fn group(&self, role: &str) -> String {
        format!("{}.{role}", self.app)
    }
}
