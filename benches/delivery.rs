//! What transactions cost the score role on a real Kafka, and how long a prediction takes to be seen with and without
//! waiting for them.
//!
//! Throughput: the same role over the same loaded events, by turns with transactions (the default), with predictions ahead
//! of them, and without any: a plain producer, a wait for deliveries and a commit of offsets every 100 ms. A run counts
//! from the first tenth of the visible predictions to the last; one goes before them all and does not count. What is
//! reported is the median of the rounds' ratios.
//!
//! Latency: events are published at half of the rate reached with transactions, and predictions are read by a reader of
//! committed records in the same process, on one clock. It runs from the call that publishes an event to the return of the
//! call that reads its prediction, so it holds the way in, the score role and the way out, with 1 ms of the publisher's
//! linger. The order of a partition tells which prediction belongs to which event.
//!
//! `DRIFTLESS_BENCH_BROKERS=HOST:PORT cargo bench --bench delivery`; `DRIFTLESS_BENCH_EVENTS` (1000000),
//! `DRIFTLESS_BENCH_ROUNDS` (5; 0 leaves throughput out), `DRIFTLESS_BENCH_RATE` (half of the rate measured),
//! `DRIFTLESS_BENCH_SECONDS` (15, each of two times).

mod common;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use common::flights::{self, Sent};
use common::plain::Plain;
use common::sitting::{INTERVAL, Measured, PARTITIONS, Role, Sitting};
use common::{Spread, count_from_env, machine};
use driftless::data::params::Delivery;
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::{News, Outgoing, Position, TopicPartition, Transport, partition_for};

/// Not counted: joining, first transactions, caches.
const WARM_UP: Duration = Duration::from_secs(5);
const DELIVERIES: [Delivery; 2] = [Delivery::ExactlyOnce, Delivery::AtLeastOnce];
/// How long after the last event its prediction may come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Whoever waits longer waits in a queue.
const BEHIND: Duration = Duration::from_secs(1);
const READ_AT_ONCE: usize = 10_000;
/// Events per second where throughput was left out and no rate is given.
const RATE: usize = 20_000;

fn main() -> Result<()> {
    let Ok(brokers) = std::env::var("DRIFTLESS_BENCH_BROKERS") else {
        println!(
            "skipped: no Kafka given; `scripts/kafka start` starts one and prints its address, then\n\
             DRIFTLESS_BENCH_BROKERS=HOST:PORT cargo bench --bench delivery"
        );
        return Ok(());
    };
    let sitting = Sitting::prepare(&brokers, count_from_env("DRIFTLESS_BENCH_EVENTS", 1_000_000))?;
    println!("machine: {}; broker on {brokers}", machine::describe());
    println!(
        "{} events in {PARTITIONS} partitions, linear model, 1 worker, commits every {} ms\n",
        sitting.n_events,
        INTERVAL.as_millis()
    );
    let half = throughput(&sitting, &brokers)?.map_or(RATE, |per_second| (per_second / 2.0) as usize);
    let load = Load {
        per_second: count_from_env("DRIFTLESS_BENCH_RATE", half).max(1),
        time: Duration::from_secs(count_from_env("DRIFTLESS_BENCH_SECONDS", 15) as u64),
    };
    latency(&sitting, &brokers, &load)
}

