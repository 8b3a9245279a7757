//! Events no one could use: one of every way in which a producer gets it wrong.
//!
//! They stand at fixed places of the stream, each a departure of that place with one thing wrong, so that they are the same
//! in every run. Every one of them is refused by the validator; a test holds that for the bundled configuration.

use serde_json::{Value, json};

use crate::data::{Span, Timestamp};

/// How many broken events there are.
pub const BROKEN: u32 = 36;
/// Events between two of them.
const EVERY: u32 = 9_001;
/// The first stands after this many events.
const FIRST: u32 = 4_242;

/// What is wrong with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    CutShort,
    NotUtf8,
    NotAnObject,
    NotJson,
    Empty,
    NullValue,
    NullKey,
    EmptyKey,
    OtherKey,
    NoDistance,
    NullCarrier,
    NoId,
    NoTime,
    TimeAsText,
    DistanceAsText,
    MinuteOutOfRange,
    FieldTwice,
    FromTheFuture,
}

const FAULTS: [Fault; 18] = [
    Fault::CutShort,
    Fault::NotUtf8,
    Fault::NotAnObject,
    Fault::NotJson,
    Fault::Empty,
    Fault::NullValue,
    Fault::NullKey,
    Fault::EmptyKey,
    Fault::OtherKey,
    Fault::NoDistance,
    Fault::NullCarrier,
    Fault::NoId,
    Fault::NoTime,
    Fault::TimeAsText,
    Fault::DistanceAsText,
    Fault::MinuteOutOfRange,
    Fault::FieldTwice,
    Fault::FromTheFuture,
];

/// Key and value of a broken event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// The place (index of an event) after which broken event `number` stands.
pub(super) const fn place(number: u32) -> u32 {
    FIRST + number * EVERY
}

/// Breaks an event; `number` says how.
pub(super) fn broken(number: u32, origin: &str, event: &[u8]) -> serde_json::Result<Broken> {
    let fault = FAULTS.get(number as usize % FAULTS.len()).copied().unwrap_or(Fault::Empty);
    let mut object: Value = serde_json::from_slice(event)?;
    let scheduled = Timestamp::from_millis(object.get("scheduled").and_then(Value::as_i64).unwrap_or_default());
    set(&mut object, "id", json!(format!("broken-{number}")));
    let key = match fault {
        Fault::NullKey => None,
        Fault::EmptyKey => Some(Vec::new()),
        Fault::OtherKey => Some(b"ORD".to_vec()),
        _ => Some(origin.as_bytes().to_vec()),
    };
    match fault {
        Fault::NoDistance => remove(&mut object, "distance"),
        Fault::NullCarrier => set(&mut object, "carrier", Value::Null),
        Fault::NoId => remove(&mut object, "id"),
        Fault::NoTime => remove(&mut object, "scheduled"),
        Fault::TimeAsText => set(&mut object, "scheduled", json!(scheduled.to_string())),
        Fault::DistanceAsText => set(&mut object, "distance", json!("far")),
        Fault::MinuteOutOfRange => set(&mut object, "minute", json!(1_440)),
        Fault::FromTheFuture => set(&mut object, "scheduled", json!(scheduled.plus(Span::from_days(3)).millis())),
        _ => {}
    }
    let mut value = serde_json::to_vec(&object)?;
    match fault {
        Fault::CutShort => value.truncate(value.len() / 2),
        Fault::NotUtf8 => value = replaced(&value, br#""carrier":""#, b"\"carrier\":\"\xff"),
        Fault::NotAnObject => value = [b"[".as_slice(), &value, b"]"].concat(),
        Fault::NotJson => value = origin.as_bytes().to_vec(),
        Fault::FieldTwice => value = replaced(&value, b"{", br#"{"distance":1,"#),
        Fault::Empty => value.clear(),
        _ => {}
    }
    Ok(Broken { key, value: (fault != Fault::NullValue).then_some(value) })
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn remove(object: &mut Value, name: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(name);
    }
}

/// `value` with the first `from` replaced.
fn replaced(value: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let found = value.windows(from.len()).position(|window| window == from);
    let Some(at) = found else { return value.to_vec() };
    let (before, rest) = value.split_at(at);
    [before, to, rest.get(from.len()..).unwrap_or_default()].concat()
}
