//! `driftless topics`: creates what the configuration needs, or lists what is there.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::connect::{ConfigArgs, kafka};
use crate::runtime::topic_specs;
use crate::transport::{Bounds, Transport, TransportError};

/// How long a topic may be without a leader: one that was just created has none at first.
const LEADER_LIMIT: Duration = Duration::from_secs(30);
const LEADER_STEP: Duration = Duration::from_millis(200);

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

/// Creates or lists.
///
/// # Errors
/// A wrong configuration, or a cluster that does not answer.
pub fn run(args: &TopicsArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        TopicsCommand::Create(args) => {
            let config = args.load()?;
            let specs = topic_specs(&config);
            let cluster = kafka(&config, "topics")?;
            let created = cluster.create(&specs)?;
            let mut wrong = None;
            for spec in &specs {
                let what = if created.contains(&spec.name) { "created" } else { "exists" };
                let found = bounds(&cluster, &spec.name)?.map_or(0, |bounds| bounds.len());
                writeln!(out, "{what:8} {} ({found} partitions)", spec.name)?;
                if i32::try_from(found).ok() != Some(spec.partitions) {
                    wrong = wrong.or(Some((spec, found)));
                }
            }
            if let Some((spec, found)) = wrong {
                bail!(
                    "`{}` has {found} partitions and must have {}: delete it, name another, or set \
                     `kafka.topics.partitions` to what `{}` has",
                    spec.name,
                    spec.partitions,
                    config.topics.events
                );
            }
        }
        TopicsCommand::List(args) => {
            let config = args.load()?;
            let cluster = kafka(&config, "topics")?;
            for topic in config.topics.named() {
                match bounds(&cluster, topic.name)? {
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

/// Bounds of a topic, waiting while the cluster is still settling who leads it.
pub(super) fn bounds(cluster: &dyn Transport, topic: &str) -> Result<Option<Vec<Bounds>>, TransportError> {
    let deadline = Instant::now() + LEADER_LIMIT;
    loop {
        match cluster.bounds(topic) {
            Err(TransportError::Retriable(_)) if Instant::now() < deadline => std::thread::sleep(LEADER_STEP),
            answer => return answer,
        }
    }
}
