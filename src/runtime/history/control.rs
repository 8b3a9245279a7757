//! The control log as it is now: which versions there are, and where their artifacts lie.

use std::sync::Arc;

use super::{HistoryError, PartitionLog};
use crate::codec::read;
use crate::data::{ControlItem, ModelCommand, ModelRecord};
use crate::model::Model;
use crate::rollout::Ledger;
use crate::runtime::control::Models;
use crate::transport::Transport;

/// The commands that put `version` in charge of a machine that has seen nothing: registered, then promoted. None for
/// version 0, which is in charge at first.
///
/// # Errors
/// A version that was never registered, or whose artifact cannot be loaded.
pub(in crate::runtime) fn in_charge(
    transport: &dyn Transport,
    topic: &str,
    version: u32,
    models: &Models,
) -> Result<Vec<Arc<ControlItem<Model>>>, HistoryError> {
    if version == 0 {
        return Ok(Vec::new());
    }
    let ledger = ledger(transport, topic)?;
    let Some(known) = ledger.versions().get(&version) else {
        let why = format!("v{version} is not in the control log; `driftless models list` shows what is");
        return Err(HistoryError::Wrong(why));
    };
    let Some(artifact) = &known.registered.artifact else {
        return Err(HistoryError::Impossible(format!("v{version} was registered without an artifact")));
    };
    let model = models
        .load(artifact)
        .map_err(|error| HistoryError::Impossible(format!("v{version} cannot be loaded: {error}")))?;
    let registered = ModelRecord { replaces: 0, ..known.registered.clone() };
    let promoted = ModelRecord { command: ModelCommand::Promoted, ..registered.clone() };
    let items =
        [registered, promoted].map(|record| Arc::new(ControlItem { offset: 0, record, model: Some(model.clone()) }));
    Ok(items.to_vec())
}

/// The fold of the whole control log.
fn ledger(transport: &dyn Transport, topic: &str) -> Result<Ledger, HistoryError> {
    let mut log = PartitionLog::open(transport, topic, 0)?;
    let mut ledger = Ledger::default();
    while let Some(record) = log.next()? {
        // What no reader of the log can read has no effect on any of them.
        if let Ok(command) = read::<ModelRecord>("control", record.value.as_deref()) {
            ledger.apply(&command);
        }
    }
    Ok(ledger)
}
