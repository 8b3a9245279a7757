//! librdkafka's mock cluster inside the process: a broker for trying things out where there is none.
//!
//! The same client code runs over it, with what the mock lacks filled in here: topics are created directly, partitions
//! are given out by a fixed rule, committed offsets are kept by this process. The mock does not isolate transactions
//! (aborted records stay visible), so an abort is an error and nothing here proves exactly-once. It keeps
//! 5 MiB or 100,000 records per partition and forgets everything with the process.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;

use super::fetch::{Fetcher, SLICE};
use super::publish::Transactions;
use super::{Kafka, KafkaParams};
use crate::transport::kafka::context::Bell;
use crate::transport::{
    Bounds, CommittedOffset, Member, MemberSpec, News, Outgoing, Position, Publisher, Reader, TopicPartition,
    TopicSpec, Transport, TransportError,
};

#[derive(Debug, Default)]
struct Group {
    /// Which seats are taken; a member in seat `s` of `n` has the partitions whose number modulo `n` is `s`.
    seats: Vec<bool>,
    committed: BTreeMap<TopicPartition, i64>,
}

type Groups = Mutex<BTreeMap<String, Group>>;

fn locked(groups: &Groups) -> MutexGuard<'_, BTreeMap<String, Group>> {
    groups.lock().unwrap_or_else(PoisonError::into_inner)
}

struct CreateTopic {
    name: String,
    partitions: i32,
    answer: SyncSender<Result<(), String>>,
}

/// A mock cluster of one broker, and a transport over it.
pub struct Embedded {
    kafka: Kafka,
    brokers: String,
    topics: Mutex<SyncSender<CreateTopic>>,
    groups: Arc<Groups>,
    workers: usize,
}

impl Embedded {
    /// Starts the broker. Every group is served by exactly `workers` members, which get the partitions by a fixed rule.
    ///
    /// # Errors
    /// `Retriable` if the broker cannot be started.
    pub fn start(workers: usize) -> Result<Self, TransportError> {
        let (topics, wanted) = sync_channel(1);
        let (started, starting) = sync_channel(1);
        // The cluster's handle cannot move between threads, so it lives and dies on one.
        thread::Builder::new()
            .name("embedded broker".to_owned())
            .spawn(move || serve(&started, &wanted))
            .map_err(|error| TransportError::Retriable(format!("cannot start the embedded broker: {error}")))?;
        let brokers = starting
            .recv()
            .unwrap_or_else(|_| Err("its thread ended".to_owned()))
            .map_err(|error| TransportError::Retriable(format!("cannot start the embedded broker: {error}")))?;
        let kafka = Kafka::new(KafkaParams::new(brokers.clone(), "driftless"))?;
        Ok(Embedded {
            kafka,
            brokers,
            topics: Mutex::new(topics),
            groups: Arc::new(Groups::default()),
            workers: workers.max(1),
        })
    }

    /// `host:port` of the broker, for other clients on this machine.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }
}

fn serve(started: &SyncSender<Result<String, String>>, wanted: &Receiver<CreateTopic>) {
    let cluster = match MockCluster::new(1) {
        Ok(cluster) => cluster,
        Err(error) => {
            // The caller of start waits for this; if it has gone, so has the need.
            let _ = started.send(Err(error.to_string()));
            return;
        }
    };
    let _ = started.send(Ok(cluster.bootstrap_servers()));
    for CreateTopic { name, partitions, answer } in wanted {
        let result = cluster.create_topic(&name, partitions, 1).map_err(|error| error.to_string());
        let _ = answer.send(result);
    }
}

impl Transport for Embedded {
    fn join(&self, spec: &MemberSpec) -> Result<Box<dyn Member>, TransportError> {
        let topic = spec.inputs.first().map(String::as_str).unwrap_or_default();
        let bounds = self.bounds(topic)?;
        let n_partitions =
            bounds.ok_or_else(|| TransportError::Configuration(format!("topic `{topic}` does not exist")))?.len();
        let transactions = Transactions::take_over(&self.kafka.settings, &spec.transactional_id)?;
        let seat = {
            let mut groups = locked(&self.groups);
            let group = groups.entry(spec.group.clone()).or_default();
            group.seats.resize(self.workers, false);
            let seat = group.seats.iter().position(|taken| !taken);
            if let Some(taken) = seat.and_then(|seat| group.seats.get_mut(seat)) {
                *taken = true;
            }
            seat
        };
        let given = seat.map_or_else(Vec::new, |seat| {
            (0..n_partitions).filter(|p| p % self.workers == seat).filter_map(|p| i32::try_from(p).ok()).collect()
        });
        let bell = Arc::new(Bell::default());
        let settings = Arc::clone(&self.kafka.settings);
        Ok(Box::new(EmbeddedMember {
            spec: spec.clone(),
            transactions,
            fetcher: Fetcher::new(settings, spec.group.clone(), &spec.inputs, Arc::clone(&bell)),
            bell,
            groups: Arc::clone(&self.groups),
            seat,
            given: (!given.is_empty()).then_some(given),
        }))
    }

