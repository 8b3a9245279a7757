//! `driftless dlq`: lists dead letters, and sends them to where they came from once the cause is mended.

mod again;
mod list;

use std::process::ExitCode;

use super::WrongUsage;
use super::connect::{ConfigArgs, kafka};
use super::replay::{time, usage};
use crate::config::Config;
use crate::data::{RejectCode, Timestamp};
use crate::runtime::{LetterFilter, Letters};

use again::{Replay, report};
use list::{Shown, list};

/// Arguments of `driftless dlq`.
#[derive(Clone, Debug, clap::Args)]
pub struct DlqArgs {
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum DlqCommand {
    /// List dead letters: when, why, and where each came from.
    List {
        #[command(flatten)]
        which: Which,
        /// Print key and value as well, as text.
        #[arg(long)]
        values: bool,
        /// Print JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters again, as they came, to the topic they came from.
    Replay {
        #[command(flatten)]
        which: Which,
        /// Say what would be sent, and send nothing.
        #[arg(long)]
        dry_run: bool,
        /// Give the records the present time instead of the timestamp they came with.
        #[arg(long)]
        now: bool,
        /// The application's name, instead of being asked for it.
        #[arg(long, value_name = "NAME")]
        yes: Option<String>,
        /// Print what was done as one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Which letters are meant.
#[derive(Clone, Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    config: ConfigArgs,
    /// Letters with this code, such as `missing`; may be given more than once.
    #[arg(long, value_name = "CODE", value_parser = code)]
    code: Vec<RejectCode>,
    /// Letters whose record came from this topic.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Letters of one partition.
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// Letters put there at this time or later: RFC 3339 or milliseconds.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Letters put there before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// The first so many of them.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Which {
    fn filter(&self, config: &Config) -> anyhow::Result<LetterFilter> {
        let inputs: Vec<&String> = config.topics.inputs().collect();
        if let Some(topic) = self.topic.as_ref().filter(|topic| !inputs.contains(topic)) {
            let known: Vec<String> = inputs.iter().map(|known| format!("`{known}`")).collect();
            let message = format!("`--topic {topic}` is no input of `{}`; inputs are {}", config.app, known.join(", "));
            return Err(WrongUsage::because(message));
        }
        Ok(LetterFilter {
            codes: self.code.clone(),
            topic: self.topic.clone(),
            since: self.since,
            until: self.until,
            partition: self.partition,
            limit: self.limit,
        })
    }
}

/// Lists or sends.
///
/// # Errors
/// A wrong configuration or question, a cluster that does not answer.
pub fn run(args: &DlqArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        DlqCommand::List { which, values, json } => {
            let config = which.config.load()?;
            let filter = which.filter(&config)?;
            let cluster = kafka(&config, "dlq")?;
            let letters = Letters::open(&cluster, &config, filter).map_err(usage)?;
            list(letters, &config, Shown { values: *values, json: *json }, &mut out)?;
            Ok(ExitCode::SUCCESS)
        }
        DlqCommand::Replay { which, dry_run, now, yes, json } => {
            let config = which.config.load()?;
            if let Some(name) = yes.as_ref().filter(|name| **name != config.app) {
                return Err(WrongUsage::because(format!("`--yes {name}`: the application is called `{}`", config.app)));
            }
            let filter = which.filter(&config)?;
            let cluster = kafka(&config, "dlq")?;
            let replay =
                Replay { config: &config, filter, is_dry: *dry_run, is_now: *now, is_confirmed: yes.is_some() };
            let outcome = replay.run(&cluster, &mut std::io::stdin().lock(), &mut std::io::stderr().lock())?;
            report(&outcome, *json, &mut out)?;
            Ok(if outcome.is_done || *dry_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn code(text: &str) -> Result<RejectCode, String> {
    RejectCode::ALL.into_iter().find(|code| code.name() == text).ok_or_else(|| {
        let known: Vec<&str> = RejectCode::ALL.iter().map(|code| code.name()).collect();
        format!("no such code; known are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::Header;
    use crate::runtime::topic_specs;
    use crate::transport::memory::Memory;
    use crate::transport::{Outgoing, Transport};

    fn config() -> Config {
        Config::parse(include_str!("../../examples/flights.toml")).unwrap()
    }

    /// A cluster with three letters: a missing field, one that came back too often, and a label.
    fn cluster(config: &Config) -> Arc<Memory> {
        let memory = Arc::new(Memory::new());
        memory.create(&topic_specs(config)).unwrap();
        let mut publisher = memory.publisher().unwrap();
        let labels = config.topics.labels.clone().unwrap();
        let letters = [
            ("missing", config.topics.events.as_str(), "0", "2"),
            ("missing", config.topics.events.as_str(), "3", "1"),
            ("decode", labels.as_str(), "0", "2"),
        ];
        for (offset, (code, topic, hops, partition)) in letters.into_iter().enumerate() {
            let offset = offset.to_string();
            let header =
                |name: &str, value: &str| Header { name: name.to_owned(), value: Some(value.as_bytes().to_vec()) };
            let headers = [
                header("trace", "7"),
                header("driftless.dlq.hops", hops),
                header("driftless.error.code", code),
                header("driftless.error.message", "required field `distance` is missing"),
                header("driftless.error.topic", topic),
                header("driftless.error.partition", partition),
                header("driftless.error.offset", &offset),
                header("driftless.error.timestamp", "5000"),
            ];
            let partition = Some(partition.parse().unwrap());
            let (topic, timestamp) = (config.topics.dead_letters.as_str(), Some(Timestamp::from_millis(9_000)));
            let (key, value) = (Some(&b"JFK"[..]), Some(&b"{\x1b\"}"[..]));
            publisher.send(&Outgoing { topic, partition, key, value, headers: &headers, timestamp }).unwrap();
        }
        publisher.flush().unwrap();
        memory
    }

    fn listing(filter: LetterFilter, shown: Shown) -> String {
        let config = config();
        let memory = cluster(&config);
        let mut out = Vec::new();
        list(Letters::open(&*memory, &config, filter).unwrap(), &config, shown, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn letters_are_listed_without_their_contents_unless_asked_for() {
        let plain = listing(LetterFilter::default(), Shown { values: false, json: false });
        assert!(plain.ends_with("3 dead letters: decode 1, missing 2\n"), "{plain}");
        assert!(plain.contains("flights.events:2:0  required field `distance` is missing\n"), "{plain}");
        assert!(plain.contains("sent again 3 times, stays: came back too often"), "{plain}");
        assert!(!plain.contains("JFK"));
        let whole = listing(LetterFilter::default(), Shown { values: true, json: false });
        assert!(whole.contains("    key   JFK\n") && !whole.contains('\u{1b}'), "{whole}");
        let filter = LetterFilter { codes: vec![RejectCode::Decode], ..LetterFilter::default() };
        let json = listing(filter, Shown { values: false, json: true });
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&read["source_topic"], &read["hops"]), (&"flights.labels".into(), &0.into()));
        let none = LetterFilter { until: Some(Timestamp::from_millis(9_000)), ..LetterFilter::default() };
        assert_eq!(listing(none, Shown { values: false, json: false }), "0 dead letters\n");
    }

    #[test]
    fn nothing_is_sent_before_the_name_of_the_application_is_given() {
        let config = config();
        let cluster = cluster(&config);
        let sent =
            || cluster.bounds(&config.topics.events).unwrap().unwrap().iter().map(|bounds| bounds.end).sum::<i64>();
        let filter = LetterFilter { topic: Some(config.topics.events.clone()), ..LetterFilter::default() };
        let replay = |is_dry, is_confirmed| Replay {
            config: &config,
            filter: filter.clone(),
            is_dry,
            is_now: false,
            is_confirmed,
        };
        let mut shown = Vec::new();
        let outcome = replay(false, false).run(&*cluster, &mut &b"yes\n"[..], &mut shown).unwrap();
        assert_eq!((outcome.is_done, sent()), (false, 0));
        let shown = String::from_utf8(shown).unwrap();
        assert!(
            shown.contains("1 to flights.events, refused with missing")
                && shown.contains("1 stay: came back too often")
        );
        let outcome = replay(true, true).run(&*cluster, &mut &b""[..], &mut Vec::new()).unwrap();
        assert_eq!((outcome.is_done, outcome.resent.total(), sent()), (false, 1, 0));
        let outcome = replay(false, false).run(&*cluster, &mut &b"flights\n"[..], &mut Vec::new()).unwrap();
        assert_eq!((outcome.is_done, outcome.resent.total(), sent()), (true, 1, 1));
        let mut out = Vec::new();
        report(&outcome, true, &mut out).unwrap();
        let expected = r#"{"done":true,"sent":[{"topic":"flights.events","why":"missing","letters":1}],"left":[{"why":"came back too often","letters":1}]}"#;
        assert_eq!(String::from_utf8(out).unwrap().trim_end(), expected);
    }

    #[test]
    fn a_code_or_topic_that_does_not_exist_is_wrong_usage() {
        assert_eq!(code("missing"), Ok(RejectCode::Missing));
        assert!(code("mising").unwrap_err().starts_with("no such code; known are empty, key_missing"));
    }
}
