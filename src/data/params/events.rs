//! What an event looks like: its id, key, time and declared fields.

use serde::{Deserialize, Serialize};

use super::{InputFormat, Pattern, TimeFormat};
use crate::data::{Span, Timestamp};

/// Column of a number or boolean within one kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NumberIndex(pub usize);

/// Column of a string within one kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TextIndex(pub usize);

/// The type a field is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// A finite number.
    Number,
    /// `true` or `false`, kept as 1 or 0.
    Boolean,
    /// A string.
    #[serde(rename = "string")]
    Text,
}

impl FieldKind {
    /// The name used in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            FieldKind::Number => "number",
            FieldKind::Boolean => "boolean",
            FieldKind::Text => "string",
        }
    }
}

/// Where the decoder writes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldColumn {
    /// A numeric column; booleans become 0 or 1.
    Number(NumberIndex),
    /// A text column.
    Text(TextIndex),
}

/// One declared field of a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldSpec {
    /// Name of the field at the top level of the record.
    pub name: String,
    /// The type it is held to.
    pub kind: FieldKind,
    /// A record without it (or with null) is rejected; otherwise the value is missing.
    pub required: bool,
    /// Smallest allowed number, inclusive.
    pub min: Option<f64>,
    /// Largest allowed number, inclusive.
    pub max: Option<f64>,
    /// The only values allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_of: Option<OneOf>,
    /// What a whole text has to match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// Longest allowed text, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Where its value goes.
    pub column: FieldColumn,
}

impl FieldSpec {
    /// Whether a value that has the declared type may be refused all the same.
    pub fn has_rules(&self) -> bool {
        let FieldSpec { required, min, max, one_of, pattern, max_length, .. } = self;
        *required || min.or(*max).is_some() || one_of.is_some() || pattern.is_some() || max_length.is_some()
    }
}

/// The values allowed in a field; at least one, none twice, ascending.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OneOf {
    /// Of a number.
    Numbers(Vec<f64>),
    /// Of a string.
    Texts(Vec<String>),
}

/// Names of the numeric columns of `fields`, in column order.
pub fn number_names<'a>(fields: impl IntoIterator<Item = &'a FieldSpec>) -> Vec<&'a str> {
    let columns = fields.into_iter().filter(|field| matches!(field.column, FieldColumn::Number(_)));
    columns.map(|field| field.name.as_str()).collect()
}

/// Names of the text columns of `fields`, in column order.
pub fn text_names<'a>(fields: impl IntoIterator<Item = &'a FieldSpec>) -> Vec<&'a str> {
    let columns = fields.into_iter().filter(|field| matches!(field.column, FieldColumn::Text(_)));
    columns.map(|field| field.name.as_str()).collect()
}

/// How a field expresses a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Whole milliseconds since 1970-01-01T00:00Z.
    #[serde(rename = "ms")]
    Millis,
    /// Seconds since 1970-01-01T00:00Z, fractions allowed.
    #[serde(rename = "s")]
    Seconds,
    /// Whole microseconds since 1970-01-01T00:00Z.
    #[serde(rename = "us")]
    Micros,
    /// Whole nanoseconds since 1970-01-01T00:00Z.
    #[serde(rename = "ns")]
    Nanos,
    /// Text such as `2013-01-01T10:15:00Z`.
    #[serde(rename = "rfc3339")]
    Rfc3339,
    /// Text in a format of its own.
    #[serde(skip_deserializing, rename = "format")]
    Formatted,
}

impl TimeUnit {
    /// The name used in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            TimeUnit::Millis => "ms",
            TimeUnit::Seconds => "s",
            TimeUnit::Micros => "us",
            TimeUnit::Nanos => "ns",
            TimeUnit::Rfc3339 => "rfc3339",
            TimeUnit::Formatted => "format",
        }
    }

    /// Whether the field holds a text.
    pub const fn is_text(self) -> bool {
        matches!(self, TimeUnit::Rfc3339 | TimeUnit::Formatted)
    }
}

/// Where a record's time comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeSource {
    /// The record's own timestamp.
    Record,
    /// A field, which every record must carry.
    Field {
        /// Its name.
        name: String,
        /// How it is written.
        unit: TimeUnit,
        /// The format, with [`TimeUnit::Formatted`] only.
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<TimeFormat>,
    },
}

/// What becomes of an event that is later than expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLate {
    /// It is scored like any other, and says so.
    #[default]
    Flag,
    /// It goes to a topic of its own and changes nothing.
    SideOutput,
}

impl OnLate {
    fn is_flag(&self) -> bool {
        *self == OnLate::Flag
    }
}

/// What becomes of an event whose id has come before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDuplicate {
    /// It is left out and counted.
    #[default]
    Drop,
    /// It becomes a dead letter.
    DeadLetter,
}

/// How events that come twice are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Deduplicate {
    /// How far, in event time, an id may lie behind the shard's time and still be known.
    pub window: Span,
    /// What becomes of the later one.
    pub on_duplicate: OnDuplicate,
}

/// The longest value that is taken unless configured otherwise.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// The events topic and what one event looks like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventParams {
    /// Topic name.
    pub topic: String,
    /// How an event is written.
    #[serde(skip_serializing_if = "InputFormat::is_json")]
    pub format: InputFormat,
    /// The name of the record key.
    pub key: String,
    /// The text column that must equal the record key, where a field of the key's name is declared.
    pub key_column: Option<TextIndex>,
    /// Field with the event id (string or whole number), which every event must carry; `None`:
    /// `topic:partition:offset`.
    pub id: Option<String>,
    /// Where event time comes from.
    pub time: TimeSource,
    /// How far an event may lie behind the latest one before it counts as late.
    pub lateness: Span,
    /// An event further ahead of its record's timestamp than this is rejected.
    pub max_ahead: Span,
    /// An event before this is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What becomes of a late event.
    #[serde(skip_serializing_if = "OnLate::is_flag")]
    pub on_late: OnLate,
    /// How events that come twice are found; `None`: an id that comes again is another event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deduplicate: Option<Deduplicate>,
    /// The longest value that is taken.
    #[serde(skip_serializing_if = "is_usual_size")]
    pub max_bytes: usize,
    /// Whether the headers of an event are read, so that they can be passed on.
    #[serde(rename = "headers", skip_serializing_if = "is_so")]
    pub has_headers: bool,
    /// Declared fields, in the order of their names.
    pub fields: Vec<FieldSpec>,
    /// What is known of its key, table by table: columns that follow those of the declared fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<FieldSpec>,
}

fn is_usual_size(bytes: &usize) -> bool {
    *bytes == MAX_VALUE_BYTES
}

fn is_so(value: &bool) -> bool {
    *value
}

impl EventParams {
    /// What stands in the row of an event: its own fields, then the facts.
    pub fn columns(&self) -> impl Iterator<Item = &FieldSpec> {
        self.fields.iter().chain(&self.facts)
    }

    /// Number of numeric columns.
    pub fn numbers(&self) -> usize {
        self.columns().filter(|field| matches!(field.column, FieldColumn::Number(_))).count()
    }

    /// Number of text columns.
    pub fn texts(&self) -> usize {
        self.fields.len() + self.facts.len() - self.numbers()
    }
}
