//! Log lines: their look, their level, and the names of those that others may build on.
//!
//! A notable line carries `event`, one of [`LogEvent`], and fields whose names do not change: a line is found by its
//! event, not by its wording. `docs/logs.md` lists them and a test holds the two against each other. Lines go to stderr;
//! stdout is for results. Keys, ids and values of records are never fields.
//!
//! [`ENVIRONMENT`] narrows or widens what is written without touching the configuration.

use std::env;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::params::{LogFormat, LogLevel, LogParams};

/// Directives as of `RUST_LOG`, on top of `log.level`: `DRIFTLESS_LOG=driftless::runtime=debug,librdkafka=info`.
pub const ENVIRONMENT: &str = "DRIFTLESS_LOG";

/// Logs cannot be written as asked for.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The environment variable is not understood.
    #[error(
        "`{ENVIRONMENT}` is `{value}`: {error}; write directives such as `debug` or `driftless::runtime=debug,librdkafka=info`"
    )]
    Directives {
        /// What it holds.
        value: String,
        /// What is wrong with it.
        error: ParseError,
    },
    /// The environment variable is not UTF-8.
    #[error("`{ENVIRONMENT}` is not UTF-8; write directives such as `driftless::runtime=debug`")]
    NotText,
    /// Something else in this process writes logs already.
    #[error("logs are set up already in this process")]
    Occupied,
}

/// Writes logs to stderr from now on.
///
/// # Errors
/// When the directives in [`ENVIRONMENT`] cannot be read, or logs are set up already.
pub fn init_logs(params: &LogParams) -> Result<(), LogError> {
    let directives = match env::var(ENVIRONMENT) {
        Ok(value) => value,
        Err(env::VarError::NotPresent) => String::new(),
        Err(env::VarError::NotUnicode(_)) => return Err(LogError::NotText),
    };
    let registry = tracing_subscriber::registry().with(filter(params.level, &directives)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let done = match params.format {
        LogFormat::Human => registry.with(lines.with_ansi(colours())).try_init(),
        LogFormat::Json => {
            registry.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
        }
    };
    done.map_err(|_| LogError::Occupied)
}

fn colours() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Our own lines from `level` on, those of other crates from `warn` on; then what the directives say. One directive
/// without a target takes the place of `level`.
fn filter(level: LogLevel, directives: &str) -> Result<EnvFilter, LogError> {
    let bare = |directive: &str| directive.trim().parse::<LevelFilter>().is_ok() && !directive.contains('=');
    let mut all = match directives.split(',').any(|directive| !directive.trim().is_empty() && bare(directive)) {
        true => Vec::new(),
        false if level == LogLevel::Error => vec!["error".to_owned()],
        false => vec![format!("warn,driftless={}", level.name())],
    };
    all.extend(directives.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned));
    EnvFilter::try_new(all.join(",")).map_err(|error| LogError::Directives { value: directives.to_owned(), error })
}

/// A line that operators and programs may look for, by its field `event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogEvent {
    /// A process begins its work.
    Started,
    /// A process ends its work.
    Stopped,
    /// A role stopped by itself.
    RoleFailed,
    /// A worker was given shards.
    Assigned,
    /// A worker gave shards back or lost them.
    Revoked,
    /// A shard is where it was.
    Restored,
    /// A replay gave other bytes than the journal says.
    Diverged,
    /// A transaction was given up and its records are read again.
    TransactionAborted,
    /// Records could not be used.
    DeadLetters,
    /// A signal left its bounds.
    AlertOpened,
    /// A signal is back.
    AlertRecovered,
    /// The monitor asked for a training.
    TrainingRequested,
    /// A training began.
    TrainingStarted,
    /// A training made no candidate.
    TrainingFailed,
    /// A candidate is in the store and in the control log.
    CandidateRegistered,
    /// The candidate takes charge.
    Promoted,
    /// The candidate was not better.
    Refused,
    /// An older version takes charge again.
    RolledBack,
    /// Promotions stop or go on.
    Frozen,
    /// Scoring goes on with another version.
    ModelSwitched,
}

