//! Predictions that wait for their labels.

use std::sync::Arc;

use crate::data::{Arm, BinaryError, Reader, Span, Timestamp, Tracked, Writer};

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;

/// The id of an event, shared by everyone who holds it.
pub type EventId = Arc<[u8]>;

/// What is kept of a prediction until its label can no longer come.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingPrediction {
    /// Event time.
    pub event_time: Timestamp,
    /// Version of the model.
    pub model_version: u32,
    /// Its part.
    pub arm: Arm,
    /// The published score.
    pub score: f64,
    /// Whether the decision was the positive class.
    pub positive: bool,
    /// The label so far, with its revision.
    pub label: Option<Labelled>,
    /// Where the event's follow-ups go.
    pub handles: Box<[u32]>,
}

/// The label that counts at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Whether it is the positive class.
    pub positive: bool,
    /// 0 for the first.
    pub revision: u32,
    /// When it became known.
    pub known_at: Timestamp,
}

/// What a label did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// The first label of the event.
    First,
    /// Another class than before.
    Corrected {
        /// The label that no longer counts.
        before: Labelled,
        /// Revision of the new one.
        revision: u32,
    },
    /// The class it already had; nothing changes.
    Repeated,
}

/// Waiting predictions of one shard, by event id.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    by_id: Tracked<EventId, WaitingPrediction>,
}

impl Waiting {
    /// Number of predictions held.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The prediction of an event.
    pub fn get(&self, id: &[u8]) -> Option<&WaitingPrediction> {
        self.by_id.get(id)
    }

    /// Holds a prediction. An event id that comes again replaces the one before.
    pub fn hold(&mut self, id: EventId, prediction: WaitingPrediction) {
        self.by_id.insert(id, prediction);
    }

    /// Sets the score of a prediction that is held, once the batch has been scored.
    pub fn scored(&mut self, id: &[u8], score: f64, positive: bool) {
        if let Some(waiting) = self.by_id.get_mut(id) {
            waiting.score = score;
            waiting.positive = positive;
        }
    }

    /// Joins a label; `None` if no prediction waits under this id.
    pub fn join(&mut self, id: &[u8], positive: bool, known_at: Timestamp) -> Option<Join> {
        let waiting = self.by_id.get_mut(id)?;
        let (join, revision) = match waiting.label {
            Some(label) if label.positive == positive => return Some(Join::Repeated),
            Some(before) => (Join::Corrected { before, revision: before.revision + 1 }, before.revision + 1),
            None => (Join::First, 0),
        };
        waiting.label = Some(Labelled { positive, revision, known_at });
        Some(join)
    }

    /// Lets go of predictions whose wait has passed at `watermark`.
    pub fn expire(&mut self, watermark: Timestamp, wait: Span) {
        let before = watermark.minus(wait);
        self.by_id.retain(|_, waiting| waiting.event_time >= before);
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.by_id.commit();
    }

    /// Takes all changes since the last commit back.
    pub fn rollback(&mut self) {
        self.by_id.rollback();
    }

    /// Appends the state in its versioned form.
    pub fn encode(&self, out: &mut Writer) {
        out.unsigned(STATE_VERSION);
        let sorted = self.by_id.sorted();
        out.unsigned(sorted.len() as u64);
        for (id, waiting) in sorted {
            out.slice(id);
            out.signed(waiting.event_time.millis());
            out.unsigned(u64::from(waiting.model_version));
            out.flag(waiting.arm == Arm::Canary);
            out.float(waiting.score);
            out.flag(waiting.positive);
            out.flag(waiting.label.is_some());
            if let Some(label) = waiting.label {
                out.flag(label.positive);
                out.unsigned(u64::from(label.revision));
                out.signed(label.known_at.millis());
            }
            out.unsigned(waiting.handles.len() as u64);
            waiting.handles.iter().for_each(|handle| out.unsigned(u64::from(*handle)));
        }
    }

    /// Reads an encoded state.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        reader.version("the state of waiting predictions", STATE_VERSION)?;
        let mut waiting = Waiting::default();
        for _ in 0..reader.count()? {
            let id = reader.slice()?;
            let event_time = Timestamp::from_millis(reader.signed()?);
            let model_version = reader.small()?;
            let arm = if reader.flag()? { Arm::Canary } else { Arm::Champion };
            let (score, positive) = (reader.float()?, reader.flag()?);
            let label = match reader.flag()? {
                true => Some(Labelled {
                    positive: reader.flag()?,
                    revision: reader.small()?,
                    known_at: Timestamp::from_millis(reader.signed()?),
                }),
                false => None,
            };
            let handles = (0..reader.count()?).map(|_| reader.small()).collect::<Result<_, _>>()?;
            let prediction = WaitingPrediction { event_time, model_version, arm, score, positive, label, handles };
            waiting.hold(id.into(), prediction);
        }
        waiting.commit();
        Ok(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn prediction() -> WaitingPrediction {
        WaitingPrediction {
            event_time: at(10),
            model_version: 1,
            arm: Arm::Champion,
            score: 0.25,
            positive: false,
            label: None,
            handles: vec![3, 0].into(),
        }
    }

    #[test]
    fn a_label_counts_once_and_a_correction_has_the_next_revision() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.join(b"a", true, at(20)), None);
        waiting.hold(b"a"[..].into(), prediction());
        assert_eq!(waiting.join(b"a", true, at(20)), Some(Join::First));
        assert_eq!(waiting.join(b"a", true, at(25)), Some(Join::Repeated));
        let before = Labelled { positive: true, revision: 0, known_at: at(20) };
        assert_eq!(waiting.join(b"a", false, at(30)), Some(Join::Corrected { before, revision: 1 }));
    }

    #[test]
    fn a_prediction_is_held_as_long_as_its_wait() {
        let mut waiting = Waiting::default();
        waiting.hold(b"a"[..].into(), prediction());
        waiting.expire(at(110), Span::from_millis(100));
        assert_eq!(waiting.len(), 1);
        waiting.expire(at(111), Span::from_millis(100));
        assert!(waiting.is_empty());
        waiting.rollback();
        assert!(waiting.is_empty(), "the hold itself was not committed either");
    }

    #[test]
    fn the_state_survives_encoding() -> Result<(), BinaryError> {
        let mut waiting = Waiting::default();
        waiting.hold(b"a"[..].into(), prediction());
        waiting.hold(b"b"[..].into(), prediction());
        waiting.join(b"b", true, at(12));
        let mut out = Writer::default();
        waiting.encode(&mut out);
        let bytes = out.finish();
        let mut reader = Reader::new(&bytes);
        let read = Waiting::decode(&mut reader)?;
        reader.finish()?;
        assert_eq!((read.get(b"a"), read.get(b"b")), (waiting.get(b"a"), waiting.get(b"b")));
        Ok(())
    }
}
