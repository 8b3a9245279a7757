//! What a record has to be besides decodable: its key, its required fields, its ranges, its time.
//!
//! Each rule has a code of its own. The rules see cells, never bytes, and change nothing.

mod rules;
mod time;

pub use rules::{FieldRules, MAX_KEY_BYTES, MAX_VALUE_BYTES, key, value};
pub use time::read_time;
