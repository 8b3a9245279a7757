//! `driftless replay`: the past computed again from the topics, and compared.
//!
//! The summary goes to stdout, progress to stderr. Exit code 0 means that everything is as it was published, or that a
//! what-if ran through; 1 that something differs or the past cannot be computed; 2 that the question makes no sense.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::connect::{ConfigArgs, kafka};
use super::{FAILED, WrongUsage};
use crate::config::params::{LogFormat, LogLevel, LogParams};
use crate::data::Timestamp;
use crate::runtime::{Destination, HistoryError, Progress, ReplayParams, Stretch, WhatIf, replay};
use crate::telemetry::init_logs;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(2);

/// A role whose decisions are computed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// Predictions, outcomes and dead letters.
    Score,
    /// Alerts, performance records and promotions.
    Monitor,
}

/// Arguments of `driftless replay`.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Role to replay; may be given more than once, both by default.
    #[arg(long, value_name = "ROLE")]
    role: Vec<Role>,
    /// One shard (partition number of the events) instead of all.
    #[arg(long, value_name = "N")]
    shard: Option<i32>,
    /// Compare transactions from this time on: RFC 3339 or milliseconds, as in `scored_at`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Compare transactions before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Compare transactions that took events from this offset on; with `--shard` where there are several.
    #[arg(long, value_name = "OFFSET")]
    from_offset: Option<i64>,
    /// Compare transactions that took events before this offset.
    #[arg(long, value_name = "OFFSET")]
    to_offset: Option<i64>,
    /// Ask what would have been with this configuration, which may differ from the recorded one.
    #[arg(long)]
    what_if: bool,
    /// Ask what would have been if this version had scored every event; 0 is the base rate. Implies `--what-if`.
    #[arg(long, value_name = "VERSION", value_parser = version)]
    model: Option<u32>,
    /// Write the computed predictions to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write everything computed to new topics `NAME.predictions`, `NAME.outcomes`, ...
    #[arg(long, value_name = "NAME")]
    to_app: Option<String>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Replays and reports.
///
/// # Errors
/// A wrong configuration or question, something that is gone, a cluster that does not answer.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    init_logs(&LogParams { format: LogFormat::Human, level: LogLevel::Error })?;
    let has = |role| args.role.is_empty() || args.role.contains(&role);
    let params = ReplayParams {
        score: has(Role::Score),
        monitor: has(Role::Monitor),
        shard: args.shard,
        stretch: Stretch { from: args.from, to: args.to, from_offset: args.from_offset, to_offset: args.to_offset },
        what_if: (args.what_if || args.model.is_some()).then_some(WhatIf { model: args.model }),
        results: Destination { file: args.output.clone(), app: args.to_app.clone() },
    };
    let cluster = kafka(&config, "replay")?;
    let mut told = Instant::now();
    let report = replay(&config, &cluster, &params, &mut |progress| tell(progress, &mut told)).map_err(usage)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    let as_asked = report.identical || report.what_if.is_some();
    Ok(if as_asked { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// An error of the past as one of this command; what makes no sense is wrong usage.
pub(super) fn usage(error: HistoryError) -> anyhow::Error {
    match error {
        HistoryError::Wrong(why) => WrongUsage::because(why),
        other => other.into(),
    }
}

/// A line on stderr now and then.
pub(super) fn tell(progress: &Progress, told: &mut Instant) {
    if told.elapsed() < TELL {
        return;
    }
    *told = Instant::now();
    let Progress { role, shard, done, records, now } = progress;
    // Progress that cannot be told is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{role} {shard}: {done} of {records} journal records, {now}");
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let millis = text.parse().ok().map(Timestamp::from_millis);
    millis
        .or_else(|| Timestamp::from_rfc3339(text))
        .ok_or_else(|| "write `2013-03-01T00:00:00Z`, or milliseconds since 1970".to_owned())
}

fn version(text: &str) -> Result<u32, String> {
    text.trim_start_matches('v').parse().map_err(|_| "write the number of a version, such as `3`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_either_way() {
        assert_eq!(time("1000"), Ok(Timestamp::from_millis(1_000)));
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(Timestamp::from_millis(1_000)));
        assert!(time("yesterday").is_err());
        assert_eq!((version("v3"), version("3")), (Ok(3), Ok(3)));
    }
}
