//! The control log as an operator's command sees it: read to its end, given one record more, and read again for what became
//! of it.
//!
//! Two operators, or an operator and the monitor, can write at once: what a record did is known once it is read in its
//! place, not before.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use super::connect::ConfigArgs;
use crate::codec::{read, write};
use crate::config::Config;
use crate::data::{ModelRecord, Timestamp};
use crate::rollout::{Effect, Ledger};
use crate::transport::{News, Outgoing, Position, TopicPartition, Transport};

/// How long the log may take to be read.
const LIMIT: Duration = Duration::from_secs(30);

/// Who and why, for the audit.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Note {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Why, for the audit.
    #[arg(long)]
    pub why: String,
    /// Who; `$USER` by default.
    #[arg(long)]
    pub by: Option<String>,
}

impl Note {
    /// The record with who, when, why, and whom it finds in charge.
    pub fn sign(&self, record: ModelRecord, ledger: &Ledger) -> ModelRecord {
        let by = self.by.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "operator".to_owned());
        ModelRecord { replaces: ledger.champion(), at: now(), by, why: self.why.clone(), ..record }
    }
}

/// The control log, read to its end.
pub(super) struct ControlLog {
    pub records: Vec<(ModelRecord, Effect)>,
    pub ledger: Ledger,
}

/// A record that was written.
pub(super) struct Told {
    /// What it did; `None` where it is not found, which nobody but a defect can bring about.
    pub effect: Option<Effect>,
    /// The log with it.
    pub log: ControlLog,
}

/// Reads the log. A record that is none of ours is passed over, as every other reader does.
pub(super) fn follow(cluster: &dyn Transport, config: &Config) -> anyhow::Result<ControlLog> {
    let topic = &config.topics.models;
    let bounds = cluster.bounds(topic)?.and_then(|all| all.first().copied());
    let bounds =
        bounds.with_context(|| format!("topic `{topic}` does not exist; `driftless topics create` makes it"))?;
    let mut reader = cluster.reader(std::slice::from_ref(topic))?;
    reader.start(&[Position { at: TopicPartition::new(topic.as_str(), 0), next: bounds.start }])?;
    let mut log = ControlLog { records: Vec::new(), ledger: Ledger::default() };
    let until = Instant::now() + LIMIT;
    let mut news = Vec::new();
    while Instant::now() < until {
        reader.poll(Duration::from_millis(100), 1_000, &mut news)?;
        for news in news.drain(..) {
            match news {
                News::Record { record, .. } => match read::<ModelRecord>("control", record.value.as_deref()) {
                    Ok(command) => {
                        let effect = log.ledger.apply(&command);
                        log.records.push((command, effect));
                    }
                    Err(error) => tracing::warn!("offset {} of `{topic}` is passed over: {error}", record.offset),
                },
                News::End { .. } => return Ok(log),
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
            }
        }
    }
    bail!("`{topic}` could not be read to its end within {} s", LIMIT.as_secs())
}

/// Writes a record and reads what it did.
pub(super) fn tell(cluster: &dyn Transport, config: &Config, record: &ModelRecord) -> anyhow::Result<Told> {
    let mut value = Vec::new();
    write(record, &mut value);
    let mut publisher = cluster.publisher()?;
    publisher.send(&Outgoing {
        topic: &config.topics.models,
        partition: Some(0),
        key: Some(format!("v{}", record.version).as_bytes()),
        value: Some(&value),
        headers: &[],
        timestamp: None,
    })?;
    publisher.flush()?;
    let log = follow(cluster, config)?;
    let effect = log.records.iter().rev().find(|(read, _)| read == record).map(|(_, effect)| *effect);
    Ok(Told { effect, log })
}

pub(super) fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
