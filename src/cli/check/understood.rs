//! What a configuration means, in the words of the person who wrote it.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::in_words::features;
use super::settings::settings;
use super::warnings::warnings;
use crate::config::Config;
use crate::config::params::NamedTopic;
use crate::data::params::{FieldSpec, OneOf};

/// Everything `driftless check` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Understood {
    /// Name of the application.
    pub app: String,
    /// Digest of everything that changes results.
    pub digest: String,
    /// Single settings as name and value, grouped by table, in the order of the file.
    pub settings: Vec<Setting>,
    /// All topics.
    pub topics: Vec<Topic>,
    /// Declared fields of events and follow-ups.
    pub fields: Vec<Field>,
    /// Fingerprint of the feature layout, as predictions carry it.
    pub layout: String,
    /// Features in layout order.
    pub features: Vec<Feature>,
    /// Names of the groupings of windows.
    pub groupings: Vec<String>,
    /// What is allowed and may still surprise.
    pub warnings: Vec<String>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Table of the file: `events`, `drift`, ...
    pub table: &'static str,
    /// Name.
    pub name: &'static str,
    /// Value and what it does.
    pub value: String,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// The key that names it.
    pub key: String,
    /// Its name.
    pub name: String,
    /// `read` or `written` by Driftless.
    pub access: &'static str,
}

/// One declared field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// `events` or the kind of follow-up.
    pub of: String,
    /// Its name.
    pub name: String,
    /// `number`, `boolean` or `string`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether a record without it is rejected.
    pub required: bool,
    /// Smallest allowed number.
    pub min: Option<f64>,
    /// Largest allowed number.
    pub max: Option<f64>,
    /// The only values allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_of: Option<OneOf>,
    /// Regular expression that the whole text has to match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Longest allowed text, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// Position in the feature row.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// What it is, in words.
    pub what: String,
}

impl Understood {
    /// What `config` means.
    pub fn of(config: &Config) -> Self {
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

/// The fingerprint of a layout with these names: the first 8 bytes of SHA-256 over the names, each led by its length.
fn fingerprint(names: &[String]) -> String {
    let mut digest = Sha256::new();
    for name in names {
        digest.update((name.len() as u32).to_le_bytes());
        digest.update(name.as_bytes());
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
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
