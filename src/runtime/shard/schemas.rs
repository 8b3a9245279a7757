//! Writer schemas that the next records of a shard need, looked up outside and taken in as items.

use std::sync::Arc;

use crate::data::{InputIndex, SchemaFact, SchemaNeed, SchemaVerdict};
use crate::schema_registry::{Lookup, Lookups};

/// Bytes of schemas in one transaction.
const SCHEMA_BYTES: usize = 512 * 1024;

/// Writer schemas that a shard needs, and has taken in.
#[derive(Default)]
pub(super) struct Schemas {
    /// Asks for the one that the next record names; without it there is none to ask.
    pub lookups: Option<Lookups>,
    /// Bytes taken into the open transaction.
    pub taken: usize,
    /// To be taken next.
    pub next: Option<Arc<SchemaFact>>,
    /// What the shard waits for, in words.
    pub waits: Option<String>,
}

impl Schemas {
    /// Whether a record may be taken although its schema was to be looked up: nobody knows it, as before. Otherwise what is
    /// known by now is taken in first, or waited for.
    pub(super) fn is_met(&mut self, input: InputIndex, need: SchemaNeed, topic: &str) -> bool {
        let SchemaNeed { id, is_known_missing } = need;
        let Some(lookups) = &self.lookups else { return true };
        let verdict = match lookups.ask(id) {
            Lookup::Answered(SchemaVerdict::Unknown) if is_known_missing => return true,
            Lookup::Answered(verdict) => verdict,
            Lookup::Open(why) => {
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                self.waits = Some(format!("schema {id} of `{topic}` is being looked up{why}"));
                return false;
            }
        };
        let fact = SchemaFact { input, id, verdict };
        // A journal record has to fit a broker's; the next transaction takes it.
        if self.taken == 0 || self.taken + fact.size() <= SCHEMA_BYTES {
            self.next = Some(Arc::new(fact));
        }
        false
    }
}
