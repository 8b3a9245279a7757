//! Our statistics against independent libraries.
//!
//! `tests/fixtures/reference_vectors.json` names, for every case, its inputs, the library and version that computed the
//! expected values, and the absolute tolerance. Every case of the file is run; a kind nobody checks fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken fixture fails the test")]

use std::collections::BTreeMap;

use driftless::stats::auc::auc;
use driftless::stats::distribution::{chi_square_tail, normal_tail, student_tail};
use driftless::stats::kolmogorov::limit_tail;
use driftless::stats::loss::{mean_brier, mean_log_loss};
use driftless::stats::{BinCounts, Dispersion, Edges, KsSamples, ScoreHistogram, psi};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vectors {
    data: BTreeMap<String, Vec<f64>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    kind: String,
    inputs: Vec<String>,
    params: Value,
    expected: Value,
    tol: f64,
}

impl Case {
    fn check(&self, name: &str, actual: f64) {
        let expected = self.expected[name].as_f64().unwrap_or_else(|| panic!("{}: no value `{name}`", self.id));
        let error = (actual - expected).abs();
        assert!(error <= self.tol, "{} {name}: {actual} is not {expected} (off by {error:e})", self.id);
    }

    /// Holds a tail value to ten digits as well, where the absolute tolerance would accept zero.
    fn check_tail(&self, name: &str, actual: f64) {
        self.check(name, actual);
        let expected = self.expected[name].as_f64().unwrap();
        assert!((actual - expected).abs() <= 1e-8 * expected, "{} {name}: {actual:e} is not {expected:e}", self.id);
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        serde_json::from_value(self.expected[name].clone()).unwrap()
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("fixtures/reference_vectors.json")).unwrap()
}

#[test]
fn every_case_agrees_with_its_library() {
    let vectors = vectors();
    let mut run = BTreeMap::new();
    for case in &vectors.cases {
        let inputs: Vec<&[f64]> = case.inputs.iter().map(|name| vectors.data[name].as_slice()).collect();
        match case.kind.as_str() {
            "ks_2samp" => ks(case, inputs[0], inputs[1]),
            "psi_quantile_bins" => psi_quantile_bins(case, inputs[0], inputs[1]),
            "chi2_two_sample_counts" => chi_square(case, inputs[0], inputs[1]),
            "binary_metrics" => binary_metrics(case, inputs[0], inputs[1]),
            "roc_auc_one_class" => {
                assert_eq!(auc(&labels(inputs[0]), inputs[1]), None, "{}", case.id);
            }
            "special_functions" => special_functions(case),
            kind => panic!("{}: nothing checks kind `{kind}`", case.id),
        }
        *run.entry(case.kind.as_str()).or_insert(0) += 1;
    }
    let expected = BTreeMap::from([
        ("binary_metrics", 2),
        ("chi2_two_sample_counts", 2),
        ("ks_2samp", 9),
        ("psi_quantile_bins", 18),
        ("roc_auc_one_class", 1),
        ("special_functions", 1),
    ]);
    assert_eq!(run, expected);
}

fn ks(case: &Case, first: &[f64], second: &[f64]) {
    let ks = KsSamples::of(first, second).unwrap();
    case.check("statistic", ks.statistic);
    place(case, &ks, first, second);
    case.check("statistic_sign", if ks.first_is_above { 1.0 } else { -1.0 });
    case.check("statistic_greater", ks.first_above);
    case.check("statistic_less", ks.first_below);
    case.check("p_asymp_scipy", ks.finite_p());
    case.check_tail("p_kolmogorov_limit", ks.limit_p());
    case.check_tail("p_stephens", ks.stephens_p());
    case.check_tail("p_exact", ks.exact_p().unwrap());
    case.check_tail("p_asymp_greater", ks.above_p());
    case.check_tail("p_asymp_less", ks.below_p());
}

/// Several places may attain D; the library's choice among them follows rounding of its distribution functions, ours is
/// the smallest. Where they differ, both must attain D.
fn place(case: &Case, ks: &KsSamples, first: &[f64], second: &[f64]) {
    let expected = case.expected["statistic_location"].as_f64().unwrap();
    let share_below = |sample: &[f64], x: f64| sample.iter().filter(|&&y| y <= x).count() as f64 / sample.len() as f64;
    for x in [ks.place, expected] {
        let gap = (share_below(first, x) - share_below(second, x)).abs();
        assert!((gap - ks.statistic).abs() < 1e-12, "{}: gap {gap} at {x} is not {}", case.id, ks.statistic);
    }
    assert!(ks.place <= expected, "{}: {} is not the smallest place", case.id, ks.place);
}

fn psi_quantile_bins(case: &Case, reference: &[f64], current: &[f64]) {
    let mut sorted = reference.to_vec();
    sorted.sort_by(f64::total_cmp);
    let edges = Edges::from_sample(&sorted, case.params["bins"].as_u64().unwrap() as usize);
    let expected = case.numbers("edges");
    assert_eq!(edges.as_slice().len(), expected.len(), "{}", case.id);
    for (edge, expected) in edges.as_slice().iter().zip(&expected) {
        assert!((edge - expected).abs() <= case.tol, "{}: edge {edge} is not {expected}", case.id);
    }
    let reference = BinCounts::of(&edges, reference);
    let current = BinCounts::of(&edges, current);
    for (counts, name) in [(&reference, "ref_fraction"), (&current, "cur_fraction")] {
        let mut expected = case.numbers(name);
        expected.push(0.0); // nothing is missing
        for (share, expected) in counts.shares().unwrap().iter().zip(&expected) {
            assert!((share - expected).abs() <= case.tol, "{} {name}: {share} is not {expected}", case.id);
        }
    }
    case.check("psi_floor_1e-4", psi(&current, &reference, Dispersion::INDEPENDENT).unwrap().psi);
}

