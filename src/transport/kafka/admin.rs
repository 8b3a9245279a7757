//! Topics and their bounds.
//!
//! Bounds come from `ListOffsets` at the two isolation levels: a read-committed client is answered with the last stable
//! offset, a read-uncommitted one with the high watermark. One request per broker, not per partition.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::groups::GroupInfo;
use rdkafka::{Offset, TopicPartitionList};

use super::bounded::Bounded;
use super::context::Quiet;
use super::errors::{classify_code, failed};
use super::settings::Settings;
use crate::transport::{Bounds, TopicSpec, TransportError};

pub(super) const ASK_LIMIT: Duration = Duration::from_secs(10);
pub(super) const CREATE_LIMIT: Duration = Duration::from_secs(30);
/// How long a question that was refused is asked again.
const REFUSED_LIMIT: Duration = Duration::from_secs(2);
const REFUSED_STEP: Duration = Duration::from_millis(50);
/// A created topic is known to every broker a little later.
const KNOWN_LIMIT: Duration = Duration::from_secs(10);
const KNOWN_STEP: Duration = Duration::from_millis(20);

/// Clients that ask; they hold no group and read nothing.
pub(super) struct Views {
    committed: Bounded<BaseConsumer<Quiet>>,
    uncommitted: Bounded<BaseConsumer<Quiet>>,
}

impl Views {
    pub(super) fn open(settings: &Settings) -> Result<Self, TransportError> {
        let open = |isolation| {
            settings
                .view(isolation)
                .create_with_context(Quiet)
                .map(|client| Bounded::new("view", client))
                .map_err(|error| failed("cannot create a client", &error))
        };
        Ok(Views { committed: open("read_committed")?, uncommitted: open("read_uncommitted")? })
    }

