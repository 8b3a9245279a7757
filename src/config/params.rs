//! Checked parameters of what surrounds the deterministic part: the cluster, its topics, the store, HTTP and logs.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::brokers::check_brokers;
use super::error::{ConfigError, Problem};
use super::secret::{Secret, SecretSource};
use crate::data::Span;

/// The cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaParams {
    /// `HOST:PORT` of one or more brokers.
    pub brokers: Vec<String>,
    /// How long a dead worker keeps its partitions.
    pub session_timeout: Span,
    /// What to do where retention has removed records before they were read.
    pub on_gap: OnGap,
    /// Properties of librdkafka to pass on, sorted by name; secrets not fetched yet.
    pub properties: Vec<Property>,
}

impl KafkaParams {
    /// The brokers as `bootstrap.servers` takes them.
    pub fn bootstrap(&self) -> String {
        self.brokers.join(",")
    }

    /// Replaces the brokers by those of a command line, `HOST:PORT,HOST:PORT`.
    ///
    /// # Errors
    /// When one of them is not `HOST:PORT`.
    pub fn set_brokers(&mut self, list: &str) -> Result<(), ConfigError> {
        let brokers: Vec<String> = list.split(',').map(|broker| broker.trim().to_owned()).collect();
        check_brokers("--brokers", &brokers).map_err(ConfigError::Argument)?;
        self.brokers = brokers;
        Ok(())
    }

    /// All properties to pass on, with their secrets fetched from the environment or from files.
    ///
    /// # Errors
    /// When a secret is not there or empty.
    pub fn client_properties(&self) -> Result<Vec<ClientProperty>, ConfigError> {
        let fetched = self.properties.iter().map(|property| {
            let value = match &property.value {
                PropertyValue::Text(text) => Secret::new(text.as_str()),
                PropertyValue::Secret(source) => source.fetch(&property.key).map_err(ConfigError::Secret)?,
            };
            Ok(ClientProperty { name: property.name.clone(), value })
        });
        fetched.collect()
    }

    /// The plain value of a property; `None` when it is not set or is a secret.
    pub fn property(&self, name: &str) -> Option<&str> {
        let property = self.properties.iter().find(|property| property.name == name)?;
        match &property.value {
            PropertyValue::Text(text) => Some(text),
            PropertyValue::Secret(_) => None,
        }
    }

    /// Refuses what this binary was built without.
    ///
    /// # Errors
    /// When TLS or SCRAM is asked for and the cargo feature `tls` is off.
    pub fn ensure_supported(&self) -> Result<(), ConfigError> {
        if cfg!(feature = "tls") {
            return Ok(());
        }
        for property in &self.properties {
            let PropertyValue::Text(value) = &property.value else { continue };
            let lower = value.to_ascii_lowercase();
            let needs_tls = match property.name.as_str() {
                "security.protocol" => lower == "ssl" || lower == "sasl_ssl",
                "sasl.mechanism" | "sasl.mechanisms" => lower.starts_with("scram"),
                _ => false,
            };
            if needs_tls {
                let message =
                    format!("`{value}` needs TLS, which this binary was built without; build it with `--features tls`");
                return Err(ConfigError::Unsupported(Problem::new(property.key.as_str(), message)));
            }
        }
        Ok(())
    }
}

/// What to do where retention has removed records before they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnGap {
    /// Stop and say so.
    Refuse,
    /// Go on with what is there; logged and counted.
    Skip,
}

/// One property of librdkafka as the file gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// librdkafka's name.
    pub name: String,
    /// Path of the key in the file, for messages.
    pub key: String,
    /// Its value or where it is.
    pub value: PropertyValue,
}

/// The value of a property.
#[derive(Clone, Debug, PartialEq)]
pub enum PropertyValue {
    /// Written in the file.
    Text(String),
    /// Kept elsewhere.
    Secret(SecretSource),
}

/// One property ready for the client; the value may be a secret, so it is never printed.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientProperty {
    /// librdkafka's name.
    pub name: String,
    /// Its value.
    pub value: Secret,
}

