//! The artifact: everything a version needs to score, to be watched and to be accounted for, in one versioned file.
//!
//! JSON, so that a person can read what was shipped; numbers are written so that they come back with the same bits.
//! [`Model::from_bytes`] takes bytes from anywhere: it bounds their size, checks the format version before anything
//! else, and hands out a model only if every part is valid and all parts speak of the same layout. There is no code in
//! an artifact and no reference to anything outside it.

use serde::{Deserialize, Serialize};

use super::{Columns, Estimator, Layout, Preparation};
use crate::data::params::ModelFamily;
use crate::data::{Evidence, Timestamp};
use crate::drift::Profile;

/// The newest version of the artifact format this build reads. Version 2 has a preparation; a model without one is
/// written as version 1, which has no place for it.
pub const FORMAT_VERSION: u32 = 2;
/// The largest artifact that is read.
pub const MAX_ARTIFACT_BYTES: usize = 64 << 20;
const FORMAT: &str = "driftless-model";

/// What a model came from: enough to train it again from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// Labels known before this point were used.
    pub cutoff: Timestamp,
    /// Seed of every random choice.
    pub seed: u64,
    /// SHA-256, in hex, over the examples in their order: event id, label, the times of both, row.
    pub examples_sha256: String,
    /// Version of the program that trained.
    pub trained_by: String,
}

/// What a model is made of; unchecked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelParts {
    /// Which feature each position of a row is.
    pub layout: Layout,
    /// What the estimator is given of a row.
    #[serde(default, skip_serializing_if = "Preparation::is_identity")]
    pub preparation: Preparation,
    /// The fitted family.
    pub estimator: Estimator,
    /// A score at or above it decides for the positive class.
    pub threshold: f64,
    /// Distributions of the training rows.
    pub profile: Profile,
    /// What it came from.
    pub lineage: Lineage,
    /// How it did beside the model in charge on later examples.
    pub evidence: Evidence,
}

/// A model ready to score; all its parts agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    parts: ModelParts,
}

#[derive(Deserialize)]
struct Header {
    format: String,
    format_version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Artifact<Parts> {
    format: String,
    format_version: u32,
    model: Parts,
}

/// Why bytes or parts are no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Larger than [`MAX_ARTIFACT_BYTES`].
    #[error("a model artifact of {bytes} bytes is too large; up to {MAX_ARTIFACT_BYTES} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON, or not of the shape of a model; parts that are invalid in themselves are named here too.
    #[error("not a model artifact: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A format of another name or version.
    #[error(
        "artifact format `{format}` version {version} is not one this build reads (`{FORMAT}` up to version {FORMAT_VERSION})"
    )]
    Format {
        /// The name found.
        format: String,
        /// The version found.
        version: u32,
    },
    /// The estimator expects another number of features than the layout has.
    #[error("the estimator expects {estimator} features, the layout has {layout}")]
    Width {
        /// Features of the estimator.
        estimator: usize,
        /// Features of the layout, or inputs prepared of them.
        layout: usize,
    },
    /// An input that is prepared of a feature that is not there.
    #[error("an input is prepared of a feature that the layout does not have")]
    Preparation,
    /// A version that does not go with what is in the artifact.
    #[error("artifact version {version} is not the one of its contents")]
    Contents {
        /// The version found.
        version: u32,
    },
    /// The profile's signals are not the layout's features and the score.
    #[error("the reference profile's signals are not the layout's features followed by `score`")]
    Profile,
    /// A threshold or a number of the evidence that makes no sense.
    #[error("`{name}` of a model is `{value}`, which is out of range")]
    Number {
        /// Which number.
        name: &'static str,
        /// Its value.
        value: f64,
    },
}

impl ModelParts {
    fn format_version(&self) -> u32 {
        if self.preparation.is_identity() { 1 } else { 2 }
    }
}

impl Model {
    /// Checks that the parts agree and takes them.
    ///
    /// # Errors
    /// Estimator or profile of another layout, a threshold outside [0, 1], evidence that is not finite.
    pub fn new(parts: ModelParts) -> Result<Self, ModelError> {
        let width = parts.preparation.width(parts.layout.width()).ok_or(ModelError::Preparation)?;
        if parts.estimator.width() != width {
            return Err(ModelError::Width { estimator: parts.estimator.width(), layout: width });
        }
        if !parts.profile.is_for(parts.layout.names()) {
            return Err(ModelError::Profile);
        }
        if !(0.0..=1.0).contains(&parts.threshold) {
            return Err(ModelError::Number { name: "threshold", value: parts.threshold });
        }
        for (name, value) in evidence_numbers(&parts.evidence) {
            if !value.is_finite() {
                return Err(ModelError::Number { name, value });
            }
        }
        Ok(Model { parts })
    }

