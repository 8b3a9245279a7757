//! What goes in: seeded events of shops with follow-ups, some of them broken, at a steady pace.
//!
//! Event time runs sixty times as fast as the clock, so that windows close during a run. Amounts rise in the third
//! quarter of every two hours: there is drift to be told of. The same seed gives the same records in the same
//! order; how many there are is a matter of how long the run lasts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::plan::Random;

pub(crate) const PARTITIONS: i32 = 4;
const SHOPS: u64 = 40;
const CARDS: u64 = 5;
/// Event milliseconds for one on the clock.
pub(crate) const SPEED: i64 = 60;
/// 2026-01-01T00:00Z.
pub(crate) const BEGIN_MS: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;
/// Events come this much out of order.
const DISORDER_MS: u64 = 4_000;

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Events,
    Labels,
}

/// A record on its way.
#[derive(Clone, Debug)]
pub(crate) struct Fed {
    pub stream: Stream,
    pub partition: i32,
    pub key: String,
    pub value: Option<Vec<u8>>,
    pub timestamp: i64,
    /// Number of the event, for a usable one.
    pub number: Option<u64>,
}

/// A follow-up that becomes known later.
type Later = Reverse<(i64, u64, u64, Vec<u8>)>;

/// The records, one after the other.
pub(crate) struct Source {
    random: Random,
    step_ms: i64,
    number: u64,
    later: BinaryHeap<Later>,
    later_number: u64,
}

impl Source {
    pub(crate) fn new(seed: u64, rate: u64) -> Self {
        Source {
            random: Random::new(seed),
            step_ms: SPEED * 1_000 / rate as i64,
            number: 0,
            later: BinaryHeap::new(),
            later_number: 0,
        }
    }

    /// The event time that has been reached.
    fn now(&self) -> i64 {
        BEGIN_MS + self.number as i64 * self.step_ms
    }

    fn known(&mut self, until: i64, into: &mut Vec<Fed>) {
        while self.later.peek().is_some_and(|Reverse((at, ..))| *at <= until) {
            let Some(Reverse((at, _, shop, value))) = self.later.pop() else { return };
            into.push(fed(Stream::Labels, shop, Some(value), at));
        }
    }

    fn follow(&mut self, at: i64, shop: u64, value: Vec<u8>) {
        self.later_number += 1;
        self.later.push(Reverse((at, self.later_number, shop, value)));
    }

    /// The next event, after the follow-ups that are known before it.
    pub(crate) fn next(&mut self) -> Vec<Fed> {
        let mut records = Vec::new();
        let now = self.now();
        self.known(now, &mut records);
        let random = &mut self.random;
        let number = self.number;
        self.number += 1;
        let at = now - random.below(DISORDER_MS) as i64;
        let shop = random.below(SHOPS);
        let card = random.below(CARDS);
        let drifted = (now - BEGIN_MS).rem_euclid(2 * HOUR_MS) / (HOUR_MS / 2) == 2;
        let scale = if drifted { 3.0 } else { 1.0 };
        let amount = (random.unit() * random.unit() * 20_000.0 * scale).round() / 100.0;
        let fraud = random.unit() < (amount / 400.0).min(0.6);
        let broken = random.below(50);
        let named = format!("\"id\":\"e{number}\",\"at\":{at}");
        let value = match broken {
            0 => Some(format!("{{{named},\"amo").into_bytes()),
            1 => Some(format!("{{{named}}}").into_bytes()),
            2 => Some(format!("{{{named},\"amount\":\"{amount}\"}}").into_bytes()),
            3 => Some(format!("{{{named},\"amount\":-{}}}", amount + 1.0).into_bytes()),
            4 => Some([named.as_bytes(), b"\xff\xfe"].concat()),
            5 => None,
            6 => Some(format!("{{\"id\":\"e{number}\",\"at\":{},\"amount\":1}}", at + 20 * HOUR_MS).into_bytes()),
            7 => Some(format!("{{{named},\"amount\":{amount}}}").into_bytes()),
            _ => Some(format!("{{{named},\"amount\":{amount},\"card\":\"c{card}\"}}").into_bytes()),
        };
        let mut event = fed(Stream::Events, shop, value, now);
        let usable = broken > 6;
        event.number = usable.then_some(number);
        records.push(event);
        if !usable {
            return records;
        }
        let label = |at: i64, fraud: bool| {
            format!("{{\"event_id\":\"e{number}\",\"known_at\":{at},\"fraud\":{fraud}}}").into_bytes()
        };
        let known = now + 60_000 + self.random.below(20 * 60_000) as i64;
        match self.random.below(60) {
            0 => self.follow(known, shop, b"{\"event_id\":".to_vec()),
            1 => self.follow(known, shop, format!("{{\"event_id\":\"e{number}\",\"known_at\":{known}}}").into_bytes()),
            2 => {
                // Corrected later.
                self.follow(known, shop, label(known, fraud));
                let corrected = known + 5 * 60_000;
                self.follow(corrected, shop, label(corrected, !fraud));
            }
            3 => {}
            _ => self.follow(known, shop, label(known, fraud)),
        }
        records
    }

