//! What is fitted, against scikit-learn.

use serde::Deserialize;

use super::design::Design;
use super::ordered::FIRST_KNOWN;
use super::{Dataset, DatasetParams, ExampleRow, Examples, LabelRow};
use crate::data::params::{Filling, PreparedSpec, Preparing, Scaling};
use crate::data::{Arm, Span, Timestamp};
use crate::model::{Columns, Counted, Layout, Prepared, TargetParts, TargetShares};
use crate::stats::SplitMix64;

pub(super) const HOUR: i64 = 3_600_000;

/// A row of two features, a number and a code, with its label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub at: i64,
    pub known_at: i64,
    pub number: f64,
    pub code: f64,
    pub positive: bool,
}

pub(super) fn dataset(rows: &[Row]) -> Dataset {
    let layout = Layout::new(vec!["number".to_owned(), "shop.code".to_owned()]).unwrap();
    let mut examples = Examples::default();
    for (i, row) in rows.iter().enumerate() {
        let event_id = format!("e{i:06}");
        examples.add_prediction(&ExampleRow {
            event_id: event_id.clone(),
            event_time: Timestamp::from_millis(row.at),
            model_version: 0,
            arm: Arm::Champion,
            score: 0.5,
            layout: layout.fingerprint().to_owned(),
            features: vec![row.number, row.code],
        });
        let (known_at, label) = (Timestamp::from_millis(row.known_at), f64::from(u8::from(row.positive)));
        examples.add_outcome(&LabelRow { event_id, known_at, label, revision: 0 });
    }
    let (cutoff, history, maturity) = (Timestamp::from_millis(1 << 40), Span::from_days(1 << 20), Span::default());
    Dataset::build(&examples, &DatasetParams { layout: &layout, cutoff, history, maturity })
}

pub(super) fn spec(name: &str, feature: &str, how: Preparing) -> PreparedSpec {
    PreparedSpec { name: name.to_owned(), feature: feature.to_owned(), how }
}

pub(super) fn target(prior_weight: f64) -> PreparedSpec {
    spec("shop.target", "shop.code", Preparing::Target { prior_weight, max_categories: 1_000_000 })
}

pub(super) fn whole(data: &Dataset, prepared: &[PreparedSpec]) -> Design {
    Design::new(data, &(0..data.len()).collect::<Vec<_>>(), prepared).unwrap()
}

pub(super) fn is_known_before(other: &Row, row: &Row) -> bool {
    other.at < row.at && other.known_at < row.at
}

/// Some two thousand rows an hour apart, each of one of `shops`, a label known five hours later; the number says
/// something about it, and nothing else does.
pub(super) fn shops(shops: u64, informative: f64, seed: u64) -> Vec<Row> {
    let mut rng = SplitMix64::new(seed);
    let row = |i: i64| {
        let number = rng.unit();
        let positive = rng.unit() < 0.5 + informative * (number - 0.5);
        Row { at: i * HOUR, known_at: (i + 5) * HOUR, number, code: 1.0 + rng.below(shops) as f64, positive }
    };
    (0..2_400).map(row).collect()
}

#[derive(Deserialize)]
struct Vectors {
    first_known: u64,
    prior_weight: f64,
    quantiles: [f64; 2],
    rows: Vec<VectorRow>,
    ordered: Vec<Option<f64>>,
    codes: Vec<u32>,
    target: Vec<f64>,
    frequency: Vec<f64>,
    probes: Vec<f64>,
    standardised: Vec<f64>,
    normalised: Vec<f64>,
    normalised_between: Vec<f64>,
    imputed: Imputed,
}

#[derive(Deserialize)]
struct VectorRow {
    at: i64,
    known_at: i64,
    category: u32,
    number: Option<f64>,
    label: u8,
}

#[derive(Deserialize)]
struct Imputed {
    mean: Vec<[f64; 2]>,
    median: Vec<[f64; 2]>,
}

fn code(category: u32) -> f64 {
    if category == 0 { f64::NAN } else { f64::from(category) }
}

fn assert_near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        let near = (found - expected).abs() <= 1e-12 * (1.0 + expected.abs());
        assert!(near || found.is_nan() && expected.is_nan(), "{what} {row}: {found} is not {expected}");
    }
}