/// Resolved names of all topics, and how `topics create` makes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Topics {
    /// Events; written by the user.
    pub events: String,
    /// Labels; written by the user; `None` without `[labels]`.
    pub labels: Option<String>,
    /// Facts of the events' keys; written by the user.
    pub facts: Vec<FactTopic>,
    /// Predictions.
    pub predictions: String,
    /// Label joins.
    pub outcomes: String,
    /// Drift alerts, one partition.
    pub drift_alerts: String,
    /// Performance by window, one partition.
    pub performance: String,
    /// Records that could not be used.
    pub dead_letters: String,
    /// Late events, where they go to a topic of their own.
    pub late: Option<String>,
    /// Partial statistics of the shards, one partition.
    pub summaries: String,
    /// The control log, one partition, kept for ever.
    pub models: String,
    /// Journal of the score role, kept for ever.
    pub journal: String,
    /// Journal of the monitor, one partition, kept for ever.
    pub monitor_journal: String,
    /// State of the score role, compacted.
    pub state: String,
    /// State of the monitor, one partition, compacted.
    pub monitor_state: String,
    /// Topics of the hops, in the order in which an event goes through them.
    pub hops: Vec<HopTopics>,
    /// Partitions of partitioned topics.
    pub partitions: i32,
    /// Replication factor; -1 for the broker's default.
    pub replication: i32,
    /// How long records are kept; `None`: for ever.
    pub retention: Option<Span>,
}

/// A topic of facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactTopic {
    /// Path of the configuration key that sets it.
    pub key: String,
    /// Its name.
    pub name: String,
}

/// Topics of one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopTopics {
    /// What the stage before writes for it.
    pub records: String,
    /// Its journal, kept for ever.
    pub journal: String,
    /// Its state, compacted.
    pub state: String,
}

impl Topics {
    /// The topics that the user writes, in the order of the inputs of the stage that reads them.
    pub fn inputs(&self) -> impl Iterator<Item = &String> {
        let facts = self.facts.iter().map(|topic| &topic.name);
        std::iter::once(&self.events).chain(&self.labels).chain(facts)
    }

    /// All names with the configuration key of each, events first.
    pub fn named(&self) -> Vec<NamedTopic<'_>> {
        let mut topics = vec![NamedTopic { key: "events.topic", name: &self.events }];
        topics.extend(self.labels.as_deref().map(|name| NamedTopic { key: "labels.topic", name }));
        topics.extend(self.facts.iter().map(|FactTopic { key, name }| NamedTopic { key, name }));
        topics.extend([
            NamedTopic { key: "kafka.topics.predictions", name: &self.predictions },
            NamedTopic { key: "kafka.topics.outcomes", name: &self.outcomes },
            NamedTopic { key: "kafka.topics.drift-alerts", name: &self.drift_alerts },
            NamedTopic { key: "kafka.topics.performance", name: &self.performance },
            NamedTopic { key: "kafka.topics.dead-letters", name: &self.dead_letters },
            NamedTopic { key: "kafka.topics.summaries", name: &self.summaries },
            NamedTopic { key: "kafka.topics.models", name: &self.models },
            NamedTopic { key: "kafka.topics.journal", name: &self.journal },
            NamedTopic { key: "kafka.topics.monitor-journal", name: &self.monitor_journal },
            NamedTopic { key: "kafka.topics.state", name: &self.state },
            NamedTopic { key: "kafka.topics.monitor-state", name: &self.monitor_state },
        ]);
        topics.extend(self.late.as_deref().map(|name| NamedTopic { key: "kafka.topics.late", name }));
        for HopTopics { records, journal, state } in &self.hops {
            topics.extend([records, journal, state].map(|name| NamedTopic { key: "kafka.topics.hop", name }));
        }
        topics
    }
}

/// A topic name and the key that sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedTopic<'a> {
    /// Path of the configuration key.
    pub key: &'a str,
    /// Topic name.
    pub name: &'a str,
}

/// Where artifacts and examples are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreParams {
    /// Local directory.
    pub path: PathBuf,
}

/// Health and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpParams {
    /// Where to listen; `None`: off.
    pub listen: Option<SocketAddr>,
}

/// Logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogParams {
    /// How a line looks.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person at a terminal.
    Human,
    /// One JSON object per line.
    Json,
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Someone must act.
    Error,
    /// Worth a look.
    Warn,
    /// What happens.
    Info,
    /// Detail for finding out why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The name used in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}
