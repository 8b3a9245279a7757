//! What every kind of replay works with: the configuration, the cluster to read from, the models, and whoever listens.

use std::sync::Arc;

use super::{Progress, ReplayParams};
use crate::config::Config;
use crate::data::Timestamp;
use crate::registry::Store;
use crate::runtime::control::Models;
use crate::runtime::history::{HistoryError, Past, Question, Stretch};
use crate::runtime::stages::{MONITOR, SCORE};
use crate::transport::Transport;

/// The desk at which the past is laid out.
pub(in crate::runtime) struct Desk<'a> {
    pub config: &'a Config,
    pub transport: &'a dyn Transport,
    pub models: Arc<Models>,
    /// Number of shards.
    pub shards: i32,
    /// Hash of the configuration.
    digest: String,
    inputs: [Vec<String>; 2],
}

/// A role whose journal is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum Journalled {
    Score(i32),
    Monitor,
}

impl Journalled {
    pub(in crate::runtime) fn role(self) -> &'static str {
        match self {
            Journalled::Score(_) => SCORE,
            Journalled::Monitor => MONITOR,
        }
    }

    pub(in crate::runtime) fn shard(self) -> i32 {
        match self {
            Journalled::Score(shard) => shard,
            Journalled::Monitor => 0,
        }
    }
}

/// Whether a journal of another configuration will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum Configured {
    AsRecorded,
    Anyhow,
}

impl<'a> Desk<'a> {
    pub(in crate::runtime) fn new(config: &'a Config, transport: &'a dyn Transport) -> Result<Self, HistoryError> {
        if let Some(hop) = config.chain.hops.first() {
            let why = format!(
                "windows are grouped by `{}`, so events go through a hop, and only an application of one stage can be \
                 computed again from its journals",
                hop.name
            );
            return Err(HistoryError::Impossible(why));
        }
        let path = &config.store.path;
        if !path.is_dir() {
            let why = format!("the artifacts are not at `{}` (`store.path`); a replay needs them", path.display());
            return Err(HistoryError::Impossible(why));
        }
        let store = Store::local(path).map_err(|error| HistoryError::Impossible(error.to_string()))?;
        let events = &config.topics.events;
        let Some(shards) = transport.bounds(events)?.map(|bounds| bounds.len() as i32) else {
            return Err(HistoryError::Impossible(format!("topic `{events}` does not exist")));
        };
        let score = config.topics.inputs().cloned().collect();
        Ok(Desk {
            config,
            transport,
            models: Arc::new(Models::new(Arc::new(store))),
            shards,
            digest: config.digest(),
            inputs: [score, vec![config.topics.summaries.clone()]],
        })
    }

    /// The past of a journal.
    pub(in crate::runtime) fn past(
        &self,
        of: Journalled,
        stretch: Stretch,
        configured: Configured,
    ) -> Result<Past, HistoryError> {
        let (journal, inputs) = match of {
            Journalled::Score(_) => (&self.config.topics.journal, &self.inputs[0]),
            Journalled::Monitor => (&self.config.topics.monitor_journal, &self.inputs[1]),
        };
        let config = (configured == Configured::AsRecorded).then_some(self.digest.as_str());
        let question = Question { transport: self.transport, journal, inputs, shard: of.shard(), config, stretch };
        Past::open(&question, self.models.clone())
    }

    /// Whether a journal was written with this configuration to its end.
    pub(in crate::runtime) fn is_of_this(&self, past: &Past) -> bool {
        past.overview.config.as_ref().is_none_or(|config| *config == self.digest)
    }

    /// The shards asked about.
    pub(super) fn asked(&self, params: &ReplayParams) -> Result<Vec<i32>, HistoryError> {
        match params.shard {
            None => Ok((0..self.shards).collect()),
            Some(shard) if (0..self.shards).contains(&shard) => Ok(vec![shard]),
            Some(shard) => {
                let last = self.shards - 1;
                Err(HistoryError::Wrong(format!("there is no shard {shard}; the last is {last}")))
            }
        }
    }
}

/// Who is told how far a replay is.
pub(in crate::runtime) type Tell<'a> = &'a mut dyn FnMut(&Progress);

/// Tells of a journal record that has been fed.
pub(in crate::runtime) fn tell(
    tell: &mut dyn FnMut(&Progress),
    of: Journalled,
    done: u64,
    past: &Past,
    now: Timestamp,
) {
    let records = past.overview.last_chosen.map_or(0, |last| last + 1);
    tell(&Progress { role: of.role(), shard: of.shard(), done, records, now });
}
