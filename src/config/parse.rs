//! From text to [`Config`], with errors that name the key and the line.

use super::error::{ConfigError, Place, Problem};
use super::locate::Places;
use super::raw::RawConfig;
use super::resolve::resolve;
use super::{Config, suggest};

impl Config {
    /// Resolves a configuration given as text.
    ///
    /// # Errors
    /// For the first thing that is wrong: TOML syntax, then unknown keys and types, then values and how they fit.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        let places = Places::of(text);
        let raw: RawConfig = toml::from_str(text).map_err(|error| explain(&error, &places))?;
        resolve(raw).map_err(|problem| {
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
    let problem = Problem::new(path, reword(&message));
    ConfigError::Key { place, problem }
}

fn reword(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let mut names = quoted(rest);
        if names.is_empty() {
            return "unknown key".to_owned();
        }
        let unknown = names.remove(0);
        return format!("unknown key; {}", suggest::hint(unknown, names));
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let mut names = quoted(rest);
        if names.is_empty() {
            return message.to_owned();
        }
        let unknown = names.remove(0);
        return format!("unknown value `{unknown}`; {}", suggest::hint(unknown, names));
    }
    let reworded = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, expected)) = reworded.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let expected = match expected {
        "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i16" | "i32" | "i64" => "a whole number",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list such as `[\"a\", \"b\"]`",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    format!("is {found}; write {expected}")
}

/// The names in back quotes, in their order.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
