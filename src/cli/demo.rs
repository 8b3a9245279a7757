//! `driftless demo`: a year of real departures through the whole loop.
//!
//! Progress goes to stderr, the summary to stdout, the numbers to the file of `--report`. Exit code 0 means that it ran
//! through and its counts add up.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::connect::kafka;
use super::signals::Signals;
use crate::config::params::{LogFormat, LogLevel, LogParams};
use crate::demo::{CONFIG, ReplayParams, Screen, Setting, Stage, replay};
use crate::telemetry::init_logs;
use crate::transport::Transport;

/// Arguments of `driftless demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Write all numbers as JSON to this file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Use this Kafka, under an application name nobody uses yet, instead of the embedded broker. Topics, models and
    /// configuration stay, for other commands to work on.
    #[arg(long, value_name = "HOST:PORT,...")]
    brokers: Option<String>,
    /// Give every row the place of another, so that nothing drifts.
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,
    /// Stop after this many days.
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Run with this configuration instead of the built-in `examples/flights.toml`; its topics, key and fields must fit
    /// the flights.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep the folder with the models; with `--brokers` it is kept in any case.
    #[arg(long)]
    keep: bool,
}

/// Replays, shows, compares.
///
/// # Errors
/// A wrong configuration, a cluster that does not answer, a role that stopped, counts that do not add up.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    init_logs(&LogParams { format: LogFormat::Human, level: LogLevel::Error })?;
    let signals = Signals::install()?;
    let stage = stage(args)?;
    let mut screen = Screen::stderr();
    introduce(&stage, &mut screen)?;
    let params = ReplayParams { shuffle: args.shuffle, days: args.days };
    let report = replay(&stage, params, &mut screen, &signals.flag())?;
    if let Some(path) = &args.report {
        let mut json = serde_json::to_vec_pretty(&report)?;
        json.push(b'\n');
        std::fs::write(path, json).with_context(|| format!("cannot write the report `{}`", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    write!(out, "\n{report}")?;
    if args.keep || !stage.embedded {
        writeln!(out, "models        {}", stage.folder.path.display())?;
    }
    if !stage.embedded {
        writeln!(out, "again         driftless replay --config {}", stage.folder.config().display())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn stage(args: &DemoArgs) -> anyhow::Result<Stage> {
    let setting = match &args.config {
        None => Setting::new(CONFIG)?,
        Some(path) => {
            // Read as a configuration first, so that a wrong one is refused in its own words.
            crate::config::Config::load(path)?;
            Setting::new(&std::fs::read_to_string(path)?)?
        }
    };
    let Some(brokers) = &args.brokers else { return Stage::embedded(setting, args.keep) };
    Stage::on(setting, true, |config| {
        config.kafka.set_brokers(brokers)?;
        config.kafka.ensure_supported()?;
        let transport: Arc<dyn Transport> = Arc::new(kafka(config, "demo")?);
        Ok(transport)
    })
}

fn introduce(stage: &Stage, screen: &mut Screen) -> std::io::Result<()> {
    let (brokers, topics) = (&stage.brokers, &stage.config.topics);
    if stage.embedded {
        screen.say(&format!("embedded broker at {brokers}, as long as this runs; look in with"))?;
    } else {
        screen.say(&format!("application `{}` on {brokers}; its topics stay; look in with", stage.config.app))?;
    }
    screen.say(&format!("  kcat -C -b {brokers} -t {} -o end", topics.predictions))?;
    screen.say(&format!("  kcat -C -b {brokers} -t {} -o beginning", topics.drift_alerts))
}
