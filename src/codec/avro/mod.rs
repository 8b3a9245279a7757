//! Avro: writer schemas compiled into decoders of the declared fields, and published records as datums.
//!
//! A writer schema is compiled once, against the fields that the configuration declares, into a flat list of operations
//! that fills the columns and skips the rest. Evolution is by name: a field that the writer does not have is missing, one
//! that is not declared is skipped, numbers of any width are numbers, and a field of a type that cannot be taken makes
//! every record of that schema a dead letter. Deviations from the specification's schema resolution: no aliases, no
//! defaults other than missing, and a text never stands for bytes. Values that are skipped are held against the bounds of
//! the datum only; texts among them are not held against UTF-8.

mod compile;
mod datum;
mod program;
mod published;
mod reader;
mod run;
mod schema;
#[cfg(test)]
mod tests;

pub(super) use datum::WriteDatum;
pub(super) use published::arm_index;
pub use published::{Published, PublishedDatum};
pub(super) use reader::AvroReader;
pub use schema::{MAX_SCHEMA_BYTES, Schema, SchemaError};
