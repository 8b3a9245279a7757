//! What every model family has to stand, run over each of them.

use std::sync::Arc;

use super::{
    Candidate, Dataset, DatasetParams, ExampleRow, Examples, FitTask, LabelRow, NotEnough, Step, Training,
    TrainingInputs, TrainingOutcome, TrainingParams, train,
};
use crate::data::params::ModelFamily;
use crate::data::{Arm, Span, Timestamp};
use crate::drift::SignalProfile;
use crate::model::{Columns, Layout, Model};
use crate::stats::SplitMix64;

const FAMILIES: [ModelFamily; 2] = [ModelFamily::Linear, ModelFamily::Forest];
const HOUR: i64 = 3_600_000;
const N: i64 = 24 * 7 * 8;

struct World {
    names: Vec<&'static str>,
    row: fn(&mut SplitMix64) -> Vec<f64>,
    label: fn(&[f64], f64) -> f64,
}

/// Two features that matter, one of them now and then missing, one that is noise, one that never changes.
const PLAIN: World = World {
    names: vec![],
    row: |rng| {
        let second = if rng.below(5) == 0 { f64::NAN } else { 10.0 * rng.unit() };
        vec![rng.unit(), second, rng.unit(), 3.0]
    },
    label: |row, u| {
        let second = if row[1].is_nan() { 0.9 } else { row[1] / 10.0 };
        f64::from(u8::from(u < 0.1 + 0.5 * row[0] + 0.3 * second))
    },
};

fn dataset(world: &World, order: &[usize]) -> Dataset {
    let names = if world.names.is_empty() { vec!["first", "second", "noise", "constant"] } else { world.names.clone() };
    let layout = Layout::new(order.iter().map(|&i| names[i].to_owned()).collect()).unwrap();
    let mut rng = SplitMix64::new(11);
    let mut examples = Examples::default();
    for i in 0..N * 3 {
        let row = (world.row)(&mut rng);
        let label = (world.label)(&row, rng.unit());
        let event_time = Timestamp::from_millis(i * HOUR / 3);
        examples.add_prediction(&ExampleRow {
            event_id: format!("e{i}"),
            event_time,
            model_version: 0,
            arm: Arm::Champion,
            score: 0.5,
            layout: layout.fingerprint().to_owned(),
            features: order.iter().map(|&i| row[i]).collect(),
        });
        let known_at = event_time.plus(Span::from_millis(HOUR));
        examples.add_outcome(&LabelRow { event_id: format!("e{i}"), known_at, label, revision: 0 });
    }
    let (cutoff, history) = (Timestamp::from_millis(N * HOUR), Span::from_days(365));
    Dataset::build(&examples, &DatasetParams { layout: &layout, cutoff, history, maturity: Span::default() })
}

fn params(families: &[ModelFamily]) -> TrainingParams {
    TrainingParams { families: families.to_vec(), trees: 24, depth: 8, max_rows: 2_000, ..TrainingParams::default() }
}

fn inputs(families: &[ModelFamily]) -> TrainingInputs {
    TrainingInputs { params: params(families), data: dataset(&PLAIN, &[0, 1, 2, 3]), champion: None }
}

fn candidate(inputs: TrainingInputs) -> Candidate {
    match train(inputs) {
        TrainingOutcome::Candidate(candidate) => *candidate,
        other => panic!("no candidate: {other:?}"),
    }
}

fn scores(model: &Model, rows: &Columns) -> Vec<f64> {
    let mut scores = Vec::new();
    model.score(rows, &mut scores);
    scores
}

