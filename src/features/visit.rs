//! One event at the slot of its group: what it leaves there, and what it reads.

use super::block::Block;
use super::cells::Entry;
use super::in_order::InOrder;
use super::near::bring;
use super::plan::{GroupPlan, Shape, TOUCHED, Track};
use super::ring::{LatestPane, Ring};
use super::rows::EventRow;
use super::slots::Log;
use super::track::{Computed, Wanted, last, note};
use crate::data::Timestamp;
use crate::data::params::Source;

/// What is known of a track before the next record comes; no state.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The track, if it is one of those that have a short way.
    pub in_order: Option<InOrder>,
    /// The pane of the latest record.
    pub latest: LatestPane,
}

impl Way {
    pub(super) fn of(track: &Track) -> Self {
        Way { in_order: InOrder::of(track), latest: LatestPane::default() }
    }
}

/// Asks for the memory beyond the header that an event at `at` is going to need.
#[inline]
pub(super) fn fetch(plan: &GroupPlan, ways: &mut [Way], slot: &[u64], at: Timestamp) {
    for (track, Way { in_order, latest }) in plan.tracks.iter().zip(ways) {
        match (in_order, track.shape) {
            (Some(track), _) => track.fetch(slot, at, latest),
            (None, Shape::Panes(panes)) => Ring { track, panes }.fetch(slot, at, latest),
            (None, Shape::Session { .. } | Shape::Ever { .. }) => bring(&slot[track.start]),
        }
    }
}

/// An event on its way into a slot.
pub(super) struct Visit<'a> {
    pub plan: &'a GroupPlan,
    pub ways: &'a mut [Way],
    pub log: &'a mut Log,
    pub event: &'a EventRow<'a>,
}

impl Visit<'_> {
    /// Takes the event in and puts its features into its row.
    #[inline]
    pub(super) fn take(self, slot: &mut [u64], out: &mut Computed<'_>) {
        let Visit { plan, ways, log, event } = self;
        note(slot, TOUCHED, event.at);
        elapsed(plan, slot, event.at, out.block, out.row);
        let entry = Entry { at: event.at, values: event.values(), weight: 1.0 };
        for (track, Way { in_order, latest }) in plan.tracks.iter().zip(ways) {
            if let Some(track) = in_order
                && let Some(basic) = track.take(slot, log, &entry, latest)
            {
                track.put(&basic, &entry.values, out);
                continue;
            }
            if !track.past.is_empty() {
                track.read(slot, Wanted { event, outputs: &track.past }, latest, out);
            }
            if track.source == Source::Events {
                track.add(slot, log, &entry, latest);
            }
            if !track.now.is_empty() {
                track.read(slot, Wanted { event, outputs: &track.now }, latest, out);
            }
        }
        if let Some(source) = plan.sources.iter().position(|source| *source == Source::Events) {
            note(slot, TOUCHED + 1 + source, event.at);
        }
    }
}

/// Puts times since the latest records into the row of an event.
#[inline]
fn elapsed(plan: &GroupPlan, slot: &[u64], at: Timestamp, block: &mut Block, row: usize) {
    for since in &plan.since_last {
        let elapsed = last(slot, since.last).map(|last| at.since(last));
        let is_strict = plan.sources.get(since.source).is_some_and(|of| *of != Source::Events);
        let elapsed = if since.ends_at_latest { elapsed.map(|ms| ms.max(0)) } else { elapsed };
        let seen = |ms: &i64| *ms <= since.span && (if is_strict { *ms > 0 } else { *ms >= 0 });
        let seconds = elapsed.filter(seen).map_or(f64::NAN, |ms| ms as f64 / 1000.0);
        block.set(since.feature, row, seconds);
    }
}
