//! Records of a shard that made the program panic: they are refused unread at their turn, and the journal says so.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::JournalStep;
use crate::data::{InputIndex, Item, Rank};
use crate::model::Model;

/// Input and offset of a record.
pub(in crate::runtime) type Place = (u8, i64);

/// What is to be refused.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime) struct Refusals {
    /// Records of the inputs.
    pub records: BTreeSet<Place>,
    /// What the machine holds back and would give out with the record at this place.
    pub held: BTreeMap<Place, Vec<Rank>>,
}

impl Refusals {
    pub(super) fn has(&self, input: InputIndex, offset: i64) -> bool {
        self.records.contains(&(input.0, offset))
    }

    /// Notes what is refused with a record, which is about to be taken; true if that is the record itself.
    pub(super) fn note(&self, place: Place, steps: &mut Vec<JournalStep>, batch: &mut Vec<Item<Model>>) -> bool {
        for rank in self.held.get(&place).into_iter().flatten() {
            steps.push(JournalStep::RefuseHeld(Box::new(rank.clone())));
            batch.push(Item::RefusedHeld(Box::new(rank.clone())));
        }
        let is_refused = self.records.contains(&place);
        if is_refused {
            steps.push(JournalStep::Refuse);
        }
        is_refused
    }
}
