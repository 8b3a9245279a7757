//! What has to hold of a cluster before roles work on it, and while they do.
//!
//! Topics that go together have equal partition counts, events and labels are not compacted, facts are, and no partition
//! is added under a running application: keys would move to shards that have not seen them. What cannot be right is refused with what was
//! found, where, and what to do; `docs/recovery.md` lists every such message. What concerns one shard's past is checked
//! where it is restored.

use crate::config::Config;
use crate::config::params::{OnGap, Topics};
use crate::transport::{Transport, TransportError};

/// What the application was found to be at its start, and what its operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guards {
    /// Partitions of the events topic.
    pub shards: i32,
    /// What to do where retention has removed records before they were read.
    pub on_gap: OnGap,
    /// Goes on where the journal ends, although the group's offsets are gone.
    pub trust_journal: bool,
}

/// Number of shards; what has to exist does, co-partitioned topics have equal counts, and inputs keep their records.
pub(super) fn check_topics(transport: &dyn Transport, config: &Config) -> Result<i32, TransportError> {
    let topics = &config.topics;
    let shards = count(transport, &topics.events)?;
    let together = topics.inputs().skip(1).map(String::as_str).map(Some);
    let together = together.chain([Some(topics.predictions.as_str()), Some(&topics.outcomes)]);
    let written = [Some(topics.dead_letters.as_str()), Some(&topics.journal), Some(&topics.state)];
    let hops = topics.hops.iter().flat_map(|hop| [&hop.records, &hop.journal, &hop.state]);
    for topic in together.chain(written).flatten().chain(hops.map(String::as_str)) {
        let found = count(transport, topic)?;
        if found != shards {
            return Err(refused(format!(
                "`{topic}` has {found} partitions and `{}` has {shards}, and they must have the same number: delete \
                 `{topic}` if it is new and set `kafka.topics.partitions` to {shards} for `driftless topics create`; if \
                 partitions were added to one of them, add them to the others, and begin anew with `driftless reset`",
                topics.events
            )));
        }
    }
    let monitors = [&topics.monitor_journal, &topics.monitor_state];
    for topic in
        [&topics.summaries, &topics.drift_alerts, &topics.performance, &topics.models].into_iter().chain(monitors)
    {
        let found = count(transport, topic)?;
        if found != 1 {
            return Err(refused(format!(
                "`{topic}` has {found} partitions, and it must have one, because its records need one order; delete it and \
                 let `driftless topics create` make it"
            )));
        }
    }
    check_policies(transport, topics)?;
    i32::try_from(shards).map_err(|_| refused(format!("`{}` has too many partitions", topics.events)))
}

fn count(transport: &dyn Transport, topic: &str) -> Result<usize, TransportError> {
    let bounds = transport.bounds(topic)?;
    let bounds =
        bounds.ok_or_else(|| refused(format!("topic `{topic}` does not exist; `driftless topics create` makes it")))?;
    Ok(bounds.len())
}

/// Inputs are read again by every restore, so none of their records may vanish under another of the same key. Facts are
/// not: the journal holds them, and their topic is to hold the last of each key for ever.
fn check_policies(transport: &dyn Transport, topics: &Topics) -> Result<(), TransportError> {
    let hops = topics.hops.iter().map(|hop| hop.records.as_str());
    for topic in [Some(topics.events.as_str()), topics.labels.as_deref()].into_iter().flatten().chain(hops) {
        match transport.cleanup_policy(topic) {
            Ok(Some(policy)) if policy.split(',').any(|part| part.trim() == "compact") => {
                return Err(refused(format!(
                    "`{topic}` is compacted (its `cleanup.policy` is `{policy}`): of each key only the last record is \
                     kept, so records are gone before they are read, and a restore cannot read them again; set \
                     `cleanup.policy` to `delete`"
                )));
            }
            Ok(_) => {}
            Err(TransportError::Configuration(why)) => tracing::warn!(topic, why, "settings_unknown"),
            Err(error) => return Err(error),
        }
    }
    for topic in topics.facts.iter().map(|topic| topic.name.as_str()) {
        match transport.cleanup_policy(topic) {
            Ok(Some(policy)) if policy.split(',').any(|part| part.trim() == "delete") => {
                tracing::warn!(topic, policy, "facts_expire");
            }
            Ok(_) => {}
            Err(TransportError::Configuration(why)) => tracing::warn!(topic, why, "settings_unknown"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Refuses partitions that were added to an input while the application runs.
pub(super) fn check_growth(topic: &str, found: usize, known: i32) -> Result<(), String> {
    if i32::try_from(found).is_ok_and(|found| found == known) {
        return Ok(());
    }
    Err(format!(
        "`{topic}` has {found} partitions now and had {known} when this process started: keys move to other shards, and \
         what is known of them does not; stop all instances, give events, labels, predictions, outcomes and dead letters \
         the same number, and begin anew with `driftless reset`"
    ))
}

fn refused(why: String) -> TransportError {
    TransportError::Configuration(why)
}
