//! Every prediction of the run with its label, as the topics tell it, and the hash over all of them.

use sha2::{Digest, Sha256};

use crate::data::{Arm, FixedMap, Outcome, Prediction, Timestamp};

/// A prediction, and what became of its event.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Id of the event.
    pub event_id: Box<str>,
    /// Event time.
    pub event_time: Timestamp,
    /// Version that scored it.
    pub version: u32,
    /// Its part.
    pub arm: Arm,
    /// Probability of the positive class.
    pub score: f64,
    /// The class decided for.
    pub decision: Box<str>,
    /// The row; NaN is missing.
    pub features: Box<[f64]>,
    /// Fingerprint of its layout, by position in [`ScoredLog::layouts`].
    layout: usize,
    /// The label, once it is known.
    pub label: Option<Label>,
}

/// A label in its latest revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// When it became known.
    pub known_at: Timestamp,
    /// Whether it is of the positive class.
    pub positive: bool,
    revision: u32,
}

/// All predictions of a run.
#[derive(Clone, Debug, Default)]
pub struct ScoredLog {
    scored: Vec<Scored>,
    by_id: FixedMap<Box<str>, usize>,
    layouts: Vec<String>,
    labels_joined: u64,
    duplicates: u64,
}

impl ScoredLog {
    /// Takes a prediction; a second one of the same event is counted and left out.
    pub fn add_prediction(&mut self, prediction: Prediction) {
        let event_id: Box<str> = prediction.event_id.into();
        if self.by_id.contains_key(&event_id) {
            self.duplicates += 1;
            return;
        }
        let known = self.layouts.iter().position(|layout| *layout == prediction.feature_layout);
        let layout = known.unwrap_or_else(|| {
            self.layouts.push(prediction.feature_layout);
            self.layouts.len() - 1
        });
        self.by_id.insert(event_id.clone(), self.scored.len());
        self.scored.push(Scored {
            event_id,
            event_time: prediction.event_time,
            version: prediction.model_version,
            arm: prediction.arm,
            score: prediction.score,
            decision: prediction.decision.into(),
            features: prediction.features.iter().map(|value| value.unwrap_or(f64::NAN)).collect(),
            layout,
            label: None,
        });
    }

    /// Takes an outcome; a later revision replaces an earlier one. False if its prediction has not come.
    pub fn add_outcome(&mut self, outcome: &Outcome) -> bool {
        let at = self.by_id.get(outcome.event_id.as_str()).copied();
        let Some(scored) = at.and_then(|at| self.scored.get_mut(at)) else { return false };
        if scored.label.is_none() {
            self.labels_joined += 1;
        }
        if scored.label.is_none_or(|label| label.revision < outcome.revision) {
            let Outcome { known_at, label, revision, .. } = *outcome;
            scored.label = Some(Label { known_at, positive: label >= 0.5, revision });
        }
        true
    }

    /// The predictions in the order in which they were read.
    pub fn scored(&self) -> &[Scored] {
        &self.scored
    }

    /// Fingerprint of the layout of a prediction's row.
    pub fn layout(&self, scored: &Scored) -> &str {
        self.layouts.get(scored.layout).map_or("", String::as_str)
    }

    /// Predictions whose label has come.
    pub fn labels_joined(&self) -> u64 {
        self.labels_joined
    }

    /// Predictions beyond the first of their event; there are none unless something is wrong.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// SHA-256 in hex over every prediction in the order of event ids: id and decision led by their lengths, version and
    /// number of features in 32 bits, the arm's name, the bits of score and row; all little endian.
    pub fn sha256(&self) -> String {
        let mut sorted: Vec<&Scored> = self.scored.iter().collect();
        sorted.sort_unstable_by(|a, b| a.event_id.cmp(&b.event_id));
        let mut digest = Sha256::new();
        let mut bytes = Vec::new();
        for scored in sorted {
            bytes.clear();
            let mut text = |text: &str| {
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            };
            text(&scored.event_id);
            text(scored.arm.name());
            text(&scored.decision);
            bytes.extend_from_slice(&scored.version.to_le_bytes());
            bytes.extend_from_slice(&scored.score.to_bits().to_le_bytes());
            bytes.extend_from_slice(&(scored.features.len() as u32).to_le_bytes());
            for value in &scored.features {
                let value = if value.is_nan() { f64::NAN } else { *value };
                bytes.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            digest.update(&bytes);
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn prediction(id: &str, time: i64, score: f64) -> Prediction {
        Prediction {
            event_id: id.to_owned(),
            entity: "k".to_owned(),
            event_time: Timestamp::from_millis(time),
            scored_at: Timestamp::from_millis(time + 7),
            model_version: 1,
            arm: Arm::Champion,
            score,
            scores: Vec::new(),
            decision: "late".to_owned(),
            features: vec![Some(score), None],
            feature_layout: "l".to_owned(),
            flags: Vec::new(),
            source_topic: "t".to_owned(),
            source_partition: 0,
            source_offset: time,
        }
    }

    pub(crate) fn outcome(id: &str, known_at: i64, label: f64, revision: u32) -> Outcome {
        Outcome {
            event_id: id.to_owned(),
            entity: "k".to_owned(),
            event_time: Timestamp::from_millis(0),
            known_at: Timestamp::from_millis(known_at),
            label,
            revision,
            model_version: 1,
            arm: Arm::Champion,
            score: 0.5,
            decision: "late".to_owned(),
        }
    }

    fn log(predictions: &[Prediction]) -> ScoredLog {
        let mut log = ScoredLog::default();
        predictions.iter().for_each(|prediction| log.add_prediction(prediction.clone()));
        log
    }

    #[test]
    fn the_hash_depends_on_what_was_predicted_and_not_on_when_or_in_which_order() {
        let [a, b] = [prediction("a", 1, 0.25), prediction("b", 2, 0.5)];
        let hash = log(&[a.clone(), b.clone()]).sha256();
        let mut elsewhere = a.clone();
        elsewhere.scored_at = Timestamp::from_millis(99);
        elsewhere.source_partition = 3;
        assert_eq!(log(&[b.clone(), elsewhere]).sha256(), hash);
        let mut changed = a.clone();
        changed.features[1] = Some(0.0);
        assert_ne!(log(&[changed, b.clone()]).sha256(), hash);
        let mut changed = a;
        changed.score = 0.250_000_000_000_000_1;
        assert_ne!(log(&[changed, b]).sha256(), hash);
    }

    #[test]
    fn the_hash_is_pinned() {
        // python: hashlib.sha256(struct.pack('<I1sI8sI4sIdIdQ', 1, b'a', 8, b'champion', 4, b'late', 1, .25, 2, .25,
        //                                    0x7ff8000000000000)).hexdigest()
        let hash = "418fdb236c196c42c55dedfca7c02ca5b4a0c83e89d2bbfb70865a8d929b3e4f";
        assert_eq!(log(&[prediction("a", 1, 0.25)]).sha256(), hash);
    }

    #[test]
    fn labels_are_counted_once_and_the_latest_revision_stays() {
        let mut log = log(&[prediction("a", 1, 0.5), prediction("a", 1, 0.5)]);
        assert_eq!(log.duplicates(), 1);
        assert!(log.add_outcome(&outcome("a", 9, 0.0, 1)));
        assert!(log.add_outcome(&outcome("a", 5, 1.0, 0)));
        assert!(!log.add_outcome(&outcome("b", 5, 1.0, 0)));
        assert_eq!((log.labels_joined(), log.scored()[0].label.map(|label| label.positive)), (1, Some(false)));
    }
}
