//! Upkeep through the admin client: settings of topics, members and offsets of groups, topics made anew.
//!
//! The broker is asked even where something was looked at before: it refuses to delete a group that has members, so
//! nobody can join between the look and the deletion and lose its offsets.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigEntry, ConfigSource, ResourceSpecifier};
use rdkafka::error::RDKafkaErrorCode;

use super::Kafka;
use super::admin::{ASK_LIMIT, CREATE_LIMIT, admin, block_on, create};
use super::context::Quiet;
use super::errors::{classify_code, failed};
use super::settings::Settings;
use crate::transport::{TopicSpec, TransportError, Upkeep};

/// A deleted topic may still be known for a while, and a new one of its name is refused until it is not.
const GONE_LIMIT: Duration = Duration::from_secs(30);
const GONE_STEP: Duration = Duration::from_millis(100);

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(CREATE_LIMIT)).request_timeout(Some(CREATE_LIMIT + ASK_LIMIT))
}

/// The settings of a topic, those it has of its own and the broker's; `None` if there is no such topic.
fn entries(admin: &AdminClient<Quiet>, topic: &str) -> Result<Option<Vec<ConfigEntry>>, TransportError> {
    let what = || format!("cannot ask for the settings of topic `{topic}`");
    let options = AdminOptions::new().request_timeout(Some(ASK_LIMIT));
    let answers = block_on(admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options))
        .map_err(|error| failed(&what(), &error))?;
    match answers.into_iter().next() {
        Some(Ok(resource)) => Ok(Some(resource.entries)),
        None | Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)) => Ok(None),
        Some(Err(code)) => Err(classify_code(code).error(format!("{}: {code}", what()))),
    }
}

pub(super) fn cleanup_policy(settings: &Settings, topic: &str) -> Result<Option<String>, TransportError> {
    let entries = entries(&admin(settings)?, topic)?.unwrap_or_default();
    Ok(entries.into_iter().find(|entry| entry.name == "cleanup.policy").and_then(|entry| entry.value))
}

impl Kafka {
    /// What a topic is to be made anew with: what it has of its own, where it exists.
    fn kept(&self, admin: &AdminClient<Quiet>, spec: &TopicSpec) -> Result<TopicSpec, TransportError> {
        let Some(replication) = self.ask(|views| views.replication(&spec.name))? else { return Ok(spec.clone()) };
        let entries = entries(admin, &spec.name)?.unwrap_or_default();
        let own = entries.into_iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
        let config = own.filter_map(|entry| Some((entry.name, entry.value?))).collect();
        Ok(TopicSpec { replication, config, ..spec.clone() })
    }
}

impl Upkeep for Kafka {
    fn members(&self, group: &str) -> Result<Vec<String>, TransportError> {
        self.ask(|views| views.members(group))
    }

    fn forget(&self, group: &str) -> Result<(), TransportError> {
        let what = || format!("cannot delete group `{group}`");
        let admin = admin(&self.settings)?;
        let results = block_on(admin.delete_groups(&[group], &options())).map_err(|error| failed(&what(), &error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
                Err((_, RDKafkaErrorCode::NonEmptyGroup)) => {
                    return Err(TransportError::Configuration(format!("{}: it has members", what())));
                }
                Err((_, code)) => return Err(classify_code(code).error(format!("{}: {code}", what()))),
            }
        }
        Ok(())
    }

    fn remake(&self, spec: &TopicSpec) -> Result<(), TransportError> {
        let admin = admin(&self.settings)?;
        let spec = self.kept(&admin, spec)?;
        let what = || format!("cannot delete topic `{}`", spec.name);
        let results =
            block_on(admin.delete_topics(&[&spec.name], &options())).map_err(|error| failed(&what(), &error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)) => {}
                Err((_, code)) => return Err(classify_code(code).error(format!("{}: {code}", what()))),
            }
        }
        let deadline = Instant::now() + GONE_LIMIT;
        while self.ask(|views| create(&self.settings, views, std::slice::from_ref(&spec)))?.is_empty() {
            if Instant::now() >= deadline {
                return Err(TransportError::Retriable(format!("topic `{}` is still being deleted", spec.name)));
            }
            std::thread::sleep(GONE_STEP);
        }
        Ok(())
    }
}