    fn reader(&self, topics: &[String]) -> Result<Box<dyn Reader>, TransportError> {
        self.kafka.reader(topics)
    }

    fn publisher(&self) -> Result<Box<dyn Publisher>, TransportError> {
        self.kafka.publisher()
    }

    fn bounds(&self, topic: &str) -> Result<Option<Vec<Bounds>>, TransportError> {
        self.kafka.bounds(topic)
    }

    /// Creates the topics in the mock; replication and configuration mean nothing there.
    fn create(&self, topics: &[TopicSpec]) -> Result<Vec<String>, TransportError> {
        let mut created = Vec::new();
        for topic in topics {
            if self.kafka.bounds(&topic.name)?.is_some() {
                continue;
            }
            let (answer, answered) = sync_channel(1);
            let wanted = CreateTopic { name: topic.name.clone(), partitions: topic.partitions, answer };
            let sent = self.topics.lock().unwrap_or_else(PoisonError::into_inner).send(wanted);
            let result = sent
                .ok()
                .and_then(|()| answered.recv().ok())
                .unwrap_or_else(|| Err("the embedded broker has ended".to_owned()));
            result.map_err(|error| {
                TransportError::Configuration(format!("cannot create topic `{}`: {error}", topic.name))
            })?;
            created.push(topic.name.clone());
        }
        Ok(created)
    }

    fn fence(&self, transactional_id: &str) -> Result<(), TransportError> {
        self.kafka.fence(transactional_id)
    }
}

struct EmbeddedMember {
    spec: MemberSpec,
    transactions: Transactions,
    fetcher: Fetcher,
    bell: Arc<Bell>,
    groups: Arc<Groups>,
    seat: Option<usize>,
    /// Partitions to be told as assigned, once.
    given: Option<Vec<i32>>,
}

