//! The application's processes: started with fail points, killed, frozen, asked to stop; and what their logs say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::cluster::{Signal, send};

const STOP_LIMIT: Duration = Duration::from_secs(15);
const SHOWN: usize = 25;
const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;

/// How an instance came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By SIGKILL, ours or that of a fail point.
    Killed,
    /// By its own watchdog, which ends a process whose client hangs.
    Watchdog,
    /// In order.
    Stopped,
    /// With an error.
    Failed,
}

/// One seat for a process: its role, its name, its log.
pub(crate) struct Instance {
    role: &'static str,
    pub name: &'static str,
    file: PathBuf,
    log: PathBuf,
    mutation: Option<String>,
    child: Option<Child>,
}

/// What the seats of one application have in common.
pub(crate) struct Common<'a> {
    pub file: &'a Path,
    pub logs: &'a Path,
    pub mutation: Option<&'a str>,
}

impl Instance {
    pub(crate) fn new(role: &'static str, name: &'static str, common: &Common<'_>) -> Self {
        Instance {
            role,
            name,
            file: common.file.to_owned(),
            log: common.logs.join(format!("{role}-{name}.log")),
            mutation: common.mutation.map(str::to_owned),
            child: None,
        }
    }

    /// Starts it, with fail points set as `DRIFTLESS_FAILPOINTS` takes them.
    pub(crate) fn start(&mut self, failpoints: &str) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.name);
        let log = File::options().append(true).create(true).open(&self.log)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
        command.args(["run", "--role", self.role, "--instance", self.name, "--config"]).arg(&self.file);
        command.env("DRIFTLESS_FAILPOINTS", failpoints);
        command.env("DRIFTLESS_MUTATION", self.mutation.as_deref().unwrap_or_default());
        self.child = Some(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?);
        Ok(())
    }

    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.child.as_ref().map_or(Ok(()), |child| send(signal, child.id()))
    }

    /// As `kill -9` does; returns when it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end; how long that took, or what went wrong.
    pub(crate) fn stop(&mut self) -> Result<Result<Duration, String>> {
        let Some(child) = self.child.as_mut() else { return Ok(Ok(Duration::ZERO)) };
        let begun = Instant::now();
        send(Signal::Terminate, child.id())?;
        while begun.elapsed() < STOP_LIMIT {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(match ended(status) {
                    Ended::Stopped => Ok(begun.elapsed()),
                    _ => Err(format!("{} ended with {status} when asked to stop\n{}", self.name, self.last_lines())),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill()?;
        Ok(Err(format!("{} goes on {} s after SIGTERM\n{}", self.name, STOP_LIMIT.as_secs(), self.last_lines())))
    }

    /// How it ended, if it did by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<Ended>> {
        let Some(child) = self.child.as_mut() else { return Ok(None) };
        let Some(status) = child.try_wait()? else { return Ok(None) };
        self.child = None;
        Ok(Some(ended(status)))
    }

    /// The partitions it works on, as its log tells: given, brought up to date, and not asked back.
    pub(crate) fn owned(&self) -> BTreeSet<i64> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let mut owned = BTreeSet::new();
        for line in text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
            let named = || serde_json::from_str::<Vec<i64>>(line["partitions"].as_str().unwrap_or("[]"));
            match line["message"].as_str() {
                Some("started" | "worker_rejoins") => owned.clear(),
                Some("restored") => owned.extend(line["shard"].as_i64()),
                Some("revoked" | "lost") => {
                    let gone = named().unwrap_or_default();
                    owned.retain(|partition| !gone.contains(partition));
                }
                _ => {}
            }
        }
        if self.runs() { owned } else { BTreeSet::new() }
    }

    pub(crate) fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("--- {} {}\n{}", self.role, self.name, lines[lines.len().saturating_sub(SHOWN)..].join("\n"))
    }

    /// What its log tells of: fail points by name, and lines by their message.
    pub(crate) fn told(&self, into: &mut BTreeMap<String, u64>) {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        for line in text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
            if let Some(message) = line["message"].as_str() {
                *into.entry(message.to_owned()).or_default() += 1;
            }
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ended::Stopped,
        (_, Some(SIGKILL)) => Ended::Killed,
        (_, Some(SIGABRT)) => Ended::Watchdog,
        _ => Ended::Failed,
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended already; a frozen process dies of SIGKILL too.
        let _ = self.kill();
    }
}
