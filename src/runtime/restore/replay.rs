//! The recorded runs, read again and handled with outputs muted.
//!
//! The machine takes what the journal names again, and what it gives out has to have the digest that was recorded: then
//! its state is the one that was committed. A difference is refused, never passed over.

use super::journal::Journal;
use super::{Context, RestoreError};
use crate::codec::{JournalRecord, JournalStep};
use crate::data::{Machine, Outbox};
use crate::model::Model;
use crate::rollout::Ledger;
use crate::runtime::history::{Feed, FeedError};
use crate::runtime::stage::Stage;

/// A machine on its way through the journal.
pub(super) struct Replay<M> {
    shard: i32,
    pub(super) machine: M,
    feed: Feed,
    /// The last record replayed.
    pub(super) last: Option<JournalRecord>,
    /// Number of transactions replayed.
    pub(super) replayed: u64,
}

impl<M: Machine<Model = Model>> Replay<M> {
    /// Opens the inputs where the journal first took something from them, for a machine as of the checkpoint with the
    /// fold of the control log there.
    pub(super) fn open<S: Stage<Machine = M>>(
        context: &Context<'_, S>,
        shard: i32,
        (machine, ledger): (M, Ledger),
        journal: &Journal,
    ) -> Result<Self, RestoreError> {
        let topics = context.stage.inputs();
        let first_of = |index: usize| {
            journal.records.iter().flat_map(|record| &record.steps).find_map(|step| match step {
                JournalStep::Run { input, first, .. } if usize::from(input.0) == index => Some(*first),
                _ => None,
            })
        };
        let starts: Vec<Option<i64>> = (0..topics.len()).map(first_of).collect();
        let feed = Feed::open(context.transport, &topics, shard, &starts, context.clock)
            .map_err(|error| RestoreError::of(shard, error))?;
        Ok(Replay { shard, machine, feed: feed.knowing(ledger), last: None, replayed: 0 })
    }

    /// Fetches what `record` took; false if more has to come.
    pub(super) fn gather(&mut self, record: &JournalRecord) -> Result<bool, RestoreError> {
        self.feed.gather(record).map_err(|error| RestoreError::of(self.shard, error))
    }

    /// Handles what `record` took, which [`Replay::gather`] has fetched.
    pub(super) fn replay<S: Stage<Machine = M>>(
        &mut self,
        context: &Context<'_, S>,
        record: JournalRecord,
    ) -> Result<(), RestoreError> {
        let batch = self.feed.items(&record, context.models).map_err(|error| RestoreError::of(self.shard, error))?;
        let mut out = Outbox::muted();
        self.machine.handle(&batch, record.now, &mut out);
        self.machine.seal(record.now, &mut out);
        self.machine.commit();
        if out.digest() != record.digest {
            let why = format!(
                "journal record {} gives other outputs now than when it was written: this binary computes differently; \
                 go back to the one that wrote it",
                record.sequence
            );
            return Err(RestoreError::Refused { shard: self.shard, why });
        }
        self.last = Some(record);
        self.replayed += 1;
        Ok(())
    }
}

impl RestoreError {
    fn of(shard: i32, error: FeedError) -> Self {
        match error {
            FeedError::Transport(error) => RestoreError::Transport(error),
            FeedError::Refused(why) => RestoreError::Refused { shard, why },
        }
    }
}