impl Member for EmbeddedMember {
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        let deadline = Instant::now() + timeout;
        let before = news.len();
        loop {
            news.extend(self.given.take().map(News::Assigned));
            self.fetcher.take(max, news)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if news.len() > before || left.is_zero() {
                return Ok(());
            }
            self.bell.wait(left.min(SLICE));
        }
    }

    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.fetcher.start(positions)
    }

    fn stop(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.fetcher.stop(partitions)
    }

    fn pause(&mut self, input: usize, partition: i32, paused: bool) -> Result<(), TransportError> {
        self.fetcher.pause(input, partition, paused)
    }

    fn release(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.fetcher.stop(partitions)
    }

    fn committed(&mut self, partitions: &[i32]) -> Result<Vec<CommittedOffset>, TransportError> {
        let groups = locked(&self.groups);
        let committed = groups.get(&self.spec.group).map(|group| &group.committed);
        let mut offsets = Vec::with_capacity(partitions.len() * self.spec.inputs.len());
        for (input, topic) in self.spec.inputs.iter().enumerate() {
            for partition in partitions.iter().copied() {
                let next = committed.and_then(|all| all.get(&TopicPartition::new(topic, partition)).copied());
                offsets.push(CommittedOffset { input, partition, next });
            }
        }
        Ok(offsets)
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.transactions.begin()
    }

    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.transactions.send_all(&mut std::iter::once(*outgoing))
    }

    fn send_ahead(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.transactions.send_all_ahead(&mut std::iter::once(*outgoing))
    }

    fn send_all(&mut self, records: &mut dyn Iterator<Item = Outgoing<'_>>) -> Result<(), TransportError> {
        self.transactions.send_all(records)
    }

    fn send_all_ahead(&mut self, records: &mut dyn Iterator<Item = Outgoing<'_>>) -> Result<(), TransportError> {
        self.transactions.send_all_ahead(records)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.transactions.settle()?;
        self.transactions.commit()?;
        let mut groups = locked(&self.groups);
        let committed = &mut groups.entry(self.spec.group.clone()).or_default().committed;
        committed.extend(positions.iter().map(|position| (position.at.clone(), position.next)));
        Ok(())
    }

    /// Always an error: the mock leaves the records of an aborted transaction visible.
    fn abort(&mut self) -> Result<(), TransportError> {
        Err(TransportError::Configuration("the embedded broker cannot abort a transaction; use a real one".to_owned()))
    }

    fn close(self: Box<Self>) {}
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        let mut groups = locked(&self.groups);
        let group = groups.get_mut(&self.spec.group);
        if let Some(taken) = self.seat.and_then(|seat| group?.seats.get_mut(seat)) {
            *taken = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll_until(member: &mut dyn Member, wanted: impl Fn(&[News]) -> bool) -> Vec<News> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut news = Vec::new();
        while !wanted(&news) {
            assert!(Instant::now() < deadline, "got only {news:?}");
            member.poll(Duration::from_millis(100), 100, &mut news).unwrap();
        }
        news
    }

    fn topic(name: &str) -> TopicSpec {
        TopicSpec { name: name.to_owned(), partitions: 2, replication: 1, config: vec![] }
    }

    fn outgoing<'a>(topic: &'a str, value: &'a [u8]) -> Outgoing<'a> {
        Outgoing { topic, partition: Some(1), key: Some(b"k"), value: Some(value), headers: &[], timestamp: None }
    }

    fn publish(embedded: &Embedded, value: &[u8]) {
        let mut publisher = embedded.publisher().unwrap();
        publisher.send(&outgoing("in", value)).unwrap();
        publisher.flush().unwrap();
    }

    fn spec() -> MemberSpec {
        MemberSpec {
            group: "app.score".to_owned(),
            transactional_id: "app.score.a.0".to_owned(),
            inputs: vec!["in".to_owned()],
        }
    }

    #[test]
    fn what_comes_while_an_input_that_was_read_to_its_end_is_held_back_is_read_afterwards() {
        let embedded = Embedded::start(1).unwrap();
        embedded.create(&[topic("in")]).unwrap();
        publish(&embedded, b"before");
        let mut member = embedded.join(&spec()).unwrap();
        member.start(&[Position { at: TopicPartition::new("in", 1), next: 0 }]).unwrap();
        poll_until(&mut *member, |news| matches!(news.last(), Some(News::End { next: 1, .. })));
        member.pause(0, 1, true).unwrap();
        publish(&embedded, b"meanwhile");
        member.pause(0, 1, false).unwrap();
        let news = poll_until(&mut *member, |news| matches!(news.last(), Some(News::End { .. })));
        member.pause(0, 1, true).unwrap();
        member.pause(0, 1, false).unwrap();
        poll_until(&mut *member, |news| matches!(news, [News::End { next: 2, .. }]));
        assert!(
            matches!(news.as_slice(), [News::Record { record, .. }, News::End { next: 2, .. }] if record.offset == 1),
            "{news:?}"
        );
    }

    #[test]
    fn records_pass_through_the_embedded_broker_and_positions_survive_a_rejoin() {
        let embedded = Embedded::start(1).unwrap();
        assert_eq!(embedded.create(&[topic("in"), topic("out")]).unwrap(), ["in", "out"]);
        assert_eq!(embedded.create(&[topic("in")]).unwrap(), Vec::<String>::new());
        publish(&embedded, b"event");
        assert_eq!(embedded.bounds("in").unwrap().unwrap()[1], Bounds { start: 0, end: 1, high: 1 });

        let spec = spec();
        let at = TopicPartition::new("in", 1);
        let mut member = embedded.join(&spec).unwrap();
        let news = poll_until(&mut *member, |news| !news.is_empty());
        assert!(matches!(news.as_slice(), [News::Assigned(p)] if p == &[0, 1]));
        member.start(&[Position { at: at.clone(), next: 0 }]).unwrap();
        let news = poll_until(&mut *member, |news| news.len() == 2);
        assert!(matches!(news.as_slice(), [News::Record { partition: 1, .. }, News::End { next: 1, .. }]));
        member.begin().unwrap();
        member.send(&outgoing("out", b"result")).unwrap();
        member.commit(&[Position { at, next: 1 }]).unwrap();
        member.close();

        let mut member = embedded.join(&spec).unwrap();
        let offsets = member.committed(&[1]).unwrap();
        assert_eq!(offsets, [CommittedOffset { input: 0, partition: 1, next: Some(1) }]);
        assert_eq!(embedded.bounds("out").unwrap().unwrap()[1].end, 1);
    }
}
