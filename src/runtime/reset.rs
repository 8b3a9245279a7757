//! Letting an application begin anew: the offsets of its groups, its journals and its state go together.
//!
//! One of them without the others is what a restore refuses, so none is to be deleted alone. The order is such that a
//! reset which is broken off is refused by the next start, and can be done again: offsets first, which the cluster denies
//! while a group has members, then the topics. What readers have seen (predictions, outcomes, alerts, the control log)
//! and what comes in is never touched.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::stages::{MONITOR, SCORE, chain_roles};
use super::topics::topic_specs;
use crate::codec::{JournalError, JournalRecord};
use crate::config::Config;
use crate::data::{Outbox, Timestamp};
use crate::transport::{
    Bounds, Member, MemberSpec, News, Outgoing, Position, TopicPartition, TopicSpec, TransportError, Upkeep,
};

/// How long joining the emptied group may take.
const JOIN_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Where the next start begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Beginning {
    /// At the first records that the inputs still hold.
    Earliest,
    /// At the records that come after the reset.
    Latest,
}

/// What is to be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetParams {
    /// The score role.
    pub score: bool,
    /// The monitor.
    pub monitor: bool,
    /// Where they begin then.
    pub to: Beginning,
}

/// Why there was no reset, or only a part of one.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The cluster.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The application runs.
    #[error(
        "group `{group}` has members ({members}): stop every instance first; one that was killed counts until its \
         session has run out"
    )]
    Running {
        /// Consumer group of a role.
        group: String,
        /// Its members, as the cluster names them.
        members: String,
    },
    /// A topic that is needed to know where to begin.
    #[error("topic `{topic}` {lacks}")]
    Topic {
        /// Its name.
        topic: String,
        /// What it lacks, and what to do.
        lacks: &'static str,
    },
    /// The emptied group did not share its partitions out.
    #[error("group `{group}` did not give all its partitions in {seconds} s; run the reset again")]
    NotJoined {
        /// Consumer group of a role.
        group: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The first record of a journal could not be made.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a reset does, before it does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResetPlan {
    /// The application.
    pub app: String,
    /// Where the next start begins.
    pub to: Beginning,
    /// The roles that begin anew.
    pub roles: Vec<RoleReset>,
}

/// What a reset does to one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleReset {
    /// `score`, a hop of it, or `monitor`.
    pub role: &'static str,
    /// The consumer group that loses its offsets.
    pub group: String,
    /// Topics that are read anew.
    pub inputs: Vec<String>,
    /// Topics that are deleted and made anew.
    pub topics: Vec<TopicReset>,
    #[serde(skip)]
    journal: String,
}

/// A topic that is made anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicReset {
    /// Its name.
    pub topic: String,
    /// Partitions it will have.
    pub partitions: i32,
    /// Offsets between its beginnings and ends; `None` if there is no such topic now.
    pub offsets: Option<i64>,
}

/// Finds out what a reset would do.
///
/// # Errors
/// An application that runs, a cluster that does not answer, no events topic.
pub fn plan_reset(cluster: &dyn Upkeep, config: &Config, params: ResetParams) -> Result<ResetPlan, ResetError> {
    let topics = &config.topics;
    let shards = bounds(cluster, &topics.events)?.len();
    let shards = i32::try_from(shards).unwrap_or(i32::MAX);
    let mut roles = Vec::new();
    if params.score {
        let inputs = topics.inputs().cloned().collect();
        let own = [(&topics.journal, shards), (&topics.state, shards)];
        // A monitor that goes on keeps the last count of each shard and window: it needs no other summaries.
        let both = params.monitor.then_some((&topics.summaries, 1));
        let own: Vec<_> = own.into_iter().chain(both).collect();
        let mut names = chain_roles(config).into_iter();
        roles.push(role(cluster, config, names.next().unwrap_or(SCORE), inputs, &own)?);
        for (name, hop) in names.zip(&topics.hops) {
            let own = [(&hop.journal, shards), (&hop.state, shards), (&hop.records, shards)];
            roles.push(role(cluster, config, name, vec![hop.records.clone()], &own)?);
        }
    }
    if params.monitor {
        let own = [(&topics.monitor_journal, 1), (&topics.monitor_state, 1)];
        roles.push(role(cluster, config, MONITOR, vec![topics.summaries.clone()], &own)?);
    }
    for role in &roles {
        let members = cluster.members(&role.group)?;
        if !members.is_empty() {
            return Err(ResetError::Running { group: role.group.clone(), members: members.join(", ") });
        }
    }
    Ok(ResetPlan { app: config.app.clone(), to: params.to, roles })
}

