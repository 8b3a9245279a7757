//! What a run has found: progress for a person on stderr, and one line of JSON last on stdout.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Breaches shown in full; the rest is counted.
const SHOWN: usize = 20;

/// Times from a `kill -9` to the next prediction, in seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Recovery {
    pub n: usize,
    pub p50_s: Option<f64>,
    pub max_s: Option<f64>,
    #[serde(skip)]
    all: Vec<f64>,
}

impl Recovery {
    pub(crate) fn add(&mut self, time: Duration) {
        self.all.push((time.as_secs_f64() * 100.0).round() / 100.0);
        self.all.sort_by(f64::total_cmp);
        self.n = self.all.len();
        self.p50_s = self.all.get((self.n - 1) / 2).copied();
        self.max_s = self.all.last().copied();
    }
}

/// What the checker has counted.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub events: u64,
    pub labels: u64,
    pub predictions: u64,
    pub dead_letters: u64,
    pub outcomes: u64,
    pub alerts: u64,
    pub performance_windows: u64,
    /// Inputs without the output they have to have.
    pub lost: u64,
    /// Outputs that are there more than once.
    pub doubled: u64,
    /// Outputs whose values are not those of the oracle, or of the undisturbed run.
    pub differing: u64,
    /// Outputs out of the order of their inputs.
    pub disordered: u64,
}

/// The result of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub seed: u64,
    pub nodes: usize,
    pub seconds: u64,
    pub mutation: Option<String>,
    pub faults: BTreeMap<&'static str, u64>,
    pub kills: u64,
    /// Fail points at which processes died, stopped, waited or gave a transaction up.
    pub kill_points: BTreeMap<String, u64>,
    /// Some lines of the instances' logs, by number.
    pub log_lines: BTreeMap<String, u64>,
    #[serde(flatten)]
    pub counts: Counts,
    pub recovery_same_instance: Recovery,
    pub recovery_other_instance: Recovery,
    /// The slowest that any fault was recovered from.
    pub slowest_s: f64,
    pub breaches: Vec<String>,
    pub breach_count: usize,
    #[serde(skip)]
    pub begun: Option<Instant>,
}

impl Report {
    pub(crate) fn new(plan: &crate::plan::Plan) -> Self {
        Report {
            seed: plan.seed,
            nodes: plan.nodes,
            seconds: 0,
            mutation: plan.mutation.clone(),
            faults: BTreeMap::new(),
            kills: 0,
            kill_points: BTreeMap::new(),
            log_lines: BTreeMap::new(),
            counts: Counts::default(),
            recovery_same_instance: Recovery::default(),
            recovery_other_instance: Recovery::default(),
            slowest_s: 0.0,
            breaches: Vec::new(),
            breach_count: 0,
            begun: Some(Instant::now()),
        }
    }

    /// Tells a person what happens.
    pub(crate) fn say(&self, text: &str) {
        let seconds = self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        eprintln!("chaos {seconds:7.1} s  {text}");
    }

    pub(crate) fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    pub(crate) fn breach(&mut self, what: impl Into<String>) {
        let what = what.into();
        if self.breaches.len() < SHOWN {
            self.say(&format!("BREACH {what}"));
            self.breaches.push(what.lines().next().unwrap_or_default().chars().take(300).collect());
        }
        self.breach_count += 1;
    }

    /// Sorts what the logs tell of into fail points and the lines that matter here.
    pub(crate) fn logs(&mut self, told: &BTreeMap<String, u64>) {
        for (message, n) in told {
            if let Some(point) = message.strip_prefix("fail point ") {
                *self.kill_points.entry(point.to_owned()).or_default() += n;
            } else if matches!(
                message.as_str(),
                "assigned"
                    | "revoked"
                    | "lost"
                    | "restored"
                    | "fenced"
                    | "input_stalled"
                    | "transaction_aborted"
                    | "worker_rejoins"
            ) {
                *self.log_lines.entry(message.clone()).or_default() += n;
            }
        }
    }

    /// Prints the last line; whether all was well.
    pub(crate) fn conclude(mut self) -> bool {
        self.seconds = self.begun.map_or(0, |begun| begun.elapsed().as_secs());
        match serde_json::to_string(&self) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("chaos: {error}"),
        }
        self.breach_count == 0
    }
}