impl LogEvent {
    /// Every event, in the order of `docs/logs.md`.
    pub const ALL: [LogEvent; 20] = [
        LogEvent::Started,
        LogEvent::Stopped,
        LogEvent::RoleFailed,
        LogEvent::Assigned,
        LogEvent::Revoked,
        LogEvent::Restored,
        LogEvent::Diverged,
        LogEvent::TransactionAborted,
        LogEvent::DeadLetters,
        LogEvent::AlertOpened,
        LogEvent::AlertRecovered,
        LogEvent::TrainingRequested,
        LogEvent::TrainingStarted,
        LogEvent::TrainingFailed,
        LogEvent::CandidateRegistered,
        LogEvent::Promoted,
        LogEvent::Refused,
        LogEvent::RolledBack,
        LogEvent::Frozen,
        LogEvent::ModelSwitched,
    ];

    /// Value of the field `event`.
    pub const fn name(self) -> &'static str {
        match self {
            LogEvent::Started => "started",
            LogEvent::Stopped => "stopped",
            LogEvent::RoleFailed => "role_failed",
            LogEvent::Assigned => "assigned",
            LogEvent::Revoked => "revoked",
            LogEvent::Restored => "restored",
            LogEvent::Diverged => "diverged",
            LogEvent::TransactionAborted => "transaction_aborted",
            LogEvent::DeadLetters => "dead_letters",
            LogEvent::AlertOpened => "alert_opened",
            LogEvent::AlertRecovered => "alert_recovered",
            LogEvent::TrainingRequested => "training_requested",
            LogEvent::TrainingStarted => "training_started",
            LogEvent::TrainingFailed => "training_failed",
            LogEvent::CandidateRegistered => "candidate_registered",
            LogEvent::Promoted => "promoted",
            LogEvent::Refused => "refused",
            LogEvent::RolledBack => "rolled_back",
            LogEvent::Frozen => "frozen",
            LogEvent::ModelSwitched => "model_switched",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What the filter lets through of one line per target and level.
    fn written(level: LogLevel, directives: &str) -> Vec<String> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false);
        let filter = filter(level, directives).expect("directives in order");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filter).with(layer), || {
            tracing::info!(target: "driftless::runtime", event = LogEvent::Promoted.name(), version = 3, "promoted");
            tracing::debug!(target: "driftless::runtime", "committed");
            tracing::info!(target: "hyper", "noise");
            tracing::warn!(target: "librdkafka", "broker down");
        });
        let text = lines.0.lock().expect("one thread").clone();
        String::from_utf8(text).expect("text").lines().map(str::to_owned).collect()
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn other_crates_are_heard_from_warn_on() {
        let lines = written(LogLevel::Info, "");
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains("broker down"), "{lines:?}");
        assert!(written(LogLevel::Error, "").is_empty());
    }

    #[test]
    fn a_line_of_json_has_its_fields_at_the_top() {
        let lines = written(LogLevel::Info, "");
        let line: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
        assert_eq!(line["event"], "promoted");
        assert_eq!(line["version"], 3);
        assert_eq!(line["message"], "promoted");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "driftless::runtime");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn directives_add_to_the_level_and_a_bare_one_replaces_it() {
        assert_eq!(written(LogLevel::Info, "driftless::runtime=debug").len(), 3);
        assert_eq!(written(LogLevel::Info, "librdkafka=error").len(), 1);
        assert_eq!(written(LogLevel::Error, " debug ").len(), 4);
        assert_eq!(written(LogLevel::Info, "error").len(), 0);
    }

    #[test]
    fn directives_that_cannot_be_read_are_named() {
        let message = filter(LogLevel::Info, "driftless=loud").expect_err("no such level").to_string();
        assert!(message.starts_with("`DRIFTLESS_LOG` is `driftless=loud`: "), "{message}");
    }

    #[test]
    fn the_documentation_lists_every_event_in_order() {
        let page = include_str!("../../docs/logs.md");
        let (_, table) = page.split_once("| `event` |").expect("a table of events");
        let documented: Vec<&str> = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name))
            .collect();
        let declared: Vec<&str> = LogEvent::ALL.iter().map(|event| event.name()).collect();
        assert_eq!(documented, declared);
    }
}