fn chi_square(case: &Case, reference: &[f64], current: &[f64]) {
    let counts = |bins: &[f64]| BinCounts { bins: bins.iter().map(|&count| count as u64).collect(), missing: 0 };
    let result = psi(&counts(current), &counts(reference), Dispersion::INDEPENDENT).unwrap();
    case.check("statistic", result.chi_square);
    case.check("dof", (result.occupied - 1) as f64);
    case.check("p", result.p_value);
    case.check("psi_floor_1e-4", result.psi);
}

fn binary_metrics(case: &Case, truth: &[f64], scores: &[f64]) {
    let labels = labels(truth);
    case.check("roc_auc", auc(&labels, scores).unwrap().auc);
    case.check("log_loss_eps_1e-15", mean_log_loss(&labels, scores).unwrap());
    case.check("brier", mean_brier(&labels, scores).unwrap());
    let mut histogram = ScoreHistogram::default();
    labels.iter().zip(scores).for_each(|(&label, &score)| assert!(histogram.add(label, score)));
    case.check("roc_auc", histogram.auc().unwrap().auc); // two-decimal scores have a cell each
    case.check("log_loss_eps_1e-15", histogram.log_loss().unwrap());
    case.check("brier", histogram.brier().unwrap());
}

fn special_functions(case: &Case) {
    let rows = |name: &str| -> Vec<Vec<f64>> { serde_json::from_value(case.expected[name].clone()).unwrap() };
    let agree = |name: &str, actual: f64, expected: f64| {
        let error = (actual / expected - 1.0).abs(); // relative: the tails are what matters
        assert!(error <= case.tol, "{name}: {actual:e} is not {expected:e} (off by {error:e})");
    };
    for row in rows("kstwobign_sf") {
        agree("kstwobign_sf", limit_tail(row[0]), row[1]);
    }
    for row in rows("chi2_sf") {
        agree("chi2_sf", chi_square_tail(row[0], row[1]), row[2]);
    }
    for row in rows("norm_sf") {
        agree("norm_sf", normal_tail(row[0]), row[1]);
    }
    for row in rows("t_sf") {
        agree("t_sf", student_tail(row[0], row[1]), row[2]);
    }
}

fn labels(truth: &[f64]) -> Vec<bool> {
    truth.iter().map(|&label| label == 1.0).collect()
}

/// A second oracle, over a grid instead of chosen points: statrs, whose upper tails (`sf`) are computed independently of
/// ours and of scipy's. Its incomplete beta and gamma functions stop at about 1e-12 of their value, which the tolerance
/// leaves room for; below 1e-100 it loses digits and is not asked.
mod against_statrs {
    use driftless::stats::distribution::{FDegrees, chi_square_tail, f_tail, normal_tail, student_tail};
    use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor, Normal, StudentsT};

    const TOLERANCE: f64 = 1e-9;
    const LEAST: f64 = 1e-100;
    const DEGREES: [f64; 8] = [1.0, 2.0, 4.5, 9.0, 30.0, 100.0, 365.0, 2_000.0];

    fn agree(what: &str, ours: f64, theirs: f64) {
        if theirs > LEAST {
            let error = (ours / theirs - 1.0).abs();
            assert!(error < TOLERANCE, "{what}: {ours:e} is not {theirs:e} (off by {error:e})");
        }
    }

    #[test]
    fn normal_tails_agree() {
        let normal = Normal::standard();
        for step in -60..=120 {
            let z = f64::from(step) / 10.0;
            agree(&format!("normal {z}"), normal_tail(z), normal.sf(z));
        }
    }

    #[test]
    fn student_tails_agree() {
        for df in DEGREES {
            let student = StudentsT::new(0.0, 1.0, df).unwrap();
            for step in -40..=80 {
                let t = f64::from(step) / 10.0;
                agree(&format!("t {t} df {df}"), student_tail(t, df), student.sf(t));
            }
        }
    }

    #[test]
    fn chi_square_tails_agree() {
        for df in DEGREES {
            let chi_square = ChiSquared::new(df).unwrap();
            for step in 1..=60 {
                let x = df * f64::from(step) / 20.0;
                agree(&format!("chi square {x} df {df}"), chi_square_tail(x, df), chi_square.sf(x));
            }
        }
    }

    #[test]
    fn f_tails_agree() {
        for numerator in DEGREES {
            for denominator in DEGREES {
                let f = FisherSnedecor::new(numerator, denominator).unwrap();
                for step in 1..=60 {
                    let x = f64::from(step) / 15.0;
                    let df = FDegrees { numerator, denominator };
                    agree(&format!("F {x} df {numerator}, {denominator}"), f_tail(x, df), f.sf(x));
                }
            }
        }
    }
}
