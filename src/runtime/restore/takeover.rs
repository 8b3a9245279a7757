//! A shard whose past was written under the configuration before.
//!
//! Its checkpoint and the journal records written then are read by a machine of that configuration, digests compared as
//! ever; the machine of this one then takes the state over, and goes on with the records written since. The journal says
//! where the change was, so that a crash before the first checkpoint of this configuration comes to the same state.

use std::collections::VecDeque;

use super::{Context, Place, Replaying, RestoreError};
use crate::codec::{JournalRecord, Marker};
use crate::data::Machine;
use crate::model::Model;
use crate::runtime::stage::Stage;

/// Of which configuration a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    /// The one before.
    Former,
    /// This one.
    Current,
}

impl Of {
    fn whose<S: Stage>(stage: &S, config: &str) -> Option<Of> {
        if config == stage.config() {
            return Some(Of::Current);
        }
        (stage.previous() == Some(config)).then_some(Of::Former)
    }
}

impl Place<'_> {
    /// Of which configuration the state is.
    pub(super) fn check_marker<S: Stage>(&self, context: &Context<'_, S>, marker: &Marker) -> Result<Of, RestoreError> {
        Of::whose(context.stage, &marker.config)
            .ok_or_else(|| self.unknown(context, &format!("checkpoint {}", marker.checkpoint)))
    }

    /// Whether the whole past is there and begins under the configuration before.
    pub(super) fn begins_before<S: Stage>(&self, context: &Context<'_, S>, records: &VecDeque<JournalRecord>) -> bool {
        records.front().is_some_and(|first| Of::whose(context.stage, &first.config) == Some(Of::Former))
    }

    /// Records of the configuration before, then those of this one, and no others.
    pub(super) fn check_configurations<S: Stage>(
        &self,
        context: &Context<'_, S>,
        marker: Option<&Marker>,
        records: &VecDeque<JournalRecord>,
    ) -> Result<(), RestoreError> {
        let mut reached = marker.and_then(|marker| Of::whose(context.stage, &marker.config));
        for record in records {
            let of = Of::whose(context.stage, &record.config);
            match of {
                Some(_) if of >= reached => reached = of,
                _ if reached == Some(Of::Current) => {
                    return Err(self.refused(format!(
                        "a newer configuration has it: journal record {} was written with another one than those before \
                         it, which are of this one; start this instance with the newer one",
                        record.sequence
                    )));
                }
                _ => return Err(self.unknown(context, &format!("journal record {}", record.sequence))),
            }
        }
        Ok(())
    }

    fn unknown<S: Stage>(&self, context: &Context<'_, S>, what: &str) -> RestoreError {
        self.refused(match context.stage.previous() {
            None => format!(
                "{what} was written with another configuration; if that one is older, give its file as `driftless run \
                 --previous FILE`; if a newer configuration has it, start this instance with that one; or choose another \
                 `app`, or begin anew with `driftless reset`"
            ),
            Some(_) => format!(
                "{what} was written with neither this configuration nor the one given as `--previous`; give the file that ran \
                 last, or start this instance with the configuration that has it now, or begin anew with `driftless reset`"
            ),
        })
    }

    pub(super) fn machine<S: Stage>(&self, context: &Context<'_, S>, of: Of) -> S::Machine {
        let former = if of == Of::Former { context.stage.previous_machine(self.shard) } else { None };
        former.unwrap_or_else(|| context.stage.machine(self.shard))
    }

    /// Lets the machine of this configuration take over, if it has not yet.
    pub(super) fn take_over<M: Machine<Model = Model>, S: Stage<Machine = M>>(
        &self,
        context: &Context<'_, S>,
        replaying: &mut Replaying<M>,
    ) {
        if replaying.of == Of::Current {
            return;
        }
        let mut machine = context.stage.machine(self.shard);
        std::mem::swap(&mut machine, &mut replaying.replay.machine);
        replaying.replay.machine.adopt(machine);
        replaying.replay.machine.commit();
        (replaying.of, replaying.is_taken_over) = (Of::Current, true);
        let role = context.stage.role();
        tracing::info!(role, shard = self.shard, transactions = replaying.replay.replayed, "configuration_changed");
    }
}