/// Rounds of runs; the median rate with transactions.
fn throughput(sitting: &Sitting, brokers: &str) -> Result<Option<f64>> {
    let rounds = count_from_env("DRIFTLESS_BENCH_ROUNDS", 5);
    if rounds == 0 {
        return Ok(None);
    }
    let plain: Arc<dyn Transport> =
        Arc::new(Plain { transport: sitting.transport.clone(), brokers: brokers.to_owned() });
    println!("throughput");
    println!(
        "round   exactly-once               at-least-once              no transactions            ratios        load"
    );
    let mut ratios = [Vec::new(), Vec::new()];
    let mut rates = Vec::new();
    let run = |kind: Kind, round: usize| -> Result<Measured> {
        let (transport, delivery) = match kind {
            Kind::ExactlyOnce => (&sitting.transport, Delivery::ExactlyOnce),
            Kind::AtLeastOnce => (&sitting.transport, Delivery::AtLeastOnce),
            Kind::Plain => (&plain, Delivery::ExactlyOnce),
        };
        let label = format!("{kind:?}-{round}");
        sitting.score(Role { label: &label, transport: transport.clone(), delivery, live: false })
    };
    run(Kind::ExactlyOnce, 0)?;
    for round in 1..=rounds {
        let run = |kind| run(kind, round);
        // Whoever runs first in one round runs last in the next.
        let (once, ahead, bare) = if round % 2 == 1 {
            (run(Kind::ExactlyOnce)?, run(Kind::AtLeastOnce)?, run(Kind::Plain)?)
        } else {
            let (bare, ahead) = (run(Kind::Plain)?, run(Kind::AtLeastOnce)?);
            (run(Kind::ExactlyOnce)?, ahead, bare)
        };
        let [of_once, of_ahead] = [&once, &ahead].map(|run| run.per_second / bare.per_second);
        println!("{round:>5}   {once}   {ahead}   {bare}   {of_once:.3} {of_ahead:.3}   {}", machine::load());
        ratios[0].push(of_once);
        ratios[1].push(of_ahead);
        rates.push(once.per_second);
    }
    let [once, ahead] = ratios.map(|ratios| Spread::of(ratios).median);
    println!("\nof the rate without transactions: exactly-once {once:.3}, at-least-once {ahead:.3} (medians)\n");
    Ok(Some(Spread::of(rates).median))
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    ExactlyOnce,
    AtLeastOnce,
    Plain,
}

/// What latency is measured under.
struct Load {
    per_second: usize,
    time: Duration,
}

fn latency(sitting: &Sitting, brokers: &str, load: &Load) -> Result<()> {
    let seconds = (WARM_UP + load.time).as_secs() as usize;
    let events = flights::events(load.per_second * seconds)?;
    println!(
        "latency at {} events per second, twice for {} s each, from publish to a committed read",
        load.per_second,
        load.time.as_secs()
    );
    println!("delivery          p50 ms    p95 ms    p99 ms    max ms   sent /s   predictions   load");
    let live = Live { sitting, brokers, load, events: &events };
    let mut all = [Vec::new(), Vec::new()];
    // Whoever goes first goes last.
    for (number, kind) in [0, 1, 1, 0].into_iter().enumerate() {
        let delivery = DELIVERIES[kind];
        let Seen { latencies, sent_per_second } = live.run(delivery, number)?;
        print_row(delivery.name(), latencies.clone(), sent_per_second);
        all[kind].extend(latencies);
    }
    println!();
    for (delivery, latencies) in DELIVERIES.into_iter().zip(all) {
        print_row(delivery.name(), latencies, load.per_second as f64);
    }
    Ok(())
}

fn print_row(name: &str, mut latencies: Vec<Duration>, sent_per_second: f64) {
    latencies.sort_unstable();
    let last = latencies.len().saturating_sub(1);
    let ms = |share: f64| latencies.get((share * last as f64) as usize).map_or(0.0, ms);
    let [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1.0].map(ms);
    println!(
        "{name:<14} {p50:>9.1} {p95:>9.1} {p99:>9.1} {max:>9.1} {sent_per_second:>9.0} {:>13}   {}",
        latencies.len(),
        machine::load()
    );
    if latencies.last().is_some_and(|last| *last > BEHIND) {
        println!("               the machine did not keep up: this is the length of a queue, not a latency");
    }
}

fn ms(duration: &Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

struct Live<'a> {
    sitting: &'a Sitting,
    brokers: &'a str,
    load: &'a Load,
    events: &'a [Sent],
}

/// Latencies after the warm-up, and the rate that was reached while they were taken.
struct Seen {
    latencies: Vec<Duration>,
    sent_per_second: f64,
}

/// When the events of each partition were sent, in their order.
type SentAt = [Mutex<Vec<Instant>>; PARTITIONS as usize];

