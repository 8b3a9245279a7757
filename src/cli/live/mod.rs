//! What `driftless status` prints and `driftless top` draws: one look at a running application.
//!
//! Two sources: the metrics endpoints of its processes (`exposition`, `endpoint`) and its topics (`cluster`, `told`).
//! `lookout` asks both again and again and puts a [`View`] together, `judge` says what it comes to, and `draw` makes lines
//! of it (`parts`, `figures`, `line`). Whatever does not answer is shown as such. Nothing is written anywhere.

mod cluster;
mod draw;
mod endpoint;
mod exposition;
mod figures;
mod judge;
mod line;
mod lookout;
mod parts;
mod told;
mod view;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::WrongUsage;
use super::connect::ConfigArgs;
use crate::config::Config;
use crate::data::Timestamp;
pub use draw::{Canvas, draw};
use endpoint::Endpoint;
pub use line::Line;
pub use lookout::Lookout;
pub use view::{Level, View};

/// What to look at.
#[derive(Clone, Debug, clap::Args)]
pub struct LookArgs {
    /// Configuration and brokers.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Address of a process, `HOST:PORT`; may be given more than once, `http.listen` of the configuration by default.
    #[arg(long, value_name = "URL")]
    pub endpoint: Vec<String>,
}

impl LookArgs {
    /// Begins to look, every `interval`.
    ///
    /// # Errors
    /// A wrong configuration or address.
    pub fn start(&self, interval: Duration) -> anyhow::Result<Lookout> {
        let config = self.config.load()?;
        let endpoints = self.endpoints(&config)?;
        Lookout::start(&config, endpoints, interval)
    }

    fn endpoints(&self, config: &Config) -> anyhow::Result<Vec<Endpoint>> {
        if !self.endpoint.is_empty() {
            return self.endpoint.iter().map(|text| Endpoint::parse(text)).collect();
        }
        let listen = config.http.listen.ok_or_else(|| {
            WrongUsage::because("`http.listen` is \"\": name the processes to ask with --endpoint HOST:PORT")
        })?;
        Ok(vec![Endpoint::parse(&reachable(listen).to_string())?])
    }
}

/// Where a process that listens there is reached from its own machine.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// What time it is.
pub(super) fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
