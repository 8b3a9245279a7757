//! What a run is to do, from its environment, and the seeded numbers that everything random in it is drawn from.

use std::time::Duration;

use anyhow::{Result, bail};
use driftless::stats::SplitMix64;

/// Names the run; without it nothing is done.
pub(crate) const ENVIRONMENT: &str = "DRIFTLESS_CHAOS";

/// What a run is to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub seed: u64,
    /// How long faults go on.
    pub time: Duration,
    pub nodes: usize,
    /// Goes on until this many processes were killed, if that takes longer.
    pub kills: usize,
    /// Events per second.
    pub rate: u64,
    /// The mistake that the binary is to make.
    pub mutation: Option<String>,
    /// Only faults of this name.
    pub only: Option<String>,
    /// A recovery longer than it may take is a breach; else it is reported only.
    pub timed: bool,
    /// Keep the files.
    pub keep: bool,
}

impl Plan {
    /// `seed=1 minutes=2 nodes=1 kills=0 rate=200 mutation=skip-offsets only=kill_point timed keep`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut plan = Plan {
            seed: 1,
            time: Duration::from_secs(120),
            nodes: 1,
            kills: 0,
            rate: 200,
            mutation: None,
            only: None,
            timed: false,
            keep: false,
        };
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name {
                "seed" => plan.seed = value.parse()?,
                "minutes" => plan.time = Duration::from_secs_f64(value.parse::<f64>()? * 60.0),
                "nodes" => plan.nodes = value.parse()?,
                "kills" => plan.kills = value.parse()?,
                "rate" => plan.rate = value.parse()?,
                "mutation" => plan.mutation = Some(value.to_owned()),
                "only" => plan.only = Some(value.to_owned()),
                "timed" => plan.timed = true,
                "keep" => plan.keep = true,
                _ => bail!("{ENVIRONMENT}: `{name}` is not known"),
            }
        }
        // The fault that the mistake shows under.
        if let (Some(mutation), None) = (&plan.mutation, &plan.only) {
            let fault = if mutation == "leak-aborted" { "abort" } else { "kill_same" };
            plan.only = Some(fault.to_owned());
        }
        if !matches!(plan.nodes, 1 | 3) {
            bail!("{ENVIRONMENT}: nodes is 1 or 3");
        }
        Ok(plan)
    }
}

/// Seeded numbers.
pub(crate) struct Random(SplitMix64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(SplitMix64::new(seed))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    pub(crate) fn unit(&mut self) -> f64 {
        self.0.unit()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.below(from.len() as u64) as usize]
    }
}
