//! `driftless produce`: sends events and labels to their topics, in the order of their times.
//!
//! The source is the bundled year of flights, card payments drawn from a seed, or files of JSON lines or CSV. Keys choose
//! partitions as Java's clients do, and a record's timestamp is its own time, so that events and labels meet and history
//! keeps its dates. Nothing is checked but what is needed to send a record: what the roles cannot use becomes a dead
//! letter there.

mod files;
mod pace;
mod payments;
mod resume;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::WrongUsage;
use super::connect::{ConfigArgs, kafka};
use super::signals::Signals;
use super::topics::bounds;
use crate::config::Config;
use crate::data::Timestamp;
use crate::demo::flights::{FlightRecord, Flights, FlightsParams, Stream};
use crate::transport::{Outgoing, Publisher, Transport};
use files::Files;
use pace::Pace;
use payments::PaymentsArgs;
use resume::Sent;

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(2);

/// Arguments of `driftless produce`.
#[derive(Clone, Debug, clap::Args)]
pub struct ProduceArgs {
    /// Configuration and brokers.
    #[command(flatten)]
    pub source: ConfigArgs,
    /// Send the bundled departures from New York in 2013 with what became of them.
    #[arg(long, conflicts_with_all = ["events", "labels"])]
    pub flights: bool,
    /// With --flights: stop before this time (`2013-03-01`, or RFC 3339).
    #[arg(long, value_name = "DATE", requires = "flights")]
    pub until: Option<String>,
    /// With --flights: mix in events that cannot be used.
    #[arg(long, requires = "flights")]
    pub broken: bool,
    /// Card payments.
    #[command(flatten)]
    pub payments: PaymentsArgs,
    /// File of events: JSON lines, or CSV with a header if its name ends in `.csv`.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// File of labels, in the same forms.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Records per second; as fast as possible if not given.
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Let the time of the records pass this many times as fast as the clock.
    #[arg(long, value_name = "X", conflicts_with = "rate")]
    pub speed: Option<f64>,
    /// Go on where an earlier run of the same source ended: read the topics, and pass over what is there.
    #[arg(long)]
    pub resume: bool,
    /// Print the counts as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A record on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sending {
    to: Destination,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    /// Its time; `None` where records have none of their own.
    at: Option<Timestamp>,
    broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Destination {
    Events,
    Labels,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Counts {
    events: u64,
    labels: u64,
    broken_events: u64,
    seconds: f64,
}

/// Sends.
///
/// # Errors
/// A wrong configuration or command line, a file that cannot be read, a cluster that does not take the records.
pub fn run(args: &ProduceArgs) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    if let Some(path) = &args.payments.to_csv {
        let started = Instant::now();
        let events = payments::write(&args.payments, path)?;
        let counts = Counts { events, seconds: started.elapsed().as_secs_f64(), ..Counts::default() };
        print(&counts, "wrote", args.json, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = args.source.load()?;
    let pace = Pace::new(positive("--rate", args.rate)?, positive("--speed", args.speed)?);
    let records = records(args, &config)?;
    let signals = Signals::install()?;
    let transport = kafka(&config, "produce")?;
    ensure_topics(&config, &transport)?;
    let mut sent = if args.resume { Sent::find(&config, &transport)? } else { Sent::default() };
    let mut sender = Sender { config: &config, publisher: transport.publisher()?, pace, counts: Counts::default() };
    let started = Instant::now();
    let mut shown = started;
    for record in records {
        if signals.came() {
            break;
        }
        let record = record?;
        if sent.has(&record) {
            continue;
        }
        sender.send(&record)?;
        if shown.elapsed() >= PROGRESS {
            shown = Instant::now();
            let Counts { events, labels, .. } = sender.counts;
            let date = record.at.map(|at| format!(", at {at}")).unwrap_or_default();
            writeln!(std::io::stderr(), "{events} events, {labels} labels{date}")?;
        }
    }
    sender.publisher.flush()?;
    let counts = Counts { seconds: started.elapsed().as_secs_f64(), ..sender.counts };
    print(&counts, "sent", args.json, out)?;
    Ok(ExitCode::SUCCESS)
}

fn positive(name: &str, value: Option<f64>) -> anyhow::Result<Option<f64>> {
    match value {
        Some(value) if !(value.is_finite() && value > 0.0) => {
            Err(WrongUsage::because(format!("`{name}` is {value}; write a number above zero")))
        }
        _ => Ok(value),
    }
}

type Records = Box<dyn Iterator<Item = anyhow::Result<Sending>>>;

fn records(args: &ProduceArgs, config: &Config) -> anyhow::Result<Records> {
    if args.payments.payments {
        return payments::records(&args.payments);
    }
    if !args.flights {
        if args.events.is_none() && args.labels.is_none() {
            return Err(WrongUsage::because(
                "nothing to send; give --flights, --payments, --events FILE or --labels FILE",
            ));
        }
        return Ok(Box::new(Files::open(config, args.events.as_deref(), args.labels.as_deref())?));
    }
    let until = match args.until.as_deref() {
        Some(text) => Some(date(text)?),
        None => None,
    };
    let flights = Flights::load(FlightsParams { shuffle: None, broken: args.broken })?;
    let mut position = 0;
    Ok(Box::new(std::iter::from_fn(move || {
        let record = flights.record(position).transpose()?;
        position += 1;
        match record {
            Ok(record) if until.is_some_and(|until| record.at >= until) => None,
            record => Some(record.map(sending)),
        }
    })))
}

fn date(text: &str) -> anyhow::Result<Timestamp> {
    let read = Timestamp::from_rfc3339(text).or_else(|| Timestamp::from_rfc3339(&format!("{text}T00:00:00Z")));
    read.ok_or_else(|| WrongUsage::because(format!("`{text}` is no date; write one such as `2013-03-01`")))
}

fn sending(record: FlightRecord) -> Sending {
    let FlightRecord { stream, at, key, value } = record;
    let to = if matches!(stream, Stream::FollowUp(_)) { Destination::Labels } else { Destination::Events };
    Sending { to, key, value, at: Some(at), broken: stream == Stream::BrokenEvent }
}

fn ensure_topics(config: &Config, transport: &dyn Transport) -> anyhow::Result<()> {
    for topic in [Some(&config.topics.events), config.topics.labels.as_ref()].into_iter().flatten() {
        if bounds(transport, topic)?.is_none() {
            anyhow::bail!("topic `{topic}` does not exist; `driftless topics create` makes it");
        }
    }
    Ok(())
}

struct Sender<'a> {
    config: &'a Config,
    publisher: Box<dyn Publisher>,
    pace: Pace,
    counts: Counts,
}

impl Sender<'_> {
    fn send(&mut self, record: &Sending) -> anyhow::Result<()> {
        let topic = match record.to {
            Destination::Events => &self.config.topics.events,
            Destination::Labels => self.config.topics.labels.as_ref().ok_or_else(|| {
                WrongUsage::because("the configuration has no `[labels]`; there is no topic for the labels")
            })?,
        };
        let sent = self.counts.events + self.counts.labels;
        let wait = self.pace.wait(sent, record.at);
        if !wait.is_zero() {
            self.publisher.flush()?;
            std::thread::sleep(wait);
        }
        self.publisher.send(&Outgoing {
            topic,
            // A record without a key belongs nowhere in particular; always the same place keeps runs alike.
            partition: if record.key.as_ref().is_none_or(Vec::is_empty) { Some(0) } else { None },
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &[],
            timestamp: record.at,
        })?;
        match record.to {
            Destination::Events => self.counts.events += 1,
            Destination::Labels => self.counts.labels += 1,
        }
        self.counts.broken_events += u64::from(record.broken);
        Ok(())
    }
}

fn print(counts: &Counts, done: &str, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, counts)?;
        writeln!(out)?;
        return Ok(());
    }
    let Counts { events, labels, broken_events, seconds } = counts;
    let rate = (events + labels) as f64 / seconds.max(1e-3);
    let broken = if *broken_events > 0 { format!(" ({broken_events} of them broken)") } else { String::new() };
    writeln!(out, "{done} {events} events{broken} and {labels} labels in {seconds:.1} s, {rate:.0} records/s")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::topic_specs;
    use crate::transport::memory::Memory;
    use crate::transport::{TopicPartition, partition_for};

    /// Positions of the first `n` flights that a run with `--resume` would send.
    fn missing_of(config: &Config, cluster: &Memory, n: usize) -> Vec<usize> {
        let flights = Flights::load(FlightsParams::default()).unwrap();
        let mut sent = Sent::find(config, cluster).unwrap();
        (0..n).filter(|at| !sent.has(&sending(flights.record(*at).unwrap().unwrap()))).collect()
    }

    #[test]
    fn a_date_is_a_day_or_a_moment() {
        assert_eq!(date("2013-03-01").unwrap(), date("2013-03-01T00:00:00Z").unwrap());
        assert!(date("March").is_err_and(|error| error.is::<WrongUsage>()));
    }

    #[test]
    fn records_go_where_java_would_send_them_with_their_own_time() {
        let config = Config::parse(include_str!("../../examples/flights.toml")).unwrap();
        let cluster = Memory::new();
        cluster.create(&topic_specs(&config)).unwrap();
        let pace = Pace::new(None, None);
        let publisher = cluster.publisher().unwrap();
        let mut sender = Sender { config: &config, publisher, pace, counts: Counts::default() };
        let flights = Flights::load(FlightsParams::default()).unwrap();
        for position in 0..100 {
            sender.send(&sending(flights.record(position).unwrap().unwrap())).unwrap();
        }
        sender.publisher.flush().unwrap();
        assert_eq!(sender.counts.events + sender.counts.labels, 100);
        let partition = partition_for(b"EWR", config.topics.partitions);
        let records = cluster.records(&TopicPartition::new("flights.events", partition));
        assert_eq!(records[0].timestamp.to_string(), "2013-01-01T10:15:00Z");
    }

    #[test]
    fn a_run_that_goes_on_fills_the_holes_of_the_one_before() {
        let config = Config::parse(include_str!("../../examples/flights.toml")).unwrap();
        let cluster = Memory::new();
        cluster.create(&topic_specs(&config)).unwrap();
        let (publisher, pace) = (cluster.publisher().unwrap(), Pace::new(None, None));
        let mut sender = Sender { config: &config, publisher, pace, counts: Counts::default() };
        let flights = Flights::load(FlightsParams::default()).unwrap();
        for position in (0..100).filter(|position| position % 3 != 1) {
            sender.send(&sending(flights.record(position).unwrap().unwrap())).unwrap();
        }
        sender.publisher.flush().unwrap();
        let expected: Vec<usize> = (0..150).filter(|position| *position >= 100 || position % 3 == 1).collect();
        assert_eq!(missing_of(&config, &cluster, 150), expected);
    }
}
