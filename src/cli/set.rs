//! `driftless set KEY=VALUE`: changes a setting of a running application, or says how it is changed.
//!
//! What is logged is changed in the process of this machine, as it has no part in any result. A threshold is changed by a
//! record of the control log, for all processes, at a recorded place of every shard. What state or the order of records
//! depends on takes a start with `--previous`; the rest is read at the start.

mod threshold;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use super::WrongUsage;
use super::connect::{ConfigArgs, agent};
use super::control_log::Note;
use super::live::reachable;
use crate::config::Config;
use crate::data::Setting;

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Arguments of `driftless set`.
#[derive(Clone, Debug, clap::Args)]
pub struct SetArgs {
    /// A threshold such as `score.threshold=0.3`; or `log.level=debug`, or `log.filter=DIRECTIVES` as in `DRIFTLESS_LOG`, where
    /// an empty value goes back to the start.
    #[arg(value_name = "KEY=VALUE")]
    pub setting: String,
    /// The value, where it stands apart from the key.
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub value: Option<String>,
    /// Give a threshold back to the configuration.
    #[arg(long, conflicts_with = "value")]
    pub default: bool,
    /// Why, for the audit; needed for thresholds.
    #[arg(long)]
    pub why: Option<String>,
    /// Who; `$USER` by default.
    #[arg(long)]
    pub by: Option<String>,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What is asked for: a key, and its value; `None` for that of the configuration.
struct Asked<'a> {
    key: &'a str,
    value: Option<&'a str>,
}

/// Changes it.
///
/// # Errors
/// A wrong configuration, a setting that is not changed this way, or a process or cluster that does not answer.
pub fn run(args: &SetArgs) -> anyhow::Result<ExitCode> {
    let asked = asked(args)?;
    if let Some(setting) = Setting::of(asked.key) {
        let why = args.why.clone().ok_or_else(|| {
            WrongUsage::because(format!("say why with `--why`: who changes `{}` for all, and why, is kept", asked.key))
        })?;
        let note = Note { config: args.config.clone(), why, by: args.by.clone() };
        return threshold::set(setting, asked.value, &note);
    }
    let directives = directives(&asked)?;
    let config = Config::load(&args.config.config)?;
    let listen = config.http.listen.ok_or_else(|| {
        WrongUsage::because("`http.listen` is \"\": there is nobody to ask; start the process with DRIFTLESS_LOG")
    })?;
    let now = put(reachable(listen), directives)?;
    writeln!(std::io::stdout().lock(), "logged from now on: {now}")?;
    Ok(ExitCode::SUCCESS)
}

fn asked(args: &SetArgs) -> anyhow::Result<Asked<'_>> {
    match (args.setting.split_once('='), &args.value, args.default) {
        (None, None, true) => Ok(Asked { key: args.setting.trim(), value: None }),
        (None, Some(value), false) => Ok(Asked { key: args.setting.trim(), value: Some(value.trim()) }),
        (Some((key, value)), None, false) => Ok(Asked { key: key.trim(), value: Some(value.trim()) }),
        _ => Err(WrongUsage::because("write KEY=VALUE, or KEY --default")),
    }
}

/// The directives that a setting of the log stands for.
fn directives<'a>(asked: &Asked<'a>) -> anyhow::Result<&'a str> {
    let (key, value) = (asked.key, asked.value.unwrap_or_default());
    match key {
        "log.filter" => Ok(value),
        "log.level" if value.is_empty() || LEVELS.contains(&value) => Ok(value),
        "log.level" => {
            Err(WrongUsage::because(format!("log.level: `{value}` is no level; write one of {}", LEVELS.join(", "))))
        }
        _ => Err(WrongUsage::because(refusal(key))),
    }
}

/// Why a key is not changed here, and how it is.
fn refusal(key: &str) -> String {
    let section = key.split('.').next().unwrap_or_default();
    match (section, key) {
        (_, "events.reject_window") => at_the_start(key),
        ("score", _) => at_the_start(key),
        ("promote", _) => format!(
            "{}. To stop promotions now: `driftless models freeze --why ...`; to take one back: `driftless models rollback`",
            with_previous(key, "decides what the monitor does with every candidate")
        ),
        ("events" | "facts", _) => {
            with_previous(key, "decides which records count and in what order, which is settled as they are read")
        }
        ("labels" | "features" | "drift" | "performance", _) => with_previous(key, "decides what the state holds"),
        ("retrain", _) => with_previous(key, "decides what a training makes of its rows"),
        ("outputs", _) => with_previous(key, "decides what is published"),
        ("app", _) => "`app` names topics, groups and state: another name is another application".to_owned(),
        ("kafka" | "schema_registry" | "store" | "http" | "log" | "notify" | "traces", _) => at_the_start(key),
        _ => format!(
            "`{key}` is no setting; what can be changed while everything runs: {}, `log.level` and `log.filter`",
            Setting::ALL.map(|setting| format!("`{}`", setting.name())).join(", ")
        ),
    }
}

