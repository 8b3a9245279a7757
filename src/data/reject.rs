//! Why a record could not be used: a closed list of codes and a sentence for the person who looks.

use std::fmt;

/// The closed list of reasons, published as `driftless.error.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RejectCode {
    /// The value is null or empty.
    Empty,
    /// The key is null.
    KeyMissing,
    /// The key is empty or longer than 256 bytes.
    KeySize,
    /// The record key differs from the field that names it.
    KeyMismatch,
    /// The value is longer than configured.
    ValueSize,
    /// The value is not what its format says: no JSON object in UTF-8, no datum of its Avro schema.
    Decode,
    /// A declared field stands twice in the object.
    DuplicateField,
    /// A required field is absent or null.
    Missing,
    /// A field has another type than declared.
    Type,
    /// A number lies outside its declared range, or an integer cannot be held exactly.
    Range,
    /// The event time is absent or cannot be read.
    Time,
    /// The event time is too far ahead of the record's own timestamp.
    Future,
    /// A follow-up of a kind that is not configured.
    UnknownKind,
    /// A follow-up for an event that did not come within the wait.
    UnknownEvent,
    /// Too many follow-ups wait for their events.
    WaitFull,
    /// The record has too many headers, or too long ones.
    Headers,
    /// The value is nested too deeply.
    Depth,
    /// A number is not finite, or too large for a double.
    NonFinite,
    /// A value is none of those listed for its field.
    OneOf,
    /// A text does not match the pattern of its field.
    Pattern,
    /// A text is longer than its field allows.
    Length,
    /// The event time lies before the earliest one that is taken.
    Past,
    /// An event with this id has come before.
    Duplicate,
    /// Handling the record made the program panic.
    Panic,
    /// The value does not begin with a zero byte and a schema id.
    Framing,
    /// Bytes follow the Avro datum.
    Trailing,
    /// No schema has the id that the value names.
    UnknownSchema,
    /// The writer schema cannot be used: it is none, or gives a declared field another type.
    IncompatibleSchema,
    /// Facts are known of too many keys.
    FactsFull,
}

impl RejectCode {
    /// Every code, in the order of their numbers.
    pub const ALL: [RejectCode; 29] = [
        RejectCode::Empty,
        RejectCode::KeyMissing,
        RejectCode::KeySize,
        RejectCode::KeyMismatch,
        RejectCode::ValueSize,
        RejectCode::Decode,
        RejectCode::DuplicateField,
        RejectCode::Missing,
        RejectCode::Type,
        RejectCode::Range,
        RejectCode::Time,
        RejectCode::Future,
        RejectCode::UnknownKind,
        RejectCode::UnknownEvent,
        RejectCode::WaitFull,
        RejectCode::Headers,
        RejectCode::Depth,
        RejectCode::NonFinite,
        RejectCode::OneOf,
        RejectCode::Pattern,
        RejectCode::Length,
        RejectCode::Past,
        RejectCode::Duplicate,
        RejectCode::Panic,
        RejectCode::Framing,
        RejectCode::Trailing,
        RejectCode::UnknownSchema,
        RejectCode::IncompatibleSchema,
        RejectCode::FactsFull,
    ];

    /// The name used in headers, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            RejectCode::Empty => "empty",
            RejectCode::KeyMissing => "key_missing",
            RejectCode::KeySize => "key_size",
            RejectCode::KeyMismatch => "key_mismatch",
            RejectCode::ValueSize => "value_size",
            RejectCode::Decode => "decode",
            RejectCode::DuplicateField => "duplicate_field",
            RejectCode::Missing => "missing",
            RejectCode::Type => "type",
            RejectCode::Range => "range",
            RejectCode::Time => "time",
            RejectCode::Future => "future",
            RejectCode::UnknownKind => "unknown_kind",
            RejectCode::UnknownEvent => "unknown_event",
            RejectCode::WaitFull => "wait_full",
            RejectCode::Headers => "headers",
            RejectCode::Depth => "depth",
            RejectCode::NonFinite => "non_finite",
            RejectCode::OneOf => "one_of",
            RejectCode::Pattern => "pattern",
            RejectCode::Length => "length",
            RejectCode::Past => "past",
            RejectCode::Duplicate => "duplicate",
            RejectCode::Panic => "panic",
            RejectCode::Framing => "framing",
            RejectCode::Trailing => "trailing",
            RejectCode::UnknownSchema => "unknown_schema",
            RejectCode::IncompatibleSchema => "incompatible_schema",
            RejectCode::FactsFull => "facts_full",
        }
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A record that cannot be used, and why. The message names fields and rules, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The reason.
    pub code: RejectCode,
    /// One sentence, at most 256 characters.
    pub message: String,
}

impl Reject {
    /// A rejection; an overlong message is cut.
    pub fn new(code: RejectCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((cut, _)) = message.char_indices().nth(256) {
            message.truncate(cut);
        }
        Reject { code, message }
    }
}
