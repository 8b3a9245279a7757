//! The application under test: its configuration, its topics, and the fixed model that is in charge from the beginning.
//!
//! Features are over events alone, so that no value depends on how events and follow-ups interleave. The expected
//! disorder (`lateness`) covers every outage of a run, as it has to in production: a window is judged when every shard
//! has passed it, and a shard that is away says nothing for so long.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use driftless::config::Config;
use driftless::data::{ArtifactRef, Columns, Evidence, Gain, HoldoutScore, ModelCommand, ModelRecord, Span, Timestamp};
use driftless::drift::{Profile, ProfileInputs, Sample};
use driftless::model::{Estimator, Layout, Lineage, Linear, LinearParts, Model, ModelParts, Preparation};
use driftless::registry::Store;
use rdkafka::producer::{BaseRecord, Producer};
use std::time::Duration;

use crate::feed::{self, Fed, Inputs, Source, Stream};
use crate::oracle::{self, Oracle};

/// Event time covered by `lateness`: five minutes on the clock. Batches are small, so that what piles up during an outage is
/// enough for inputs to be held back.
const CONFIG: &str = r#"
[events]
key = "shop"
id = "id"
time = "at"
lateness = "5h"

[events.fields.amount]
type = "number"
required = true
min = 0.0

[events.fields.card]
type = "string"

[labels]
event_id = "event_id"
time = "known_at"
wait = "30d"

[labels.kinds.label.fields.fraud]
type = "boolean"
required = true

[labels.label]
field = "fraud"
positive = "fraud"
negative = "fine"
prior = 0.1

[features]
fields = ["amount"]

[[features.windows]]
of = "events"
by = ["shop"]
spans = ["10m", "1h"]
aggregates = ["count", "sum:amount", "mean:amount", "max:amount", "since_last"]
panes = 10

[[features.windows]]
of = "events"
by = ["shop", "card"]
spans = ["30m"]
aggregates = ["count", "mean:amount"]
panes = 6

[drift]
window = "20m"
min_n = 50

[performance]
window = "20m"
every = "10m"
alert_below = 0.01
min_n = 50

[retrain]
on = []

[score]
checkpoint = "5s"
max_batch = 16

[log]
format = "json"

[http]
listen = ""
"#;

/// One application: a name, its files, its topics.
pub(crate) struct Application {
    pub config: Config,
    pub file: PathBuf,
    brokers: String,
}

impl Application {
    /// Writes the configuration, creates the topics, and puts the model in charge.
    pub(crate) fn create(directory: &Path, name: &str, brokers: &str, seen_by_it: &str, model: &Model) -> Result<Self> {
        let listed: Vec<String> = seen_by_it.split(',').map(|broker| format!("{broker:?}")).collect();
        let store = directory.join(format!("{name}-store"));
        let text = format!(
            "app = \"{name}\"\n{CONFIG}\n[store]\npath = {store:?}\n\n[kafka]\nbrokers = [{}]\n\n[kafka.topics]\npartitions = {}\n",
            listed.join(", "),
            feed::PARTITIONS,
        );
        let file = directory.join(format!("{name}.toml"));
        fs::write(&file, &text)?;
        let config = Config::parse(&text).map_err(|error| anyhow::anyhow!("{error}"))?;
        let output = Command::new(env!("CARGO_BIN_EXE_driftless"))
            .args(["topics", "create", "--brokers", brokers, "--config"])
            .arg(&file)
            .output()?;
        ensure!(output.status.success(), "topics create: {}", String::from_utf8_lossy(&output.stderr));
        let artifact = Store::local(&store)?.put_model(model)?;
        let application = Application { config, file, brokers: brokers.to_owned() };
        application.promote(&artifact)?;
        Ok(application)
    }

    pub(crate) fn inputs(&self) -> Inputs {
        let labels = self.config.topics.labels.clone().unwrap_or_default();
        Inputs { events: self.config.topics.events.clone(), labels }
    }

    fn promote(&self, artifact: &ArtifactRef) -> Result<()> {
        let producer = feed::producer(&self.brokers)?;
        for (command, artifact) in [(ModelCommand::Registered, Some(artifact)), (ModelCommand::Promoted, None)] {
            let record = ModelRecord {
                at: Timestamp::from_millis(feed::BEGIN_MS),
                by: "chaos".to_owned(),
                why: "fixed for the run".to_owned(),
                artifact: artifact.cloned(),
                ..ModelRecord::plain(command, 1)
            };
            let value = serde_json::to_vec(&record)?;
            let record: BaseRecord<'_, str, [u8]> =
                BaseRecord::to(&self.config.topics.models).partition(0).key("v1").payload(&value);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        Ok(producer.flush(Duration::from_secs(30))?)
    }
}

/// A model for the features of a feed, whose reference is a feed without drift.
pub(crate) fn model(rate: u64) -> Result<Model> {
    let mut source = Source::new(0, rate);
    let mut oracle = Oracle::default();
    let (mut rows, mut times) = (Vec::new(), Vec::new());
    let mut n = 0;
    while rows.len() < 4_000 {
        for Fed { stream, key, value, timestamp, .. } in source.next() {
            n += 1;
            if stream == Stream::Events
                && let Some(event) = oracle::event(value.as_deref(), timestamp)
            {
                let row = oracle.features(&key, &event);
                // The first hours fill the windows.
                if n > 500 {
                    rows.push(row);
                    times.push(Timestamp::from_millis(event.at));
                }
            }
        }
    }
    let names: Vec<String> =
        Config::parse(&format!("app = \"a\"\n{CONFIG}")).map_err(|error| anyhow::anyhow!("{error}"))?.features.names;
    let width = names.len();
    let columns: Vec<Vec<f64>> =
        (0..width).map(|at| rows.iter().map(|row| row[at].unwrap_or(f64::NAN)).collect()).collect();
    let estimator = Estimator::Linear(Linear::new(LinearParts {
        mean: vec![50.0; width],
        scale: vec![40.0; width],
        coefficients: (0..width).map(|at| if at == 0 { 1.2 } else { 0.01 }).collect(),
        intercept: -1.0,
    })?);
    let mut scores = Vec::new();
    estimator.score(&Columns::from_columns(columns.clone()).context("columns")?, &mut scores);
    let profile = Profile::build(&ProfileInputs {
        names: &names,
        features: Sample { columns: &columns, times: &times },
        scores: Sample { columns: &[scores], times: &times },
        window: Span::from_millis(1_200_000),
        importance: &[],
    });
    let at = Timestamp::from_millis(feed::BEGIN_MS);
    let score = HoldoutScore { auc: Some(0.7), log_loss: 0.5 };
    let gain = Gain { mean: 0.1, low: 0.05, high: 0.15 };
    Ok(Model::new(ModelParts {
        layout: Layout::new(names)?,
        preparation: Preparation::default(),
        estimator,
        threshold: 0.5,
        profile,
        lineage: Lineage { cutoff: at, seed: 1, examples_sha256: "0".repeat(64), trained_by: "chaos".to_owned() },
        evidence: Evidence {
            trained_from: at,
            trained_to: at,
            holdout_from: at,
            holdout_to: at,
            n_train: rows.len() as u64,
            n_holdout: 100,
            champion: score,
            candidate: score,
            log_loss_gain: gain,
            auc_gain: Some(gain),
        },
    })?)
}
