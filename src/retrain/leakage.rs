//! What a training row knows, and must not know, of labels; and that the model that is served is the one that was judged.

use proptest::prelude::*;

use super::design::Design;
use super::design_tests::{Row, dataset, is_known_before, shops, spec, target, whole};
use super::fit::{FitTask, Fitting};
use super::ordered::{FIRST_KNOWN, Labelled, ordered};
use super::{Dataset, TrainingInputs, TrainingOutcome, TrainingParams, train};
use crate::data::params::{Filling, ModelFamily, PreparedSpec, Preparing, Scaling};
use crate::data::{Span, Timestamp};
use crate::drift::SignalProfile;
use crate::model::{Columns, Model};
use crate::stats::{SplitMix64, auc::auc};

const FAMILIES: [ModelFamily; 2] = [ModelFamily::Linear, ModelFamily::Forest];

fn labelled(row: &Row) -> Labelled {
    let time = Timestamp::from_millis;
    Labelled { code: row.code, at: time(row.at), known_at: time(row.known_at), positive: row.positive }
}

prop_compose! {
    fn stream()(n in 120usize..320, seed in any::<u64>()) -> Vec<Row> {
        let mut rng = SplitMix64::new(seed);
        let mut at = 0;
        (0..n).map(|_| {
            at += rng.below(3) as i64;
            let code = match rng.below(12) { 0 => f64::NAN, code => code as f64 };
            // now and then a label is known before its event
            Row { at, known_at: at - 2 + rng.below(20) as i64, number: 0.0, code, positive: rng.below(4) == 0 }
        }).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_row_has_in_training_what_the_model_of_its_time_would_have_given_it(rows in stream(), weight in 0.0..30.0f64) {
        let data = dataset(&rows);
        let design = whole(&data, &[target(weight)]);
        for (row, found) in rows.iter().zip(design.inputs.column(1)) {
            let before: Vec<Row> = rows.iter().filter(|other| is_known_before(other, row)).copied().collect();
            if (before.len() as u64) < FIRST_KNOWN {
                prop_assert!(found.is_nan());
                continue;
            }
            let then = whole(&dataset(&before), &[target(weight)]).preparation;
            let mut probe = Columns::new(2);
            probe.push_row(&[0.0, row.code]);
            let served = then.inputs(&probe, &mut Vec::new()).value(0, 1).unwrap();
            prop_assert_eq!(found.to_bits(), served.to_bits());
        }
    }

    #[test]
    fn no_label_reaches_a_row_before_it_is_known(
        rows in stream(), row in any::<prop::sample::Index>(), weight in 0.0..30.0f64,
    ) {
        let own = *row.get(&rows);
        let mut turned: Vec<Labelled> = rows.iter().map(labelled).collect();
        for (turned, row) in turned.iter_mut().zip(&rows) {
            turned.positive ^= !is_known_before(row, &own);
        }
        let before = ordered(&rows.iter().map(labelled).collect::<Vec<_>>(), weight, |_| true);
        let after = ordered(&turned, weight, |_| true);
        for ((row, before), after) in rows.iter().zip(before).zip(after) {
            if row.at <= own.at {
                prop_assert_eq!(before.to_bits(), after.to_bits());
            }
        }
    }
}

fn correlation(values: &[f64], labels: &[bool]) -> f64 {
    let pairs: Vec<(f64, f64)> = values
        .iter()
        .zip(labels)
        .filter(|(value, _)| value.is_finite())
        .map(|(value, label)| (*value, f64::from(u8::from(*label))))
        .collect();
    let n = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
    let joint = sum(&|pair| (pair.0 - x) * (pair.1 - y));
    joint / libm::sqrt(sum(&|pair| (pair.0 - x) * (pair.0 - x)) * sum(&|pair| (pair.1 - y) * (pair.1 - y)))
}

/// The design that encodes training rows with the table they went into: the mistake.
fn naive(data: &Dataset, prepared: &[PreparedSpec]) -> Design {
    let design = whole(data, prepared);
    Design { inputs: design.preparation.inputs(data.rows(), &mut Vec::new()).into_owned(), ..design }
}

#[test]
fn an_encoded_row_does_not_know_its_own_label_and_one_encoded_naively_does() {
    for (n_shops, seed) in [(20, 1), (400, 2), (1_200, 3), (100_000, 4)] {
        let data = dataset(&shops(n_shops, 0.0, seed));
        let found = correlation(whole(&data, &[target(2.0)]).inputs.column(1), data.labels());
        // four standard errors of a correlation of nothing
        assert!(found.abs() < 4.0 / libm::sqrt(data.len() as f64) || found.is_nan(), "{n_shops} shops: {found}");
        let naive = correlation(naive(&data, &[target(2.0)]).inputs.column(1), data.labels());
        assert!(n_shops < 400 || naive > 0.3, "{n_shops} shops: {naive}");
    }
}

#[test]
fn a_category_that_says_nothing_gives_a_model_that_knows_nothing() {
    let data = dataset(&shops(800, 0.0, 5));
    for family in FAMILIES {
        let params = TrainingParams { families: vec![family], prepared: vec![target(2.0)], ..params() };
        let TrainingOutcome::Candidate(candidate) =
            train(TrainingInputs { params, data: data.clone(), champion: None })
        else {
            panic!("no candidate");
        };
        let found = candidate.model.evidence().candidate.auc.unwrap();
        // of some 500 held-out rows: three standard errors
        assert!((found - 0.5).abs() < 0.08, "{family:?}: {found}");
    }
}

fn params() -> TrainingParams {
    let [holdout, validation] = [Span::from_days(20); 2];
    TrainingParams {
        trees: 24,
        depth: 8,
        holdout,
        validation,
        history: Span::from_days(365),
        ..TrainingParams::default()
    }
}

/// AUC on the last rows of a model fitted to the others as `design` has them.
fn held_out_auc(rows: &[Row], design: fn(&Dataset, &[PreparedSpec]) -> Design) -> f64 {
    let (fitted, later) = rows.split_at(1_900);
    let design = design(&dataset(fitted), &[target(2.0)]);
    let fitting = Fitting::new(&design, ModelFamily::Linear, &params(), 1);
    let fitted = fitting.combine(fitting.tasks().iter().map(FitTask::run).collect()).unwrap();
    let later = dataset(later);
    auc(later.labels(), &fitted.score(later.rows())).unwrap().auc
}

#[test]
fn a_category_that_says_nothing_does_not_drown_what_says_something_unless_encoded_naively() {
    let rows = shops(400, 0.6, 6);
    let (clean, leaking) = (held_out_auc(&rows, whole), held_out_auc(&rows, naive));
    assert!(clean > 0.63, "{clean}");
    assert!(leaking < clean - 0.04, "naively {leaking}, otherwise {clean}");
}

/// Rows of shops of which each has its own share of positives.
fn telling_shops() -> Vec<Row> {
    let mut rng = SplitMix64::new(7);
    let mut rows = shops(150, 0.0, 8);
    let shares: Vec<f64> = (0..151).map(|_| rng.unit()).collect();
    for row in &mut rows {
        row.positive = rng.unit() < shares[row.code as usize];
        // codes as a hash gives them: their order says nothing
        row.code = ((row.code as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16) as f64;
    }
    rows
}

fn candidate(prepared: Vec<PreparedSpec>, family: ModelFamily) -> Model {
    let params = TrainingParams { families: vec![family], prepared, ..params() };
    match train(TrainingInputs { params, data: dataset(&telling_shops()), champion: None }) {
        TrainingOutcome::Candidate(candidate) => candidate.model,
        other => panic!("no candidate: {other:?}"),
    }
}

#[test]
fn a_category_that_tells_is_learnt_and_the_model_that_is_served_is_the_one_that_was_judged() {
    let rows = telling_shops();
    let later = dataset(&rows[rows.len() - 480..]);
    let scores = |model: &Model| {
        let mut scores = Vec::new();
        model.score(later.rows(), &mut scores);
        scores
    };
    for family in FAMILIES {
        let plain = candidate(vec![], family).evidence().candidate.auc.unwrap();
        let prepared = vec![
            target(20.0),
            spec("shop.frequency", "shop.code", Preparing::Frequency { max_categories: 100 }),
            spec("number", "number", Preparing::Number { scaling: Scaling::Standardised, missing: Filling::Mean }),
        ];
        let model = candidate(prepared, family);
        let found = model.evidence().candidate.auc.unwrap();
        assert!(found > 0.75 && found > plain + 0.05, "{family:?}: {found}, of the bare code {plain}");
        let importance: Vec<f64> = model.profile().iter().take(2).map(SignalProfile::importance).collect();
        assert!(importance[1] > importance[0], "{family:?}: {importance:?}");
        assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-9);

        let bytes = model.to_bytes().unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert_eq!(scores(&read), scores(&model));
        assert_eq!(auc(later.labels(), &scores(&read)).unwrap().auc, found);
    }
}