impl Live<'_> {
    fn run(&self, delivery: Delivery, number: usize) -> Result<Seen> {
        let label = format!("live-{number}-{}", delivery.name());
        let role = Role { label: &label, transport: self.sitting.transport.clone(), delivery, live: true };
        let running = self.sitting.start(role)?;
        let topics = &running.config.topics;
        let ready = Instant::now();
        while !running.app.missing().is_empty() {
            ensure!(ready.elapsed() < PATIENCE, "not ready: {:?}", running.app.missing());
            std::thread::sleep(Duration::from_millis(10));
        }
        let sent = SentAt::default();
        let latencies = std::thread::scope(|scope| {
            let feeding = scope.spawn(|| self.feed(&topics.events, &sent));
            let latencies = self.read(&topics.predictions, &sent, || running.app.failed().is_some());
            let fed = feeding.join().map_err(|_| anyhow::anyhow!("the publisher panicked"))?;
            fed.and(latencies)
        })?;
        let letters = running.config.topics.dead_letters.clone();
        running.app.stop()?;
        let bounds = self.sitting.transport.bounds(&letters)?.unwrap_or_default();
        ensure!(bounds.iter().all(|bounds| bounds.high == 0), "some events could not be used");
        Ok(latencies)
    }

    /// Publishes the events at the rate, a millisecond's worth at a time.
    fn feed(&self, topic: &str, sent: &SentAt) -> Result<()> {
        let mut params = KafkaParams::new(self.brokers, "driftless-bench-feed");
        params.properties.insert("linger.ms".to_owned(), "1".to_owned());
        let mut publisher = Kafka::new(params)?.publisher()?;
        let begun = Instant::now();
        let mut events = self.events.iter().enumerate().peekable();
        while events.peek().is_some() {
            let due = (begun.elapsed().as_secs_f64() * self.load.per_second as f64) as usize;
            while let Some((_, event)) = events.next_if(|(number, _)| *number < due) {
                let partition = partition_for(&event.key, PARTITIONS);
                if let Some(sent) = sent.get(partition as usize) {
                    sent.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                }
                publisher.send(&Outgoing {
                    topic,
                    partition: Some(partition),
                    key: Some(&event.key),
                    value: Some(&event.value),
                    headers: &[],
                    timestamp: None,
                })?;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(publisher.flush()?)
    }

    fn read(&self, topic: &str, sent: &SentAt, has_failed: impl Fn() -> bool) -> Result<Seen> {
        let mut reader = self.sitting.transport.reader(&[topic.to_owned()])?;
        let start = |partition| Position { at: TopicPartition::new(topic, partition), next: 0 };
        reader.start(&(0..PARTITIONS).map(start).collect::<Vec<_>>())?;
        let begun = Instant::now();
        let mut taken = [0usize; PARTITIONS as usize];
        let mut latencies = Vec::with_capacity(self.events.len());
        let mut first_and_last: Option<(Instant, Instant)> = None;
        let mut news = Vec::new();
        while taken.iter().sum::<usize>() < self.events.len() {
            ensure!(!has_failed(), "the worker ended before its work was done");
            ensure!(begun.elapsed() < WARM_UP + self.load.time + PATIENCE, "only {taken:?} predictions came");
            news.clear();
            reader.poll(Duration::from_millis(10), READ_AT_ONCE, &mut news)?;
            let seen = Instant::now();
            for item in &news {
                let News::Record { partition, .. } = item else { continue };
                let at = *partition as usize;
                let (Some(sent), Some(taken)) = (sent.get(at), taken.get_mut(at)) else { continue };
                let sent = sent.lock().unwrap_or_else(PoisonError::into_inner).get(*taken).copied();
                let sent = sent.ok_or_else(|| anyhow::anyhow!("partition {at} has more predictions than events"))?;
                *taken += 1;
                if sent.saturating_duration_since(begun) >= WARM_UP {
                    latencies.push(seen - sent);
                    let (first, _) = *first_and_last.get_or_insert((sent, sent));
                    first_and_last = Some((first, sent));
                }
            }
        }
        let lasted = first_and_last.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
        Ok(Seen { sent_per_second: latencies.len() as f64 / lasted.max(1e-9), latencies })
    }
}
