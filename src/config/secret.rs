//! Values that are fetched when needed and never printed.

use std::fmt;
use std::path::PathBuf;

use super::error::Problem;

/// A secret. `Debug` hides it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself, for handing to the client that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; one line end at its end is not part of the secret.
    File(PathBuf),
}

impl SecretSource {
    /// Fetches the secret for the key `key`.
    pub(crate) fn fetch(&self, key: &str) -> Result<Secret, Problem> {
        let text = match self {
            SecretSource::Env(name) => std::env::var(name).map_err(|error| {
                let why = match error {
                    std::env::VarError::NotPresent => "is not set",
                    std::env::VarError::NotUnicode(_) => "is not valid UTF-8",
                };
                Problem::new(key, format!("environment variable `{name}` {why}; export it before starting"))
            })?,
            SecretSource::File(path) => {
                let text = super::load::read_text(path).map_err(|error| {
                    Problem::new(key, format!("cannot read the secret file `{}`: {error}", path.display()))
                })?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                line.strip_suffix('\r').unwrap_or(line).to_owned()
            }
        };
        if text.is_empty() {
            return Err(Problem::new(key, format!("the secret from {self} is empty")));
        }
        Ok(Secret(text))
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "environment variable `{name}`"),
            SecretSource::File(path) => write!(f, "file `{}`", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(Secret(***))");
    }

    #[test]
    fn a_secret_file_loses_its_line_end() -> Result<(), Box<dyn std::error::Error>> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), "hunter2\n")?;
        let secret = SecretSource::File(file.path().to_owned()).fetch("k")?;
        assert_eq!(secret.reveal(), "hunter2");
        Ok(())
    }

    #[test]
    fn a_missing_variable_is_named() {
        let fetched = SecretSource::Env("DRIFTLESS_NO_SUCH_VARIABLE".to_owned()).fetch("k");
        let message = fetched.map(|_| ()).map_err(|problem| problem.to_string());
        let expected = "`k`: environment variable `DRIFTLESS_NO_SUCH_VARIABLE` is not set; export it before starting";
        assert_eq!(message, Err(expected.to_owned()));
    }
}
