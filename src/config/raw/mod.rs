//! The configuration file as it is written: one struct per table, every key with its unit, default and effect.
//!
//! Nothing is checked here beyond types and known keys; `resolve` turns it into checked parameters. `None` is a key
//! that is not in the file and whose default depends on another key, or that has none. `docs/configuration.md` lists
//! every key with the default given here; a test compares the two.

mod facts;
mod features;
mod formats;
mod kafka;
mod notify;
mod records;
mod traces;
mod work;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use facts::RawFacts;
pub(crate) use features::{
    RawDerived, RawEncoded, RawEncoding, RawEnds, RawFeatures, RawFilling, RawPrepared, RawScaling, RawWhich,
    RawWindow, RawWindowKind,
};
pub(crate) use formats::{RawFormat, RawInputFormat, RawOutputs, RawSchemaRegistry};
pub(crate) use kafka::{RawHttp, RawKafka, RawLog, RawPropertyValue, RawStore, RawTopics};
pub(crate) use notify::RawNotify;
pub(crate) use records::{RawChoice, RawEvents, RawField, RawLabel, RawLabels};
pub(crate) use traces::RawTraces;
pub(crate) use work::{RawDrift, RawPerformance, RawPromote, RawRetrain, RawScore};

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawConfig {
    /// Name of the application, `[a-z0-9._-]`; required. Prefix of topics, consumer groups and transactional ids.
    pub app: Option<String>,
    /// The events topic and what an event looks like.
    pub events: RawEvents,
    /// The labels topic; without this table there are no labels, no performance and no training.
    pub labels: Option<RawLabels>,
    /// Topics of facts by name: what is known of the events' keys from some time on.
    pub facts: BTreeMap<String, RawFacts>,
    /// What the model sees.
    pub features: RawFeatures,
    /// How the score role works.
    pub score: RawScore,
    /// When a feature or the score counts as drifted.
    pub drift: RawDrift,
    /// When performance counts as lost.
    pub performance: RawPerformance,
    /// When to train, on what, and how.
    pub retrain: RawRetrain,
    /// What is promoted.
    pub promote: RawPromote,
    /// How published records are written.
    pub outputs: RawOutputs,
    /// Where schemas are looked up and registered.
    pub schema_registry: RawSchemaRegistry,
    /// Who is told of what the monitor decides.
    pub notify: RawNotify,
    /// Which events are followed through distributed traces; without this table none.
    pub traces: Option<RawTraces>,
    /// The cluster and its topics.
    pub kafka: RawKafka,
    /// Where artifacts and examples are kept.
    pub store: RawStore,
    /// Health and metrics.
    pub http: RawHttp,
    /// Logs.
    pub log: RawLog,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::records::RawKind;
    use super::*;
    use crate::data::Span;

    const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md"));

    /// Every key with its default, one entry standing for all where names are free.
    fn keys() -> BTreeMap<String, Value> {
        let field = || BTreeMap::from([("NAME".to_owned(), RawField::default())]);
        let mut raw = RawConfig::default();
        raw.events.fields = field();
        let kinds = BTreeMap::from([("KIND".to_owned(), RawKind { fields: field() })]);
        raw.labels = Some(RawLabels { kinds, ..RawLabels::default() });
        raw.facts = BTreeMap::from([("NAME".to_owned(), RawFacts { fields: field(), ..RawFacts::default() })]);
        raw.features.windows = vec![RawWindow::default()];
        raw.features.encoded = vec![RawEncoded::default()];
        raw.features.derived = vec![RawDerived::default()];
        raw.features.prepared = vec![RawPrepared::default()];
        let headers = BTreeMap::from([("NAME".to_owned(), RawPropertyValue::Table(BTreeMap::new()))]);
        raw.traces = Some(RawTraces { headers, ..RawTraces::default() });
        raw.kafka.properties = BTreeMap::from([("NAME".to_owned(), RawPropertyValue::Table(BTreeMap::new()))]);
        let mut keys = BTreeMap::new();
        flatten(String::new(), serde_json::to_value(raw).unwrap(), &mut keys);
        keys
    }

    fn flatten(path: String, value: Value, keys: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(table) if !table.is_empty() => {
                let prefix = if path.is_empty() { path } else { path + "." };
                table.into_iter().for_each(|(name, value)| flatten(format!("{prefix}{name}"), value, keys));
            }
            Value::Array(mut tables) if tables.first().is_some_and(Value::is_object) => {
                flatten(path + "[]", tables.remove(0), keys);
            }
            Value::Object(_) => _ = keys.insert(path, Value::Null),
            value => _ = keys.insert(path, value),
        }
    }

    /// The first two cells of every row whose first cell is a key.
    fn documented() -> BTreeMap<String, String> {
        let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let tables =
            ["app", "events", "labels", "facts", "features", "score", "drift", "performance", "retrain", "promote"];
        let tables =
            [tables.as_slice(), &["outputs", "schema_registry", "notify", "traces", "kafka", "store", "http", "log"]]
                .concat();
        let keys = rows.filter(|(key, _)| tables.contains(&key.split('.').next().unwrap()));
        keys.map(|(key, rest)| (key.to_owned(), rest.split(" | ").next().unwrap().to_owned())).collect()
    }

    #[test]
    fn every_key_is_documented_and_nothing_else() {
        let documented = documented();
        assert_eq!(documented.keys().collect::<Vec<_>>(), keys().keys().collect::<Vec<_>>());
    }

    #[test]
    fn documented_defaults_are_the_defaults() {
        let documented = documented();
        for (key, default) in keys().into_iter().filter(|(_, default)| !default.is_null()) {
            let cell = documented.get(&key).unwrap().trim_matches('`').replace(", ", ",");
            let default = default.to_string();
            let span = |text: &str| text.trim_matches('"').parse::<Span>().ok();
            let same = span(&cell).is_some() && span(&cell) == span(&default);
            assert!(same || cell == default, "`{key}`: {cell} is documented, {default} is the default");
        }
    }
}
