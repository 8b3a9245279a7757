//! A data set: the examples known at a cutoff, in time order, column by column.
//!
//! It is a function of the log alone: the same records give the same data set, in whatever order they were read.

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::Examples;
use crate::data::{Span, Timestamp};
use crate::model::{Columns, Layout};

/// Which examples make a data set.
#[derive(Clone, Copy, Debug)]
pub struct DatasetParams<'a> {
    /// The layout of its rows; those logged under another are used by name, with missing values for what they lack.
    pub layout: &'a Layout,
    /// Labels known strictly before this point count.
    pub cutoff: Timestamp,
    /// How far back from the cutoff events are taken.
    pub history: Span,
    /// Events younger than this at the cutoff are left out: of those only the quickly labelled are known, and they are
    /// not like the rest.
    pub maturity: Span,
}

/// Labelled rows in order of event time.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    layout: Layout,
    rows: Columns,
    times: Vec<Timestamp>,
    known_at: Vec<Timestamp>,
    labels: Vec<bool>,
    published: Vec<f64>,
    hashes: Vec<u64>,
    cutoff: Timestamp,
    sha256: String,
}

impl Dataset {
    /// Gathers the examples; there may be none.
    pub fn build(examples: &Examples, params: &DatasetParams<'_>) -> Dataset {
        let (from, to) = (params.cutoff.minus(params.history), params.cutoff.minus(params.maturity));
        let sources = examples.sources(params.layout);
        let known = examples.known(&sources, from, to, params.cutoff);
        let width = params.layout.width();
        let mut columns: Vec<Vec<f64>> = (0..width).map(|_| Vec::with_capacity(known.len())).collect();
        let mut digest = Sha256::new();
        let mut row_bytes = Vec::with_capacity(width * 8);
        let mut data = Dataset {
            layout: params.layout.clone(),
            rows: Columns::new(width),
            times: Vec::with_capacity(known.len()),
            known_at: Vec::with_capacity(known.len()),
            labels: Vec::with_capacity(known.len()),
            published: Vec::with_capacity(known.len()),
            hashes: Vec::with_capacity(known.len()),
            cutoff: params.cutoff,
            sha256: String::new(),
        };
        for example in known {
            row_bytes.clear();
            let source = sources.get(example.layout).and_then(Option::as_ref);
            for (column, at) in columns.iter_mut().zip(source.into_iter().flatten()) {
                let value = at.and_then(|at| example.features.get(at).copied()).unwrap_or(f64::NAN);
                let value = if value.is_nan() { f64::NAN } else { value };
                column.push(value);
                row_bytes.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            digest.update((example.event_id.len() as u32).to_le_bytes());
            digest.update(example.event_id.as_bytes());
            digest.update([u8::from(example.positive)]);
            digest.update(example.event_time.millis().to_le_bytes());
            digest.update(example.known_at.millis().to_le_bytes());
            digest.update(&row_bytes);
            data.times.push(example.event_time);
            data.known_at.push(example.known_at);
            data.labels.push(example.positive);
            data.published.push(example.score);
            data.hashes.push(xxh3_64(example.event_id.as_bytes()));
        }
        data.sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        // every column got one value per example
        data.rows = Columns::from_columns(columns).unwrap_or_default();
        data
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The layout of its rows.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Feature rows, `len` x `layout().width()`; NaN is missing.
    pub fn rows(&self) -> &Columns {
        &self.rows
    }

    /// Event time of each row, ascending.
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// When each row's label became known.
    pub fn known_at(&self) -> &[Timestamp] {
        &self.known_at
    }

    /// Whether each row is of the positive class.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// The score each row was published with.
    pub fn published(&self) -> &[f64] {
        &self.published
    }

    /// A hash of each row's event id: what samples are drawn by.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// Labels known strictly before this point were taken.
    pub fn cutoff(&self) -> Timestamp {
        self.cutoff
    }

    /// SHA-256, in hex, over event ids, labels, the times of both and rows, in their order.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ExampleRow, LabelRow};
    use super::*;
    use crate::data::Arm;

    fn dataset(order: impl Iterator<Item = i64>, history: i64, maturity: i64) -> Dataset {
        let layout = Layout::new(vec!["a".into(), "b".into()]).unwrap();
        let mut examples = Examples::default();
        for i in order {
            examples.add_prediction(&ExampleRow {
                event_id: format!("e{i}"),
                event_time: Timestamp::from_millis(i),
                model_version: 0,
                arm: Arm::Champion,
                score: 0.2,
                layout: layout.fingerprint().into(),
                features: vec![i as f64],
            });
            let known_at = Timestamp::from_millis(i + 10);
            examples.add_outcome(&LabelRow { event_id: format!("e{i}"), known_at, label: (i % 2) as f64, revision: 0 });
        }
        let [history, maturity] = [history, maturity].map(Span::from_millis);
        let cutoff = Timestamp::from_millis(100);
        Dataset::build(&examples, &DatasetParams { layout: &layout, cutoff, history, maturity })
    }

    #[test]
    fn rows_are_in_time_order_whatever_the_order_of_arrival() {
        let forward = dataset(0..100, 1_000, 0);
        assert_eq!(forward.sha256(), dataset((0..100).rev(), 1_000, 0).sha256());
        assert_eq!(forward.len(), 90, "labels of the last ten are not known before the cutoff");
        assert_eq!(forward.rows().column(0)[..3], [0.0, 1.0, 2.0]);
        assert!(forward.rows().value(0, 1).is_some_and(f64::is_nan), "a row too short is missing there");
    }

    #[test]
    fn rows_from_before_a_change_of_features_are_used_by_name() {
        let [old, new] = [["a", "b"], ["b", "c"]].map(|names| Layout::new(names.map(str::to_owned).to_vec()).unwrap());
        let mut examples = Examples::default();
        for (i, layout) in [&old, &new].into_iter().enumerate() {
            let (event_id, event_time) = (format!("e{i}"), Timestamp::from_millis(i as i64));
            let features = vec![1.0 + i as f64, 10.0 + i as f64];
            let layout = layout.fingerprint().to_owned();
            let (model_version, arm, score) = (0, Arm::Champion, 0.2);
            examples.add_prediction(&ExampleRow {
                event_id: event_id.clone(),
                event_time,
                model_version,
                arm,
                score,
                layout,
                features,
            });
            examples.add_outcome(&LabelRow { event_id, known_at: event_time, label: 1.0, revision: 0 });
        }
        let (cutoff, history, maturity) = (Timestamp::from_millis(9), Span::from_millis(100), Span::default());
        let params = DatasetParams { layout: &new, cutoff, history, maturity };
        assert_eq!(Dataset::build(&examples, &params).len(), 1);
        examples.add_layout(&old);
        let data = Dataset::build(&examples, &params);
        assert_eq!(data.rows().column(0), [10.0, 2.0]);
        assert!(data.rows().column(1)[0].is_nan() && data.rows().column(1)[1] == 11.0);
    }

    #[test]
    fn history_and_maturity_bound_event_time() {
        let bounded = dataset(0..100, 60, 30);
        assert_eq!(bounded.times().first(), Some(&Timestamp::from_millis(40)));
        assert_eq!(bounded.times().last(), Some(&Timestamp::from_millis(69)));
    }

    #[test]
    fn the_digest_tells_data_sets_apart() {
        assert_ne!(dataset(0..50, 1_000, 0).sha256(), dataset(0..51, 1_000, 0).sha256());
        assert_eq!(dataset(0..0, 1_000, 0).sha256().len(), 64);
    }
}
