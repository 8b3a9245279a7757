//! The screen, held against golden texts, and what holds for every width and height.

use std::path::PathBuf;

use super::exposition::Quantile;
use super::view::{
    AlertView, DecisionView, Flow, KafkaView, Level, ModelView, OtherModel, PartitionView, ProcessView, SettingView,
    SignalView, TrainingAsked, Trainings, Verdict, View,
};
use super::{Canvas, draw};
use crate::data::{Arm, PerformanceRecord, Timestamp};

fn at(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).unwrap()
}

fn process(endpoint: &str, role: &str) -> ProcessView {
    ProcessView {
        endpoint: endpoint.to_owned(),
        answers: Some(true),
        ready: Some(true),
        roles: vec![role.to_owned()],
        version: Some("0.1.0".to_owned()),
        up_s: Some(7_860.0),
        memory_bytes: Some(61e6),
        ..ProcessView::default()
    }
}

fn partition(number: u32, lag: i64, behind_s: f64) -> PartitionView {
    PartitionView {
        partition: number.to_string(),
        committed: Some(1_000),
        end: Some(1_000 + lag),
        lag: Some(lag),
        behind_s: Some(behind_s),
        per_s: Some(2_494.1),
        still_s: None,
    }
}

fn window(day: u32, auc: f64) -> PerformanceRecord {
    PerformanceRecord {
        window_start: at(&format!("2013-04-{day:02}T00:00:00Z")),
        window_end: at(&format!("2013-04-{:02}T00:00:00Z", day + 7)),
        revision: 3,
        model_version: 3,
        arm: Arm::Champion,
        segment: "all".to_owned(),
        predictions: 6_240,
        n: 6_123,
        coverage: Some(0.98),
        label_age_s: Some(18_720.0),
        positive_share: Some(0.2),
        auc: Some(auc),
        auc_low: Some(auc - 0.01),
        auc_high: Some(auc + 0.01),
        log_loss: Some(0.4427),
        brier: Some(0.14),
    }
}

fn signal(name: &str, ratio: f64, history: &[f64]) -> SignalView {
    let history = history.iter().map(|value| Some(*value)).collect();
    SignalView { signal: name.to_owned(), effect_ratio: Some(ratio), open: ratio > 1.0, history }
}

fn alert(signal: &str, effect: f64) -> AlertView {
    AlertView {
        alert_id: format!("v3-{signal}"),
        signal: signal.to_owned(),
        segment: "all".to_owned(),
        statistic: "psi".to_owned(),
        value: Some(3.637),
        effect: Some(effect),
        threshold: Some(0.25),
        since: at("2013-04-12T00:00:00Z"),
        until: at("2013-04-19T00:00:00Z"),
        incident_id: "v3-temp-2013-04-12T00:00:00Z".to_owned(),
        message: format!("`{signal}` left its reference"),
    }
}

fn decision(time: &str, command: &'static str, version: u32, why: &str) -> DecisionView {
    DecisionView {
        at: at(time),
        command,
        version,
        by: "monitor".to_owned(),
        why: why.to_owned(),
        void: false,
        setting: None,
    }
}

