//! `driftless health`: asks the process of this machine whether it is ready, for the health check of a container.
//!
//! It needs no shell and no other program in the image. What is asked is `/readyz` at the port of `http.listen`, on
//! loopback unless the process listens on one address only.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use super::connect::agent;
use super::live::reachable;
use super::{FAILED, WrongUsage};
use crate::config::Config;

/// An answer that is longer is none of ours.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Arguments of `driftless health`.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthArgs {
    /// Configuration file that the process runs with.
    #[arg(long, value_name = "FILE", default_value = "driftless.toml")]
    pub config: PathBuf,
    /// Longest wait for the answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout: u64,
}

#[derive(Deserialize)]
struct Answer {
    ready: bool,
    missing: Vec<String>,
}

/// Asks; 0 is ready, 1 is not.
///
/// # Errors
/// A wrong configuration, or no answer.
pub fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let listen = config.http.listen.ok_or_else(|| {
        WrongUsage::because("`http.listen` is \"\": there is nothing to ask; give the process an address")
    })?;
    let answer = ask(reachable(listen), Duration::from_secs(args.timeout))?;
    let mut out = std::io::stdout().lock();
    if answer.ready {
        writeln!(out, "ready")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "not ready")?;
    for reason in answer.missing {
        writeln!(out, "  {reason}")?;
    }
    Ok(ExitCode::from(FAILED))
}

fn ask(at: SocketAddr, timeout: Duration) -> anyhow::Result<Answer> {
    let url = format!("http://{at}/readyz");
    let mut response = agent(timeout).get(&url).call().with_context(|| format!("`{url}` does not answer"))?;
    let text = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string();
    let text = text.with_context(|| format!("the answer of `{url}` cannot be read"))?;
    serde_json::from_str(&text).with_context(|| format!("`{url}` is no page of Driftless"))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use super::*;
    use crate::http::{Health, Readiness, Server};

    struct Missing(Vec<String>);

    impl Health for Missing {
        fn ready(&self) -> Readiness {
            Readiness { ready: self.0.is_empty(), missing: self.0.clone() }
        }
    }

    fn code(missing: Vec<String>) -> anyhow::Result<ExitCode> {
        let anywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let server = Server::start(anywhere, Arc::new(Missing(missing))).expect("a free port");
        let directory = tempfile::tempdir().expect("a folder");
        let file = directory.path().join("driftless.toml");
        let text = include_str!("../../examples/minimal.toml");
        let text = format!("{text}\n[http]\nlisten = \"0.0.0.0:{}\"\n", server.address().port());
        std::fs::write(&file, text).expect("a file");
        run(&HealthArgs { config: file, timeout: 20 })
    }

    #[test]
    fn ready_is_0_and_not_ready_is_1() {
        let shown = |code: ExitCode| format!("{code:?}");
        assert_eq!(shown(code(Vec::new()).expect("an answer")), shown(ExitCode::SUCCESS));
        assert_eq!(shown(code(vec!["a shard".to_owned()]).expect("an answer")), shown(ExitCode::from(FAILED)));
    }

    #[test]
    fn any_address_is_asked_on_loopback_and_one_address_there() {
        let reach = |text: &str| reachable(text.parse().expect("an address")).to_string();
        assert_eq!(reach("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(reach("[::]:9464"), "[::1]:9464");
        assert_eq!(reach("10.0.0.7:9464"), "10.0.0.7:9464");
    }

    #[test]
    fn nobody_there_is_an_error() {
        let nobody = "127.0.0.1:1".parse().expect("an address");
        let error = ask(nobody, Duration::from_secs(5)).err().expect("nobody listens there").to_string();
        assert_eq!(error, "`http://127.0.0.1:1/readyz` does not answer");
    }
}
