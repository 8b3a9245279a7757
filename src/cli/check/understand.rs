//! From a configuration to what it means.

use super::in_words::features;
use super::settings::settings;
use super::understood::{Field, Topic, Understood};
use super::warnings::warnings;
use crate::config::Config;
use crate::config::params::NamedTopic;
use crate::data::params::FieldSpec;
use crate::model::fingerprint;

impl Understood {
    /// What `config` means.
    pub(super) fn of(config: &Config) -> Self {
        Understood {
            app: config.app.clone(),
            digest: config.digest(),
            settings: settings(config),
            topics: config.topics.named().into_iter().map(topic).collect(),
            fields: fields(config),
            layout: fingerprint(&config.features.names),
            features: features(config),
            groupings: config.features.groupings.iter().map(|grouping| grouping.name.clone()).collect(),
            warnings: warnings(config),
        }
    }
}

fn topic(topic: NamedTopic<'_>) -> Topic {
    let read = matches!(topic.key, "events.topic" | "labels.topic") || topic.key.starts_with("facts.");
    Topic { key: topic.key.to_owned(), name: topic.name.to_owned(), access: if read { "read" } else { "written" } }
}

fn fields(config: &Config) -> Vec<Field> {
    let mut fields: Vec<Field> = config.events.fields.iter().map(|spec| field("events", spec)).collect();
    for facts in &config.facts {
        fields.extend(facts.fields.iter().map(|spec| field(&facts.name, spec)));
    }
    for kind in config.labels.iter().flat_map(|labels| &labels.kinds) {
        fields.extend(kind.fields.iter().map(|spec| field(&kind.name, spec)));
    }
    fields
}

fn field(of: &str, spec: &FieldSpec) -> Field {
    Field {
        of: of.to_owned(),
        name: spec.name.clone(),
        kind: spec.kind.name(),
        required: spec.required,
        min: spec.min,
        max: spec.max,
        one_of: spec.one_of.clone(),
        pattern: spec.pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
        max_length: spec.max_length,
    }
}
