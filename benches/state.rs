//! What state costs with a million keys and labels a day late: processor time, bytes, and how long a restore takes.
//!
//! The real binary scores on a real Kafka, as a process of its own. On the first day every key has an event; on the
//! second, events are drawn like those of the third; the third is measured. From the second day on there is a label for
//! every event of the day before. Keys are drawn evenly, or hot: of a hundred events 99 go to a hundredth of the keys.
//! What is counted begins and ends with everything in a checkpoint. Each kind runs with checkpoints and without; at its end
//! comes as much again as fits between two checkpoints, and the process is killed (-9) and started again.
//!
//! `DRIFTLESS_BENCH_BROKERS=HOST:PORT cargo bench --bench state`; `DRIFTLESS_BENCH_KEYS` (1000000),
//! `DRIFTLESS_BENCH_EVENTS` (2000000, measured ones), `DRIFTLESS_BENCH_CHECKPOINT_MS` (15000, the default).

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use common::{count_from_env, machine};
use driftless::config::Config;
use driftless::data::Timestamp;
use driftless::runtime::topic_specs;
use driftless::stats::SplitMix64;
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::{News, Outgoing, Position, TopicPartition, Transport};

const DAY_MS: i64 = 86_400_000;
const START_MS: i64 = 1_700_000_000_000;
const LIMIT: Duration = Duration::from_secs(600);
/// An interval that never comes.
const NEVER_MS: usize = 3_600_000;

fn main() -> Result<()> {
    let Ok(brokers) = std::env::var("DRIFTLESS_BENCH_BROKERS") else {
        println!(
            "skipped: no Kafka given; `scripts/kafka start` starts one and prints its address, then\n\
             DRIFTLESS_BENCH_BROKERS=HOST:PORT cargo bench --bench state"
        );
        return Ok(());
    };
    let size = Size {
        keys: count_from_env("DRIFTLESS_BENCH_KEYS", 1_000_000),
        events: count_from_env("DRIFTLESS_BENCH_EVENTS", 2_000_000),
        checkpoint_ms: count_from_env("DRIFTLESS_BENCH_CHECKPOINT_MS", 15_000),
    };
    println!("machine: {}; broker on {brokers}", machine::describe());
    println!(
        "{} keys with {} events a day for two days; then {} events, each with the label of one a day before\n",
        size.keys, size.keys, size.events
    );
    for keys in [Keys::Uniform, Keys::Hot] {
        let with = run(&brokers, keys, &size, size.checkpoint_ms)?;
        let without = run(&brokers, keys, &size, NEVER_MS)?;
        print!("{}", report(keys, &size, &with, &without)?);
    }
    Ok(())
}

struct Size {
    keys: usize,
    events: usize,
    checkpoint_ms: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Uniform,
    Hot,
}

/// One run of the binary.
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    rss_mib: u64,
    predictions: u64,
    journal: u64,
    state: u64,
    /// The slowest shard, and from the start of the process to the last shard.
    restore_seconds: f64,
    back_seconds: f64,
    replayed: u64,
}

fn report(keys: Keys, size: &Size, with: &Run, without: &Run) -> Result<String> {
    let mut text = String::new();
    let per_event = |seconds: f64| seconds * 1e6 / size.events as f64;
    let share = |bytes: u64| 100.0 * bytes as f64 / with.predictions as f64;
    let rate = size.events as f64 / with.seconds;
    writeln!(text, "keys {keys:?}")?;
    writeln!(text, "  {rate:.0} events/s, a checkpoint each {} ms", size.checkpoint_ms)?;
    writeln!(
        text,
        "  processor time per event and label   {:.2} us with checkpoints, {:.2} us without; memory {} MiB",
        per_event(with.cpu_seconds),
        per_event(without.cpu_seconds),
        with.rss_mib
    )?;
    writeln!(
        text,
        "  bytes per event   predictions {:.0}, journal {:.1} ({:.1} %), state {:.1} ({:.1} %); both {:.1} %",
        with.predictions as f64 / size.events as f64,
        with.journal as f64 / size.events as f64,
        share(with.journal),
        with.state as f64 / size.events as f64,
        share(with.state),
        share(with.journal + with.state)
    )?;
    writeln!(
        text,
        "  restore after kill -9   {:.1} s the slowest shard, {} transactions replayed; all back {:.1} s after the start",
        with.restore_seconds, with.replayed, with.back_seconds
    )?;
    Ok(text)
}

