//! Shards held to each other's time: of a backlog no partition is taken much further than the others, in one process and
//! in two, also where one dies, and what is published stays the same.
//!
//! One partition has an event every hour, the other one every two minutes: read as fast as it goes, the first is through
//! before the other has come far.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use driftless::codec::{JournalRecord, read};
use driftless::config::Config;
use driftless::data::{Prediction, Timestamp};
use driftless::runtime::App;
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::memory::Memory;
use driftless::transport::{News, Outgoing, Position, Reader, TopicPartition, Transport};
use support::CONFIG;
use support::bench::Bench;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const DAYS: i64 = 15;
/// From one event to the next, by partition.
const BETWEEN: [i64; 2] = [HOUR, 120_000];
const LIMIT: Duration = Duration::from_secs(180);

fn config(app: &str, max_skew: &str) -> Config {
    let score = format!("[score]\nmax_batch = 20\ntransaction = \"10ms\"\nmax_skew = \"{max_skew}\"\n");
    Config::parse(&CONFIG.replace("\"shops\"", &format!("\"{app}\"")).replace("[score]\n", &score)).unwrap()
}

fn publish_backlog(bench: &Bench) {
    let mut publisher = bench.transport.publisher().unwrap();
    for (partition, between) in (0..).zip(BETWEEN) {
        for number in 0..DAYS * DAY / between {
            let at = number * between;
            let value = format!("{{\"id\":\"e{partition}-{number}\",\"at\":{at},\"amount\":1,\"card\":\"c\"}}");
            let outgoing = Outgoing {
                topic: &bench.config.topics.events,
                partition: Some(partition),
                key: Some(b"north"),
                value: Some(value.as_bytes()),
                headers: &[],
                timestamp: Some(Timestamp::from_millis(at)),
            };
            publisher.send(&outgoing).unwrap();
        }
    }
    publisher.flush().unwrap();
}

/// Whoever looks how far the predictions of a partition are.
struct Onlooker {
    reader: Box<dyn Reader>,
    position: Position,
    reached: i64,
}

impl Onlooker {
    fn new(bench: &Bench, partition: i32) -> Self {
        let topic = &bench.config.topics.predictions;
        let reader = bench.transport.reader(std::slice::from_ref(topic)).unwrap();
        Onlooker { reader, position: Position { at: TopicPartition::new(topic, partition), next: 0 }, reached: 0 }
    }

    /// The event time of the last prediction there is.
    fn look(&mut self) -> i64 {
        self.reader.start(std::slice::from_ref(&self.position)).unwrap();
        let limit = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < limit, "the predictions cannot be read");
            let mut news = Vec::new();
            self.reader.poll(Duration::from_millis(100), 10_000, &mut news).unwrap();
            for news in news {
                match news {
                    News::Record { record, .. } => {
                        let prediction: Prediction = read("prediction", record.value.as_deref()).unwrap();
                        self.reached = prediction.event_time.millis();
                        self.position.next = record.offset + 1;
                    }
                    News::End { .. } => return self.reached,
                    _ => {}
                }
            }
        }
    }
}

/// Looks on until everything is predicted: by how much the sparse partition was ahead at most.
fn lead(bench: &Bench, apps: &mut Vec<App>, mut look: impl FnMut(i64, &mut Vec<App>)) -> i64 {
    let limit = Instant::now() + LIMIT;
    let mut lead = 0;
    let [mut of_sparse, mut of_dense] = [0, 1].map(|partition| Onlooker::new(bench, partition));
    loop {
        // The other one only gets further until it is looked at.
        let sparse = of_sparse.look();
        let dense = of_dense.look();
        lead = lead.max(sparse - dense);
        if dense >= DAYS * DAY - BETWEEN[1] && sparse >= DAYS * DAY - BETWEEN[0] {
            return lead;
        }
        for app in &*apps {
            assert!(app.failed().is_none(), "{:?}", app.failed());
        }
        assert!(Instant::now() < limit, "the partitions are at {sparse} and {dense}");
        look(dense, apps);
    }
}

fn assert_all_predicted_once(bench: &Bench) {
    let values = bench.values(&bench.config.topics.predictions);
    for (partition, between) in BETWEEN.iter().enumerate() {
        let ids = values[partition].iter().map(|value| read::<Prediction>("prediction", Some(value)).unwrap().event_id);
        let expected = (0..DAYS * DAY / between).map(|number| format!("e{partition}-{number}"));
        assert!(ids.eq(expected), "partition {partition}");
    }
}

