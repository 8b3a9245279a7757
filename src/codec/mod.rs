//! Bytes to values and back: JSON objects and Avro datums into columns, published records, what goes through a hop, the
//! journal, and checkpoints.

mod avro;
mod cells;
mod checkpoint;
mod fact;
mod hop;
mod journal;
mod json_names;
mod json_object;
mod json_pen;
mod json_plain;
mod json_text;
mod json_value;
mod json_words;
mod prediction;
mod records;
mod utf8;
mod wire;

pub use avro::{MAX_SCHEMA_BYTES, Published, PublishedDatum, Schema, SchemaError};
pub use cells::Cell;
pub use checkpoint::{CHECKPOINT_VERSION, ChunkKey, ChunkSum, MARKER_KEY, Marker, OPEN_KEY, StoredChunk};
pub use fact::FactDecoder;
pub use hop::{HOP_VERSION, HopEvent, HopFollowUp, HopHead, HopRecord, Known, Progress};
pub use journal::{JOURNAL_VERSION, JournalError, JournalRecord, JournalStep};
pub use json_object::ObjectReader;
pub use prediction::{Constant, FeatureRow, PredictionView};
pub use records::{EventDecoder, LabelDecoder, TimeCell};
pub use wire::{WireError, published_json, read, write, write_form};
