//! From text to [`Config`], with errors that name the key and the line.

use std::path::Path;

use super::error::{ConfigError, Place, Problem};
use super::locate::Places;
use super::raw::RawConfig;
use super::resolve::resolve;
use super::{Config, suggest};

/// Keys whose value is a length of time.
const SPANS: [&str; 18] = [
    "lateness",
    "max_ahead",
    "deduplicate",
    "wait",
    "spans",
    "transaction",
    "checkpoint",
    "max_skew",
    "window",
    "offset",
    "every",
    "first_after",
    "cool_down",
    "schedule",
    "history",
    "holdout",
    "session_timeout",
    "timeout",
];

impl Config {
    /// Resolves a configuration given as text.
    ///
    /// # Errors
    /// For the first thing that is wrong: TOML syntax, then unknown keys and types, then values and how they fit.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        Self::parse_in(text, Path::new(""))
    }

    /// Resolves a configuration given as text; files that it names are relative to `base`.
    pub(super) fn parse_in(text: &str, base: &Path) -> Result<Config, ConfigError> {
        let places = Places::of(text);
        let raw: RawConfig = toml::from_str(text).map_err(|error| explain(&error, &places))?;
        resolve(&raw, base).map_err(|problem| {
            let line = places.line_of(&problem.key);
            ConfigError::Key { place: Place { file: None, line }, problem }
        })
    }
}

/// Turns the parser's error into one that names the key path. Its message is taken apart only to say more; a wording
/// that is not recognised is passed on as it is.
fn explain(error: &toml::de::Error, places: &Places<'_>) -> ConfigError {
    let start = error.span().map(|span| span.start);
    let place = Place { file: None, line: start.map(|start| places.line_at(start)) };
    let message = error.message().replace('\n', "; ");
    let Some(path) = start.and_then(|start| places.path_at(start)) else {
        return ConfigError::Syntax { place, message };
    };
    let problem = Problem::new(path, reword(path, &message));
    ConfigError::Key { place, problem }
}

fn reword(path: &str, message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return match quoted(rest).split_first() {
            Some((unknown, known)) => format!("unknown key; {}", suggest::hint(unknown, known.iter().copied())),
            None => "unknown key".to_owned(),
        };
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return match quoted(rest).split_first() {
            Some((unknown, known)) => {
                format!("unknown value `{unknown}`; {}", suggest::hint(unknown, known.iter().copied()))
            }
            None => message.to_owned(),
        };
    }
    if message.starts_with("data did not match any variant of untagged enum RawChoice") {
        return "holds what is neither a number nor a text; write values such as `[1, 2]` or `[\"a\", \"b\"]`"
            .to_owned();
    }
    let mismatch = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, expected)) = mismatch.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    if (found, expected) == ("map", "a sequence") {
        return format!("is one table of several; write it in double brackets, `[[{path}]]`");
    }
    format!("is {}; write {}", in_words(found), wanted(path, expected))
}

/// What was found, in the words of the file rather than the parser's.
fn in_words(found: &str) -> String {
    match found.split_once(' ') {
        Some(("integer", value)) => format!("the number {value}"),
        Some(("string", value)) => format!("the text {value}"),
        Some(("boolean", value)) => value.to_owned(),
        _ => match found.strip_prefix("floating point ") {
            Some(value) => format!("the number {value}"),
            None if found == "sequence" => "a list".to_owned(),
            None if found == "map" => "a table".to_owned(),
            None => found.to_owned(),
        },
    }
}

/// What to write instead. The parser knows a length of time only as a string.
fn wanted<'a>(path: &str, expected: &'a str) -> &'a str {
    let key = path.rsplit('.').next().unwrap_or(path);
    let key = key.split('[').next().unwrap_or(key);
    match expected {
        "a string" | "a borrowed string" if SPANS.contains(&key) => "a length of time in quotes, such as `\"10m\"`",
        "a string" => "a text in quotes",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i16" | "i32" | "i64" => "a whole number",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list such as `[\"a\", \"b\"]`",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// The names in back quotes, in their order.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
