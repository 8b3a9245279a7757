//! A record as it was published or as it is computed again, and where two of them differ first.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::codec::published_json;
use crate::data::{Header, Output, Payload, Record, TRACEPARENT};

/// How much of a value is shown of a difference.
const SHOWN: usize = 120;

/// Key, value and headers: what a reader of the topic gets.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Written {
    pub key: Option<Payload>,
    pub value: Option<Payload>,
    pub headers: Vec<Header>,
    /// Where it was published.
    pub offset: Option<i64>,
}

/// The first field in which two records differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// `key`, `header NAME`, the path of a field of the value, or `byte N` of a value that cannot be read.
    pub field: String,
    /// What it is in the topic.
    pub published: String,
    /// What it is when computed again.
    pub computed: String,
}

impl Written {
    pub(in crate::runtime) fn published(record: Record) -> Self {
        Written { key: record.key, value: record.value, headers: record.headers, offset: Some(record.offset) }
    }

    pub(in crate::runtime) fn computed(output: &Output<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(Into::into);
        Written { key: owned(output.key), value: owned(output.value), headers: output.headers.to_vec(), offset: None }
    }

    /// Whether a reader could tell the two apart, but by their places in traces, which are no result.
    pub(in crate::runtime) fn same(&self, other: &Written) -> bool {
        self.value == other.value && self.key == other.key && self.results().eq(other.results())
    }

    fn results(&self) -> impl Iterator<Item = &Header> {
        self.headers.iter().filter(|header| header.name != TRACEPARENT)
    }

    /// Adds every byte, each part led by its length; a part that is null by a length that cannot be.
    pub(in crate::runtime) fn hash_into(&self, digest: &mut Sha256) {
        let mut add = |part: Option<&[u8]>| match part {
            Some(part) => {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
            None => digest.update(u64::MAX.to_le_bytes()),
        };
        add(self.key.as_deref());
        add(self.value.as_deref());
        for Header { name, value } in &self.headers {
            add(Some(name.as_bytes()));
            add(value.as_deref());
        }
    }

    pub(in crate::runtime) fn sha256(&self) -> String {
        let mut digest = Sha256::new();
        self.hash_into(&mut digest);
        hex(digest)
    }

    /// What it is about, in a few words.
    pub(in crate::runtime) fn about(&self) -> String {
        let value: Option<Value> = self.value.as_deref().and_then(value_of);
        for name in ["event_id", "alert_id", "window_start", "command"] {
            match value.as_ref().and_then(|value| value.get(name)) {
                Some(Value::String(text)) => return text.clone(),
                Some(other) => return format!("{name} {other}"),
                None => {}
            }
        }
        let at = self.headers.iter().rfind(|header| header.name == "driftless.error.offset");
        match at.and_then(|header| header.value.as_deref()) {
            Some(offset) => format!("input offset {}", String::from_utf8_lossy(offset)),
            None => shown(self.key.as_deref()),
        }
    }

    /// Where it first differs from what is computed; `None` if it does not.
    pub(in crate::runtime) fn difference(&self, computed: &Written) -> Option<FieldDifference> {
        let found =
            |field: String, published: String, computed: String| Some(FieldDifference { field, published, computed });
        if self.key != computed.key {
            return found("key".to_owned(), shown(self.key.as_deref()), shown(computed.key.as_deref()));
        }
        if self.value != computed.value {
            return Some(value_difference(self.value.as_deref(), computed.value.as_deref()));
        }
        let [one, other] = [self, computed].map(|written| written.results().collect::<Vec<_>>());
        let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
        let (ours, theirs) = (one.get(at).copied(), other.get(at).copied());
        let name = ours.or(theirs).map_or("", |header| header.name.as_str());
        let text = |header: Option<&Header>| header.map_or_else(|| "none".to_owned(), |h| shown(h.value.as_deref()));
        found(format!("header {name}"), text(ours), text(theirs))
    }
}

/// The names and values of a published record, in whatever form.
fn value_of(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok().or_else(|| published_json(bytes))
}

fn value_difference(published: Option<&[u8]>, computed: Option<&[u8]>) -> FieldDifference {
    let json = |bytes: Option<&[u8]>| bytes.and_then(value_of);
    if let (Some(one), Some(other)) = (json(published), json(computed))
        && let Some(found) = json_difference(String::new(), &one, &other)
    {
        return found;
    }
    let (one, other) = (published.unwrap_or_default(), computed.unwrap_or_default());
    let at = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let rest = |bytes: &[u8]| shown(bytes.get(at..));
    FieldDifference { field: format!("byte {at}"), published: rest(one), computed: rest(other) }
}

fn json_difference(path: String, published: &Value, computed: &Value) -> Option<FieldDifference> {
    let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (published, computed) {
        (one, other) if one == other => None,
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let null = Value::Null;
                json_difference(within(name), one.get(name).unwrap_or(&null), other.get(name).unwrap_or(&null))
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(at, (one, other))| json_difference(format!("{path}[{at}]"), one, other)),
        (one, other) => Some(FieldDifference {
            field: path,
            published: shown(Some(one.to_string().as_bytes())),
            computed: shown(Some(other.to_string().as_bytes())),
        }),
    }
}

fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned()
}

/// A digest in lower-case hexadecimal.
pub(in crate::runtime) fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> Written {
        Written {
            key: Some(b"k".as_slice().into()),
            value: Some(value.as_bytes().into()),
            headers: Vec::new(),
            offset: None,
        }
    }

    #[test]
    fn the_first_field_that_differs_is_named() {
        let one = written(r#"{"id":"a","features":[1.5,null],"score":0.5}"#);
        let field = |other: &str| one.difference(&written(other)).map(|found| found.field);
        assert_eq!(field(r#"{"id":"a","features":[1.5,null],"score":0.5}"#), None);
        assert_eq!(field(r#"{"id":"a","features":[1.5,2.0],"score":0.5}"#).as_deref(), Some("features[1]"));
        assert_eq!(field(r#"{"id":"a","features":[1.5,null],"score":0.4}"#).as_deref(), Some("score"));
        assert_eq!(field(r#"{"id":"a","features":[1.5,null],"score":0.50}"#).as_deref(), Some("byte 43"));
        assert_eq!(field("{").as_deref(), Some("byte 1"));
    }

    #[test]
    fn places_in_traces_are_no_difference_and_other_headers_are() {
        let header = |name: &str, value: &str| Header { name: name.to_owned(), value: Some(value.into()) };
        let with = |headers: &[Header]| Written { headers: headers.to_vec(), ..written("x") };
        let one = with(&[header(TRACEPARENT, "a"), header("h", "1")]);
        let other = with(&[header("h", "1"), header(TRACEPARENT, "b")]);
        assert!(one.same(&other) && one.difference(&other).is_none());
        let found = one.difference(&with(&[header("h", "2")]));
        assert_eq!(found.map(|found| (found.field, found.published)), Some(("header h".to_owned(), "1".to_owned())));
    }

    #[test]
    fn null_and_empty_have_different_hashes() {
        let mut null = written("");
        let empty = null.sha256();
        null.value = None;
        assert_ne!(null.sha256(), empty);
        assert!(!null.same(&written("")));
    }
}
