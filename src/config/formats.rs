//! Checked parameters of formats: how published records are framed, and where schemas are looked up.

use std::path::PathBuf;

use super::error::{ConfigError, Problem};
use super::secret::{Secret, SecretSource};
use crate::data::Span;
use crate::data::params::OutputForm;

/// How predictions, outcomes, drift alerts and performance are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputParams {
    /// What the machines write.
    pub form: OutputForm,
    /// What stands before it.
    pub framing: Framing,
}

/// What stands before a published record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Nothing.
    #[default]
    Plain,
    /// A zero byte and a schema id that the configuration gives.
    Ids(OutputIds),
    /// A zero byte and the id under which the schema is registered at the start.
    Registered,
}

/// Schema ids of the published records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputIds {
    /// Of `schemas/prediction.avsc`.
    pub predictions: u32,
    /// Of `schemas/outcome.avsc`.
    pub outcomes: u32,
    /// Of `schemas/drift-alert.avsc`.
    pub drift_alerts: u32,
    /// Of `schemas/performance.avsc`.
    pub performance: u32,
}

/// A schema registry that speaks the Confluent protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaRegistryParams {
    /// One or more addresses of it, tried in turn; without a slash at the end.
    pub urls: Vec<String>,
    /// Name for basic authentication.
    pub user: Option<String>,
    /// Where its password is.
    pub password: Option<SecretSource>,
    /// How long one request may take.
    pub timeout: Span,
    /// PEM file with the certificates that are trusted instead of the usual ones.
    pub ca: Option<PathBuf>,
}

impl SchemaRegistryParams {
    /// The password, fetched.
    ///
    /// # Errors
    /// When it is not there or empty.
    pub fn password(&self) -> Result<Option<Secret>, ConfigError> {
        let fetched = self.password.as_ref().map(|source| source.fetch("schema_registry.password"));
        fetched.transpose().map_err(ConfigError::Secret)
    }

    /// Refuses what this binary was built without.
    ///
    /// # Errors
    /// When TLS is asked for and the cargo feature `tls` is off.
    pub fn ensure_supported(&self) -> Result<(), ConfigError> {
        match self.urls.iter().find(|url| url.starts_with("https://")) {
            Some(url) if !cfg!(feature = "tls") => {
                let message =
                    format!("`{url}` needs TLS, which this binary was built without; build it with `--features tls`");
                Err(ConfigError::Unsupported(Problem::new("schema_registry.urls", message)))
            }
            _ => Ok(()),
        }
    }
}