    /// What ends a run, part by part: the follow-ups still to come; events so much later that every window closes; and
    /// once more, for what the windows of those have become. A shard that is still behind when others have gone further
    /// than `lateness` is not waited for, so each part has to be taken whole before the next.
    pub(crate) fn end(&mut self, part: usize) -> Vec<Fed> {
        let mut records = Vec::new();
        self.known(i64::MAX, &mut records);
        let hours = [0..0, 1..13, 24..26];
        for step in hours.get(part).cloned().unwrap_or_default() {
            let at = self.now() + step * HOUR_MS;
            for shop in 0..PARTITIONS as u64 {
                let number = self.number;
                self.number += 1;
                let value = format!("{{\"id\":\"e{number}\",\"at\":{at},\"amount\":1,\"card\":\"last\"}}").into_bytes();
                let mut event = fed(Stream::Events, shop, Some(value), at);
                event.number = Some(number);
                records.push(event);
            }
        }
        records
    }
}

fn fed(stream: Stream, shop: u64, value: Option<Vec<u8>>, timestamp: i64) -> Fed {
    let partition = (shop % PARTITIONS as u64) as i32;
    Fed { stream, partition, key: format!("s{shop}"), value, timestamp, number: None }
}

/// Names of the two input topics.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    pub events: String,
    pub labels: String,
}

impl Inputs {
    pub(crate) fn topic(&self, stream: Stream) -> &str {
        match stream {
            Stream::Events => &self.events,
            Stream::Labels => &self.labels,
        }
    }
}

/// When each event was handed to the broker's client, by number; shared with whoever measures.
#[derive(Default)]
pub(crate) struct Sent {
    times: Mutex<Vec<(u64, Instant)>>,
    pub events: AtomicU64,
}

impl Sent {
    /// When an event was sent.
    pub(crate) fn time(&self, number: u64) -> Option<Instant> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let at = times.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(times[at].1)
    }
}

/// A producer that keeps at it while brokers are away, and keeps the order.
pub(crate) fn producer(brokers: &str) -> Result<BaseProducer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("acks", "all");
    config.set("message.timeout.ms", "900000").set("linger.ms", "2");
    Ok(config.create()?)
}

pub(crate) fn send(producer: &BaseProducer, inputs: &Inputs, fed: &Fed) -> Result<()> {
    let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(inputs.topic(fed.stream))
        .partition(fed.partition)
        .key(fed.key.as_str())
        .timestamp(fed.timestamp);
    record.payload = fed.value.as_deref();
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                producer.poll(Duration::from_millis(20));
                record = again;
            }
            Err((error, _)) => return Err(anyhow!("cannot send an input: {error}")),
        }
    }
}

/// The feed as a thread.
pub(crate) struct Feed {
    thread: thread::JoinHandle<Result<Ending>>,
    stop: Arc<AtomicBool>,
    pub sent: Arc<Sent>,
}

impl Feed {
    pub(crate) fn start(brokers: &str, inputs: Inputs, source: Source, rate: u64) -> Result<Self> {
        let producer = producer(brokers)?;
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(Sent::default());
        let (asked, noted) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            let mut ending = Ending { producer, inputs, source, sent: noted };
            let begin = Instant::now();
            let mut events: u32 = 0;
            while !asked.load(Ordering::SeqCst) {
                let due = begin + Duration::from_secs(1) * events / rate as u32;
                ending.producer.poll(due.saturating_duration_since(Instant::now()));
                if Instant::now() >= due {
                    let records = ending.source.next();
                    ending.put(records)?;
                    events += 1;
                }
            }
            Ok(ending)
        });
        Ok(Feed { thread, stop, sent })
    }

    /// Ends the pace.
    pub(crate) fn finish(self) -> Result<Ending> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| anyhow!("the feed panicked"))?
    }
}

/// A feed whose pace has ended.
pub(crate) struct Ending {
    producer: BaseProducer,
    inputs: Inputs,
    source: Source,
    pub sent: Arc<Sent>,
}

impl Ending {
    /// How many parts an end has.
    pub(crate) const PARTS: usize = 3;

    fn put(&mut self, records: Vec<Fed>) -> Result<()> {
        for fed in records {
            send(&self.producer, &self.inputs, &fed)?;
            if fed.stream == Stream::Events {
                self.sent.events.fetch_add(1, Ordering::SeqCst);
            }
            if let Some(number) = fed.number {
                self.sent.times.lock().unwrap_or_else(PoisonError::into_inner).push((number, Instant::now()));
            }
        }
        Ok(())
    }

    /// Sends one part of the end, and waits until the brokers have it.
    pub(crate) fn end(&mut self, part: usize) -> Result<()> {
        let records = self.source.end(part);
        self.put(records)?;
        self.producer.flush(Duration::from_secs(120)).map_err(|error| anyhow!("inputs are not acknowledged: {error}"))
    }
}
