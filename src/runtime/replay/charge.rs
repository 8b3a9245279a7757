//! Who is in charge in a what-if: whoever was, or one version for every event.

use std::sync::Arc;

use super::desk::Desk;
use crate::data::{ControlItem, Item, ModelCommand};
use crate::model::{Model, Selection};
use crate::runtime::history::{HistoryError, in_charge};

/// Who is in charge.
pub(super) struct Charge {
    /// The version that scores everything.
    version: Option<u32>,
    /// What puts it in charge.
    first: Vec<Arc<ControlItem<Model>>>,
}

impl Charge {
    /// Finds the version in the control log; `layout` names the features of the rows it would score.
    pub(super) fn new(desk: &Desk<'_>, version: Option<u32>, layout: &[String]) -> Result<Self, HistoryError> {
        let Some(number) = version else { return Ok(Charge { version, first: Vec::new() }) };
        let first = in_charge(desk.transport, &desk.config.topics.models, number, &desk.models)?;
        let fits = first.iter().filter_map(|item| item.model.as_ref());
        if fits.clone().any(|model| Selection::of(model.layout(), layout).is_none()) {
            let why = format!("v{number} needs a feature that this configuration does not compute");
            return Err(HistoryError::Wrong(why));
        }
        Ok(Charge { version, first })
    }

    /// What a machine is fed before anything else.
    pub(super) fn begin(&self) -> Vec<Item<Model>> {
        self.first.iter().cloned().map(Item::Command).collect()
    }

    /// Leaves out what would put another version in charge; and where the file is another one than was recorded, which is
    /// then what is asked about, what would change its settings. Gives the number of those.
    pub(super) fn keep(&self, items: &mut Vec<Item<Model>>, is_recorded: bool) -> u64 {
        if self.version.is_some() {
            items.retain(|item| !is_switch(item));
        }
        if is_recorded {
            return 0;
        }
        let before = items.len();
        items.retain(|item| !is_setting(item));
        (before - items.len()) as u64
    }
}

fn is_setting(item: &Item<Model>) -> bool {
    matches!(item, Item::Command(item) if item.record.command == ModelCommand::Set)
}

/// Whether an item names a version to take charge.
pub(super) fn is_switch(item: &Item<Model>) -> bool {
    let Item::Command(item) = item else { return false };
    matches!(item.record.command, ModelCommand::Promoted | ModelCommand::RolledBack)
}