fn run(brokers: &str, keys: Keys, size: &Size, checkpoint_ms: usize) -> Result<Run> {
    let directory = tempfile::tempdir()?;
    let app = format!("bench-state-{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis());
    let file = directory.path().join("driftless.toml");
    fs::write(&file, configuration(&app, brokers, checkpoint_ms))?;
    let bench = Bench {
        config: Config::load(&file)?,
        transport: Arc::new(Kafka::new(KafkaParams::new(brokers, "driftless-bench"))?),
        file,
        log: directory.path().join("log"),
    };
    bench.create()?;
    let mut feed = Feed { keys, size, random: SplitMix64::new(7), users: Vec::new() };
    bench.publish(&mut feed, 2 * size.keys)?;
    let process = Process::start(&bench)?;
    bench.until(&process, 2 * size.keys as i64)?;
    bench.let_checkpoints_pass();
    let before = bench.ends()?;
    let cpu = process.cpu_seconds();
    let begun = Instant::now();
    bench.publish(&mut feed, size.events)?;
    bench.until(&process, (2 * size.keys + size.events) as i64)?;
    let seconds = begun.elapsed().as_secs_f64();
    bench.let_checkpoints_pass();
    let mut run = Run {
        seconds,
        cpu_seconds: process.cpu_seconds() - cpu,
        rss_mib: process.rss_mib(),
        predictions: bench.bytes(&before, &bench.config.topics.predictions)?,
        journal: bench.bytes(&before, &bench.config.topics.journal)?,
        state: bench.bytes(&before, &bench.config.topics.state)?,
        restore_seconds: 0.0,
        back_seconds: 0.0,
        replayed: 0,
    };
    if checkpoint_ms != NEVER_MS {
        // What a restore has to replay: as much as comes between two checkpoints.
        let more = (size.events as f64 / seconds * checkpoint_ms as f64 / 1e3) as usize;
        bench.publish(&mut feed, more)?;
        bench.until(&process, (2 * size.keys + size.events + more) as i64)?;
        drop(process);
        let begun = Instant::now();
        let process = Process::start(&bench)?;
        let restored = bench.restored(&process)?;
        run.back_seconds = begun.elapsed().as_secs_f64();
        run.restore_seconds = restored.iter().map(|shard| shard.seconds).fold(0.0, f64::max);
        run.replayed = restored.iter().map(|shard| shard.transactions).sum();
    }
    Ok(run)
}

fn configuration(app: &str, brokers: &str, checkpoint_ms: usize) -> String {
    format!(
        r#"
app = "{app}"
[events]
key = "user"
id = "id"
time = "at"
[events.fields.amount]
type = "number"
required = true
[labels]
event_id = "event_id"
time = "known_at"
kind = "kind"
wait = "30h"
[labels.kinds.outcome.fields.fraud]
type = "number"
required = true
[labels.label]
kind = "outcome"
field = "fraud"
positive = "fraud"
negative = "fine"
[features]
fields = ["amount"]
[[features.windows]]
of = "events"
by = ["user"]
spans = ["1h", "6h", "72h"]
aggregates = ["count", "sum:amount", "mean:amount", "max:amount", "since_last"]
[[features.windows]]
of = "outcome"
by = ["user"]
spans = ["72h"]
aggregates = ["count", "sum:fraud"]
[score]
workers = 2
checkpoint = "{checkpoint_ms}ms"
[kafka]
brokers = ["{brokers}"]
[http]
listen = ""
[log]
format = "json"
"#
    )
}

/// Events evenly over a day, each followed a day later by its label.
struct Feed<'a> {
    keys: Keys,
    size: &'a Size,
    random: SplitMix64,
    /// Keys of all events so far.
    users: Vec<u32>,
}