#[test]
fn it_learns_and_is_better_than_the_base_rate() {
    for family in FAMILIES {
        let evidence = candidate(inputs(&[family])).model.evidence().clone();
        assert!(evidence.candidate.auc.is_some_and(|auc| auc > 0.65), "{family:?} {evidence:?}");
        assert!(evidence.log_loss_gain.low > 0.0, "{family:?} {evidence:?}");
        assert!(evidence.trained_to < evidence.holdout_from);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_however_tasks_are_run() {
    for families in [&FAMILIES[..1], &FAMILIES[1..], &FAMILIES[..]] {
        let first = candidate(inputs(families));
        let mut training = Training::new(inputs(families));
        let mut parts = Vec::new();
        let second = loop {
            match training.advance(parts) {
                Step::Run(tasks) => {
                    let mut by_last: Vec<_> = tasks.iter().rev().map(FitTask::run).collect();
                    by_last.reverse();
                    parts = by_last;
                }
                Step::Done(TrainingOutcome::Candidate(candidate)) => break *candidate,
                Step::Done(other) => panic!("no candidate: {other:?}"),
            }
        };
        assert_eq!(first.model.to_bytes().unwrap(), second.model.to_bytes().unwrap());
        let other = TrainingInputs { params: TrainingParams { seed: 2, ..params(families) }, ..inputs(families) };
        assert_ne!(candidate(other).model.to_bytes().unwrap(), first.model.to_bytes().unwrap());
    }
}

#[test]
fn missing_infinite_and_huge_values_score_within_bounds() {
    let strange = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, -0.0];
    for family in FAMILIES {
        let model = candidate(inputs(&[family])).model;
        let mut rows = Columns::new(4);
        for first in strange {
            strange.iter().for_each(|&second| rows.push_row(&[first, second, second, first]));
        }
        assert!(scores(&model, &rows).iter().all(|score| (0.0..=1.0).contains(score)), "{family:?}");
    }
}

#[test]
fn columns_of_nothing_infinity_and_huge_values_do_not_spoil_training() {
    let world = World {
        names: vec!["first", "nothing", "infinite", "huge"],
        row: |rng| {
            let sign = if rng.below(2) == 0 { 1.0 } else { -1.0 };
            vec![rng.unit(), f64::NAN, f64::INFINITY * sign, f64::MAX * sign * rng.unit()]
        },
        label: |row, u| f64::from(u8::from(u < row[0])),
    };
    for family in FAMILIES {
        let data = dataset(&world, &[0, 1, 2, 3]);
        let model = candidate(TrainingInputs { data, ..inputs(&[family]) }).model;
        assert!(model.evidence().candidate.auc.is_some_and(|auc| auc > 0.7), "{family:?} {:?}", model.evidence());
    }
}

#[test]
fn a_constant_column_has_no_importance() {
    for family in FAMILIES {
        let model = candidate(inputs(&[family])).model;
        let importance: Vec<f64> = model.profile().iter().map(SignalProfile::importance).collect();
        assert_eq!(importance[3], 0.0, "{family:?}");
        assert!(importance[0] > importance[2], "{family:?} {importance:?}");
        assert!((importance[..4].iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}

#[test]
fn the_order_of_features_is_irrelevant() {
    for family in FAMILIES {
        let all_features = TrainingParams { features_per_split: Some(4), ..params(&[family]) };
        let fit = |order: &[usize]| {
            let data = dataset(&PLAIN, order);
            let rows = data.rows().clone();
            let inputs = TrainingInputs { params: all_features.clone(), data, champion: None };
            scores(&candidate(inputs).model, &rows)
        };
        let (straight, turned) = (fit(&[0, 1, 2, 3]), fit(&[3, 1, 0, 2]));
        let apart = straight.iter().zip(&turned).filter(|(a, b)| (*a - *b).abs() > 0.01).count();
        // splits of equal gain are told apart by their order, so some rows of a forest differ
        assert!(apart * 20 < straight.len(), "{family:?}: {apart} of {}", straight.len());
    }
}

#[test]
fn a_model_survives_its_artifact_bit_for_bit() {
    for family in FAMILIES {
        let model = candidate(inputs(&[family])).model;
        let bytes = model.to_bytes().unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        assert_eq!(read.to_bytes().unwrap(), bytes);
        let rows = dataset(&PLAIN, &[0, 1, 2, 3]).rows().clone();
        let bits = |model: &Model| scores(model, &rows).into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(&model), bits(&read), "{family:?}");
    }
}

#[test]
fn one_class_or_too_few_rows_are_not_enough() {
    let one_class = World { label: |_, _| 1.0, ..PLAIN };
    for family in FAMILIES {
        let data = dataset(&one_class, &[0, 1, 2, 3]);
        let outcome = train(TrainingInputs { data, ..inputs(&[family]) });
        let TrainingOutcome::NotEnough(NotEnough::Class { class: "negative", found: 0, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        let params = TrainingParams { min_train: 1_000_000, ..params(&[family]) };
        let outcome = train(TrainingInputs { params, ..inputs(&[family]) });
        assert!(matches!(outcome, TrainingOutcome::NotEnough(NotEnough::Rows { .. })), "{outcome:?}");
    }
}

#[test]
fn the_family_with_the_lower_loss_is_chosen_and_a_champion_is_met_with_its_own_scores() {
    let chosen = candidate(inputs(&FAMILIES));
    let least = chosen.validation.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!((chosen.validation.len(), least.0.as_str()), (2, chosen.model.family().name()));
    assert_eq!(chosen.model.evidence().champion.auc, Some(0.5), "the published scores were all the same");
    let champion = Arc::new(chosen.model);
    let again = candidate(TrainingInputs { champion: Some(Arc::clone(&champion)), ..inputs(&FAMILIES) });
    let evidence = again.model.evidence();
    assert_eq!(evidence.champion, champion.evidence().candidate);
    assert_eq!(evidence.log_loss_gain.mean, 0.0);
    assert_eq!(again.model.estimator(), champion.estimator());
}
