//! The topics of an application, as they are created.
//!
//! What is partitioned has the partitions of the events topic; what needs one order has one. The control log and the
//! journals are kept for ever and never compacted: they are the audit. State topics and topics of facts are compacted: of
//! each key the last value is kept.

use crate::config::Config;
use crate::transport::TopicSpec;

/// Small segments and an eager cleaner: a restore reads what has not been cleaned yet as well.
const COMPACTED: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("segment.bytes", "67108864"), ("min.cleanable.dirty.ratio", "0.2")];

/// How long it can be seen that facts were taken back, in milliseconds: whoever was away for longer does not learn it.
const TAKEN_BACK: &str = "604800000";

/// Every topic of the configuration, the user's own first.
pub fn topic_specs(config: &Config) -> Vec<TopicSpec> {
    let topics = &config.topics;
    let one = [
        &topics.drift_alerts,
        &topics.performance,
        &topics.summaries,
        &topics.models,
        &topics.monitor_journal,
        &topics.monitor_state,
    ];
    let hops = || topics.hops.iter();
    let forever = [&topics.models, &topics.journal, &topics.monitor_journal];
    let forever: Vec<&String> = forever.into_iter().chain(hops().map(|hop| &hop.journal)).collect();
    let states = [&topics.state, &topics.monitor_state].into_iter().chain(hops().map(|hop| &hop.state));
    let states: Vec<&String> = states.collect();
    let retention = topics.retention.map_or_else(|| "-1".to_owned(), |span| span.millis().to_string());
    let spec = |name: &str| {
        let partitions = if one.iter().any(|topic| *topic == name) { 1 } else { topics.partitions };
        let replication = topics.replication;
        let is_fact = topics.facts.iter().any(|topic| topic.name == name);
        if is_fact || states.iter().any(|topic| *topic == name) {
            let taken_back = is_fact.then_some(("delete.retention.ms", TAKEN_BACK));
            let config = COMPACTED.into_iter().chain(taken_back);
            let config = config.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            return TopicSpec { name: name.to_owned(), partitions, replication, config };
        }
        let kept = forever.iter().any(|topic| *topic == name);
        let retention = if kept { "-1".to_owned() } else { retention.clone() };
        let mut config =
            vec![("cleanup.policy".to_owned(), "delete".to_owned()), ("retention.ms".to_owned(), retention)];
        if kept {
            config.push(("retention.bytes".to_owned(), "-1".to_owned()));
        }
        TopicSpec { name: name.to_owned(), partitions, replication, config }
    };
    topics.named().into_iter().map(|topic| spec(topic.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_one_order_has_one_partition_and_the_audit_is_kept() -> Result<(), Box<dyn std::error::Error>> {
        let text = include_str!("../../examples/flights.toml")
            .replace("[store]", "[kafka.topics]\npartitions = 6\nretention = \"30d\"\n\n[store]");
        let specs = topic_specs(&Config::parse(&text)?);
        let seen = |name: &str| {
            let spec = specs.iter().find(|spec| spec.name == name).map(|spec| {
                let retention = spec.config.iter().find(|(key, _)| key == "retention.ms");
                (spec.partitions, retention.map(|(_, value)| value.clone()).unwrap_or_default())
            });
            spec.unwrap_or_default()
        };
        assert_eq!(specs.len(), 13);
        assert_eq!(seen("flights.events"), (6, "2592000000".to_owned()));
        assert_eq!(seen("flights.journal"), (6, "-1".to_owned()));
        let policy = |name: &str| specs.iter().find(|spec| spec.name == name).map(|spec| spec.config[0].1.clone());
        assert_eq!(policy("flights.state").as_deref(), Some("compact"));
        assert_eq!(policy("flights.monitor-state").as_deref(), Some("compact"));
        assert_eq!(seen("flights.models"), (1, "-1".to_owned()));
        assert_eq!(seen("flights.drift-alerts"), (1, "2592000000".to_owned()));
        let specs = topic_specs(&Config::parse(include_str!("../../examples/facts.toml"))?);
        let facts = specs.iter().find(|spec| spec.name == "cards.facts.customer").map(|spec| spec.config.clone());
        let facts = facts.unwrap_or_default();
        assert!(facts.contains(&("cleanup.policy".to_owned(), "compact".to_owned())), "{facts:?}");
        Ok(())
    }
}