fn with_previous(key: &str, why: &str) -> String {
    format!(
        "`{key}` {why}: no command changes it between two records. Change the file and start with `--previous OLD-FILE`, \
         which loses nothing (docs/change.md)"
    )
}

fn at_the_start(key: &str) -> String {
    format!("`{key}` is read at the start: change the file and restart the process, which loses and repeats nothing")
}

fn put(at: SocketAddr, directives: &str) -> anyhow::Result<String> {
    let url = format!("http://{at}/log");
    let mut response = agent(TIMEOUT).put(&url).send(directives).with_context(|| format!("`{url}` does not answer"))?;
    let text = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string();
    let text = text.with_context(|| format!("the answer of `{url}` cannot be read"))?;
    match response.status().as_u16() {
        200 => Ok(text.trim().to_owned()),
        400 => Err(WrongUsage::because(text.trim())),
        404 => bail!("`{url}` is no page of Driftless, or of an older version"),
        _ => bail!("{}", text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &[&str]) -> SetArgs {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            set: SetArgs,
        }
        <Line as clap::Parser>::try_parse_from(std::iter::once(&"set").chain(line)).unwrap().set
    }

    fn said(line: &[&str]) -> Result<String, String> {
        let args = args(line);
        let asked = asked(&args).map_err(|error| error.to_string())?;
        directives(&asked).map(str::to_owned).map_err(|error| error.to_string())
    }

    fn refused(setting: &str) -> String {
        said(&[setting]).unwrap_err()
    }

    #[test]
    fn what_is_logged_can_be_set() {
        assert_eq!(said(&["log.level=debug"]).unwrap(), "debug");
        assert_eq!(said(&["log.level", "debug"]).unwrap(), "debug");
        let directives = "driftless::runtime=debug,librdkafka=info";
        assert_eq!(said(&[&format!("log.filter={directives}")]).unwrap(), directives);
        assert_eq!(said(&["log.filter="]).unwrap(), "");
        assert!(refused("log.level=loud").contains("`loud` is no level; write one of error, warn"));
        assert_eq!(refused("log.level"), "write KEY=VALUE, or KEY --default");
    }

    #[test]
    fn a_key_and_its_value_are_one_word_or_two() {
        for line in [&["score.threshold=0.3"][..], &["score.threshold", "0.3"]] {
            let args = args(line);
            let asked = asked(&args).unwrap();
            assert_eq!((asked.key, asked.value), ("score.threshold", Some("0.3")));
        }
        let back = args(&["score.threshold", "--default"]);
        assert_eq!(asked(&back).unwrap().value, None);
        assert!(asked(&args(&["score.threshold=0.3", "--default"])).is_err());
        assert_eq!(asked(&args(&["promote.min_gain", "-1"])).unwrap().value, Some("-1"), "refused for what it is");
        let unexplained = run(&args(&["score.threshold=0.3"])).unwrap_err().to_string();
        assert!(unexplained.contains("`--why`"), "{unexplained}");
    }

    #[test]
    fn everything_else_is_refused_with_how_it_is_changed() {
        for key in ["drift.window", "labels.wait", "events.lateness", "retrain.history", "promote.metric"] {
            assert!(refused(&format!("{key}=x")).contains("start with `--previous OLD-FILE`"), "{key}");
        }
        assert!(refused("promote.auto=false").contains("driftless models freeze"));
        for key in [
            "kafka.brokers",
            "log.format",
            "score.workers",
            "http.listen",
            "events.reject_window",
            "notify.on",
            "traces.ratio",
        ] {
            assert!(refused(&format!("{key}=x")).contains("is read at the start"), "{key}");
        }
        assert!(refused("app=x").contains("another application"));
        assert!(refused("speed=9").contains("`speed` is no setting; what can be changed"));
        assert!(refused("speed=9").contains("`promote.min_gain`"));
    }
}
