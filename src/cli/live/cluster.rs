//! What the cluster knows of the application: how far its groups have read, and what its topics tell.
//!
//! Nothing is joined and nothing is committed. A cluster that does not answer is a fact, kept with the reason; what was
//! read before stays, and reading goes on where it was once it answers again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::endpoint::OVER;
use super::told::Told;
use super::view::{KafkaView, PartitionView};
use crate::cli::connect::kafka;
use crate::codec::{WireError, read};
use crate::config::Config;
use crate::transport::kafka::{GroupProgress, Kafka};
use crate::transport::{News, Position, Reader, TopicPartition, Transport, TransportError};

/// Records of the alerts and performance topics that are looked back at.
const LOOK_BACK: i64 = 20_000;
/// One step of reading; a reader that is at the end waits no longer.
const STEP: Duration = Duration::from_millis(200);
const MOST: usize = 5_000;

/// How far a partition has been read.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    partition: String,
    committed: Option<i64>,
    start: i64,
    end: i64,
}

impl Place {
    fn lag(&self) -> i64 {
        (self.end - self.committed.unwrap_or(self.start).max(self.start)).max(0)
    }
}

/// Where a partition was seen first, with or without records to read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Still {
    committed: Option<i64>,
    has_more: bool,
    since: Instant,
}

/// The facts as they stand.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub told: Told,
    /// Effects of the windows before the first look, as alerts told of them.
    before: Vec<BTreeMap<String, f64>>,
    /// Whether the topics have been read to their ends.
    whole: bool,
    places: VecDeque<(Instant, Vec<Place>)>,
    /// Since when a partition with records to read stands where it is.
    still: BTreeMap<String, Still>,
    answered: Option<Instant>,
    error: Option<String>,
}

impl Facts {
    fn take(&mut self, at: Instant, places: Vec<Place>) {
        for place in &places {
            let now = Still { committed: place.committed, has_more: place.lag() > 0, since: at };
            let before = self.still.get(&place.partition).filter(|before| Still { since: at, ..**before } == now);
            if before.is_none() {
                self.still.insert(place.partition.clone(), now);
            }
        }
        while self.places.len() > 1 && self.places.get(1).is_some_and(|(next, _)| at - *next >= OVER) {
            self.places.pop_front();
        }
        self.places.push_back((at, places));
        self.answered = Some(at);
        self.error = None;
    }

    /// Ratios of effect and threshold by window before the first look, the oldest first.
    pub fn before(&self) -> &[BTreeMap<String, f64>] {
        &self.before
    }

    /// Whether the cluster answers.
    pub fn kafka(&self, brokers: String, now: Instant) -> KafkaView {
        let answers = match (&self.error, self.answered) {
            (Some(_), _) => Some(false),
            (None, Some(_)) if self.whole => Some(true),
            _ => None,
        };
        let answered_s = self.answered.map(|at| now.saturating_duration_since(at).as_secs_f64());
        KafkaView { brokers, answers, error: self.error.clone(), answered_s }
    }

    /// Whether the cluster has been asked, and has answered whole or not at all.
    pub fn asked(&self) -> bool {
        self.error.is_some() || (self.whole && self.places.len() > 1)
    }

    /// The partitions as of the last answer; none of them while the cluster does not answer.
    pub fn partitions(&self) -> Vec<PartitionView> {
        let (Some((first_at, first)), Some((last_at, last)), None) =
            (self.places.front(), self.places.back(), &self.error)
        else {
            return Vec::new();
        };
        let seconds = (*last_at - *first_at).as_secs_f64();
        let view = |place: &Place| {
            let before = first.iter().find(|before| before.partition == place.partition);
            let from = |place: &Place| place.committed.unwrap_or(place.start);
            let per_s = before.filter(|_| seconds > 0.0);
            let per_s = per_s.map(|before| (from(place) - from(before)).max(0) as f64 / seconds);
            let still = self.still.get(&place.partition).filter(|_| place.lag() > 0);
            PartitionView {
                partition: place.partition.clone(),
                committed: place.committed,
                end: Some(place.end),
                lag: Some(place.lag()),
                behind_s: None,
                per_s,
                still_s: still.map(|still| (*last_at - still.since).as_secs_f64()),
            }
        };
        last.iter().map(view).collect()
    }
}

/// Facts that a thread keeps up to date and others look at.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Facts>>);

impl Shared {
    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        // A fold that was left by a panic holds whole records; what is missing comes with the next look.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Stage {
    /// Before the number of a partition.
    prefix: String,
    topic: String,
    group: GroupProgress,
}

/// The cluster, asked again and again.
pub(super) struct Cluster {
    kafka: Kafka,
    stages: Vec<Stage>,
    topics: [String; 3],
    next: [Option<i64>; 3],
    reader: Option<Box<dyn Reader>>,
    shared: Shared,
}

impl Cluster {
    /// Connects to nothing yet.
    pub fn new(config: &Config, shared: Shared) -> anyhow::Result<Cluster> {
        let kafka = kafka(config, "top")?;
        let events = (String::new(), config.topics.events.clone(), config.group("score"));
        let hops = config.chain.hops.iter().zip(&config.topics.hops).map(|(hop, topics)| {
            let role = Config::hop_role(hop);
            (format!("{role}/"), topics.records.clone(), config.group(&role))
        });
        let mut stages = Vec::new();
        for (prefix, topic, group) in std::iter::once(events).chain(hops) {
            stages.push(Stage { prefix, topic, group: kafka.progress_of(&group)? });
        }
        let topics = &config.topics;
        let topics = [topics.models.clone(), topics.drift_alerts.clone(), topics.performance.clone()];
        Ok(Cluster { kafka, stages, topics, next: [None; 3], reader: None, shared })
    }

