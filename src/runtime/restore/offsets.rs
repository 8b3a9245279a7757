//! Whether a shard can go on where its journal ends: what the group has committed, and what the inputs still hold.
//!
//! Invariant: a shard starts at the offsets its journal ends at, or later where retention has removed what lay between
//! and the configuration says to skip it; never anywhere else.

use std::time::{Duration, Instant};

use super::log::bounds_of;
use super::{Context, Place, RestoreError};
use crate::config::params::OnGap;
use crate::runtime::clock::Clock;
use crate::runtime::stage::Stage;
use crate::runtime::watch;
use crate::transport::{Position, TopicPartition};

/// How long an input may end before the position it is read on from; a new leader may be behind for a moment.
const SETTLES: Duration = Duration::from_secs(5);
/// Time between two looks at it.
const LOOK: Duration = Duration::from_millis(200);

/// Waiting for the ends of the inputs to reach the positions they are read on from.
#[derive(Debug, Default)]
pub(super) struct Settling {
    since: Option<Instant>,
    looked: Option<Instant>,
}

impl Settling {
    /// Whether it is time to look; and then whether that is the last look.
    fn look(&mut self, clock: &Clock) -> Option<bool> {
        let now = clock.instant();
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK) {
            return None;
        }
        self.looked = Some(now);
        let since = *self.since.get_or_insert(now);
        Some(now.saturating_duration_since(since) >= SETTLES)
    }
}

impl Place<'_> {
    /// Holds what the group has committed against the offsets `last` that the journal ends at.
    pub(super) fn check_committed<S: Stage>(&self, context: &Context<'_, S>, last: &[i64]) -> Result<(), RestoreError> {
        if last.len() == self.committed.len() && self.committed.iter().all(Option::is_none) {
            return self.trust_journal(context, last);
        }
        let mut agree = last.len() == self.committed.len();
        for (at, committed) in self.inputs(context, last).into_iter().zip(self.committed) {
            agree &= match committed {
                Some(next) => *next == at.next || self.is_skipped(context, &at, *next)?,
                None => context.guards.trust_journal,
            };
        }
        if agree {
            return Ok(());
        }
        Err(self.refused(format!(
            "its journal ends at offsets {last:?}, but the group has committed {:?}: somebody has changed one of the two, or \
             another application has the same name; choose another `app`, or begin anew with `driftless reset`",
            self.committed
        )))
    }

    fn trust_journal<S: Stage>(&self, context: &Context<'_, S>, last: &[i64]) -> Result<(), RestoreError> {
        if context.guards.trust_journal {
            tracing::warn!(shard = self.shard, positions = ?last, "journal_trusted");
            return Ok(());
        }
        Err(self.refused(format!(
            "its journal ends at offsets {last:?}, but group `{}` has committed none: they were deleted, or expired because \
             the group had no members for longer than the brokers' `offsets.retention.minutes` (7 days by default); \
             `driftless run --trust-journal` goes on where the journal ends and loses nothing",
            context.group
        )))
    }

    /// Whether the group has passed over nothing but records that retention had removed. A checkpoint can be committed
    /// with the offsets behind the gap before the first journal record is.
    fn is_skipped<S: Stage>(
        &self,
        context: &Context<'_, S>,
        from: &Position,
        committed: i64,
    ) -> Result<bool, RestoreError> {
        if context.guards.on_gap == OnGap::Refuse || committed < from.next {
            return Ok(false);
        }
        Ok(committed <= bounds_of(context.transport, &from.at)?.start)
    }

    /// Where the inputs are read on from `positions`: there, or behind a gap that may be skipped. `None` while one of
    /// them ends before that.
    pub(super) fn resume<S: Stage>(
        &self,
        context: &Context<'_, S>,
        positions: &[i64],
        settling: &mut Settling,
    ) -> Result<Option<Vec<Position>>, RestoreError> {
        let Some(is_last_look) = settling.look(context.clock) else { return Ok(None) };
        let mut starts = self.inputs(context, positions);
        let mut bounds = Vec::with_capacity(starts.len());
        for (start, committed) in starts.iter_mut().zip(self.committed) {
            start.next = start.next.max(committed.unwrap_or(start.next));
            bounds.push(bounds_of(context.transport, &start.at)?);
        }
        if !is_last_look && starts.iter().zip(&bounds).any(|(start, bounds)| start.next > bounds.high) {
            return Ok(None);
        }
        for (start, bounds) in starts.iter_mut().zip(bounds) {
            let Position { at: TopicPartition { topic, partition }, next } = &*start;
            if *next > bounds.high {
                return Err(self.refused(format!(
                    "`{topic}` partition {partition} ends at offset {}, before offset {next} up to which it has been read: \
                     the topic was made anew, or its brokers lost records; begin anew with `driftless reset`",
                    bounds.high
                )));
            }
            if *next >= bounds.start {
                continue;
            }
            if context.guards.on_gap == OnGap::Refuse {
                return Err(self.refused(format!(
                    "`{topic}` partition {partition} begins at offset {}, but has been read only up to {next}: retention has \
                     removed {} offsets unread; keep records longer, and set `kafka.on_gap` to `skip` to go on without \
                     them, or begin anew with `driftless reset`",
                    bounds.start,
                    bounds.start - next
                )));
            }
            tracing::warn!(shard = self.shard, topic, partition, from = next, to = bounds.start, "gap_skipped");
            watch::skipped(context.stage.role(), bounds.start - next);
            start.next = bounds.start;
        }
        Ok(Some(starts))
    }
}
