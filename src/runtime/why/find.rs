//! Where a prediction was published, and what became known of its event.

use super::facts::LabelFacts;
use super::{Sought, WhyParams};
use crate::codec::read;
use crate::data::{Outcome, Prediction, Sink};
use crate::runtime::frames::{is_framed, unframed};
use crate::runtime::history::{HistoryError, PartitionLog, bounds};
use crate::runtime::replay::desk::Desk;
use crate::runtime::replay::written::Written;
use crate::transport::{Position, TopicPartition};

/// A published prediction.
pub(super) struct Found {
    pub partition: i32,
    pub prediction: Prediction,
    pub written: Written,
}

/// Finds the prediction asked about.
pub(super) fn prediction(desk: &Desk<'_>, params: &WhyParams) -> Result<Found, HistoryError> {
    let topic = &desk.config.topics.predictions;
    match &params.sought {
        Sought::At { partition, offset } => {
            let bounds = bounds(desk.transport, topic, *partition)?;
            let at = TopicPartition::new(topic.as_str(), *partition);
            let position = Position { at, next: (*offset).max(bounds.start) };
            let mut log = PartitionLog::open_at(desk.transport, position, bounds)?;
            let record = log.next()?.filter(|record| record.offset == *offset);
            let record = record.ok_or_else(|| {
                HistoryError::Wrong(format!("`{topic}` partition {partition} has no record at offset {offset}"))
            })?;
            let prediction = read("prediction", record.value.as_deref());
            let prediction = prediction.map_err(|error| HistoryError::Impossible(error.to_string()))?;
            let record = if is_framed(desk.config, Sink::Predictions) { unframed(record) } else { record };
            Ok(Found { partition: *partition, prediction, written: Written::published(record) })
        }
        Sought::Event { id, partition } => {
            let partitions = partition.map_or(0..desk.shards, |partition| partition..partition + 1);
            for partition in partitions {
                if let Some(found) = scan(desk, PartitionLog::open(desk.transport, topic, partition)?, id)? {
                    return Ok(found);
                }
            }
            Err(HistoryError::Wrong(format!(
                "`{topic}` has no prediction of event `{id}`; an event that could not be used is in `{}`",
                desk.config.topics.dead_letters
            )))
        }
    }
}

fn scan(desk: &Desk<'_>, mut log: PartitionLog, id: &str) -> Result<Option<Found>, HistoryError> {
    while let Some(record) = log.next()? {
        if !names(record.value.as_deref(), id) {
            continue;
        }
        if let Ok(prediction) = read::<Prediction>("prediction", record.value.as_deref())
            && prediction.event_id == id
        {
            let partition = log.at().partition;
            let record = if is_framed(desk.config, Sink::Predictions) { unframed(record) } else { record };
            return Ok(Some(Found { partition, prediction, written: Written::published(record) }));
        }
    }
    Ok(None)
}

/// The labels joined with an event.
pub(super) fn labels(desk: &Desk<'_>, found: &Found) -> Result<Vec<LabelFacts>, HistoryError> {
    let mut log = PartitionLog::open(desk.transport, &desk.config.topics.outcomes, found.partition)?;
    let mut labels = Vec::new();
    let id = &found.prediction.event_id;
    while let Some(record) = log.next()? {
        if !names(record.value.as_deref(), id) {
            continue;
        }
        if let Ok(Outcome { event_id, revision, label, known_at, .. }) = read("outcome", record.value.as_deref())
            && event_id == *id
        {
            labels.push(LabelFacts { revision, label, known_at });
        }
    }
    Ok(labels)
}

/// Whether the bytes of a record can be about an event: whether they hold the part of its id that JSON writes as it is.
fn names(value: Option<&[u8]>, id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let part = id.split(|c| !plain(c)).max_by_key(|part| part.len()).unwrap_or_default().as_bytes();
    let value = value.unwrap_or_default();
    part.is_empty() || value.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_about_an_event_is_never_passed_over() {
        for id in ["e7", "a\"b", "\u{e9}", "", "x y"] {
            let value = serde_json::to_vec(&serde_json::json!({ "event_id": id })).unwrap();
            assert!(names(Some(&value), id), "{id}");
        }
        assert!(!names(Some(b"{\"event_id\":\"e7\"}"), "e8"));
    }
}
