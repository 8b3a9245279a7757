//! Going on where an earlier run of the same source ended.
//!
//! A source gives the same records in the same order, and a producer keeps the order within a partition, also when it is
//! killed. So of each partition as many records are passed over as are there. It holds for topics that nothing else has
//! written to.

use std::collections::BTreeMap;

use super::{Destination, Sending, bounds};
use crate::config::Config;
use crate::transport::{Transport, partition_for};

/// What is there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    partitions: BTreeMap<Destination, i32>,
    /// Records still to be passed over.
    left: BTreeMap<(Destination, i32), i64>,
}

impl Sent {
    /// Counts what the topics of `config` hold, records that retention has removed included.
    ///
    /// # Errors
    /// A cluster that does not answer.
    pub fn find(config: &Config, transport: &dyn Transport) -> anyhow::Result<Sent> {
        let mut sent = Sent::default();
        let topics =
            [(Destination::Events, Some(&config.topics.events)), (Destination::Labels, config.topics.labels.as_ref())];
        for (to, topic) in topics.into_iter().filter_map(|(to, topic)| Some((to, topic?))) {
            let bounds = bounds(transport, topic)?.unwrap_or_default();
            sent.partitions.insert(to, i32::try_from(bounds.len())?);
            sent.left.extend((0..).zip(&bounds).map(|(partition, bounds)| ((to, partition), bounds.high)));
        }
        Ok(sent)
    }

    /// Whether this record, the next of its source, is there already.
    pub fn has(&mut self, record: &Sending) -> bool {
        let partitions = self.partitions.get(&record.to).copied().unwrap_or(0);
        let partition =
            record.key.as_deref().map_or(0, |key| if key.is_empty() { 0 } else { partition_for(key, partitions) });
        match self.left.get_mut(&(record.to, partition)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}
