//! Where records stand in sampled traces, and what is noted of them there.
//!
//! Nothing of this changes what is computed: a place in a trace is a function of the record's headers and position, and of
//! the state only what waits for a label keeps it. Without `[traces]` no header is looked at.

use super::Pipeline;
use super::pass::Taken;
use crate::data::{Deed, EventPlace, Incoming, Outbox, Record, Seed, TracePoint, Traced};

impl Pipeline {
    /// The span that an event's label will go on from: what waits for it keeps it.
    pub(super) fn kept_place(&self, taken: &Taken<'_>) -> Option<TracePoint> {
        let params = self.params.traces.as_ref().filter(|_| self.params.station.is_last())?;
        EventPlace::of(params, taken.record, taken.partition).map(|place| place.at)
    }

    /// Notes what became of an event, and gives its place.
    pub(super) fn note_event(
        &self,
        record: &Record,
        partition: i32,
        deed: impl FnOnce() -> Deed,
        out: &mut Outbox,
    ) -> Option<TracePoint> {
        let params = self.params.traces.as_ref()?;
        let incoming = Incoming::of(&record.headers);
        if incoming == Incoming::Malformed {
            out.note_untraceable();
        }
        let EventPlace { at, parent } = EventPlace::after(incoming, params, record, partition)?;
        out.note(Traced { at, parent, link: None, partition, offset: record.offset, deed: deed() });
        Some(at)
    }

    /// What is noted of a label: it goes on in the trace of its prediction, linked to its own; in its own where that of
    /// the prediction is not sampled.
    pub(super) fn meeting(&self, taken: &Taken<'_>, predicted: Option<TracePoint>, deed: Deed) -> Option<Box<Traced>> {
        self.params.traces.as_ref()?;
        let Taken { record, partition, .. } = *taken;
        let own = match Incoming::of(&record.headers) {
            Incoming::Sampled(point) => Some(point),
            Incoming::Absent | Incoming::Malformed | Incoming::Unsampled => None,
        };
        let from = predicted.or(own)?;
        let seeds = [Seed::Text("label"), Seed::Number(i64::from(partition)), Seed::Number(record.offset)];
        let link = own.filter(|_| predicted.is_some());
        let (at, parent) = (from.then(&seeds), Some(from.span));
        Some(Box::new(Traced { at, parent, link, partition, offset: record.offset, deed }))
    }
}
