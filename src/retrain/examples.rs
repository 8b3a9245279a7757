//! The rows a model can learn from, as they were logged: predictions with their feature rows, and labels as they came.
//!
//! The two arrive from different topics in any order and are joined by event id. The row is the one written when the
//! event was scored, never one computed later. A label keeps all its revisions with the time each became known, so that
//! "what was known at the cutoff" has one answer whenever it is asked. Adding the same record again changes nothing.
//!
//! Everything is in memory; `forget_before` bounds it.

use crate::data::{Arm, FixedMap, Outcome, Prediction, Timestamp};
use crate::model::Layout;

/// What training needs of a prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct ExampleRow {
    /// Id of the event.
    pub event_id: String,
    /// Event time.
    pub event_time: Timestamp,
    /// Version of the model that scored it.
    pub model_version: u32,
    /// The model's part.
    pub arm: Arm,
    /// The published score.
    pub score: f64,
    /// Fingerprint of the layout of `features`.
    pub layout: String,
    /// The feature row; NaN is missing.
    pub features: Vec<f64>,
}

/// What training needs of an outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelRow {
    /// Id of the event.
    pub event_id: String,
    /// When this revision became known.
    pub known_at: Timestamp,
    /// The label: 1 for the positive class, 0 for the other.
    pub label: f64,
    /// 0 for the first label of the event, one more for each correction.
    pub revision: u32,
}

impl From<&Prediction> for ExampleRow {
    fn from(prediction: &Prediction) -> Self {
        ExampleRow {
            event_id: prediction.event_id.clone(),
            event_time: prediction.event_time,
            model_version: prediction.model_version,
            arm: prediction.arm,
            score: prediction.score,
            layout: prediction.feature_layout.clone(),
            features: prediction.features.iter().map(|value| value.unwrap_or(f64::NAN)).collect(),
        }
    }
}

impl From<&Outcome> for LabelRow {
    fn from(outcome: &Outcome) -> Self {
        LabelRow {
            event_id: outcome.event_id.clone(),
            known_at: outcome.known_at,
            label: outcome.label,
            revision: outcome.revision,
        }
    }
}

/// Logged rows and labels by event id.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    by_event: FixedMap<String, Entry>,
    layouts: Vec<RowLayout>,
    n_rows: usize,
}

/// The layout of some rows.
#[derive(Clone, Debug)]
struct RowLayout {
    fingerprint: String,
    /// `None` where nobody has said.
    names: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    row: Option<Row>,
    labels: Vec<Label>,
}

#[derive(Clone, Debug)]
struct Row {
    event_time: Timestamp,
    score: f64,
    layout: usize,
    features: Box<[f64]>,
}

#[derive(Clone, Copy, Debug)]
struct Label {
    known_at: Timestamp,
    revision: u32,
    positive: bool,
}

/// A row with the label that was known at the cutoff.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Example<'a> {
    pub event_id: &'a str,
    pub event_time: Timestamp,
    pub score: f64,
    /// Which of [`Examples::sources`] says where its features are.
    pub layout: usize,
    pub features: &'a [f64],
    /// When the revision of the label that is taken became known.
    pub known_at: Timestamp,
    pub positive: bool,
}

/// Where the features of a layout are in rows of another; `None` for what those do not have.
pub(super) type Source = Vec<Option<usize>>;

impl Examples {
    /// Adds a prediction; the first of an event stays.
    pub fn add_prediction(&mut self, row: &ExampleRow) {
        let layout = self.layout(&row.layout);
        let entry = self.by_event.entry_ref(row.event_id.as_str()).or_default();
        if entry.row.is_none() {
            let features = row.features.clone().into_boxed_slice();
            entry.row = Some(Row { event_time: row.event_time, score: row.score, layout, features });
            self.n_rows += 1;
        }
    }

    /// Adds a revision of a label; the first record of a revision stays. A label that is neither 0 nor 1 belongs to the
    /// positive class from 0.5 on.
    pub fn add_outcome(&mut self, label: &LabelRow) {
        let entry = self.by_event.entry_ref(label.event_id.as_str()).or_default();
        if !entry.labels.iter().any(|known| known.revision == label.revision) {
            let positive = label.label >= 0.5;
            entry.labels.push(Label { known_at: label.known_at, revision: label.revision, positive });
        }
    }

    /// Number of feature rows held.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Lets go of events earlier than `time`, and of labels without a row that were known earlier.
    pub fn forget_before(&mut self, time: Timestamp) {
        self.by_event.retain(|_, entry| match &entry.row {
            Some(row) => row.event_time >= time,
            None => entry.labels.iter().any(|label| label.known_at >= time),
        });
        self.n_rows = self.by_event.values().filter(|entry| entry.row.is_some()).count();
    }

    /// Makes rows of a layout usable for others, by the names of its features.
    pub fn add_layout(&mut self, layout: &Layout) {
        let position = self.layout(layout.fingerprint());
        if let Some(known) = self.layouts.get_mut(position) {
            known.names = Some(layout.names().to_vec());
        }
    }

