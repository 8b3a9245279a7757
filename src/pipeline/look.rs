//! A look at the windows behind an event, just before the event is handled.

use super::decode::Decoded;
use super::{EVENTS, Pipeline};
use crate::data::params::FieldColumn;
use crate::data::{Outbox, Record, Table, Timestamp};
use crate::features::{EventRow, GroupLook};

/// What an event is about to read.
#[derive(Clone, Debug, PartialEq)]
pub struct EventLook {
    /// Event time.
    pub at: Timestamp,
    /// What is known of its key, column by column; empty without facts.
    pub facts: Vec<FactLook>,
    /// Its windows, grouping by grouping.
    pub groups: Vec<GroupLook>,
}

/// A field of a fact.
#[derive(Clone, Debug, PartialEq)]
pub struct FactLook {
    /// What features call it.
    pub name: String,
    /// What is known, as text.
    pub value: Option<String>,
}

impl Pipeline {
    /// Lets the shard's time come to that of a record of the events topic, which is next, and shows what the record is
    /// about to read; `None` for one that is no valid event. What the passing of time publishes goes to `out`, as it
    /// would when the record is handled; the record has to be handled then.
    pub fn look(&mut self, record: &Record, now: Timestamp, out: &mut Outbox) -> Option<EventLook> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let decoded = self.decoders.take(EVENTS, record, &mut scratch.rows);
        let look = match decoded {
            Decoded::Event { row, at } => {
                if let Some(tick) = self.tick_before(at) {
                    self.tick(tick, now, out);
                }
                let key = record.key.as_deref().unwrap_or_default();
                self.enrichment.fill(key, at, &mut scratch.rows.events, row);
                let groups = self.features.inspect(EventRow { key, at, table: &scratch.rows.events, row });
                let facts = self.facts_of(&scratch.rows.events, row);
                Some(EventLook { at, facts, groups })
            }
            Decoded::FollowUp { .. }
            | Decoded::Fact(_)
            | Decoded::Rejected(_)
            | Decoded::Late(_)
            | Decoded::Duplicate => None,
        };
        scratch.rows.clear();
        self.scratch = scratch;
        look
    }

    fn facts_of(&self, table: &Table, row: usize) -> Vec<FactLook> {
        let facts = self.params.events.facts.iter().map(|field| FactLook {
            name: field.name.clone(),
            value: match field.column {
                FieldColumn::Number(column) => {
                    Some(table.number(column.0, row)).filter(|number| !number.is_nan()).map(|number| number.to_string())
                }
                FieldColumn::Text(column) => {
                    table.text(column.0, row).map(|text| String::from_utf8_lossy(text).into_owned())
                }
            },
        });
        facts.collect()
    }
}
