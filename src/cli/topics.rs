//! `driftless topics`: creates what the configuration needs, or lists what is there.

use std::io::Write;
use std::process::ExitCode;

use super::connect::{ConfigArgs, kafka};
use crate::config::Config;
use crate::transport::{TopicSpec, Transport};

/// Arguments of `driftless topics`.
#[derive(Clone, Debug, clap::Args)]
pub struct TopicsArgs {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum TopicsCommand {
    /// Create the topics that do not exist yet.
    Create(ConfigArgs),
    /// List the topics with their partitions and records.
    List(ConfigArgs),
}

/// The topics of a configuration, as they are to be created. What recovery and audit rest on is kept for ever.
pub fn specs(config: &Config) -> Vec<TopicSpec> {
    let topics = &config.topics;
    let single =
        [&topics.drift_alerts, &topics.performance, &topics.summaries, &topics.models, &topics.monitor_journal];
    let kept = [&topics.models, &topics.journal, &topics.monitor_journal];
    let named = topics.named();
    let specs = named.iter().map(|topic| {
        let is = |list: &[&String]| list.iter().any(|name| *name == topic.name);
        let retention = topics.retention.filter(|_| !is(&kept)).map_or(-1, |span| span.millis());
        TopicSpec {
            name: topic.name.to_owned(),
            partitions: if is(&single) { 1 } else { topics.partitions },
            replication: topics.replication,
            config: vec![
                ("cleanup.policy".to_owned(), "delete".to_owned()),
                ("retention.ms".to_owned(), retention.to_string()),
            ],
        }
    });
    specs.collect()
}

/// Creates or lists.
///
/// # Errors
/// A wrong configuration, or a cluster that does not answer.
pub fn run(args: &TopicsArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        TopicsCommand::Create(args) => {
            let config = args.load()?;
            let specs = specs(&config);
            let created = kafka(&config, "topics")?.create(&specs)?;
            for spec in &specs {
                let what = if created.contains(&spec.name) { "created" } else { "exists" };
                writeln!(out, "{what:8} {} ({} partitions)", spec.name, spec.partitions)?;
            }
        }
        TopicsCommand::List(args) => {
            let config = args.load()?;
            let cluster = kafka(&config, "topics")?;
            for topic in config.topics.named() {
                match cluster.bounds(topic.name)? {
                    None => writeln!(out, "{:40} missing", topic.name)?,
                    Some(bounds) => {
                        let records: i64 = bounds.iter().map(|bounds| bounds.end - bounds.start).sum();
                        writeln!(out, "{:40} {:3} partitions {records:12} offsets", topic.name, bounds.len())?;
                    }
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
