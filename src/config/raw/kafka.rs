//! `[kafka]`, `[store]`, `[http]` and `[log]`: what surrounds the loop and changes none of its results.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::params::{LogFormat, LogLevel, OnGap};
use crate::data::Span;

/// `[kafka]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawKafka {
    /// `HOST:PORT` of one or more brokers; default `127.0.0.1:9092`.
    pub brokers: Vec<String>,
    /// Length of time; default `6s`. How long a dead worker keeps its partitions.
    pub session_timeout: Span,
    /// `refuse` or `skip`; default `refuse`. What to do where retention has removed records before they were read.
    pub on_gap: OnGap,
    /// Properties of librdkafka, passed on as they are.
    pub properties: BTreeMap<String, RawPropertyValue>,
    /// Names and settings of the topics Driftless writes.
    pub topics: RawTopics,
}

impl Default for RawKafka {
    fn default() -> Self {
        RawKafka {
            brokers: vec!["127.0.0.1:9092".to_owned()],
            session_timeout: Span::from_millis(6_000),
            on_gap: OnGap::Refuse,
            properties: BTreeMap::new(),
            topics: RawTopics::default(),
        }
    }
}

/// A value of `[kafka.properties]`: text, or a table (a reference to a secret, or a part of a dotted name).
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum RawPropertyValue {
    /// The value as text.
    Text(String),
    /// A table under the name.
    Table(BTreeMap<String, RawPropertyValue>),
}

impl<'de> Deserialize<'de> for RawPropertyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl<'de> Visitor<'de> for Value {
            type Value = RawPropertyValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, number or boolean, or a secret as `{ env = \"NAME\" }` or `{ file = \"PATH\" }`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawPropertyValue, E> {
                Ok(RawPropertyValue::Text(text.to_owned()))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<RawPropertyValue, E> {
                Ok(RawPropertyValue::Text(number.to_string()))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<RawPropertyValue, E> {
                Ok(RawPropertyValue::Text(number.to_string()))
            }

            fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<RawPropertyValue, E> {
                Ok(RawPropertyValue::Text(flag.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawPropertyValue, A::Error> {
                let mut table = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    table.insert(name, value);
                }
                Ok(RawPropertyValue::Table(table))
            }
        }
        deserializer.deserialize_any(Value)
    }
}

/// `[kafka.topics]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawTopics {
    /// Default `<app>.predictions`.
    pub predictions: Option<String>,
    /// Default `<app>.outcomes`.
    pub outcomes: Option<String>,
    /// Default `<app>.drift-alerts`.
    pub drift_alerts: Option<String>,
    /// Default `<app>.performance`.
    pub performance: Option<String>,
    /// Default `<app>.dead-letters`.
    pub dead_letters: Option<String>,
    /// Default `<app>.late`; only with `events.on_late = "side-output"`.
    pub late: Option<String>,
    /// Default `<app>.summaries`.
    pub summaries: Option<String>,
    /// Default `<app>.models`.
    pub models: Option<String>,
    /// Default `<app>.journal`.
    pub journal: Option<String>,
    /// Default `<app>.monitor-journal`.
    pub monitor_journal: Option<String>,
    /// Default `<app>.state`.
    pub state: Option<String>,
    /// Default `<app>.monitor-state`.
    pub monitor_state: Option<String>,
    /// What the topics of hops begin with, `HOP.ENTITY`, `HOP.ENTITY.journal` and `HOP.ENTITY.state`; default `<app>.hop`.
    pub hop: Option<String>,
    /// Partitions of partitioned topics when `topics create` makes them; default 4.
    pub partitions: i32,
    /// Replication factor when `topics create` makes them; default -1: the broker's own default.
    pub replication: i32,
    /// `forever` or a length of time, set when `topics create` makes them; default `forever`. The control log and the
    /// journals are kept for ever in any case.
    pub retention: String,
}

impl Default for RawTopics {
    fn default() -> Self {
        RawTopics {
            predictions: None,
            outcomes: None,
            drift_alerts: None,
            performance: None,
            dead_letters: None,
            late: None,
            summaries: None,
            models: None,
            journal: None,
            monitor_journal: None,
            state: None,
            monitor_state: None,
            hop: None,
            partitions: 4,
            replication: -1,
            retention: "forever".to_owned(),
        }
    }
}

/// `[store]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawStore {
    /// Local directory of artifacts and examples, made when absent; default `driftless-store`. All roles must share it.
    pub path: String,
}

impl Default for RawStore {
    fn default() -> Self {
        RawStore { path: "driftless-store".to_owned() }
    }
}

/// `[http]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawHttp {
    /// `IP:PORT` that serves `/livez`, `/readyz` and `/metrics`; default `127.0.0.1:9464`. Empty: off.
    pub listen: String,
}

impl Default for RawHttp {
    fn default() -> Self {
        RawHttp { listen: "127.0.0.1:9464".to_owned() }
    }
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLog {
    /// `human` or `json`; default `human`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`; default `info`.
    pub level: LogLevel,
}

impl Default for RawLog {
    fn default() -> Self {
        RawLog { format: LogFormat::Human, level: LogLevel::Info }
    }
}
