//! Waiting predictions taken over from another configuration.
//!
//! Their blocks can be of another length, and their follow-ups go elsewhere, so every row is filed anew. Rows that nothing
//! leads to any more are left behind.

use super::block::Block;
use super::waiting::{Waited, Waiting, WaitingPrediction};

impl Waiting {
    /// Takes over what `old` holds, on one that holds nothing; `handles` says where the follow-ups of an event go now.
    pub fn adopt(&mut self, old: &Waiting, handles: impl Fn(&[u32]) -> Box<[u32]>) {
        self.passed = old.passed;
        old.each(|id, waited| {
            let prediction = WaitingPrediction {
                event_time: waited.event_time,
                model_version: waited.model_version,
                arm: waited.arm,
                score: waited.score,
                positive: waited.positive,
                handles: handles(waited.handles),
                trace: waited.trace,
            };
            let place = self.append(id, &prediction);
            self.block_mut(place.block).set_label(place.row, waited.label);
        });
    }

    /// Shows every prediction that waits, in order of event time by block and of arrival in it.
    pub fn each(&self, mut show: impl FnMut(&[u8], Waited<'_>)) {
        for slab in self.by_time.values() {
            let block: &Block = self.block(*slab);
            for row in 0..block.len() {
                if !block.is_superseded(row) && block.event_time(row) >= self.passed {
                    show(block.id(row), block.get(row));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Labelled;
    use super::*;
    use crate::data::{Arm, Span, Timestamp, TracePoint};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn what_waits_is_found_under_another_wait_with_its_label_and_new_handles() {
        let mut old = Waiting::new(Span::from_millis(100_000));
        let mut hold = |id: &[u8], ms: i64, score: f64| {
            let handles = vec![3, 8].into();
            let (event_time, arm, trace) = (at(ms), Arm::Champion, (score == 0.2).then(|| TracePoint::root(&[])));
            let (model_version, positive) = (2, true);
            old.hold(id, &WaitingPrediction { event_time, model_version, arm, score, positive, handles, trace });
        };
        hold(b"gone", 10, 0.1);
        hold(b"a", 40_000, 0.2);
        hold(b"again", 3_000, 0.3);
        hold(b"again", 2_000, 0.4);
        old.join(b"a", true, at(41_000));
        old.expire(at(101_000));
        old.commit();
        let mut new = Waiting::new(Span::from_millis(9_000_000));
        new.adopt(&old, |handles| vec![u32::MAX, handles[1], handles[0]].into());
        new.commit();
        assert_eq!((new.len(), new.get(b"gone")), (2, None));
        let waited = new.get(b"a").unwrap();
        assert_eq!((waited.score, waited.handles), (0.2, &[u32::MAX, 8, 3][..]));
        assert_eq!(waited.trace, Some(TracePoint::root(&[])));
        assert_eq!(waited.label, Some(Labelled { positive: true, revision: 0, known_at: at(41_000) }));
        assert_eq!(new.get(b"again").map(|waited| waited.score), Some(0.4));
        assert_eq!(new.horizon(), at(1_000));
        assert!(new.join(b"again", false, at(50_000)).is_some());
    }
}
