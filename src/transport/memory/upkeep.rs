//! Upkeep of the memory transport, and what an operator does to a cluster behind an application's back.

use super::group::Group;
use super::{Memory, State};
use crate::transport::{TopicSpec, TransportError, Upkeep};

impl State {
    /// A broker's default where the topic's own settings say nothing.
    pub(super) fn cleanup_policy(&self, topic: &str) -> String {
        let settings = self.specs.get(topic).map_or(&[][..], |spec| &spec.config);
        let own = settings.iter().find(|(name, _)| name == "cleanup.policy").map(|(_, policy)| policy.clone());
        own.unwrap_or_else(|| "delete".to_owned())
    }
}

impl Memory {
    /// Adds partitions to a topic until it has `partitions`. Groups find out when one of their members joins.
    pub fn grow(&self, topic: &str, partitions: usize) {
        self.shared.lock().topics.grow(topic, partitions);
    }

    /// Deletes what a group has committed, whoever is in it: as when it expires, or an operator's command deletes it.
    pub fn expire_offsets(&self, group: &str) {
        if let Some(group) = self.shared.lock().groups.get_mut(group) {
            group.committed.clear();
        }
    }
}

impl Upkeep for Memory {
    fn members(&self, group: &str) -> Result<Vec<String>, TransportError> {
        let state = self.shared.lock();
        let numbers = state.groups.get(group).into_iter().flat_map(Group::members);
        Ok(numbers.map(|number| format!("member {number}")).collect())
    }

    fn forget(&self, group: &str) -> Result<(), TransportError> {
        let mut state = self.shared.lock();
        if state.groups.get(group).is_some_and(|group| group.members().next().is_some()) {
            return Err(TransportError::Configuration(format!("group `{group}` has members")));
        }
        state.groups.remove(group);
        Ok(())
    }

    fn remake(&self, spec: &TopicSpec) -> Result<(), TransportError> {
        let mut state = self.shared.lock();
        state.topics.remove(&spec.name);
        let config = state.specs.get(&spec.name).map_or_else(|| spec.config.clone(), |known| known.config.clone());
        state.specs.insert(spec.name.clone(), TopicSpec { config, ..spec.clone() });
        state.topics.create(&spec.name, spec.partitions);
        Ok(())
    }
}
