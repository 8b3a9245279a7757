//! From a configuration to a cluster, and to the processes that run it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::config::Config;
use crate::transport::kafka::{Kafka, KafkaParams};

/// Where the configuration is, and what the command line changes about the cluster.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = "driftless.toml")]
    pub config: PathBuf,
    /// Brokers to use instead of those in the file.
    #[arg(long, value_name = "HOST:PORT,...")]
    pub brokers: Option<String>,
}

impl ConfigArgs {
    /// The configuration with the brokers of the command line.
    ///
    /// # Errors
    /// A configuration that is wrong, or asks for what this binary was built without.
    pub fn load(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(&self.config)?;
        if let Some(brokers) = &self.brokers {
            config.kafka.set_brokers(brokers)?;
        }
        config.kafka.ensure_supported()?;
        Ok(config)
    }
}

/// A client of the configured cluster; `role` names it to the brokers.
///
/// # Errors
/// A secret that cannot be fetched, or a property that is refused.
pub fn kafka(config: &Config, role: &str) -> anyhow::Result<Kafka> {
    let properties = config.kafka.client_properties()?;
    let properties = properties.into_iter().map(|property| (property.name, property.value.reveal().to_owned()));
    let params = KafkaParams {
        properties: properties.collect(),
        session_timeout: config.kafka.session_timeout.to_std(),
        without_headers: (!config.events.has_headers).then(|| config.events.topic.clone()).into_iter().collect(),
        ..KafkaParams::new(config.kafka.bootstrap(), format!("{}.{role}", config.app))
    };
    Kafka::new(params).context("kafka client")
}

/// Asks processes of the application over HTTP: an answer is an answer whatever its status, and nothing stands between.
pub(super) fn agent(timeout: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(timeout))
        .build()
        .into()
}
