//! The Kafka transport against a real broker: what the exactly-once protocol rests on.
//!
//! `DRIFTLESS_TEST_BROKERS=127.0.0.1:9092 cargo test --test kafka_transport -- --ignored`
//! Every test makes topics and groups of its own, so they run side by side and on a broker that is in use.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use driftless::data::{Header, Timestamp};
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::{
    Bounds, CommittedOffset, Member, MemberSpec, News, Outgoing, Position, Reader, TopicPartition, TopicSpec,
    Transport, TransportError, partition_for,
};

const PATIENCE: Duration = Duration::from_secs(40);

struct Cluster {
    kafka: Kafka,
    name: String,
    brokers: String,
}

impl Cluster {
    fn new(test: &str) -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").expect("DRIFTLESS_TEST_BROKERS names the brokers");
        let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let name = format!("{test}.{}.{started}.{}", process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        Cluster { kafka: connect(&brokers, &[]), name, brokers }
    }

    fn topic(&self, short: &str) -> String {
        format!("{}.{short}", self.name)
    }

    fn create(&self, short: &str, partitions: i32) -> String {
        let spec = TopicSpec { name: self.topic(short), partitions, replication: -1, config: vec![] };
        assert_eq!(self.kafka.create(std::slice::from_ref(&spec)).unwrap(), std::slice::from_ref(&spec.name));
        spec.name
    }

    fn spec(&self, worker: usize, inputs: &[&str]) -> MemberSpec {
        MemberSpec {
            group: format!("{}.score", self.name),
            transactional_id: format!("{}.score.a.{worker}", self.name),
            inputs: inputs.iter().map(|topic| (*topic).to_owned()).collect(),
        }
    }

    fn publish(&self, topic: &str, partition: i32, values: &[&str]) {
        let mut publisher = self.kafka.publisher().unwrap();
        for value in values {
            publisher.send(&outgoing(topic, partition, value)).unwrap();
        }
        publisher.flush().unwrap();
    }

    /// Values of all committed records of a partition, and the end that was told.
    fn read(&self, topic: &str, partition: i32) -> ReadBack {
        let mut reader = self.kafka.reader(&[topic.to_owned()]).unwrap();
        reader.start(&[position(topic, partition, 0)]).unwrap();
        read_to_end(&mut *reader)
    }

    fn bounds(&self, topic: &str) -> Vec<Bounds> {
        self.kafka.bounds(topic).unwrap().unwrap()
    }
}

fn connect(brokers: &str, properties: &[(&str, &str)]) -> Kafka {
    let mut params = KafkaParams::new(brokers, "driftless-test");
    params.session_timeout = Duration::from_secs(6);
    params.properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Kafka::new(params).unwrap()
}

#[derive(Debug, PartialEq, Eq)]
struct ReadBack {
    values: Vec<String>,
    end: i64,
}

