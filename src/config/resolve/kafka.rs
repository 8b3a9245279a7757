//! `[kafka]`: brokers, properties passed on to librdkafka, and topic names.

use std::collections::BTreeMap;

use super::range::{positive, whole};
use crate::config::brokers::check_brokers;
use crate::config::error::Problem;
use crate::config::locate::join;
use crate::config::params::{FactTopic, HopTopics, KafkaParams, Property, PropertyValue, Topics};
use crate::config::raw::{RawConfig, RawEvents, RawFacts, RawKafka, RawLabels, RawPropertyValue, RawTopics};
use crate::config::secret::SecretSource;
use crate::data::Span;
use crate::data::params::{Hop, OnLate};

/// Properties that exactly-once delivery or the membership of a shard depends on, with what to do instead.
const OWNED: [(&str, &str); 31] = [
    ("bootstrap.servers", "write `kafka.brokers`"),
    ("metadata.broker.list", "write `kafka.brokers`"),
    ("session.timeout.ms", "write `kafka.session_timeout`"),
    ("group.id", "it follows from `app`"),
    ("group.instance.id", "it follows from `--instance`"),
    ("group.protocol", "leave it out"),
    ("group.protocol.type", "leave it out"),
    ("group.remote.assignor", "leave it out"),
    ("partition.assignment.strategy", "leave it out"),
    ("transactional.id", "it follows from `app` and `--instance`"),
    ("transaction.timeout.ms", "leave it out"),
    ("message.timeout.ms", "leave it out"),
    ("delivery.timeout.ms", "leave it out"),
    ("enable.idempotence", "leave it out"),
    ("enable.gapless.guarantee", "leave it out"),
    ("acks", "leave it out"),
    ("request.required.acks", "leave it out"),
    ("max.in.flight", "leave it out"),
    ("max.in.flight.requests.per.connection", "leave it out"),
    ("retries", "leave it out"),
    ("message.send.max.retries", "leave it out"),
    ("partitioner", "leave it out"),
    ("isolation.level", "leave it out"),
    ("enable.auto.commit", "leave it out"),
    ("auto.commit.enable", "leave it out"),
    ("auto.commit.interval.ms", "leave it out"),
    ("enable.auto.offset.store", "leave it out"),
    ("enable.partition.eof", "leave it out"),
    ("auto.offset.reset", "leave it out"),
    ("check.crcs", "leave it out"),
    ("plugin.library.paths", "leave it out: no code is loaded from a configuration"),
];

/// Properties whose value must not stand in the file.
const SECRETS: [&str; 9] = [
    "sasl.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

pub(super) fn kafka(raw: &RawKafka) -> Result<KafkaParams, Problem> {
    check_brokers("kafka.brokers", &raw.brokers)?;
    let mut properties = Vec::new();
    flatten("", "kafka.properties", &raw.properties, &mut properties)?;
    properties.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in properties.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            return Err(Problem::new(second.key.as_str(), format!("is set twice, also as `{}`", first.key)));
        }
    }
    Ok(KafkaParams {
        brokers: raw.brokers.clone(),
        session_timeout: positive("kafka.session_timeout", raw.session_timeout)?,
        on_gap: raw.on_gap,
        properties,
    })
}

/// Collects properties; `security.protocol` written without quotes is a table to TOML and is put together again.
fn flatten(
    prefix: &str,
    path: &str,
    table: &BTreeMap<String, RawPropertyValue>,
    properties: &mut Vec<Property>,
) -> Result<(), Problem> {
    for (part, value) in table {
        let name = if prefix.is_empty() { part.clone() } else { format!("{prefix}.{part}") };
        let key = join(path, part);
        if let Some((_, instead)) = OWNED.iter().find(|(owned, _)| *owned == name) {
            let message = format!("exactly-once delivery depends on it, so it is not passed on; {instead}");
            return Err(Problem::new(key, message));
        }
        let value = match value {
            RawPropertyValue::Text(text) if SECRETS.contains(&name.as_str()) && !text.is_empty() => {
                let variable = name.to_ascii_uppercase().replace('.', "_");
                let message = format!(
                    "is a secret and must not stand in the file; write `{{ env = \"{variable}\" }}` or `{{ file = \
                     \"/path/to/it\" }}`"
                );
                return Err(Problem::new(key, message));
            }
            RawPropertyValue::Text(text) => PropertyValue::Text(text.clone()),
            RawPropertyValue::Table(table) => match secret(&key, table)? {
                Some(source) => PropertyValue::Secret(source),
                None if SECRETS.contains(&name.as_str()) => {
                    let message = "is a secret; write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`";
                    return Err(Problem::new(key, message));
                }
                None => {
                    flatten(&name, &key, table, properties)?;
                    continue;
                }
            },
        };
        properties.push(Property { name, key, value });
    }
    Ok(())
}

