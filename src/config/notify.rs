//! Checked parameters of notifications.

use serde::{Deserialize, Serialize};

use super::error::{ConfigError, Problem};
use super::params::PropertyValue;
use super::secret::Secret;
use crate::data::Span;

const URL: &str = "notify.url";

/// Who is told of what the monitor decides, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifyParams {
    /// Address, or where it is: whoever knows it can often post there.
    pub url: PropertyValue,
    /// What is posted.
    pub format: NotifyFormat,
    /// What is told.
    pub on: Vec<NotifyOn>,
    /// How long one request may take.
    pub timeout: Span,
}

impl NotifyParams {
    /// The address, fetched.
    ///
    /// # Errors
    /// When it is not there, is no address, or needs TLS in a binary built without it. The message does not hold it.
    pub fn address(&self) -> Result<Secret, ConfigError> {
        let address = match &self.url {
            PropertyValue::Text(text) => Secret::new(text.trim_end_matches('/')),
            PropertyValue::Secret(source) => {
                let fetched = source.fetch(URL).map_err(ConfigError::Secret)?;
                Secret::new(fetched.reveal().trim().trim_end_matches('/'))
            }
        };
        if !is_address(address.reveal()) {
            let message = "what it names is no address; write one that begins with `http://` or `https://`";
            return Err(ConfigError::Secret(Problem::new(URL, message)));
        }
        if address.reveal().starts_with("https://") && !cfg!(feature = "tls") {
            let message = "needs TLS, which this binary was built without; build it with `--features tls`";
            return Err(ConfigError::Unsupported(Problem::new(URL, message)));
        }
        Ok(address)
    }
}

/// Whether a text is an address that can be posted to.
pub(crate) fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or_default();
    !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyFormat {
    /// One JSON object per notice.
    Json,
    /// What Slack and those that imitate it take as an incoming webhook.
    Slack,
    /// Alertmanager's API, version 2.
    Alertmanager,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyOn {
    /// Alerts that open and close.
    Alerts,
    /// Trainings that are asked for, and those that fail.
    Trainings,
    /// Versions promoted, refused, rolled back; promotions frozen and unfrozen.
    Models,
}
