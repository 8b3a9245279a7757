//! What must hold before a shard's past is trusted: checkpoint, journal and committed offsets tell one story.

use std::collections::VecDeque;

use super::log::bounds_of;
use super::{Context, Place, RestoreError};
use crate::codec::{JournalRecord, Marker};
use crate::runtime::stage::Stage;
use crate::transport::{Position, TopicPartition};

impl Place<'_> {
    pub(super) fn check_journal<S: Stage>(
        &self,
        context: &Context<'_, S>,
        marker: Option<&Marker>,
        records: &VecDeque<JournalRecord>,
    ) -> Result<(), RestoreError> {
        self.check_configurations(context, marker, records)?;
        let last = records.back().map(|record| &record.positions).or(marker.map(|marker| &marker.positions));
        let Some(last) = last else { return self.check_first_start(context) };
        self.check_committed(context, last)
    }

    /// Neither checkpoint nor journal: a first start, unless the group says otherwise.
    fn check_first_start<S: Stage>(&self, context: &Context<'_, S>) -> Result<(), RestoreError> {
        let Some(next) = self.committed.iter().flatten().next() else { return Ok(()) };
        Err(self.refused(format!(
            "the group has committed offset {next}, but the journal `{}` is empty: it was deleted, or the group belongs to \
             another application; choose another `app`, or begin anew with `driftless reset`",
            context.stage.journal()
        )))
    }

    pub(super) fn inputs<S: Stage>(&self, context: &Context<'_, S>, positions: &[i64]) -> Vec<Position> {
        let topics = context.stage.inputs().into_iter().zip(positions);
        topics.map(|(topic, next)| Position { at: TopicPartition::new(topic, self.shard), next: *next }).collect()
    }

    /// The first offsets of all inputs.
    pub(super) fn beginning<S: Stage>(&self, context: &Context<'_, S>) -> Result<Vec<Position>, RestoreError> {
        let topics = context.stage.inputs().into_iter();
        topics
            .map(|topic| {
                let at = TopicPartition::new(topic, self.shard);
                let bounds = bounds_of(context.transport, &at)?;
                Ok(Position { at, next: bounds.start })
            })
            .collect()
    }
}