fn journal(bench: &Bench, partition: usize) -> Vec<JournalRecord> {
    let journal = bench.values(&bench.config.topics.journal).swap_remove(partition);
    journal.iter().map(|bytes| JournalRecord::decode(bytes).unwrap()).collect()
}

/// The instances that have worked on a partition.
fn owners(bench: &Bench, partition: usize) -> Vec<String> {
    let mut ids: Vec<String> = journal(bench, partition).into_iter().map(|record| record.transactional_id).collect();
    ids.dedup();
    ids
}

/// By how much the sparse partition was ahead at most, as the transactions tell it: however fast it went, whoever looked.
fn lead_in_the_journal(bench: &Bench) -> i64 {
    let [sparse, dense] = [0, 1].map(|partition| {
        let reached = |record: &JournalRecord| (record.positions[0] - 1) * BETWEEN[partition];
        let records = journal(bench, partition);
        records.iter().map(|record| (record.now, reached(record))).collect::<Vec<_>>()
    });
    let of_dense = |until| dense.iter().take_while(|(now, _)| *now <= until).last().map_or(0, |(_, reached)| *reached);
    sparse.iter().map(|(now, reached)| reached - of_dense(*now)).max().unwrap()
}

fn in_memory(max_skew: &str) -> (Memory, Bench) {
    let memory = Memory::new();
    let bench = Bench::new(Arc::new(memory.clone()), config("shops", max_skew));
    publish_backlog(&bench);
    (memory, bench)
}

#[test]
fn one_worker_holds_its_shards_to_each_other() {
    let (_, free) = in_memory("0s");
    let mut apps = vec![free.start_live("a")];
    lead(&free, &mut apps, |_, _| {});
    apps.into_iter().for_each(|app| app.stop().unwrap());
    let days = lead_in_the_journal(&free) as f64 / DAY as f64;
    assert!(days > 2.0, "the backlog is too small to show anything: {days}");

    let (_, bench) = in_memory("1d");
    let mut apps = vec![bench.start_live("a")];
    assert!(lead(&bench, &mut apps, |_, _| {}) <= DAY + HOUR);
    apps.into_iter().for_each(|app| app.stop().unwrap());
    assert_all_predicted_once(&bench);
}

#[test]
fn two_instances_hold_their_shards_to_each_other_and_the_death_of_one_holds_nobody_up_for_ever() {
    let (memory, bench) = in_memory("1d");
    let mut apps = vec![bench.start_live("a"), bench.start_live("b")];
    let lead = lead(&bench, &mut apps, |dense, apps| {
        let has_worked =
            |name: &str| (0..2).flat_map(|partition| owners(&bench, partition)).any(|id| id.contains(name));
        if apps.len() == 2 && dense > 2 * DAY && has_worked(".a.") && has_worked(".b.") {
            memory.kill("shops.score.a.0");
            let _ = apps.remove(0).stop();
        }
    });
    assert!(lead <= DAY + HOUR, "{}", lead as f64 / DAY as f64);
    let apps_left = apps.len();
    apps.into_iter().for_each(|app| app.stop().unwrap());
    assert_all_predicted_once(&bench);
    let worked: Vec<String> = (0..2).flat_map(|partition| owners(&bench, partition)).collect();
    assert!(apps_left == 1, "both were there to the end: {worked:?}");
}

/// Between processes what is known of each other goes with committed offsets.
#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn two_instances_on_kafka_hold_their_shards_to_each_other() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").unwrap();
    let transport: Arc<dyn Transport> =
        Arc::new(Kafka::new(KafkaParams::new(brokers.clone(), "driftless-test")).unwrap());
    let bench = Bench::new(transport, config(&format!("aligned-{now}"), "1d"));
    publish_backlog(&bench);
    let mut apps = vec![bench.start_live("a"), bench.start_live("b")];
    let seen = lead(&bench, &mut apps, |_, _| {});
    apps.into_iter().for_each(|app| app.stop().unwrap());
    assert_all_predicted_once(&bench);
    let worked: Vec<Vec<String>> = (0..2).map(|partition| owners(&bench, partition)).collect();
    let told = lead_in_the_journal(&bench);
    let [days, told_days] = [seen, told].map(|lead| lead as f64 / DAY as f64);
    println!("the lead was {days:.2} days as seen, {told_days:.2} in the journal; {worked:?}");
    assert!(seen <= DAY + HOUR, "{days}");
    assert!(told > DAY / 2, "the sparse partition was never ahead, so nothing held it: {told_days}");
}
