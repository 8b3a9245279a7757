//! The brokers: started through `scripts/kafka`, then killed, stopped, frozen and started again one by one.
//!
//! How a broker was started is read from the running process, so that it can be started again as it was. The harness
//! itself talks to the brokers directly; the application's instances talk to the proxies, whose addresses the brokers'
//! second listener gives out.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::plan::Random;

const READY_LIMIT: Duration = Duration::from_secs(60);

/// A signal to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Kill,
    Terminate,
    Freeze,
    Thaw,
}

pub(crate) fn send(signal: Signal, process: u32) -> Result<()> {
    let name = match signal {
        Signal::Kill => "-KILL",
        Signal::Terminate => "-TERM",
        Signal::Freeze => "-STOP",
        Signal::Thaw => "-CONT",
    };
    let status = Command::new("kill").args([name, &process.to_string()]).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "kill {name} {process}: {status}");
    Ok(())
}

struct Node {
    home: PathBuf,
    command: Vec<String>,
    process: u32,
    /// Set when the harness has started it again, so that it can be waited for.
    child: Option<Child>,
}

/// One or three brokers.
pub(crate) struct Cluster {
    directory: PathBuf,
    first_port: u16,
    /// Where the proxies have to listen.
    pub proxied: u16,
    nodes: Vec<Node>,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka")
}

/// The first of `count` consecutive ports that nobody listens on, below those the system gives to outgoing connections.
fn free_ports(count: u16, random: &mut Random) -> Result<u16> {
    for _ in 0..100 {
        let first = 20_000 + random.below(12_000) as u16;
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return Ok(first);
        }
    }
    bail!("no {count} free ports in a row")
}

impl Cluster {
    pub(crate) fn start(directory: &Path, n_nodes: usize, random: &mut Random) -> Result<Self> {
        let count = n_nodes as u16;
        let first_port = free_ports(4 * count, random)?;
        let proxied = first_port + 3 * count;
        let started = Command::new(script())
            .args(["start", "--nodes", &n_nodes.to_string(), "--port", &first_port.to_string()])
            .args(["--proxied", &proxied.to_string(), "--dir"])
            .arg(directory)
            .stdout(Stdio::null())
            .status()?;
        ensure!(started.success(), "scripts/kafka start: {started}");
        let mut cluster = Cluster { directory: directory.to_owned(), first_port, proxied, nodes: Vec::new() };
        for number in 1..=n_nodes {
            let home = directory.join(format!("nodes-{n_nodes}/node-{number}"));
            let process: u32 = fs::read_to_string(home.join("pid"))?.trim().parse()?;
            let line = fs::read(format!("/proc/{process}/cmdline")).context("brokers are started again from /proc")?;
            let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            let command = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            cluster.nodes.push(Node { home, command, process, child: None });
        }
        Ok(cluster)
    }

    pub(crate) fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The brokers themselves.
    pub(crate) fn brokers(&self) -> String {
        self.listed(self.first_port)
    }

    /// The proxies in front of them.
    pub(crate) fn proxies(&self) -> String {
        self.listed(self.proxied)
    }

    fn listed(&self, first: u16) -> String {
        let all: Vec<String> = (0..self.nodes.len()).map(|node| format!("127.0.0.1:{}", first + node as u16)).collect();
        all.join(",")
    }

    /// Where a broker takes what comes through its proxy.
    pub(crate) fn behind_proxy(&self, node: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.first_port + 2 * self.nodes.len() as u16 + node as u16))
    }

    pub(crate) fn signal(&self, node: usize, signal: Signal) -> Result<()> {
        send(signal, self.nodes[node].process)
    }

    /// Ends a broker, by SIGTERM or by SIGKILL, and waits until it is gone.
    pub(crate) fn end(&mut self, node: usize, signal: Signal) -> Result<()> {
        let node = &mut self.nodes[node];
        send(signal, node.process)?;
        let until = Instant::now() + READY_LIMIT;
        loop {
            let gone = match &mut node.child {
                Some(child) => child.try_wait()?.is_some(),
                None => fs::read(format!("/proc/{}/cmdline", node.process)).unwrap_or_default().is_empty(),
            };
            if gone {
                return Ok(());
            }
            if Instant::now() > until {
                // A node whose controllers are away cannot shut down in order.
                send(Signal::Kill, node.process)?;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts a broker again and waits until it takes connections.
    pub(crate) fn revive(&mut self, index: usize) -> Result<()> {
        let port = self.first_port + index as u16;
        let node = &mut self.nodes[index];
        let (program, arguments) = node.command.split_first().context("a command line")?;
        let log = File::options().append(true).create(true).open(node.home.join("kafka.log"))?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&node.home).stdin(Stdio::null());
        let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        node.process = child.id();
        fs::write(node.home.join("pid"), format!("{}\n", child.id()))?;
        node.child = Some(child);
        let until = Instant::now() + READY_LIMIT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(Instant::now() < until, "broker {index} does not come back; its log is {:?}", node.home);
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // A frozen broker would not hear SIGTERM; one that the harness started is its child and has to be reaped.
            let _ = send(Signal::Thaw, node.process);
            if let Some(child) = &mut node.child {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        let stopped = Command::new(script()).arg("stop").arg("--dir").arg(&self.directory).status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("chaos: the brokers in {} may still run", self.directory.display());
        }
    }
}