    /// Takes one look.
    pub fn look(&mut self) {
        let looked = self.places().and_then(|places| {
            self.follow()?;
            Ok(places)
        });
        match looked {
            Ok(places) => self.shared.facts().take(Instant::now(), places),
            Err(error) => {
                self.reader = None;
                self.shared.facts().error = Some(error.to_string());
            }
        }
    }

    fn places(&self) -> Result<Vec<Place>, TransportError> {
        let mut places = Vec::new();
        for Stage { prefix, topic, group } in &self.stages {
            // First what was committed: the end that is asked for after it is never before it.
            let n = self.kafka.bounds(topic)?.ok_or_else(|| missing(topic))?.len();
            let committed = group.committed(topic, i32::try_from(n).unwrap_or(i32::MAX))?;
            let bounds = self.kafka.bounds(topic)?.ok_or_else(|| missing(topic))?;
            let both = bounds.into_iter().zip(committed).enumerate();
            places.extend(both.map(|(number, (bounds, committed))| Place {
                partition: format!("{prefix}{number}"),
                committed,
                start: bounds.start,
                end: bounds.end,
            }));
        }
        Ok(places)
    }

    /// Reads what is new in the topics.
    fn follow(&mut self) -> Result<(), TransportError> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.open()?,
        };
        let mut news = Vec::new();
        let mut ended = [false; 3];
        loop {
            reader.poll(STEP, MOST, &mut news)?;
            if news.is_empty() {
                break;
            }
            let mut facts = self.shared.facts();
            for news in news.drain(..) {
                match news {
                    News::Record { input, record, .. } => {
                        if let Some(next) = self.next.get_mut(input) {
                            *next = Some(record.offset + 1);
                        }
                        // What is none of ours is the roles' to tell: they log it.
                        let _ = tell(&mut facts.told, input, record.value.as_deref());
                    }
                    News::End { input, next, .. } => {
                        if let (Some(ended), Some(at)) = (ended.get_mut(input), self.next.get_mut(input)) {
                            (*ended, *at) = (true, Some(next));
                        }
                    }
                    News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
                }
            }
            if ended == [true; 3] {
                if !facts.whole {
                    facts.before = facts.told.effects();
                }
                facts.whole = true;
                break;
            }
        }
        self.reader = Some(reader);
        Ok(())
    }

    fn open(&self) -> Result<Box<dyn Reader>, TransportError> {
        let mut reader = self.kafka.reader(&self.topics)?;
        let mut positions = Vec::new();
        for (at, (topic, next)) in self.topics.iter().zip(self.next).enumerate() {
            let bounds = self.kafka.bounds(topic)?.and_then(|all| all.first().copied());
            let bounds = bounds.ok_or_else(|| missing(topic))?;
            // All of the control log, as it is folded from its beginning.
            let from = if at == 0 { bounds.start } else { bounds.start.max(bounds.end - LOOK_BACK) };
            let next = next.unwrap_or(from).max(bounds.start);
            positions.push(Position { at: TopicPartition::new(topic.as_str(), 0), next });
        }
        reader.start(&positions)?;
        Ok(reader)
    }
}

fn missing(topic: &str) -> TransportError {
    let why = format!("topic `{topic}` does not exist; `driftless topics create` makes it");
    TransportError::Configuration(why)
}

fn tell(told: &mut Told, input: usize, value: Option<&[u8]>) -> Result<(), WireError> {
    match input {
        0 => told.decision(&read("control", value)?),
        1 => told.alert(&read("alert", value)?),
        _ => told.performance(read("performance", value)?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(looks: &[(u64, i64, i64)]) -> Facts {
        let start = Instant::now();
        let mut facts = Facts::default();
        for (at, committed, end) in looks {
            let place = Place { partition: "0".to_owned(), committed: Some(*committed), start: 0, end: *end };
            facts.take(start + Duration::from_secs(*at), vec![place]);
        }
        facts
    }

    fn partition(looks: &[(u64, i64, i64)]) -> (Option<f64>, Option<i64>, Option<f64>) {
        let views = facts(looks).partitions();
        (views[0].per_s, views[0].lag, views[0].still_s)
    }

    #[test]
    fn offsets_become_rates_and_lags() {
        assert_eq!(partition(&[(0, 10, 20)]), (None, Some(10), Some(0.0)));
        assert_eq!(partition(&[(0, 10, 20), (5, 20, 20)]), (Some(2.0), Some(0), None));
    }

    #[test]
    fn a_partition_stands_still_only_while_there_is_something_to_read() {
        assert_eq!(partition(&[(0, 10, 10), (5, 10, 20), (9, 10, 20)]).2, Some(9.0 - 5.0));
        assert_eq!(partition(&[(0, 10, 20), (5, 10, 20), (6, 11, 20)]).2, Some(0.0));
    }

    #[test]
    fn a_cluster_that_does_not_answer_says_nothing_of_its_partitions() {
        let mut facts = facts(&[(0, 10, 20)]);
        facts.whole = true;
        let kafka = |facts: &Facts| facts.kafka("b:1".to_owned(), Instant::now()).answers;
        assert_eq!(kafka(&facts), Some(true));
        facts.error = Some("no answer".to_owned());
        assert_eq!((kafka(&facts), facts.partitions()), (Some(false), Vec::new()));
    }
}
