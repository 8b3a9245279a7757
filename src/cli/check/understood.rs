//! What a configuration means, in the words of the person who wrote it.

use serde::Serialize;

use crate::data::params::OneOf;

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
