//! What can be wrong with a configuration, said so that a person knows what to write instead.

use std::fmt;
use std::path::PathBuf;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read the configuration `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{place}: not valid TOML: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// One key is unknown, or its value is wrong.
    #[error("{place}: {problem}")]
    Key {
        /// Where.
        place: Place,
        /// What.
        problem: Problem,
    },
    /// An argument of the command line that beats the file is wrong.
    #[error("{0}")]
    Argument(Problem),
    /// A secret could not be fetched.
    #[error("{0}")]
    Secret(Problem),
    /// It can be read, and no machine can be built from it.
    #[error("{0}")]
    Unusable(String),
    /// This binary was built without something the configuration asks for.
    #[error("{0}")]
    Unsupported(Problem),
}

impl ConfigError {
    /// The same error, naming the file it is about.
    pub(crate) fn in_file(mut self, path: &std::path::Path) -> Self {
        if let ConfigError::Syntax { place, .. } | ConfigError::Key { place, .. } = &mut self {
            place.file = Some(path.to_owned());
        }
        self
    }
}

/// A place in a configuration file, as precise as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, when it came from one.
    pub file: Option<PathBuf>,
    /// Line, counted from 1; `None` when the key is not in the text.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}", file.display()),
            (Some(file), None) => write!(f, "{}", file.display()),
            (None, Some(line)) => write!(f, "line {line}"),
            (None, None) => f.write_str("configuration"),
        }
    }
}

/// A key path and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {message}")]
pub struct Problem {
    /// Path of the key, such as `events.fields.delay.type`.
    pub key: String,
    /// The value and what to write instead.
    pub message: String,
}

impl Problem {
    /// What is wrong at `key`.
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { key: key.into(), message: message.into() }
    }
}