/// An application in which something drifts while all of it works.
fn drifting() -> View {
    let mut view = View {
        app: "flights".to_owned(),
        at: at("2026-11-21T22:31:07Z"),
        verdict: Verdict::default(),
        kafka: KafkaView {
            brokers: "10.0.0.1:9092,10.0.0.2:9092".to_owned(),
            answers: Some(true),
            error: None,
            answered_s: Some(0.4),
        },
        processes: vec![
            process("10.0.0.11:9464", "score"),
            process("10.0.0.12:9464", "score"),
            process("10.0.0.13:9464", "monitor"),
            process("10.0.0.14:9464", "retrain"),
        ],
        flow: Flow {
            events_per_s: Some(9_976.4),
            labels_per_s: Some(8_811.0),
            predictions_per_s: Some(9_976.3),
            dead_letters_per_s: Some(0.1),
            dead_letters: Some(36.0),
            late_per_s: Some(0.0),
            latency_p50: Some(Quantile { seconds: 0.061, beyond: false }),
            latency_p99: Some(Quantile { seconds: 0.214, beyond: false }),
            commit_p99: Some(Quantile { seconds: 0.148, beyond: false }),
            aborted_per_s: Some(0.0),
            unaccounted: Some(0.0),
            held_shards: Some(0.0),
            events_history: vec![4_000.0, 6_000.0, 9_900.0, 9_800.0, 9_950.0, 9_976.4],
        },
        partitions: (0..4).map(|number| partition(number, 120 * i64::from(number), f64::from(number) * 0.1)).collect(),
        model: ModelView {
            version: Some(3),
            family: Some("forest".to_owned()),
            since: Some(at("2026-11-21T20:18:07Z")),
            age_s: Some(7_980.0),
            reference_auc: Some(0.746),
            frozen: false,
            disagree: Vec::new(),
            others: [(5, "candidate"), (4, "refused"), (2, "refused"), (1, "was in charge")]
                .map(|(version, state)| OtherModel {
                    version,
                    state,
                    family: Some("forest".to_owned()),
                    registered: at("2026-11-21T20:00:00Z"),
                    auc_gain: Some(0.01),
                })
                .to_vec(),
        },
        settings: Vec::new(),
        performance: vec![window(1, 0.761), window(8, 0.752), window(15, 0.701), window(22, 0.741)],
        signals: vec![
            signal("temp", 12.04, &[0.2, 0.3, 0.9, 1.3, 4.0, 12.04]),
            signal("origin_carrier.landed.mean_arr_delay.6h", 1.37, &[0.1, 0.2, 0.2, 0.7, 1.1, 1.37]),
            signal("dewp", 0.43, &[0.1, 0.1, 0.5, 0.3, 0.2, 0.43]),
            signal("score", 0.08, &[0.1, 0.1, 0.0, 0.0, 0.1, 0.08]),
        ],
        alerts: vec![alert("temp", 3.01), alert("origin_carrier.landed.mean_arr_delay.6h", 0.34)],
        trainings: Trainings {
            open: Some(1),
            asked: Some(TrainingAsked {
                incident_id: "v3-temp-2013-04-12T00:00:00Z".to_owned(),
                reason: Some("drift"),
                cutoff: Some(at("2013-04-19T00:00:00Z")),
                answered: false,
            }),
            registered: 5,
            failed: 0,
        },
        decisions: vec![
            decision("2026-11-21T22:18:02Z", "registered", 5, "trained because of schedule"),
            decision(
                "2026-11-21T21:12:09Z",
                "refused",
                4,
                "auc gain +0.0038 [-0.0001, +0.0077] over 6188 held-out examples",
            ),
            decision(
                "2026-11-21T20:18:07Z",
                "promoted",
                3,
                "auc gain +0.0210 [+0.0181, +0.0239] over 6204 held-out examples",
            ),
        ],
    };
    view.verdict = Verdict::of(&view);
    view
}

/// The same in the night in which everything breaks.
fn broken() -> View {
    let mut view = drifting();
    view.processes[1] = ProcessView {
        endpoint: "10.0.0.12:9464".to_owned(),
        answers: Some(false),
        error: Some("connection refused".to_owned()),
        ..ProcessView::default()
    };
    view.processes[2].ready = Some(false);
    view.processes[2].missing = vec!["flights.monitor.b.0 has not joined its group".to_owned()];
    view.partitions[2] = PartitionView { still_s: Some(95.0), ..partition(2, 120_345, 96.0) };
    view.signals.iter_mut().for_each(|signal| signal.effect_ratio = None);
    view.trainings.open = None;
    view.verdict = Verdict::of(&view);
    view
}

fn text(view: &View, canvas: Canvas, colours: bool) -> String {
    let lines: Vec<String> = draw(view, canvas).iter().map(|line| line.render(colours)).collect();
    lines.join("\n") + "\n"
}

struct Golden {
    file: &'static str,
    view: View,
    width: usize,
    colours: bool,
}

fn goldens() -> [Golden; 6] {
    let mut unknown = View { app: "flights".to_owned(), ..View::default() };
    unknown.verdict = Verdict::of(&unknown);
    let golden = |file, view, width, colours| Golden { file, view, width, colours };
    [
        golden("drifting-80.txt", drifting(), 80, false),
        golden("drifting-80-colours.txt", drifting(), 80, true),
        golden("drifting-200.txt", drifting(), 200, false),
        golden("broken-80.txt", broken(), 80, false),
        golden("broken-200-colours.txt", broken(), 200, true),
        golden("unknown-80.txt", unknown, 80, false),
    ]
}

fn fixture(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/top").join(file)
}