impl Feed<'_> {
    fn at(&self, number: usize) -> i64 {
        START_MS + (number as i128 * i128::from(DAY_MS) / self.size.keys as i128) as i64
    }

    /// The key of the next event.
    fn draw(&mut self) -> u32 {
        let keys = self.size.keys as u64;
        let user = match self.keys {
            _ if self.users.len() < self.size.keys => self.users.len() as u64,
            Keys::Hot if self.random.below(100) > 0 => self.random.below((keys / 100).max(1)),
            Keys::Uniform | Keys::Hot => self.random.below(keys),
        };
        self.users.push(user as u32);
        user as u32
    }
}

struct Bench {
    config: Config,
    transport: Arc<dyn Transport>,
    file: PathBuf,
    log: PathBuf,
}

struct RestoredShard {
    seconds: f64,
    transactions: u64,
}

impl Bench {
    fn create(&self) -> Result<()> {
        let mut specs = topic_specs(&self.config);
        for spec in &mut specs {
            // What is counted has to be there to be counted.
            spec.config.push(("min.compaction.lag.ms".to_owned(), "86400000".to_owned()));
        }
        self.transport.create(&specs)?;
        Ok(())
    }

    fn publish(&self, feed: &mut Feed<'_>, n: usize) -> Result<()> {
        let topics = &self.config.topics;
        let labels = topics.labels.as_deref().context("there are labels")?;
        let mut publisher = self.transport.publisher()?;
        for number in feed.users.len()..feed.users.len() + n {
            let at = feed.at(number);
            let user = feed.draw();
            let amount = feed.random.below(100_000) as f64 / 100.0;
            let mut send = |topic: &str, user: u32, value: String| {
                publisher.send(&Outgoing {
                    topic,
                    partition: Some((user % self.config.topics.partitions as u32) as i32),
                    key: Some(format!("user-{user}").as_bytes()),
                    value: Some(value.as_bytes()),
                    headers: &[],
                    timestamp: Some(Timestamp::from_millis(at)),
                })
            };
            let event = format!(r#"{{"id":"{user}-{number}","user":"user-{user}","at":{at},"amount":{amount}}}"#);
            send(&topics.events, user, event)?;
            // The label of the event of the day before.
            let Some(old) = number.checked_sub(feed.size.keys) else { continue };
            let Some(user) = feed.users.get(old).copied() else { continue };
            let fraud = u8::from(old % 50 == 0);
            let label = format!(r#"{{"event_id":"{user}-{old}","kind":"outcome","known_at":{at},"fraud":{fraud}}}"#);
            send(labels, user, label)?;
        }
        Ok(publisher.flush()?)
    }

    /// Waits until all events are predicted.
    fn until(&self, process: &Process, events: i64) -> Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            let bounds = self.transport.bounds(&self.config.topics.events)?.unwrap_or_default();
            let written: i64 = bounds.iter().map(|bounds| bounds.end).sum();
            let bounds = self.transport.bounds(&self.config.topics.predictions)?.unwrap_or_default();
            // Offsets count the marks of transactions too; the journal has one each.
            let marks: i64 = self.marks()?;
            let seen: i64 = bounds.iter().map(|bounds| bounds.end).sum();
            if written >= events && seen - marks >= events - events / 500 {
                return Ok(());
            }
            process.check(&self.log)?;
            ensure!(Instant::now() < until, "{seen} predictions after {} s", LIMIT.as_secs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Transactions so far, by the journal: a record and a mark each.
    fn marks(&self) -> Result<i64> {
        let bounds = self.transport.bounds(&self.config.topics.journal)?.unwrap_or_default();
        Ok(bounds.iter().map(|bounds| bounds.end / 2).sum())
    }

    fn ends(&self) -> Result<Vec<(String, Vec<i64>)>> {
        let topics = &self.config.topics;
        [&topics.predictions, &topics.journal, &topics.state]
            .into_iter()
            .map(|topic| {
                let bounds = self.transport.bounds(topic)?.unwrap_or_default();
                Ok((topic.clone(), bounds.iter().map(|bounds| bounds.end).collect()))
            })
            .collect()
    }

    /// Bytes of keys and values of a topic since `before`.
    fn bytes(&self, before: &[(String, Vec<i64>)], topic: &str) -> Result<u64> {
        let starts =
            before.iter().find(|(name, _)| name == topic).map(|(_, starts)| starts).context("was asked for")?;
        let ends = self.transport.bounds(topic)?.context("the topic is there")?;
        let mut reader = self.transport.reader(&[topic.to_owned()])?;
        let at = |partition: usize| TopicPartition::new(topic, partition as i32);
        let positions: Vec<Position> =
            starts.iter().enumerate().map(|(partition, next)| Position { at: at(partition), next: *next }).collect();
        reader.start(&positions)?;
        let mut open: BTreeSet<i32> = (0..ends.len() as i32).collect();
        let mut bytes = 0;
        let mut news = Vec::new();
        let until = Instant::now() + LIMIT;
        while !open.is_empty() {
            ensure!(Instant::now() < until, "`{topic}` cannot be read to its end");
            reader.poll(Duration::from_millis(100), 10_000, &mut news)?;
            for news in news.drain(..) {
                match news {
                    News::Record { record, .. } => {
                        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
                        bytes += (length(record.key.as_deref()) + length(record.value.as_deref())) as u64;
                    }
                    News::End { partition, .. } => _ = open.remove(&partition),
                    _ => {}
                }
            }
        }
        Ok(bytes)
    }

    /// Waits until what has come so far is in a checkpoint, where there are any.
    fn let_checkpoints_pass(&self) {
        let interval = self.config.score.checkpoint.to_std();
        if interval < Duration::from_millis(NEVER_MS as u64) {
            std::thread::sleep(interval + interval / 2);
        }
    }

    /// What the log says of the restores, once all shards are back.
    fn restored(&self, process: &Process) -> Result<Vec<RestoredShard>> {
        let until = Instant::now() + LIMIT;
        loop {
            let text = fs::read_to_string(&self.log)?;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let restored: Vec<RestoredShard> = lines
                .filter(|line| line["fields"]["message"] == "restored" || line["message"] == "restored")
                .map(|line| {
                    let fields = if line["fields"].is_object() { &line["fields"] } else { &line };
                    RestoredShard {
                        seconds: fields["seconds"].as_f64().unwrap_or_default(),
                        transactions: fields["transactions"].as_u64().unwrap_or_default(),
                    }
                })
                .collect();
            if restored.len() >= self.config.topics.partitions as usize {
                return Ok(restored);
            }
            process.check(&self.log)?;
            ensure!(Instant::now() < until, "{} shards are back after {} s", restored.len(), LIMIT.as_secs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The binary, killed when dropped.
struct Process {
    child: Child,
}

impl Process {
    fn start(bench: &Bench) -> Result<Self> {
        let log = File::create(&bench.log)?;
        let child = Command::new(env!("CARGO_BIN_EXE_driftless"))
            .args(["run", "--role", "score", "--instance", "bench", "--config"])
            .arg(&bench.file)
            .current_dir(bench.file.parent().context("the file lies in a directory")?)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Process { child })
    }

    fn check(&self, log: &PathBuf) -> Result<()> {
        if fs::metadata(format!("/proc/{}/fd", self.child.id())).is_err() {
            let text = fs::read_to_string(log).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(10).collect();
            bail!("the process has ended:\n{}", last.join("\n"));
        }
        Ok(())
    }

    fn cpu_seconds(&self) -> f64 {
        machine::cpu_seconds_of(&self.child.id().to_string())
    }

    fn rss_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // kill -9: what is not committed is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
