//! Bytes to values and back: JSON objects and Avro datums into columns, published records, the journal, and checkpoints.

mod avro;
mod cells;
mod checkpoint;
mod journal;
mod json_object;
mod json_text;
mod records;
mod wire;

pub use avro::{MAX_SCHEMA_BYTES, Published, PublishedDatum, Schema, SchemaError};
pub use cells::Cell;
pub use checkpoint::{CHECKPOINT_VERSION, ChunkKey, ChunkSum, MARKER_KEY, Marker, StoredChunk};
pub use journal::{JOURNAL_VERSION, JournalError, JournalRecord, JournalStep};
pub use json_object::ObjectReader;
pub use records::{EventDecoder, LabelDecoder, TimeCell};
pub use wire::{FeatureRow, PredictionView, WireError, published_json, read, write, write_form};
