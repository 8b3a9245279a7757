//! Remarks that go with a group's committed offsets: what is to be said with the next commit, and what others have said.
//!
//! They are the metadata of the offsets of the first input. A client of its own asks for them, one that does not wait for
//! transactions that are not decided: of those what was committed before is told.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::bounded::Bounded;
use super::context::Quiet;
use super::errors::failed;
use super::settings::Settings;
use crate::transport::TransportError;

/// How long the coordinator may take to answer.
const LIMIT: Duration = Duration::from_millis(500);

pub(super) struct Remarks {
    settings: Arc<Settings>,
    group: String,
    topic: String,
    /// By partition number, for the next commit.
    next: BTreeMap<i32, String>,
    /// Made when it is first needed.
    listener: Option<Bounded<BaseConsumer<Quiet>>>,
}

impl Remarks {
    pub(super) fn new(settings: &Arc<Settings>, group: &str, topic: &str) -> Self {
        Remarks {
            settings: settings.clone(),
            group: group.to_owned(),
            topic: topic.to_owned(),
            next: BTreeMap::new(),
            listener: None,
        }
    }

    pub(super) fn say(&mut self, partition: i32, remark: String) {
        self.next.insert(partition, remark);
    }

    /// Takes what is to be said with a commit.
    pub(super) fn take(&mut self) -> BTreeMap<i32, String> {
        std::mem::take(&mut self.next)
    }

    /// Puts remarks beside the offsets that they go with.
    pub(super) fn write(&self, remarks: &BTreeMap<i32, String>, offsets: &mut TopicPartitionList) {
        for (partition, remark) in remarks {
            if let Some(mut offset) = offsets.find_partition(&self.topic, *partition) {
                offset.set_metadata(remark);
            }
        }
    }

    /// What the last commits said, by partition number; nothing of partitions without one.
    pub(super) fn heard(&mut self, partitions: i32) -> Result<BTreeMap<i32, String>, TransportError> {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => {
                let consumer = self
                    .settings
                    .listening(&self.group)
                    .create_with_context(Quiet)
                    .map_err(|error| failed("cannot create a consumer", &error))?;
                Bounded::new("listening consumer", consumer)
            }
        };
        let listener = self.listener.insert(listener);
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&self.topic, 0, partitions - 1);
        let answer = listener
            .committed_offsets(asked, LIMIT)
            .map_err(|error| failed("cannot read what is said with committed offsets", &error))?;
        let said = answer.elements().into_iter().filter(|said| matches!(said.offset(), Offset::Offset(_)));
        // The binding panics at what is not UTF-8, and anybody with the right to commit for the group may have written it.
        let remark = |of: &TopicPartitionListElem<'_>| catch_unwind(AssertUnwindSafe(|| of.metadata().to_owned()));
        Ok(said.map(|said| (said.partition(), remark(&said).unwrap_or_default())).collect())
    }
}
