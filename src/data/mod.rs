//! Plain types that every layer speaks: times, records, what enters and leaves a machine, and the published records.
//!
//! Nothing here decides anything. The published types carry the field names of `schemas/*.avsc`; a test holds the two
//! against each other.

mod alert;
mod binary;
mod checkpoint;
mod columns;
mod hash;
mod item;
mod machine;
mod models;
mod outbox;
pub mod params;
mod partitioner;
mod pen;
mod performance;
mod prediction;
mod rank;
mod record;
mod reject;
mod schema;
mod setting;
mod summary;
mod table;
mod time;
mod trace;
mod tracked;

pub use alert::{AlertAction, DriftAlert, Phase, TrainingReason};
pub use binary::{BinaryError, Reader, Writer};
pub use checkpoint::{Extent, StateChunk};
pub use columns::{Columns, ColumnsError};
pub use hash::{FixedMap, FixedState, HashTable};
pub use item::{ControlItem, InputIndex, Item};
pub use machine::Machine;
pub use models::{ArtifactRef, Evidence, Gain, HoldoutScore, ModelCommand, ModelRecord};
pub use outbox::{Frames, Outbox, Output, Route, Sink};
pub use partitioner::{murmur2, partition_for};
pub use pen::{Pen, Room};
pub use performance::PerformanceRecord;
pub use prediction::{Arm, Outcome, Prediction};
pub use rank::Rank;
pub use record::{Header, Payload, Record};
pub use reject::{Reject, RejectCode};
pub use schema::{SchemaFact, SchemaNeed, SchemaVerdict};
pub use setting::{Setting, SettingChange, SettingValue};
pub use summary::{DriftWindow, PerformanceWindow, Summary};
pub use table::Table;
pub use time::{CalendarTime, Span, SpanError, Timestamp};
pub use trace::{Deed, EventPlace, Incoming, Seed, SpanId, TRACEPARENT, TraceId, TracePoint, Traced};
pub use tracked::Tracked;