    /// For each layout of rows, where the features of `layout` are in them; `None` where rows cannot be used: their names
    /// are not known, or they have none of the features.
    pub(super) fn sources(&self, layout: &Layout) -> Vec<Option<Source>> {
        let source = |row: &RowLayout| -> Option<Source> {
            if row.fingerprint == layout.fingerprint() {
                return Some((0..layout.width()).map(Some).collect());
            }
            let names = row.names.as_ref()?;
            let find = |name: &String| names.iter().position(|known| known == name);
            Some(layout.names().iter().map(find).collect())
        };
        let usable = |source: &Source| source.iter().any(Option::is_some);
        self.layouts.iter().map(|row| source(row).filter(usable)).collect()
    }

    /// The examples of layouts that have a source, with event time in `from..to`, whose label was known strictly before
    /// `cutoff`, each with the highest revision known then, in order of event time and event id.
    pub(super) fn known(
        &self,
        sources: &[Option<Source>],
        from: Timestamp,
        to: Timestamp,
        cutoff: Timestamp,
    ) -> Vec<Example<'_>> {
        let mut examples: Vec<Example<'_>> = self
            .by_event
            .iter()
            .filter_map(|(event_id, entry)| {
                let row = entry.row.as_ref()?;
                let is_usable = sources.get(row.layout).is_some_and(Option::is_some);
                if !is_usable || row.event_time < from || row.event_time >= to {
                    return None;
                }
                let known = entry.labels.iter().filter(|label| label.known_at < cutoff);
                let label = known.max_by_key(|label| label.revision)?;
                let Row { event_time, score, layout, .. } = *row;
                let Label { known_at, positive, .. } = *label;
                Some(Example { event_id, event_time, score, layout, features: &row.features, known_at, positive })
            })
            .collect();
        examples.sort_unstable_by(|a, b| (a.event_time, a.event_id).cmp(&(b.event_time, b.event_id)));
        examples
    }

    fn layout(&mut self, fingerprint: &str) -> usize {
        match self.layouts.iter().position(|known| known.fingerprint == fingerprint) {
            Some(position) => position,
            None => {
                self.layouts.push(RowLayout { fingerprint: fingerprint.to_owned(), names: None });
                self.layouts.len() - 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(i64) -> Timestamp = Timestamp::from_millis;

    fn row(event_id: &str, event_time: i64, feature: &str) -> ExampleRow {
        ExampleRow {
            event_id: event_id.into(),
            event_time: AT(event_time),
            model_version: 1,
            arm: Arm::Champion,
            score: 0.5,
            layout: layout(&[feature]).fingerprint().to_owned(),
            features: vec![event_time as f64],
        }
    }

    fn layout(names: &[&str]) -> Layout {
        Layout::new(names.iter().map(|&name| name.to_owned()).collect()).unwrap()
    }

    fn label(event_id: &str, known_at: i64, label: f64, revision: u32) -> LabelRow {
        LabelRow { event_id: event_id.into(), known_at: AT(known_at), label, revision }
    }

    fn known(examples: &Examples, cutoff: i64) -> Vec<(&str, bool)> {
        let found = examples.known(&examples.sources(&layout(&["l"])), Timestamp::MIN, AT(1_000), AT(cutoff));
        found.into_iter().map(|example| (example.event_id, example.positive)).collect()
    }

    #[test]
    fn the_last_revision_known_strictly_before_the_cutoff_counts() {
        let mut examples = Examples::default();
        examples.add_prediction(&row("a", 1, "l"));
        examples.add_outcome(&label("a", 20, 1.0, 1));
        examples.add_outcome(&label("a", 10, 0.0, 0));
        assert_eq!(known(&examples, 10), []);
        assert_eq!(known(&examples, 11), [("a", false)]);
        assert_eq!(known(&examples, 20), [("a", false)]);
        assert_eq!(known(&examples, 21), [("a", true)]);
    }

    #[test]
    fn order_of_arrival_and_repetition_do_not_matter() {
        let mut examples = Examples::default();
        for _ in 0..2 {
            examples.add_outcome(&label("b", 5, 1.0, 0));
            examples.add_prediction(&row("b", 2, "l"));
            examples.add_prediction(&row("a", 2, "l"));
            examples.add_outcome(&label("a", 5, 0.0, 0));
            examples.add_prediction(&row("c", 1, "l"));
        }
        assert_eq!(known(&examples, 9), [("a", false), ("b", true)]);
        assert_eq!(examples.n_rows(), 3);
    }

    #[test]
    fn rows_of_another_layout_are_used_by_name_once_its_names_are_known() {
        let mut examples = Examples::default();
        examples.add_prediction(&row("a", 1, "old"));
        examples.add_outcome(&label("a", 2, 1.0, 0));
        let wanted = layout(&["new", "old"]);
        assert_eq!(examples.sources(&wanted), [None]);
        assert_eq!(known(&examples, 9), []);
        examples.add_layout(&layout(&["old"]));
        assert_eq!(examples.sources(&wanted), [Some(vec![None, Some(0)])]);
        assert_eq!(known(&examples, 9), [], "no feature of theirs is wanted");
        let found = examples.known(&examples.sources(&wanted), Timestamp::MIN, AT(1_000), AT(9));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn what_is_forgotten_does_not_come_back_by_its_label() {
        let mut examples = Examples::default();
        examples.add_prediction(&row("a", 1, "l"));
        examples.add_prediction(&row("b", 5, "l"));
        examples.add_outcome(&label("b", 6, 1.0, 0));
        examples.forget_before(AT(5));
        examples.add_outcome(&label("a", 7, 1.0, 0));
        assert_eq!((examples.n_rows(), known(&examples, 9)), (1, vec![("b", true)]));
    }
}
