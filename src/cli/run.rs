//! `driftless run`: roles against a cluster, until told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::connect::{ConfigArgs, kafka};
use super::signals::Signals;
use crate::config::Config;
use crate::http::{Health, Readiness, Server};
use crate::runtime::{App, AppSetup, Roles};
use crate::telemetry::{init_logs, install_metrics};

/// How often the roles are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A role of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Scores events and joins labels; any number of instances.
    Score,
    /// Opens alerts, asks for trainings, promotes; one is active, others stand by.
    Monitor,
    /// Trains; one is active, others stand by.
    Retrain,
}

/// Arguments of `driftless run`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Configuration that ran until now, where `--config` has been changed: what it holds is taken over.
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Role to run; may be given more than once, all of them by default.
    #[arg(long, value_name = "ROLE")]
    role: Vec<Role>,
    /// Name of this instance, the same after a restart; the host name by default.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Go on where the journals end although the consumer groups have lost their offsets; nothing is lost by it.
    #[arg(long)]
    trust_journal: bool,
}

struct Watched<F>(F);

impl<F: Fn() -> Vec<String>> Health for Watched<F> {
    fn ready(&self) -> Readiness {
        let missing = (self.0)();
        Readiness { ready: missing.is_empty(), missing }
    }
}

/// Runs until a signal comes or a role stops by itself.
///
/// # Errors
/// A wrong configuration, a cluster that cannot be used, a role that stopped.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let config = Arc::new(args.config.load()?);
    let previous = args.previous.as_deref().map(Config::load).transpose()?.map(Arc::new);
    init_logs(&config.log)?;
    install_metrics()?;
    let has = |role| args.role.is_empty() || args.role.contains(&role);
    let roles = Roles { score: has(Role::Score), monitor: has(Role::Monitor), retrain: has(Role::Retrain) };
    let instance = args.instance.clone().unwrap_or_else(host_name);
    let signals = Signals::install()?;
    let transport = Arc::new(kafka(&config, &instance)?);
    tracing::info!(app = config.app, instance, ?roles, brokers = config.kafka.bootstrap(), "started");
    let trust_journal = args.trust_journal;
    let setup =
        AppSetup { config: config.clone(), previous, transport, roles, instance, stepped: false, trust_journal };
    let app = App::start(setup)?;
    let server = config.http.listen.map(|address| serve(address, &app)).transpose()?;
    while !signals.came() && app.failed().is_none() {
        std::thread::sleep(LOOK);
    }
    let stopped = app.stop();
    if let Some(server) = server {
        server.stop();
    }
    tracing::info!("stopped");
    stopped?;
    Ok(ExitCode::SUCCESS)
}

fn serve(address: SocketAddr, app: &App) -> anyhow::Result<Server> {
    let server = Server::start(address, Arc::new(Watched(app.watcher())));
    server.with_context(|| format!("http.listen: `{address}` cannot be listened on"))
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = std::env::var("HOSTNAME").unwrap_or(name);
    let kept: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    if kept.is_empty() { "local".to_owned() } else { kept }
}
