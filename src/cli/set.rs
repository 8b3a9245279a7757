//! `driftless set KEY=VALUE`: changes a setting of the running process of this machine, or says how it is changed.
//!
//! What is logged can be changed at any moment, as it has no part in any result. Whatever decides results changes for all
//! shards at one place of their input, which takes a start with `--previous`; the rest is read at the start.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use super::WrongUsage;
use super::connect::agent;
use super::live::reachable;
use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Arguments of `driftless set`.
#[derive(Clone, Debug, clap::Args)]
pub struct SetArgs {
    /// `log.level=debug`, or `log.filter=DIRECTIVES` as in `DRIFTLESS_LOG`; an empty value goes back to the start.
    #[arg(value_name = "KEY=VALUE")]
    pub setting: String,
    /// Configuration file that the process runs with.
    #[arg(long, value_name = "FILE", default_value = "driftless.toml")]
    pub config: PathBuf,
}

/// Changes it.
///
/// # Errors
/// A wrong configuration, a setting that is not changed this way, or a process that does not answer.
pub fn run(args: &SetArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let directives = directives(&args.setting)?;
    let listen = config.http.listen.ok_or_else(|| {
        WrongUsage::because("`http.listen` is \"\": there is nobody to ask; start the process with DRIFTLESS_LOG")
    })?;
    let now = put(reachable(listen), directives)?;
    writeln!(std::io::stdout().lock(), "logged from now on: {now}")?;
    Ok(ExitCode::SUCCESS)
}

/// The directives that a setting stands for.
fn directives(setting: &str) -> anyhow::Result<&str> {
    let (key, value) = setting.split_once('=').ok_or_else(|| WrongUsage::because("write KEY=VALUE"))?;
    let (key, value) = (key.trim(), value.trim());
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
    match section {
        "score" if key != "score.threshold" => at_the_start(key),
        "promote" => format!(
            "{}. To stop promotions now: `driftless models freeze --why ...`; to take one back: `driftless models rollback`",
            results(key)
        ),
        "events" | "labels" | "facts" | "features" | "hops" | "score" | "drift" | "performance" | "retrain"
        | "outputs" => results(key),
        "app" => "`app` names topics, groups and state: another name is another application".to_owned(),
        "kafka" | "schema_registry" | "notify" | "traces" | "store" | "http" | "log" => at_the_start(key),
        _ => format!("`{key}` is no setting; `log.level` and `log.filter` can be changed while a process runs"),
    }
}

fn results(key: &str) -> String {
    format!(
        "`{key}` decides results, so every shard has to change at the same place of its input: change the file and start \
         with `--previous OLD-FILE`, which loses nothing (docs/change.md)"
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

    fn refused(setting: &str) -> String {
        directives(setting).unwrap_err().to_string()
    }

    #[test]
    fn what_is_logged_can_be_set() {
        assert_eq!(directives("log.level=debug").unwrap(), "debug");
        assert_eq!(
            directives("log.filter=driftless::runtime=debug,librdkafka=info").unwrap(),
            "driftless::runtime=debug,librdkafka=info"
        );
        assert_eq!(directives("log.filter=").unwrap(), "");
        assert!(refused("log.level=loud").contains("`loud` is no level; write one of error, warn"));
        assert_eq!(refused("log.level"), "write KEY=VALUE");
    }

    #[test]
    fn everything_else_is_refused_with_how_it_is_changed() {
        assert!(refused("drift.window=3d").contains("start with `--previous OLD-FILE`"));
        assert!(refused("promote.metric=auc").contains("driftless models freeze"));
        for key in ["kafka.brokers", "log.format", "score.workers", "http.listen", "traces.ratio"] {
            assert!(refused(&format!("{key}=x")).contains("is read at the start"), "{key}");
        }
        assert!(refused("app=x").contains("another application"));
        assert!(refused("speed=9").contains("`speed` is no setting"));
    }
}