fn read_to_end(reader: &mut dyn Reader) -> ReadBack {
    let deadline = Instant::now() + PATIENCE;
    let mut values = Vec::new();
    loop {
        assert!(Instant::now() < deadline, "no end after {values:?}");
        let mut news = Vec::new();
        reader.poll(Duration::from_millis(100), 1000, &mut news).unwrap();
        for item in news {
            match item {
                News::Record { record, .. } => values.push(text(record.value.as_deref())),
                News::End { next, .. } => return ReadBack { values, end: next },
                other => panic!("{other:?}"),
            }
        }
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

fn outgoing<'a>(topic: &'a str, partition: i32, value: &'a str) -> Outgoing<'a> {
    Outgoing {
        topic,
        partition: Some(partition),
        key: Some(b"key"),
        value: Some(value.as_bytes()),
        headers: &[],
        timestamp: None,
    }
}

fn position(topic: &str, partition: i32, next: i64) -> Position {
    Position { at: TopicPartition::new(topic, partition), next }
}

/// Polls every member in turn until `done` says so of all news of each.
fn poll_all(members: &mut [&mut dyn Member], done: impl Fn(&[Vec<News>]) -> bool) -> Vec<Vec<News>> {
    let deadline = Instant::now() + PATIENCE;
    let mut news: Vec<Vec<News>> = members.iter().map(|_| Vec::new()).collect();
    while !done(&news) {
        assert!(Instant::now() < deadline, "got only {news:?}");
        for (member, news) in members.iter_mut().zip(&mut news) {
            member.poll(Duration::from_millis(20), 1000, news).unwrap();
        }
    }
    news
}

fn poll_one(member: &mut dyn Member, done: impl Fn(&[News]) -> bool) -> Vec<News> {
    poll_all(&mut [member], |news| done(&news[0])).remove(0)
}

fn assigned(news: &[News]) -> Vec<i32> {
    let given = news.iter().filter_map(|item| match item {
        News::Assigned(partitions) => Some(partitions.clone()),
        _ => None,
    });
    let mut given: Vec<i32> = given.flatten().collect();
    given.sort_unstable();
    given
}

fn values(news: &[News]) -> Vec<String> {
    news.iter()
        .filter_map(|item| match item {
            News::Record { record, .. } => Some(text(record.value.as_deref())),
            _ => None,
        })
        .collect()
}

fn revoked(news: &[News]) -> Vec<i32> {
    news.iter()
        .find_map(|item| match item {
            News::Revoked(partitions) => Some(partitions.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn what_is_sent_ahead_outlasts_an_abort_and_is_there_before_a_commit() {
    let cluster = Cluster::new("ahead");
    let (events, out, journal) = (cluster.create("events", 1), cluster.create("out", 1), cluster.create("journal", 1));
    let mut member = cluster.kafka.join(&cluster.spec(0, &[&events])).unwrap();
    for transaction in ["one", "two"] {
        member.begin().unwrap();
        member.send_ahead(&outgoing(&out, 0, transaction)).unwrap();
        member.send(&outgoing(&journal, 0, transaction)).unwrap();
        if transaction == "one" {
            let deadline = Instant::now() + PATIENCE;
            while cluster.bounds(&out)[0].end == 0 {
                assert!(Instant::now() < deadline);
                std::thread::yield_now();
            }
            member.abort().unwrap();
        } else {
            member.commit(&[]).unwrap();
        }
    }
    assert_eq!(cluster.read(&out, 0).values, ["one", "two"]);
    assert_eq!(cluster.read(&journal, 0).values, ["two"]);
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn outputs_and_offsets_of_both_inputs_become_visible_together() {
    let cluster = Cluster::new("together");
    let (events, labels, out) = (cluster.create("events", 2), cluster.create("labels", 2), cluster.create("out", 2));
    cluster.publish(&events, 1, &["e0", "e1"]);
    cluster.publish(&labels, 1, &["l0"]);
    let mut member = cluster.kafka.join(&cluster.spec(0, &[&events, &labels])).unwrap();
    poll_one(&mut *member, |news| assigned(news) == [0, 1]);
    let committed = member.committed(&[1]).unwrap();
    assert!(committed.len() == 2 && committed.iter().all(|offset| offset.next.is_none()), "{committed:?}");

    member.start(&[position(&events, 1, 0), position(&labels, 1, 0)]).unwrap();
    let news = poll_one(&mut *member, |news| news.iter().filter(|item| matches!(item, News::End { .. })).count() == 2);
    assert_eq!(values(&news).len(), 3);
    for (input, next) in [(0, 2), (1, 1)] {
        let end = news
            .iter()
            .any(|item| matches!(item, News::End { input: i, partition: 1, next: n } if (*i, *n) == (input, next)));
        assert!(end, "input {input} ends at {next}: {news:?}");
    }

    member.begin().unwrap();
    member.send(&outgoing(&out, 1, "result")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while cluster.bounds(&out)[1].high == 0 {
        assert!(Instant::now() < deadline);
        member.poll(Duration::from_millis(10), 10, &mut Vec::new()).unwrap();
    }
    assert_eq!(cluster.bounds(&out)[1], Bounds { start: 0, end: 0, high: 1 }, "open: written, not stable");
    assert_eq!(cluster.read(&out, 1), ReadBack { values: vec![], end: 0 });
    member.commit(&[position(&events, 1, 2), position(&labels, 1, 1)]).unwrap();
    assert_eq!(cluster.read(&out, 1), ReadBack { values: vec!["result".to_owned()], end: 2 });
    assert_eq!(cluster.bounds(&out)[1], Bounds { start: 0, end: 2, high: 2 });
    let mut committed = member.committed(&[1]).unwrap();
    committed.sort_by_key(|offset| offset.input);
    assert_eq!(
        committed,
        [
            CommittedOffset { input: 0, partition: 1, next: Some(2) },
            CommittedOffset { input: 1, partition: 1, next: Some(1) },
        ]
    );
    member.close();
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn an_abort_leaves_nothing_visible_and_the_end_lies_past_the_control_records() {
    let cluster = Cluster::new("abort");
    let (events, out) = (cluster.create("events", 1), cluster.create("out", 1));
    let mut member = cluster.kafka.join(&cluster.spec(0, &[&events])).unwrap();
    poll_one(&mut *member, |news| assigned(news) == [0]);
    for value in ["no", "neither"] {
        member.begin().unwrap();
        for _ in 0..100 {
            member.send(&outgoing(&out, 0, value)).unwrap();
        }
        let started = Instant::now();
        member.abort().unwrap();
        assert!(started.elapsed() < Duration::from_secs(2), "a purged abort is quick");
    }
    member.begin().unwrap();
    member.send(&outgoing(&out, 0, "yes")).unwrap();
    member.commit(&[position(&events, 0, 0)]).unwrap();
    let back = cluster.read(&out, 0);
    assert_eq!(back.values, ["yes"]);
    assert_eq!(back.end, cluster.bounds(&out)[0].end);
    // A reader that is behind the last record still steps over the control record.
    let mut reader = cluster.kafka.reader(std::slice::from_ref(&out)).unwrap();
    reader.start(&[position(&out, 0, back.end - 1)]).unwrap();
    assert_eq!(read_to_end(&mut *reader), ReadBack { values: vec![], end: back.end });
    assert_eq!(member.committed(&[0]).unwrap()[0].next, Some(0));
    member.close();
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_revoked_partition_moves_only_after_its_release() {
    let cluster = Cluster::new("rebalance");
    let (events, out) = (cluster.create("events", 4), cluster.create("out", 4));
    for partition in 0..4 {
        cluster.publish(&events, partition, &["a", "b"]);
    }
    let mut first = cluster.kafka.join(&cluster.spec(0, &[&events])).unwrap();
    poll_one(&mut *first, |news| assigned(news) == [0, 1, 2, 3]);
    first.start(&(0..4).map(|partition| position(&events, partition, 0)).collect::<Vec<_>>()).unwrap();
    poll_one(&mut *first, |news| values(news).len() == 8);

    let mut second = cluster.kafka.join(&cluster.spec(1, &[&events])).unwrap();
    let news = poll_all(&mut [&mut *first, &mut *second], |news| !revoked(&news[0]).is_empty());
    let moving = revoked(&news[0]);
    assert_eq!(moving.len(), 2);
    // Held on to for a while: the other must not get it, and the last transaction still commits.
    let until = Instant::now() + Duration::from_secs(2);
    let news = poll_all(&mut [&mut *first, &mut *second], |_| Instant::now() > until);
    assert!(assigned(&news[1]).iter().all(|partition| !moving.contains(partition)), "{news:?}");
    first.begin().unwrap();
    first.send(&outgoing(&out, moving[0], "last")).unwrap();
    let positions: Vec<Position> = moving.iter().map(|partition| position(&events, *partition, 1)).collect();
    first.commit(&positions).unwrap();
    first.release(&moving[..1]).unwrap();
    first.release(&moving[1..]).unwrap();

    let news = poll_all(&mut [&mut *first, &mut *second], |news| assigned(&news[1]).len() == 2);
    let mut sorted = moving.clone();
    sorted.sort_unstable();
    assert_eq!(assigned(&news[1]), sorted);
    assert!(second.committed(&moving).unwrap().iter().all(|offset| offset.next == Some(1)));
    first.begin().unwrap();
    let result = first.commit(&[position(&events, moving[0], 2)]);
    assert!(matches!(result, Err(TransportError::Aborted(_))), "{result:?}");
    first.abort().unwrap();

    // The second goes on where the first stopped; when the first closes it gets the rest.
    second.start(&positions).unwrap();
    let news = poll_all(&mut [&mut *first, &mut *second], |news| values(&news[1]).len() == 2);
    assert_eq!(values(&news[1]), ["b", "b"]);
    first.close();
    poll_one(&mut *second, |news| assigned(news).len() == 2);
    second.close();
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_restart_goes_on_from_the_committed_offset() {
    let cluster = Cluster::new("restart");
    let (events, out) = (cluster.create("events", 1), cluster.create("out", 1));
    cluster.publish(&events, 0, &["0", "1", "2", "3", "4", "5"]);
    let mut done = Vec::new();
    for _ in 0..3 {
        let mut member = cluster.kafka.join(&cluster.spec(0, &[&events])).unwrap();
        poll_one(&mut *member, |news| assigned(news) == [0]);
        let next = member.committed(&[0]).unwrap()[0].next.unwrap_or(0);
        member.start(&[position(&events, 0, next)]).unwrap();
        let news = poll_one(&mut *member, |news| values(news).len() >= 2);
        member.begin().unwrap();
        for value in values(&news).iter().take(2) {
            member.send(&outgoing(&out, 0, value)).unwrap();
        }
        member.commit(&[position(&events, 0, next + 2)]).unwrap();
        // Open at the end, as at a crash; nothing of it may show.
        member.begin().unwrap();
        member.send(&outgoing(&out, 0, "lost")).unwrap();
        drop(member);
        done = cluster.read(&out, 0).values;
    }
    assert_eq!(done, ["0", "1", "2", "3", "4", "5"]);
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_zombie_is_shut_out_by_the_next_user_of_its_transactional_id() {
    let cluster = Cluster::new("zombie");
    let (events, out) = (cluster.create("events", 1), cluster.create("out", 1));
    let spec = cluster.spec(0, &[&events]);
    let mut zombie = cluster.kafka.join(&spec).unwrap();
    poll_one(&mut *zombie, |news| assigned(news) == [0]);
    zombie.begin().unwrap();
    zombie.send(&outgoing(&out, 0, "zombie")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while cluster.bounds(&out)[0].high == 0 {
        assert!(Instant::now() < deadline);
        zombie.poll(Duration::from_millis(10), 10, &mut Vec::new()).unwrap();
    }
    assert_eq!(cluster.bounds(&out)[0].end, 0);
    cluster.kafka.fence(&spec.transactional_id).unwrap();
    assert_eq!(cluster.read(&out, 0).values, Vec::<String>::new());
    let bounds = cluster.bounds(&out)[0];
    assert_eq!(bounds.end, bounds.high, "the fence ended the open transaction");
    let result = zombie.commit(&[position(&events, 0, 1)]);
    assert!(matches!(result, Err(TransportError::Fenced(_))), "{result:?}");
    drop(zombie);
    assert_eq!(cluster.read(&out, 0).values, Vec::<String>::new());
}

/// Not polled for longer than `max.poll.interval.ms`, the client leaves the group by itself: the quickest way to lose
/// partitions without being told.
fn sleeper(cluster: &Cluster, events: &str) -> Box<dyn Member> {
    let short = connect(&cluster.brokers, &[("max.poll.interval.ms", "6000")]);
    let mut sleeper = short.join(&cluster.spec(0, &[events])).unwrap();
    poll_one(&mut *sleeper, |news| assigned(news) == [0, 1]);
    sleeper
}

fn refused(member: &mut dyn Member, at: &Position) -> bool {
    member.begin().unwrap();
    let result = member.commit(std::slice::from_ref(at));
    assert!(matches!(result, Err(TransportError::Aborted(_))), "{result:?}");
    member.abort().unwrap();
    true
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn an_expelled_member_cannot_commit_and_learns_what_it_lost() {
    let cluster = Cluster::new("expelled");
    let events = cluster.create("events", 2);
    let mut sleeper = sleeper(&cluster, &events);
    std::thread::sleep(Duration::from_secs(8));
    let mut other = cluster.kafka.join(&cluster.spec(1, &[&events])).unwrap();
    poll_one(&mut *other, |news| assigned(news) == [0, 1]);
    assert!(refused(&mut *sleeper, &position(&events, 0, 7)));
    assert!(other.committed(&[0, 1]).unwrap().iter().all(|offset| offset.next.is_none()));
    let news = poll_one(&mut *sleeper, |news| !news.is_empty());
    assert!(matches!(&news[0], News::Lost(partitions) if partitions.len() == 2), "{news:?}");
    assert!(refused(&mut *sleeper, &position(&events, 1, 7)));
    sleeper.release(&[0, 1]).unwrap();
    let news = poll_all(&mut [&mut *sleeper, &mut *other], |news| !revoked(&news[1]).is_empty());
    let back = revoked(&news[1]);
    other.release(&back).unwrap();
    let news = poll_all(&mut [&mut *sleeper, &mut *other], |news| !assigned(&news[0]).is_empty());
    assert_eq!(assigned(&news[0]), back);
    sleeper.begin().unwrap();
    sleeper.commit(&[position(&events, back[0], 3)]).unwrap();
    assert_eq!(sleeper.committed(&back).unwrap()[0].next, Some(3));
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_member_that_slept_through_a_rebalance_never_commits_on_what_it_no_longer_has() {
    let cluster = Cluster::new("slept");
    let events = cluster.create("events", 2);
    let mut sleeper = sleeper(&cluster, &events);
    let mut other = cluster.kafka.join(&cluster.spec(1, &[&events])).unwrap();
    // The sleeper has a revocation waiting when it is expelled, so the client tells that one first.
    poll_one(&mut *other, |news| assigned(news) == [0, 1]);
    let news = poll_one(&mut *sleeper, |news| !news.is_empty());
    let first = revoked(&news);
    assert_eq!(first.len(), 1, "{news:?}");
    let second = 1 - first[0];
    assert!(refused(&mut *sleeper, &position(&events, first[0], 7)));
    assert!(refused(&mut *sleeper, &position(&events, second, 7)));
    sleeper.release(&first).unwrap();
    let mut news = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while news.is_empty() {
        assert!(Instant::now() < deadline);
        assert!(refused(&mut *sleeper, &position(&events, second, 7)));
        other.poll(Duration::from_millis(5), 10, &mut Vec::new()).unwrap();
        sleeper.poll(Duration::from_millis(5), 10, &mut news).unwrap();
    }
    assert!(matches!(&news[0], News::Lost(partitions) if partitions == &[second]), "{news:?}");
    assert!(other.committed(&[0, 1]).unwrap().iter().all(|offset| offset.next.is_none()));
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn every_codec_is_read_with_its_keys_headers_and_timestamps() {
    let cluster = Cluster::new("codecs");
    let partitions = 3;
    let headers =
        [Header { name: "a".to_owned(), value: Some(vec![0, 255]) }, Header { name: "a".to_owned(), value: None }];
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = cluster.create(codec, partitions);
        let mut publisher = connect(&cluster.brokers, &[("compression.type", codec)]).publisher().unwrap();
        let value = "v".repeat(1000);
        for number in 0..200 {
            let record = Outgoing {
                topic: &topic,
                partition: None,
                key: Some(b"21"),
                value: (number != 7).then_some(value.as_bytes()),
                headers: &headers,
                timestamp: Some(Timestamp::from_millis(1_357_035_300_000 + number)),
            };
            publisher.send(&record).unwrap();
        }
        publisher.flush().unwrap();
        let mut reader = cluster.kafka.reader(std::slice::from_ref(&topic)).unwrap();
        reader.start(&[position(&topic, partition_for(b"21", partitions), 0)]).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut news = Vec::new();
        while !matches!(news.last(), Some(News::End { next: 200, .. })) {
            assert!(Instant::now() < deadline, "{codec}: {} news", news.len());
            reader.poll(Duration::from_millis(100), 64, &mut news).unwrap();
        }
        let records: Vec<_> = news
            .into_iter()
            .filter_map(|item| match item {
                News::Record { record, .. } => Some(record),
                _ => None,
            })
            .collect();
        assert_eq!(records.len(), 200, "{codec}");
        for (number, record) in (0_i64..).zip(&records) {
            assert_eq!(record.offset, number, "{codec}");
            assert_eq!(record.timestamp.millis(), 1_357_035_300_000 + number);
            assert_eq!(record.key.as_deref(), Some(b"21".as_slice()));
            assert_eq!(record.value.is_none(), number == 7);
            assert_eq!(record.headers, headers);
        }
    }
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn headers_of_a_topic_that_is_read_without_them_are_left_and_those_of_others_are_not() {
    let cluster = Cluster::new("headerless");
    let [bare, whole] = ["bare", "whole"].map(|name| cluster.create(name, 1));
    let headers = [Header { name: "traceparent".to_owned(), value: Some(b"00-1-2-01".to_vec()) }];
    let mut publisher = cluster.kafka.publisher().unwrap();
    for topic in [&bare, &whole] {
        publisher.send(&Outgoing { headers: &headers, ..outgoing(topic, 0, "v") }).unwrap();
    }
    publisher.flush().unwrap();
    let mut params = KafkaParams::new(cluster.brokers.clone(), "driftless-test");
    params.without_headers = vec![bare.clone()];
    let kafka = Kafka::new(params).unwrap();
    for (topic, expected) in [(&bare, &[][..]), (&whole, &headers)] {
        let mut reader = kafka.reader(std::slice::from_ref(topic)).unwrap();
        reader.start(&[position(topic, 0, 0)]).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut news = Vec::new();
        while !matches!(news.last(), Some(News::End { next: 1, .. })) {
            assert!(Instant::now() < deadline, "{news:?}");
            reader.poll(Duration::from_millis(100), 64, &mut news).unwrap();
        }
        assert!(
            matches!(&news[0], News::Record { record, .. } if record.headers == expected && text(record.value.as_deref()) == "v"),
            "{news:?}"
        );
    }
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn starts_replace_positions_and_pauses_hold_back() {
    let cluster = Cluster::new("seek");
    let events = cluster.create("events", 1);
    let numbers: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    cluster.publish(&events, 0, &numbers.iter().map(String::as_str).collect::<Vec<_>>());
    let mut member = cluster.kafka.join(&cluster.spec(0, &[&events])).unwrap();
    poll_one(&mut *member, |news| assigned(news) == [0]);
    for from in [0_i64, 250, 100, 499] {
        member.start(&[position(&events, 0, from)]).unwrap();
        let mut news = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while news.is_empty() {
            assert!(Instant::now() < deadline);
            member.poll(Duration::from_millis(50), 10, &mut news).unwrap();
        }
        assert_eq!(values(&news)[0], from.to_string());
    }
    member.start(&[position(&events, 0, 0)]).unwrap();
    let mut news = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while values(&news).len() < 10 {
        assert!(Instant::now() < deadline);
        member.poll(Duration::from_millis(50), 10 - values(&news).len(), &mut news).unwrap();
    }
    member.pause(0, 0, true).unwrap();
    let mut held = Vec::new();
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        member.poll(Duration::from_millis(50), 10, &mut held).unwrap();
    }
    assert!(held.is_empty(), "{held:?}");
    member.pause(0, 0, false).unwrap();
    let news = poll_one(&mut *member, |news| values(news).len() == 490);
    assert_eq!(values(&news)[0], "10");
    // Paused when it is started anew: the pause does not survive.
    member.pause(0, 0, true).unwrap();
    member.start(&[position(&events, 0, 490)]).unwrap();
    let news = poll_one(&mut *member, |news| values(news).len() == 10);
    assert_eq!(values(&news)[0], "490");
    member.stop(&[0]).unwrap();
    cluster.publish(&events, 0, &["later"]);
    let mut held = Vec::new();
    member.poll(Duration::from_millis(300), 10, &mut held).unwrap();
    assert!(held.is_empty(), "{held:?}");
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn an_input_held_back_at_its_end_goes_on_with_the_next_record_and_tells_its_end_again() {
    let cluster = Cluster::new("held");
    let events = cluster.create("events", 1);
    cluster.publish(&events, 0, &["0"]);
    let mut member = cluster.kafka.join(&cluster.spec(0, &[&events])).unwrap();
    poll_one(&mut *member, |news| assigned(news) == [0]);
    member.start(&[position(&events, 0, 0)]).unwrap();
    let at_end = |news: &[News]| matches!(news.last(), Some(News::End { .. }));
    assert_eq!(values(&poll_one(&mut *member, at_end)), ["0"]);
    for number in 1..=20 {
        let next = number.to_string();
        member.pause(0, 0, true).unwrap();
        cluster.publish(&events, 0, &[&next]);
        member.pause(0, 0, false).unwrap();
        assert_eq!(values(&poll_one(&mut *member, at_end)), [next]);
    }
    for paused in [true, false] {
        member.pause(0, 0, paused).unwrap();
    }
    assert!(values(&poll_one(&mut *member, at_end)).is_empty());
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn what_is_missing_is_a_configuration_error_and_what_is_gone_is_gone() {
    let cluster = Cluster::new("missing");
    assert_eq!(cluster.kafka.bounds(&cluster.topic("nowhere")).unwrap(), None);
    let events = cluster.create("events", 1);
    cluster.publish(&events, 0, &["a"]);
    let again = TopicSpec { name: events.clone(), partitions: 1, replication: -1, config: vec![] };
    assert_eq!(cluster.kafka.create(&[again]).unwrap(), Vec::<String>::new());
    let wrong = TopicSpec {
        name: cluster.topic("wrong"),
        partitions: 1,
        replication: -1,
        config: vec![("retention".to_owned(), "1".to_owned())],
    };
    assert!(matches!(cluster.kafka.create(&[wrong]), Err(TransportError::Configuration(_))));
    let mut reader = cluster.kafka.reader(std::slice::from_ref(&events)).unwrap();
    reader.start(&[position(&events, 0, 50)]).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let error = loop {
        assert!(Instant::now() < deadline);
        match reader.poll(Duration::from_millis(100), 10, &mut Vec::new()) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, TransportError::Gone(text) if text.contains(&events)), "{error}");
}
