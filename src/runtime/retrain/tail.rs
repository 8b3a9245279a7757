//! The predictions and outcomes topics, followed into the training log.
//!
//! The log remembers up to where each partition is in the store; what was not written yet is read again after a restart,
//! so that every record is in it once. A record that cannot be read is left out and said so.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use super::met::Met;
use super::{RETRAIN, RetrainShop};
use crate::codec::read;
use crate::config::params::Topics;
use crate::data::{Outcome, Prediction};
use crate::registry::LogPosition;
use crate::retrain::{ExampleRow, LabelRow};
use crate::runtime::worker::WorkerError;
use crate::transport::{News, Position, Reader, TopicPartition, TransportError};

const TAIL_BATCH: usize = 2_000;
const PREDICTIONS: usize = 0;

/// The predictions and outcomes topics, followed into the training log.
pub(super) struct Tail {
    reader: Box<dyn Reader>,
    pub(super) topics: Vec<String>,
    pub(super) positions: BTreeMap<TopicPartition, i64>,
    /// Traces that outcomes came with.
    pub(super) met: Met,
}

impl Tail {
    pub(super) fn open(shop: &RetrainShop, topics: &Topics) -> Result<Self, WorkerError> {
        let topics = vec![topics.predictions.clone(), topics.outcomes.clone()];
        let mut reader = shop.transport.reader(&topics)?;
        let mut starts = Vec::new();
        let log = shop.log.lock().unwrap_or_else(PoisonError::into_inner);
        for topic in &topics {
            let Some(all) = shop.transport.bounds(topic)? else {
                return Err(TransportError::Configuration(format!("topic `{topic}` does not exist")).into());
            };
            for (partition, bounds) in all.into_iter().enumerate() {
                let partition = partition as i32;
                let next = log.resume_at(topic, partition).unwrap_or(bounds.start).max(bounds.start);
                starts.push(Position { at: TopicPartition::new(topic.clone(), partition), next });
            }
        }
        reader.start(&starts)?;
        let positions = starts.into_iter().map(|start| (start.at, start.next)).collect();
        Ok(Tail { reader, topics, positions, met: Met::default() })
    }

    pub(super) fn follow(&mut self, shop: &RetrainShop) -> Result<(), WorkerError> {
        let mut news = Vec::new();
        self.reader.poll(Duration::ZERO, TAIL_BATCH, &mut news)?;
        let mut log = shop.log.lock().unwrap_or_else(PoisonError::into_inner);
        for news in news {
            let (input, partition, next) = match news {
                News::Record { input, partition, record } => {
                    let Some(topic) = self.topics.get(input) else { continue };
                    let at = LogPosition { topic, partition, offset: record.offset };
                    let taken = if input == PREDICTIONS {
                        let row = read::<Prediction>("prediction", record.value.as_deref());
                        row.map(|row| log.add_prediction(at, ExampleRow::from(&row)))
                    } else {
                        let row = read::<Outcome>("outcome", record.value.as_deref());
                        row.map(|row| {
                            if shop.traces.is_some() {
                                self.met.note(&record.headers, &row);
                            }
                            log.add_label(at, LabelRow::from(&row))
                        })
                    };
                    match taken {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return Err(TransportError::Retriable(error.to_string()).into()),
                        Err(error) => {
                            tracing::error!(topic, partition, offset = record.offset, %error, "example_unreadable");
                        }
                    }
                    (input, partition, record.offset + 1)
                }
                News::End { input, partition, next } => (input, partition, next),
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => continue,
            };
            if let Some(topic) = self.topics.get(input) {
                let at = TopicPartition::new(topic.as_str(), partition);
                shop.board.position(RETRAIN, &at, next);
                self.positions.insert(at, next);
            }
        }
        Ok(())
    }
}