    /// Reads and checks an artifact.
    ///
    /// # Errors
    /// Bytes that are too many, not of this format and version, or not a valid model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        if bytes.len() > MAX_ARTIFACT_BYTES {
            return Err(ModelError::TooLarge { bytes: bytes.len() });
        }
        let Header { format, format_version } = serde_json::from_slice(bytes)?;
        if format != FORMAT || !(1..=FORMAT_VERSION).contains(&format_version) {
            return Err(ModelError::Format { format, version: format_version });
        }
        let artifact: Artifact<ModelParts> = serde_json::from_slice(bytes)?;
        if artifact.model.format_version() != format_version {
            return Err(ModelError::Contents { version: format_version });
        }
        Model::new(artifact.model)
    }

    /// Writes the artifact; the same model gives the same bytes.
    ///
    /// # Errors
    /// An artifact that would be too large to read again.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let format_version = self.parts.format_version();
        let artifact = Artifact { format: FORMAT.to_owned(), format_version, model: &self.parts };
        let bytes = serde_json::to_vec(&artifact)?;
        if bytes.len() > MAX_ARTIFACT_BYTES {
            return Err(ModelError::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Replaces the contents of `out` by the probability of the positive class for each row (`rows`: n x
    /// `layout().width()`), finite and within [0, 1] for every input. Deterministic, and a row's score does not depend on
    /// the rows beside it.
    pub fn score(&self, rows: &Columns, out: &mut Vec<f64>) {
        self.score_counting(rows, out, &mut Vec::new());
    }

    /// The same, and adds to `unseen`, by position of the feature, the rows with a category that training did not see.
    pub fn score_counting(&self, rows: &Columns, out: &mut Vec<f64>, unseen: &mut Vec<u64>) {
        self.parts.estimator.score(&self.parts.preparation.inputs(rows, unseen), out);
    }

    /// Which feature each position of a row is.
    pub fn layout(&self) -> &Layout {
        &self.parts.layout
    }

    /// What the estimator is given of a row.
    pub fn preparation(&self) -> &Preparation {
        &self.parts.preparation
    }

    /// The family of its estimator.
    pub fn family(&self) -> ModelFamily {
        self.parts.estimator.family()
    }

    /// The fitted family.
    pub fn estimator(&self) -> &Estimator {
        &self.parts.estimator
    }

    /// A score at or above it decides for the positive class.
    pub fn threshold(&self) -> f64 {
        self.parts.threshold
    }

    /// Distributions of the training rows.
    pub fn profile(&self) -> &Profile {
        &self.parts.profile
    }

    /// What it came from.
    pub fn lineage(&self) -> &Lineage {
        &self.parts.lineage
    }

    /// How it did beside the model in charge on later examples.
    pub fn evidence(&self) -> &Evidence {
        &self.parts.evidence
    }
}

fn evidence_numbers(evidence: &Evidence) -> Vec<(&'static str, f64)> {
    let mut numbers = vec![
        ("evidence.champion.log_loss", evidence.champion.log_loss),
        ("evidence.candidate.log_loss", evidence.candidate.log_loss),
    ];
    numbers.extend(evidence.champion.auc.map(|auc| ("evidence.champion.auc", auc)));
    numbers.extend(evidence.candidate.auc.map(|auc| ("evidence.candidate.auc", auc)));
    for gain in [Some(evidence.log_loss_gain), evidence.auc_gain].into_iter().flatten() {
        numbers.extend([gain.mean, gain.low, gain.high].map(|value| ("evidence.gain", value)));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::super::{Forest, Linear, LinearParts, TreeNodes};
    use super::*;
    use crate::data::{Gain, HoldoutScore, Span};
    use crate::drift::{ProfileInputs, Sample};
    use proptest::prelude::*;

    fn parts(family: ModelFamily) -> ModelParts {
        let names = vec!["a".to_owned(), "b".to_owned()];
        let columns = vec![(0..200).map(|i| f64::from(i) * 0.1).collect(), vec![1.0 / 3.0; 200]];
        let times: Vec<_> = (0..200).map(|i| Timestamp::from_millis(i * 1_000)).collect();
        let scores: Vec<f64> = (0..200).map(|i| f64::from(i) / 300.0).collect();
        let profile = Profile::build(&ProfileInputs {
            names: &names,
            features: Sample { columns: &columns, times: &times },
            scores: Sample { columns: &[scores], times: &times },
            window: Span::from_millis(10_000),
            importance: &[0.75, 0.25],
        });
        let estimator = match family {
            ModelFamily::Linear => {
                let [mean, scale, coefficients] = [vec![0.1, 0.2], vec![0.3, 0.7], vec![1.0 / 3.0, -0.1]];
                Estimator::Linear(Linear::new(LinearParts { mean, scale, coefficients, intercept: -0.7 }).unwrap())
            }
            ModelFamily::Forest => {
                let tree = TreeNodes { feature: vec![0, -1, -1], value: vec![0.1 + 0.2, 1.0 / 3.0, 0.7] };
                Estimator::Forest(Forest::new(vec![-1.0, 0.5], &[tree]).unwrap())
            }
        };
        let at = Timestamp::from_millis;
        let score = HoldoutScore { auc: Some(0.7), log_loss: 0.5 };
        ModelParts {
            layout: Layout::new(names).unwrap(),
            preparation: Preparation::default(),
            estimator,
            threshold: 0.5,
            profile,
            lineage: Lineage { cutoff: at(9), seed: 7, examples_sha256: "00".into(), trained_by: "test".into() },
            evidence: Evidence {
                trained_from: at(1),
                trained_to: at(2),
                holdout_from: at(3),
                holdout_to: at(4),
                n_train: 100,
                n_holdout: 50,
                champion: score,
                candidate: score,
                log_loss_gain: Gain { mean: 0.0, low: -0.1, high: 0.1 },
                auc_gain: None,
            },
        }
    }

    #[test]
    fn a_model_survives_its_artifact_bit_for_bit() {
        for family in [ModelFamily::Linear, ModelFamily::Forest] {
            let model = Model::new(parts(family)).unwrap();
            let bytes = model.to_bytes().unwrap();
            let read = Model::from_bytes(&bytes).unwrap();
            assert_eq!(read, model);
            assert_eq!(read.to_bytes().unwrap(), bytes);
        }
    }

    #[test]
    fn parts_that_disagree_are_refused() {
        let other = Layout::new(vec!["a".into()]).unwrap();
        let narrow = ModelParts { layout: other, ..parts(ModelFamily::Linear) };
        assert!(matches!(Model::new(narrow), Err(ModelError::Width { estimator: 2, layout: 1 })));
        let swapped = Layout::new(vec!["b".into(), "a".into()]).unwrap();
        let swapped = ModelParts { layout: swapped, ..parts(ModelFamily::Linear) };
        assert!(matches!(Model::new(swapped), Err(ModelError::Profile)));
        let certain = ModelParts { threshold: f64::NAN, ..parts(ModelFamily::Linear) };
        assert!(matches!(Model::new(certain), Err(ModelError::Number { name: "threshold", .. })));
    }

    #[test]
    fn another_format_or_version_is_named() {
        let error = Model::from_bytes(br#"{"format":"driftless-model","format_version":3,"model":{"new":1}}"#);
        assert!(matches!(error, Err(ModelError::Format { version: 3, .. })));
        assert!(matches!(Model::from_bytes(b"{}"), Err(ModelError::Unreadable(_))));
        assert!(matches!(Model::from_bytes(b""), Err(ModelError::Unreadable(_))));
    }

    #[test]
    fn a_number_beyond_the_range_of_doubles_is_refused() {
        let text = String::from_utf8(Model::new(parts(ModelFamily::Linear)).unwrap().to_bytes().unwrap()).unwrap();
        for wrong in ["1e999", "null", "-0.1"] {
            let text = text.replace(r#""threshold":0.5"#, &format!(r#""threshold":{wrong}"#));
            assert!(Model::from_bytes(text.as_bytes()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic_and_what_is_read_scores(
            forest in any::<bool>(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
            keep_all in any::<bool>(),
        ) {
            let family = if forest { ModelFamily::Forest } else { ModelFamily::Linear };
            let mut bytes = Model::new(parts(family)).unwrap().to_bytes().unwrap();
            for (position, byte) in damage {
                let digits = b"0123456789-.e,[]{}\"";
                let position = position.index(bytes.len());
                bytes[position] = digits[usize::from(byte) % digits.len()];
            }
            if !keep_all {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(model) = Model::from_bytes(&bytes) {
                let mut rows = Columns::new(2);
                rows.push_row(&[f64::MAX, f64::NAN]);
                rows.push_row(&[-1.0, 1e9]);
                let mut scores = Vec::new();
                model.score(&rows, &mut scores);
                prop_assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
            }
        }
    }
}
