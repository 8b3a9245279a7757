//! `driftless why`: one past decision, whole.
//!
//! Exit code 0 means that it was computed again bit for bit, 1 that it was not or cannot be, 2 that there is no such
//! decision.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use super::FAILED;
use super::connect::{ConfigArgs, kafka};
use super::replay::{tell, usage};
use crate::config::params::{LogFormat, LogLevel, LogParams};
use crate::runtime::{Sought, WhyParams, why};
use crate::telemetry::init_logs;

/// Arguments of `driftless why`.
#[derive(Clone, Debug, clap::Args)]
pub struct WhyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Id of the event; without an id field it is `topic:partition:offset`.
    #[arg(long, value_name = "ID", required_unless_present = "offset")]
    event: Option<String>,
    /// Partition of the predictions topic to look in, instead of all.
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// Offset of the prediction in that partition: found at once.
    #[arg(long, value_name = "OFFSET", requires = "partition", conflicts_with = "event")]
    offset: Option<i64>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Finds, computes again, shows.
///
/// # Errors
/// No such decision, something that is gone, a wrong configuration, a cluster that does not answer.
pub fn run(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    init_logs(&LogParams { format: LogFormat::Human, level: LogLevel::Error })?;
    let sought = match (args.partition, args.offset) {
        (Some(partition), Some(offset)) => Sought::At { partition, offset },
        (partition, _) => Sought::Event { id: args.event.clone().unwrap_or_default(), partition },
    };
    let cluster = kafka(&config, "why")?;
    let mut told = Instant::now();
    let found = why(&config, &cluster, &WhyParams { sought }, &mut |progress| tell(progress, &mut told));
    let found = found.map_err(usage)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &found)?;
        writeln!(out)?;
    } else {
        write!(out, "{found}")?;
    }
    Ok(if found.is_reproduced() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
