//! What a record has to be besides decodable: its key, its headers, its required fields, what they may hold, its time, and
//! that it has not come before.
//!
//! Each rule has a code of its own. The rules see cells, never bytes. Only [`Recent`] remembers anything; it can be taken
//! back and checkpointed like all state.

mod fields;
mod recent;
mod rules;
mod time;

pub use fields::FieldRules;
pub use recent::Recent;
pub use rules::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_KEY_BYTES, headers, key, value};
pub use time::TimeReader;
