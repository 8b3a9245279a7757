//! What the roles published, read the way any other program would.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::config::params::Topics;
use crate::data::Record;
use crate::transport::{News, Position, Reader, TopicPartition, Transport};

/// How long the outputs of one step may take to be read.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// A topic that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Predictions,
    Outcomes,
    DeadLetters,
    DriftAlerts,
    Performance,
    Models,
}

/// In this order their records are told within a step: an alert comes before the training it asks for.
const OUTPUTS: [Output; 6] = [
    Output::Predictions,
    Output::Outcomes,
    Output::DeadLetters,
    Output::DriftAlerts,
    Output::Performance,
    Output::Models,
];

impl Output {
    fn topic(self, topics: &Topics) -> &str {
        match self {
            Output::Predictions => &topics.predictions,
            Output::Outcomes => &topics.outcomes,
            Output::DeadLetters => &topics.dead_letters,
            Output::DriftAlerts => &topics.drift_alerts,
            Output::Performance => &topics.performance,
            Output::Models => &topics.models,
        }
    }
}

/// A reader of everything the roles publish.
pub(super) struct Outputs {
    topics: Vec<String>,
    reader: Box<dyn Reader>,
    /// Next offset of each partition, by output.
    next: Vec<Vec<i64>>,
}

impl Outputs {
    /// Starts at the beginning of what is there.
    pub fn open(transport: &dyn Transport, topics: &Topics) -> Result<Outputs> {
        let topics: Vec<String> = OUTPUTS.iter().map(|output| output.topic(topics).to_owned()).collect();
        let mut reader = transport.reader(&topics)?;
        let mut next = Vec::new();
        let mut starts = Vec::new();
        for topic in &topics {
            let bounds = transport.bounds(topic)?.with_context(|| format!("topic `{topic}` does not exist"))?;
            for (partition, bounds) in (0..).zip(&bounds) {
                starts.push(Position { at: TopicPartition::new(topic, partition), next: bounds.start });
            }
            next.push(bounds.iter().map(|bounds| bounds.start).collect());
        }
        reader.start(&starts)?;
        Ok(Outputs { topics, reader, next })
    }

    /// Everything published since the last call, output by output.
    pub fn read(&mut self, transport: &dyn Transport) -> Result<Vec<(Output, Record)>> {
        let mut ends = Vec::new();
        for topic in &self.topics {
            let bounds = transport.bounds(topic)?.with_context(|| format!("topic `{topic}` is gone"))?;
            ends.push(bounds.iter().map(|bounds| bounds.end).collect::<Vec<i64>>());
        }
        let behind = |next: &[Vec<i64>]| next.iter().flatten().zip(ends.iter().flatten()).any(|(next, end)| next < end);
        let mut read: Vec<Vec<Record>> = vec![Vec::new(); OUTPUTS.len()];
        let deadline = Instant::now() + READ_LIMIT;
        let mut news = Vec::new();
        while behind(&self.next) {
            if Instant::now() >= deadline {
                bail!("the outputs could not be read to their ends within {} s", READ_LIMIT.as_secs());
            }
            self.reader.poll(Duration::from_millis(100), 4_096, &mut news)?;
            for news in news.drain(..) {
                let (input, partition, reached) = match &news {
                    News::Record { input, partition, record } => (*input, *partition, record.offset + 1),
                    News::End { input, partition, next } => (*input, *partition, *next),
                    News::Assigned(_) | News::Revoked(_) | News::Lost(_) => continue,
                };
                let next = usize::try_from(partition).ok().and_then(|at| self.next.get_mut(input)?.get_mut(at));
                if let Some(next) = next {
                    *next = reached.max(*next);
                }
                if let (News::Record { record, .. }, Some(records)) = (news, read.get_mut(input)) {
                    records.push(record);
                }
            }
        }
        let told = OUTPUTS.into_iter().zip(read);
        Ok(told.flat_map(|(output, records)| records.into_iter().map(move |record| (output, record))).collect())
    }
}
