//! Where one member or reader of the memory transport is in each partition it follows.

use std::collections::BTreeMap;

use super::State;
use super::log::Found;
use crate::transport::{News, Position, TopicPartition, TransportError};

#[derive(Debug)]
struct Cursor {
    next: i64,
    paused: bool,
    /// How often sight of the partition had been lost when it was started.
    lost: u64,
    /// The end that was told last; it is told again only when it has moved, or after a pause.
    told_end: Option<i64>,
}

/// Cursors by index of the topic and partition number.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    topics: Vec<String>,
    cursors: BTreeMap<(usize, i32), Cursor>,
    turn: usize,
}

impl Cursors {
    pub(super) fn new(topics: &[String]) -> Self {
        Cursors { topics: topics.to_vec(), ..Cursors::default() }
    }

    pub(super) fn start(&mut self, state: &State, positions: &[Position]) -> Result<(), TransportError> {
        for Position { at, next } in positions {
            let input = self.topics.iter().position(|topic| *topic == at.topic).ok_or_else(|| {
                TransportError::Configuration(format!("topic `{}` is not one of those followed here", at.topic))
            })?;
            state.topics.partition(&at.topic, at.partition)?;
            let lost = state.times_lost(at);
            self.cursors.insert((input, at.partition), Cursor { next: *next, paused: false, lost, told_end: None });
        }
        Ok(())
    }

    pub(super) fn stop(&mut self, partitions: &[i32]) {
        self.cursors.retain(|(_, partition), _| !partitions.contains(partition));
    }

    pub(super) fn pause(&mut self, input: usize, partition: i32, paused: bool) {
        if let Some(cursor) = self.cursors.get_mut(&(input, partition)) {
            cursor.paused = paused;
            cursor.told_end = None;
        }
    }

    /// Appends what can be read now, at most `max` records, every partition getting a fair part.
    pub(super) fn take(&mut self, state: &State, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        let n_cursors = self.cursors.len();
        if n_cursors == 0 {
            return Ok(());
        }
        let share = max.div_ceil(n_cursors);
        let mut left = max;
        self.turn = (self.turn + 1) % n_cursors;
        let order: Vec<(usize, i32)> = self.cursors.keys().copied().collect();
        for (input, partition) in order.iter().cycle().skip(self.turn).take(n_cursors).copied() {
            let (Some(cursor), Some(topic)) = (self.cursors.get_mut(&(input, partition)), self.topics.get(input))
            else {
                continue;
            };
            if cursor.paused || state.is_silent(topic, partition, cursor.lost) {
                continue;
            }
            let source = state.topics.partition(topic, partition)?;
            for _ in 0..=share.min(left) {
                match source.at(cursor.next) {
                    Found::Record(_) if left == 0 => break,
                    Found::Record(record) => {
                        cursor.next = record.offset + 1;
                        left -= 1;
                        news.push(News::Record { input, partition, record: record.clone() });
                    }
                    Found::End(next) => {
                        if cursor.told_end != Some(next) {
                            cursor.told_end = Some(next);
                            cursor.next = next;
                            news.push(News::End { input, partition, next });
                        }
                        break;
                    }
                    Found::OutOfRange => {
                        return Err(TransportError::Gone(format!(
                            "offset {} of `{topic}` partition {partition} is no longer there",
                            cursor.next
                        )));
                    }
                }
            }
        }
        Ok(())
    }
}

impl State {
    fn times_lost(&self, at: &TopicPartition) -> u64 {
        self.lost.get(at).copied().unwrap_or(0)
    }

    /// Whether nothing of a partition reaches who started to read it after it had been `lost` so often.
    fn is_silent(&self, topic: &str, partition: i32, lost: u64) -> bool {
        if self.stalled.is_empty() && self.lost.is_empty() {
            return false;
        }
        let at = TopicPartition::new(topic, partition);
        self.stalled.contains(&at) || self.times_lost(&at) > lost
    }
}