    /// Partition numbers of a topic that have a leader; `None` if there is no such topic.
    fn partitions(&self, topic: &str) -> Result<Option<Vec<i32>>, TransportError> {
        let metadata = self
            .committed
            .fetch_metadata(Some(topic), ASK_LIMIT)
            .map_err(|error| failed(&format!("cannot ask for topic `{topic}`"), &error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => return Ok(None),
            Some(code) => return Err(classify_code(code).error(format!("cannot ask for topic `{topic}`: {code}"))),
        }
        let mut numbers = Vec::with_capacity(found.partitions().len());
        for partition in found.partitions() {
            if partition.leader() < 0 {
                return Err(TransportError::Retriable(format!(
                    "topic `{topic}` partition {} has no leader",
                    partition.id()
                )));
            }
            numbers.push(partition.id());
        }
        numbers.sort_unstable();
        Ok((!numbers.is_empty()).then_some(numbers))
    }

    /// Replicas of each partition of a topic; `None` if there is no such topic.
    pub(super) fn replication(&self, topic: &str) -> Result<Option<i32>, TransportError> {
        let metadata = self
            .committed
            .fetch_metadata(Some(topic), ASK_LIMIT)
            .map_err(|error| failed(&format!("cannot ask for topic `{topic}`"), &error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let replicas = found.and_then(|found| found.partitions().iter().map(|one| one.replicas().len()).min());
        Ok(replicas.and_then(|n| i32::try_from(n).ok()))
    }

    /// The names of the clients in a group.
    pub(super) fn members(&self, group: &str) -> Result<Vec<String>, TransportError> {
        let list = self
            .committed
            .fetch_group_list(Some(group), ASK_LIMIT)
            .map_err(|error| failed(&format!("cannot ask for group `{group}`"), &error))?;
        let found = list.groups().iter().filter(|found| found.name() == group);
        let members = found.flat_map(GroupInfo::members);
        Ok(members.map(|member| format!("{} on {}", member.client_id(), member.client_host())).collect())
    }

    pub(super) fn bounds(&self, topic: &str) -> Result<Option<Vec<Bounds>>, TransportError> {
        // A broker that was restarted, or another that leads now, refuses the first question of each topic, from which the
        // client learns better; to let a worker join anew for it would cost a rebalance per topic.
        let until = Instant::now() + REFUSED_LIMIT;
        loop {
            match self.ask_bounds(topic) {
                Err(TransportError::Retriable(_)) if Instant::now() < until => std::thread::sleep(REFUSED_STEP),
                answer => return answer,
            }
        }
    }

    fn ask_bounds(&self, topic: &str) -> Result<Option<Vec<Bounds>>, TransportError> {
        let Some(partitions) = self.partitions(topic)? else { return Ok(None) };
        // In this order an end never lies beyond the high watermark asked for after it.
        let starts = offsets(&self.committed, topic, &partitions, Offset::Beginning)?;
        let ends = offsets(&self.committed, topic, &partitions, Offset::End)?;
        let highs = offsets(&self.uncommitted, topic, &partitions, Offset::End)?;
        let bounds = starts.into_iter().zip(ends).zip(highs);
        Ok(Some(bounds.map(|((start, end), high)| Bounds { start, end, high }).collect()))
    }

    /// A leader is named before it leads: only the answer to a question for its offsets says that it does.
    fn wait_until_known(&self, topic: &TopicSpec) -> Result<(), TransportError> {
        let deadline = Instant::now() + KNOWN_LIMIT;
        loop {
            match self.bounds(&topic.name) {
                Ok(Some(bounds)) if i32::try_from(bounds.len()) == Ok(topic.partitions) => return Ok(()),
                Ok(_) | Err(TransportError::Retriable(_)) if Instant::now() < deadline => {}
                Ok(_) => {
                    return Err(TransportError::Retriable(format!(
                        "topic `{}` was created, but not all brokers know it yet",
                        topic.name
                    )));
                }
                Err(error) => return Err(error),
            }
            std::thread::sleep(KNOWN_STEP);
        }
    }
}

/// Offsets of all partitions, in their order.
///
/// The client answers from what it knew of the topic when it last looked: where that was before the topic grew or was
/// made anew, it has to look again.
fn offsets(
    view: &BaseConsumer<Quiet>,
    topic: &str,
    partitions: &[i32],
    which: Offset,
) -> Result<Vec<i64>, TransportError> {
    let what = format!("cannot ask for the offsets of topic `{topic}`");
    match answers(view, topic, partitions, which) {
        Ok(Some(offsets)) => Ok(offsets),
        Ok(None) => Err(TransportError::Retriable(format!("{what}: not all partitions answered"))),
        Err(error) if error.rdkafka_error_code().is_some_and(is_unknown) => {
            view.fetch_metadata(Some(topic), ASK_LIMIT).map_err(|error| failed(&what, &error))?;
            Err(TransportError::Retriable(format!("{what}: not all brokers know it yet")))
        }
        Err(error) => Err(failed(&what, &error)),
    }
}

fn is_unknown(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    matches!(code, UnknownPartition | UnknownTopic | UnknownTopicOrPartition)
}

/// One question for offsets; `None` if a partition was left out of the answer.
fn answers(
    view: &BaseConsumer<Quiet>,
    topic: &str,
    partitions: &[i32],
    which: Offset,
) -> Result<Option<Vec<i64>>, KafkaError> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        asked.add_partition_offset(topic, *partition, which)?;
    }
    let answer = view.offsets_for_times(asked, ASK_LIMIT)?;
    let mut offsets = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let Some(element) = answer.find_partition(topic, *partition) else { return Ok(None) };
        element.error()?;
        let Offset::Offset(offset) = element.offset() else { return Ok(None) };
        offsets.push(offset);
    }
    Ok(Some(offsets))
}

pub(super) fn admin(settings: &Settings) -> Result<AdminClient<Quiet>, TransportError> {
    settings.admin().create_with_context(Quiet).map_err(|error| failed("cannot create a client", &error))
}

/// Creates the topics that are missing and waits until they can be used.
pub(super) fn create(settings: &Settings, views: &Views, topics: &[TopicSpec]) -> Result<Vec<String>, TransportError> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let admin = admin(settings)?;
    let wanted: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| {
            let new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(topic.replication));
            topic.config.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let options =
        AdminOptions::new().operation_timeout(Some(CREATE_LIMIT)).request_timeout(Some(CREATE_LIMIT + ASK_LIMIT));
    let results =
        block_on(admin.create_topics(&wanted, &options)).map_err(|error| failed("cannot create topics", &error))?;
    let mut created = Vec::new();
    for result in results {
        match result {
            Ok(name) => created.push(name),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(classify_code(code).error(format!("cannot create topic `{name}`: {code}")));
            }
        }
    }
    for topic in topics.iter().filter(|topic| created.contains(&topic.name)) {
        views.wait_until_known(topic)?;
    }
    Ok(created)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future of the admin client, which its own thread completes.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