fn role(
    cluster: &dyn Upkeep,
    config: &Config,
    role: &'static str,
    inputs: Vec<String>,
    own: &[(&String, i32)],
) -> Result<RoleReset, ResetError> {
    let mut topics = Vec::new();
    for (topic, partitions) in own {
        let bounds = cluster.bounds(topic)?;
        let offsets = bounds.map(|all| all.iter().map(|bounds| bounds.high - bounds.start).sum());
        topics.push(TopicReset { topic: (*topic).clone(), partitions: *partitions, offsets });
    }
    let journal = own.first().map(|(topic, _)| (*topic).clone()).unwrap_or_default();
    Ok(RoleReset { role, group: config.group(role), inputs, topics, journal })
}

fn bounds(cluster: &dyn Upkeep, topic: &str) -> Result<Vec<Bounds>, ResetError> {
    let lacks = "does not exist; `driftless topics create` makes it";
    cluster.bounds(topic)?.ok_or_else(|| ResetError::Topic { topic: topic.to_owned(), lacks })
}

impl ResetPlan {
    /// Does it. What was begun and broke off is done again by another reset.
    ///
    /// # Errors
    /// A group that has members by now, a cluster that does not answer or does not allow it.
    pub fn carry_out(&self, cluster: &dyn Upkeep, config: &Config) -> Result<(), ResetError> {
        for role in &self.roles {
            cluster.forget(&role.group)?;
        }
        let specs = topic_specs(config);
        for reset in self.roles.iter().flat_map(|role| &role.topics) {
            if let Some(spec) = specs.iter().find(|spec| spec.name == reset.topic) {
                cluster.remake(&TopicSpec { partitions: reset.partitions, ..spec.clone() })?;
            }
        }
        if self.to == Beginning::Latest {
            for role in &self.roles {
                role.begin_at_end(cluster, config)?;
            }
        }
        Ok(())
    }
}

impl RoleReset {
    /// Writes a first journal record for each shard, which has taken nothing and stands at the ends of the inputs, of facts
    /// at their beginning, and commits these offsets with it: what a shard leaves that has passed over everything until
    /// now.
    fn begin_at_end(&self, cluster: &dyn Upkeep, config: &Config) -> Result<(), ResetError> {
        let transactional_id = format!("{}.{}.reset.0", config.app, self.role);
        let spec = MemberSpec {
            group: self.group.clone(),
            transactional_id: transactional_id.clone(),
            inputs: self.inputs.clone(),
        };
        let mut ends = Vec::new();
        for topic in &self.inputs {
            ends.push((topic, bounds(cluster, topic)?));
        }
        let shards = ends.first().map_or(0, |(_, bounds)| bounds.len());
        let mut member = cluster.join(&spec)?;
        self.wait_for(&mut *member, shards)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
        member.begin()?;
        let mut positions = Vec::new();
        for shard in 0..shards {
            let partition = i32::try_from(shard).unwrap_or(i32::MAX);
            let mut of_shard = Vec::new();
            for (topic, ends) in &ends {
                let lacks = "has fewer partitions than the events topic; give it as many";
                let bounds = ends.get(shard).ok_or_else(|| ResetError::Topic { topic: (*topic).clone(), lacks })?;
                // What is known of keys is not the past: it is read as it stands.
                let is_fact = config.topics.facts.iter().any(|facts| facts.name == **topic);
                let next = if is_fact { bounds.start } else { bounds.end };
                of_shard.push(next);
                positions.push(Position { at: TopicPartition::new(topic.as_str(), partition), next });
            }
            let record = JournalRecord {
                sequence: 0,
                now,
                config: config.digest(),
                transactional_id: transactional_id.clone(),
                steps: Vec::new(),
                positions: of_shard,
                control: 0,
                digest: Outbox::default().digest(),
            };
            member.send(&Outgoing {
                topic: &self.journal,
                partition: Some(partition),
                key: None,
                value: Some(&record.encode()?),
                headers: &[],
                timestamp: None,
            })?;
        }
        member.commit(&positions)?;
        member.close();
        Ok(())
    }

    fn wait_for(&self, member: &mut dyn Member, shards: usize) -> Result<(), ResetError> {
        let until = Instant::now() + JOIN_LIMIT;
        let (mut given, mut news) = (0, Vec::new());
        while given < shards {
            if Instant::now() >= until {
                return Err(ResetError::NotJoined { group: self.group.clone(), seconds: JOIN_LIMIT.as_secs() });
            }
            member.poll(POLL, 1, &mut news)?;
            for news in news.drain(..) {
                if let News::Assigned(partitions) = news {
                    given += partitions.len();
                }
            }
        }
        Ok(())
    }
}
