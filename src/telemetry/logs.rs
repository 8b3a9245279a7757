//! Log lines: their look, and which of them are written.
//!
//! A line that others may build on has one word for its message (`restored`, `training_started`) and fields whose names
//! do not change; `docs/logs.md` lists them, and `tests/logs.rs` holds that page against the source. Lines go to stderr;
//! stdout is for results. Keys, ids and values of records are never fields.
//!
//! [`ENVIRONMENT`] narrows or widens what is written without touching the configuration, [`change_logs`] while the
//! process runs.

use std::env;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::config::params::{LogFormat, LogLevel, LogParams};

/// Directives as of `RUST_LOG`, on top of `log.level`: `DRIFTLESS_LOG=driftless::runtime=debug,librdkafka=info`.
pub const ENVIRONMENT: &str = "DRIFTLESS_LOG";

/// What the running process writes, and how that is changed.
struct Live {
    handle: Handle<EnvFilter, Registry>,
    level: LogLevel,
    /// What the environment said at the start.
    began: String,
    now: Mutex<String>,
}

static LIVE: OnceLock<Live> = OnceLock::new();

/// Logs cannot be written as asked for.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The environment variable is not understood.
    #[error(
        "`{value}` says not what is to be logged: {error}; write directives such as `debug` or \
         `driftless::runtime=debug,librdkafka=info`"
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
    /// Nothing is written, so nothing can be changed.
    #[error("this process writes no logs")]
    Silent,
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
    let (layer, handle) = reload::Layer::new(filter(params.level, &directives)?);
    let registry = tracing_subscriber::registry().with(layer);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let done = match params.format {
        LogFormat::Human => registry.with(lines.with_ansi(colours())).try_init(),
        LogFormat::Json => {
            registry.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
        }
    };
    done.map_err(|_| LogError::Occupied)?;
    let now = Mutex::new(directives.clone());
    let _ = LIVE.set(Live { handle, level: params.level, began: directives, now });
    Ok(())
}

/// What is written now: `log.level`, and the directives on top of it.
///
/// # Errors
/// When nothing is.
pub fn logs_now() -> Result<String, LogError> {
    let live = LIVE.get().ok_or(LogError::Silent)?;
    let directives = live.now.lock().unwrap_or_else(PoisonError::into_inner);
    let level = live.level.name();
    Ok(match (directives.is_empty(), replaces_level(&directives)) {
        (true, _) => level.to_owned(),
        (false, true) => directives.clone(),
        (false, false) => format!("{level},{directives}"),
    })
}

/// Writes what these directives say from now on, on top of `log.level`; without any, what was written at the start.
///
/// # Errors
/// When the directives cannot be read, or nothing is written.
pub fn change_logs(directives: &str) -> Result<(), LogError> {
    let live = LIVE.get().ok_or(LogError::Silent)?;
    let directives = directives.trim();
    let directives = if directives.is_empty() { live.began.as_str() } else { directives };
    let filter = filter(live.level, directives)?;
    // Told before, as it may be left out after.
    tracing::info!(filter = directives, "log_filter_changed");
    live.handle.reload(filter).map_err(|_| LogError::Silent)?;
    directives.clone_into(&mut live.now.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(())
}

fn colours() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Our own lines from `level` on, those of other crates from `warn` on; then what the directives say. One directive
/// without a target takes the place of `level`.
fn filter(level: LogLevel, directives: &str) -> Result<EnvFilter, LogError> {
    let mut all = match replaces_level(directives) {
        true => Vec::new(),
        false if level == LogLevel::Error => vec!["error".to_owned()],
        false => vec![format!("warn,driftless={}", level.name())],
    };
    all.extend(directives.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned));
    EnvFilter::try_new(all.join(",")).map_err(|error| LogError::Directives { value: directives.to_owned(), error })
}

/// Whether one of the directives is a level without a target.
fn replaces_level(directives: &str) -> bool {
    let bare = |directive: &str| directive.parse::<LevelFilter>().is_ok() && !directive.contains('=');
    directives.split(',').map(str::trim).any(|directive| !directive.is_empty() && bare(directive))
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
            tracing::info!(target: "driftless::runtime", version = 3, "promoted");
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
        assert!(message.starts_with("`driftless=loud` says not what is to be logged: "), "{message}");
    }
}