#[test]
fn statistics_and_what_is_made_of_them_are_those_of_scikit_learn() {
    let vectors: Vectors = serde_json::from_str(include_str!("../../tests/fixtures/preparation_vectors.json")).unwrap();
    assert_eq!(vectors.first_known, FIRST_KNOWN);
    let row = |row: &VectorRow| Row {
        at: row.at * HOUR,
        known_at: row.known_at * HOUR,
        number: row.number.unwrap_or(f64::NAN),
        code: code(row.category),
        positive: row.label == 1,
    };
    let data = dataset(&vectors.rows.iter().map(row).collect::<Vec<_>>());
    let max_categories = 1_000;
    let design = whole(
        &data,
        &[target(vectors.prior_weight), spec("shop.frequency", "shop.code", Preparing::Frequency { max_categories })],
    );
    let as_of: Vec<f64> = vectors.ordered.iter().map(|share| share.unwrap_or(f64::NAN)).collect();
    assert_near(design.inputs.column(1), &as_of, "as of its own time");

    let mut probes = Columns::new(2);
    vectors.codes.iter().for_each(|category| probes.push_row(&[0.0, code(*category)]));
    let made = design.preparation.inputs(&probes, &mut Vec::new());
    assert_near(made.column(1), &vectors.target, "target");
    assert_near(made.column(2), &vectors.frequency, "frequency");

    let number = |scaling: Scaling, missing: Filling, probes: &[f64]| {
        let prepared = [
            spec("number", "number", Preparing::Number { scaling, missing }),
            spec("number.is_missing", "number", Preparing::IsMissing),
        ];
        let mut rows = Columns::new(2);
        probes.iter().for_each(|x| rows.push_row(&[*x]));
        whole(&data, &prepared).preparation.inputs(&rows, &mut Vec::new()).into_owned()
    };
    let [low, high] = vectors.quantiles;
    for (scaling, expected) in [
        (Scaling::Standardised, &vectors.standardised),
        (Scaling::Normalised { low: 0.0, high: 1.0 }, &vectors.normalised),
        (Scaling::Normalised { low, high }, &vectors.normalised_between),
    ] {
        assert_near(number(scaling, Filling::None, &vectors.probes).column(0), expected, &format!("{scaling:?}"));
    }
    for (missing, expected) in [(Filling::Mean, &vectors.imputed.mean), (Filling::Median, &vectors.imputed.median)] {
        let made = number(Scaling::Own, missing, &[f64::NAN, 4.0]);
        for (row, expected) in expected.iter().enumerate() {
            assert_near(&[made.column(0)[row], made.column(1)[row]], expected, &format!("{missing:?}"));
        }
    }
}

#[test]
fn the_most_frequent_categories_are_told_apart_and_the_others_count_as_unseen_in_training_too() {
    let rows: Vec<Row> = shops(30, 0.0, 9);
    let data = dataset(&rows);
    let most = spec("shop.target", "shop.code", Preparing::Target { prior_weight: 1.0, max_categories: 3 });
    let design = whole(&data, &[most]);
    let Prepared::Target(shares) = &design.preparation.list()[1].how else { panic!("no shares") };
    let TargetParts { all, categories, .. } = shares.parts();
    assert_eq!((categories.len(), all.rows), (3, 2_400));
    let least = categories.iter().map(|[_, rows, _]| *rows).min().unwrap();
    let rows_of = |code: f64| rows.iter().filter(|row| row.code == code).count() as u64;
    assert!((1..=30).map(f64::from).filter(|code| shares.known(*code).is_none()).all(|code| rows_of(code) <= least));
    let last = design.inputs.column(1).iter().zip(&rows).rfind(|(_, row)| shares.known(row.code).is_none());
    let all_then = rows.iter().filter(|row| is_known_before(row, last.unwrap().1));
    let mut counted = Counted::default();
    all_then.for_each(|row| counted.add(row.positive));
    assert_eq!(*last.unwrap().0, counted.positives as f64 / counted.rows as f64);
}

#[test]
fn columns_of_nothing_and_constants_have_statistics() {
    let rows: Vec<Row> = shops(2, 0.0, 10).into_iter().map(|row| Row { number: 0.1, code: f64::NAN, ..row }).collect();
    let nothing: Vec<Row> = rows.iter().map(|row| Row { number: f64::INFINITY, ..*row }).collect();
    for rows in [rows, nothing] {
        let data = dataset(&rows);
        for scaling in [Scaling::Own, Scaling::Standardised, Scaling::Normalised { low: 0.1, high: 0.9 }] {
            for missing in [Filling::Mean, Filling::Median] {
                let number = spec("number", "number", Preparing::Number { scaling, missing });
                let design = whole(&data, &[number, target(20.0)]);
                let expected = if scaling == Scaling::Own { data.rows().value(0, 0).unwrap() } else { 0.0 };
                let expected = if expected.is_finite() { expected } else { 0.0 };
                assert!(
                    design.inputs.column(0).iter().all(|x| (*x - expected).abs() < 1e-12),
                    "{scaling:?} {missing:?}"
                );
                let Prepared::Target(shares) = &design.preparation.list()[1].how else { panic!("no shares") };
                assert_eq!(TargetShares::new(shares.parts().clone()).as_ref(), Ok(shares));
            }
        }
    }
}