pub(super) fn secret(key: &str, table: &BTreeMap<String, RawPropertyValue>) -> Result<Option<SecretSource>, Problem> {
    let text = |name| match table.get(name) {
        Some(RawPropertyValue::Text(text)) => Some(text),
        _ => None,
    };
    let source = match (text("env"), text("file")) {
        (None, None) => return Ok(None),
        (Some(name), None) if table.len() == 1 && !name.is_empty() => SecretSource::Env(name.clone()),
        (None, Some(path)) if table.len() == 1 && !path.is_empty() => SecretSource::File(path.into()),
        _ => return Err(Problem::new(key, "write exactly one of `{ env = \"NAME\" }` and `{ file = \"PATH\" }`")),
    };
    Ok(Some(source))
}

/// What the user writes.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    events: &'a RawEvents,
    labels: Option<&'a RawLabels>,
    facts: &'a BTreeMap<String, RawFacts>,
}

impl<'a> Inputs<'a> {
    pub(super) fn of(raw: &'a RawConfig) -> Self {
        Inputs { events: &raw.events, labels: raw.labels.as_ref(), facts: &raw.facts }
    }
}

pub(super) fn topics(app: &str, inputs: Inputs<'_>, raw: &RawTopics) -> Result<Topics, Problem> {
    let Inputs { events, labels, facts } = inputs;
    let or_default = |name: Option<&str>, default: &str| match name {
        Some(name) => name.to_owned(),
        None => format!("{app}.{default}"),
    };
    let topics = Topics {
        events: or_default(events.topic.as_deref(), "events"),
        labels: labels.map(|labels| or_default(labels.topic.as_deref(), "labels")),
        facts: facts
            .iter()
            .map(|(name, facts)| FactTopic {
                key: format!("{}.topic", join("facts", name)),
                name: or_default(facts.topic.as_deref(), &format!("facts.{name}")),
            })
            .collect(),
        predictions: or_default(raw.predictions.as_deref(), "predictions"),
        outcomes: or_default(raw.outcomes.as_deref(), "outcomes"),
        drift_alerts: or_default(raw.drift_alerts.as_deref(), "drift-alerts"),
        performance: or_default(raw.performance.as_deref(), "performance"),
        dead_letters: or_default(raw.dead_letters.as_deref(), "dead-letters"),
        late: late(or_default(raw.late.as_deref(), "late"), events.on_late, raw)?,
        summaries: or_default(raw.summaries.as_deref(), "summaries"),
        models: or_default(raw.models.as_deref(), "models"),
        journal: or_default(raw.journal.as_deref(), "journal"),
        monitor_journal: or_default(raw.monitor_journal.as_deref(), "monitor-journal"),
        state: or_default(raw.state.as_deref(), "state"),
        monitor_state: or_default(raw.monitor_state.as_deref(), "monitor-state"),
        hops: Vec::new(),
        partitions: whole("kafka.topics.partitions", raw.partitions, 1..=10_000)?,
        replication: replication(raw.replication)?,
        retention: retention(&raw.retention)?,
    };
    check_names(&topics)?;
    Ok(topics)
}

/// The topic of late events, where there is one.
fn late(name: String, on_late: OnLate, raw: &RawTopics) -> Result<Option<String>, Problem> {
    match on_late {
        OnLate::SideOutput => Ok(Some(name)),
        OnLate::Flag if raw.late.is_none() => Ok(None),
        OnLate::Flag => {
            let message = format!(
                "is `{name}`, but late events are flagged and stay where they are; write `on_late = \"side-output\"` under `[events]`"
            );
            Err(Problem::new("kafka.topics.late", message))
        }
    }
}

/// Names the topics of the hops.
pub(super) fn hops(topics: &mut Topics, app: &str, raw: &RawTopics, hops: &[Hop]) -> Result<(), Problem> {
    let prefix = raw.hop.clone().unwrap_or_else(|| format!("{app}.hop"));
    let of = |hop: &Hop| {
        let records = format!("{prefix}.{}", hop.name);
        HopTopics { journal: format!("{records}.journal"), state: format!("{records}.state"), records }
    };
    topics.hops = hops.iter().map(of).collect();
    check_names(topics)
}

fn check_names(topics: &Topics) -> Result<(), Problem> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for topic in topics.named() {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let length = topic.name.len();
        if !(1..=249).contains(&length) || matches!(topic.name, "." | "..") || !topic.name.chars().all(legal) {
            let message =
                format!("`{}` is no topic name; write 1 to 249 of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`", topic.name);
            return Err(Problem::new(topic.key, message));
        }
        if let Some(first) = seen.insert(topic.name, topic.key) {
            let message = format!("`{}` is also the topic of `{first}`; each needs a topic of its own", topic.name);
            return Err(Problem::new(topic.key, message));
        }
    }
    Ok(())
}

fn replication(value: i32) -> Result<i32, Problem> {
    if value == -1 || (1..=100).contains(&value) {
        return Ok(value);
    }
    let message = format!("{value} is out of range; write 1 to 100, or -1 for the broker's default");
    Err(Problem::new("kafka.topics.replication", message))
}

fn retention(text: &str) -> Result<Option<Span>, Problem> {
    const KEY: &str = "kafka.topics.retention";
    if text == "forever" {
        return Ok(None);
    }
    let span = text.parse().map_err(|_| {
        Problem::new(KEY, format!("`{text}` is neither `forever` nor a length of time; write one such as `30d`"))
    })?;
    positive(KEY, span).map(Some)
}
