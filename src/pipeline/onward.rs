//! What a stage that is not the last writes instead of predictions: events and follow-ups for the next stage, to the
//! partition of their entity there, and how far it has come, to every partition.
//!
//! The partition that an event went to is kept with what waits for its follow-ups, so that these go the same way.

use super::Pipeline;
use super::emit::Remarks;
use super::follow::FollowsUp;
use super::pass::{Scratch, Taken};
use crate::codec::{HopEvent, HopFollowUp, Known, Progress};
use crate::data::params::TextIndex;
use crate::data::{Outbox, Rank, Route, Sink, Table, Timestamp, partition_for};
use crate::features::FollowUpRow;
use crate::labels::Waited;

/// A record for the next stage.
pub(super) struct Onward {
    partition: i32,
    /// The entity of an event.
    key: Option<Box<[u8]>>,
    value: Vec<u8>,
}

impl Onward {
    /// The slots of an event's groups with its partition at the next stage.
    pub(super) fn handles(&self, slots: &[u32]) -> Box<[u32]> {
        slots.iter().copied().chain([self.partition.unsigned_abs()]).collect()
    }
}

/// An event about to go on.
pub(super) struct Outward<'a> {
    pub taken: &'a Taken<'a>,
    pub id: &'a [u8],
    pub at: Timestamp,
    /// Its row among the decoded events.
    pub row: usize,
    /// The row of its features.
    pub output_row: usize,
    pub remarks: Remarks,
}

/// The entity that `fields` name; one that is missing is told from an empty one where there are several.
pub(super) fn entity(fields: &[TextIndex], table: &Table, row: usize, key: &mut Vec<u8>) {
    key.clear();
    if let [field] = fields {
        key.extend_from_slice(table.text(field.0, row).unwrap_or_default());
        return;
    }
    table.push_key(fields, row, key);
}

impl Pipeline {
    /// What this stage groups an event by: its own key, or the entity of the hop, put together in `room`.
    pub(super) fn entity_of<'a>(
        &self,
        taken: &Taken<'a>,
        table: &Table,
        row: usize,
        room: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        let Some(hop) = self.params.station.hop() else { return taken.record.key.as_deref().unwrap_or_default() };
        entity(&hop.fields, table, row, room);
        room
    }

    /// The record of an event for the next stage; `None` at the last.
    pub(super) fn onward(&self, event: &Outward<'_>, scratch: &Scratch) -> Option<Onward> {
        let next = self.params.station.next()?;
        let Outward { taken, id, at, row, output_row, remarks } = *event;
        let table = &scratch.rows.events;
        let mut key = Vec::new();
        entity(&next.fields, table, row, &mut key);
        let features = self
            .known
            .iter()
            .map(|position| Known { position: *position as u32, value: self.features.windowed(output_row, *position) });
        let events = &self.params.events;
        let record = HopEvent {
            rank: Rank {
                at,
                is_follow_up: false,
                id: id.into(),
                partition: taken.partition,
                offset: taken.record.offset,
            },
            key: taken.record.key.clone(),
            timestamp: taken.record.timestamp,
            late: remarks.late,
            warming: remarks.warming,
            numbers: (0..events.numbers()).map(|column| table.number(column, row)).collect(),
            texts: (0..events.texts()).map(|column| table.text(column, row).map(Into::into)).collect(),
            features: features.collect(),
            headers: taken.record.headers.clone(),
        };
        let partition = partition_for(&key, self.params.station.shards);
        Some(Onward { partition, key: Some(key.into()), value: record.encode() })
    }

    /// The record of a follow-up for the next stage; `None` at the last.
    pub(super) fn follow_up_onward(
        &self,
        taken: &Taken<'_>,
        waiting: &Waited<'_>,
        follow_up: &FollowUpRow<'_>,
        of: FollowsUp<'_>,
    ) -> Option<Onward> {
        self.params.station.next()?;
        let partition = i32::try_from(*waiting.handles.last()?).ok()?;
        let FollowUpRow { kind, at, table, first_column, row } = *follow_up;
        let n_fields = self.params.labels.kinds.get(kind.0).map_or(0, |kind| kind.fields.len());
        let record = HopFollowUp {
            rank: Rank {
                at: at.max(waiting.event_time),
                is_follow_up: true,
                id: of.id.into(),
                partition: taken.partition,
                offset: taken.record.offset,
            },
            key: taken.record.key.clone(),
            timestamp: taken.record.timestamp,
            known_at: at,
            kind,
            label: of.label,
            numbers: (first_column..first_column + n_fields).map(|column| table.number(column, row)).collect(),
        };
        Some(Onward { partition, key: None, value: record.encode() })
    }

    pub(super) fn pass_on(&mut self, onward: Onward, out: &mut Outbox) {
        let Onward { partition, key, value } = onward;
        self.clocks.tally.passed_on += u64::from(key.is_some());
        let to = Route { sink: Sink::Hop, partition: Some(partition) };
        out.push_raw(to, key.as_deref(), Some(&value), Vec::new());
    }

    /// Tells every shard of the next stage how far this one has come.
    pub(super) fn tell_progress(&mut self, now: Timestamp, out: &mut Outbox) {
        if self.params.station.is_last() {
            return;
        }
        let shard = self.shard;
        let progress = if self.params.station.is_first() {
            let idle = self.is_idle.then(|| now.minus(self.params.station.chain.idle_after));
            Progress { shard, time: self.clocks.time, watermark: self.watermark(), at: now, idle }
        } else {
            let idle = if self.is_idle && self.held.is_empty() { self.upstreams.idle() } else { None };
            Progress { shard, time: self.upstreams.time(), watermark: self.upstreams.bound(), at: now, idle }
        };
        let value = progress.encode();
        for partition in 0..self.params.station.shards {
            let to = Route { sink: Sink::Hop, partition: Some(partition) };
            out.push_raw(to, None, Some(&value), Vec::new());
        }
    }
}
