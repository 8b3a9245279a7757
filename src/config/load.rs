//! The one place where the configuration touches the file system.

use std::path::Path;

use super::{Config, ConfigError};

impl Config {
    /// Reads and resolves a configuration file; schema files that it names are relative to its folder.
    ///
    /// # Errors
    /// When the file cannot be read, or for the first thing in it that is wrong.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = read_text(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Config::parse_in(&text, path.parent().unwrap_or(Path::new(""))).map_err(|error| error.in_file(path))
    }
}

pub(super) fn read_text(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}