#[test]
fn the_screen_looks_as_it_was_looked_at() {
    for Golden { file, view, width, colours } in goldens() {
        let drawn = text(&view, Canvas { width, height: None }, colours);
        let expected = std::fs::read_to_string(fixture(file)).unwrap_or_default();
        assert_eq!(drawn, expected, "{file}\n{drawn}");
    }
}

#[test]
#[ignore = "by hand: writes the golden texts, to be looked at"]
fn write_the_golden_texts() {
    for Golden { file, view, width, colours } in goldens() {
        std::fs::write(fixture(file), text(&view, Canvas { width, height: None }, colours)).unwrap();
    }
}

#[test]
fn colours_say_nothing_that_words_do_not() {
    let plain = text(&broken(), Canvas { width: 80, height: None }, false);
    let coloured = text(&broken(), Canvas { width: 80, height: None }, true);
    let stripped = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(&coloured, "").into_owned();
    let trimmed: Vec<&str> = stripped.lines().map(str::trim_end).collect();
    assert_eq!(trimmed, plain.lines().collect::<Vec<_>>());
    for word in ["CRITICAL", "DOWN", "NOT READY", "STANDS STILL", "OPEN"] {
        assert!(plain.contains(word), "{word}\n{plain}");
    }
}

#[test]
fn nothing_is_wider_or_higher_than_the_canvas() {
    let mut large = drifting();
    large.partitions = (0..500).map(|number| partition(number, i64::from(number), 0.0)).collect();
    large.signals =
        (0..300).map(|n| signal(&format!("feature_{n}.of.many"), 0.001 * f64::from(n), &[0.1; 60])).collect();
    for view in [large, drifting(), broken(), View::default()] {
        for width in [20, 40, 79, 80, 149, 150, 200, 400] {
            for height in [1, 5, 10, 24, 50, 100] {
                let lines = draw(&view, Canvas { width, height: Some(height) });
                assert!(lines.len() <= height, "{width} x {height}: {} lines", lines.len());
                for line in lines {
                    assert!(line.width() <= width, "{width} x {height}: {}", line.render(false));
                }
            }
        }
    }
}

#[test]
fn what_matters_fits_into_24_lines_of_80_columns() {
    let drawn = text(&broken(), Canvas { width: 80, height: Some(24) }, false);
    for word in ["CRITICAL", "10.0.0.12:9464", "DOWN", "STANDS STILL", "temp", "v3", "a training is"] {
        assert!(drawn.contains(word), "{word}\n{drawn}");
    }
    let calm = View { verdict: Verdict { level: Level::Ok, reasons: Vec::new() }, ..drifting() };
    let drawn = text(&calm, Canvas { width: 80, height: Some(24) }, false);
    assert!(!drawn.contains("more lines"), "{drawn}");
}

fn commanded() -> SettingView {
    SettingView {
        key: "score.threshold",
        value: "0.3".to_owned(),
        configured: "0.5".to_owned(),
        source: "command",
        since: Some(at("2026-11-21T21:00:00Z")),
        by: Some("ann".to_owned()),
        why: Some("too few are caught".to_owned()),
    }
}

#[test]
fn a_setting_that_is_not_as_the_configuration_says_is_shown_and_others_are_not() {
    let calm = SettingView { value: "500".to_owned(), key: "drift.min_n", ..SettingView::default() };
    let view = View { settings: vec![calm, commanded()], ..drifting() };
    for height in [None, Some(24)] {
        let drawn = text(&view, Canvas { width: 80, height }, false);
        assert!(drawn.contains("  set by command score.threshold 0.3 (not 0.5)\n"), "{drawn}");
        assert!(!drawn.contains("drift.min_n"), "{drawn}");
    }
}

#[test]
fn the_json_has_the_fields_that_are_documented() {
    fn names(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                found.push(path.clone());
                names(value, &path, found);
            }),
            serde_json::Value::Array(values) => {
                values.iter().take(1).for_each(|value| names(value, &format!("{path}[]"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    let view = View { settings: vec![commanded()], ..broken() };
    names(&serde_json::to_value(view).unwrap(), "", &mut found);
    let page = include_str!("../../../docs/status.md");
    for name in found.iter().filter(|name| !name.starts_with("performance[].")) {
        assert!(page.contains(&format!("| `{name}` |")), "docs/status.md does not list `{name}`");
    }
}
