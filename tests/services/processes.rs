//! Processes of the binary: started with a log file, watched, stopped, and gone when the test is over.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long anything waited for may take.
const LIMIT: Duration = Duration::from_secs(240);
const LOOK: Duration = Duration::from_millis(50);
/// Lines of a log shown when something goes wrong.
const SHOWN: usize = 30;

/// A role that runs.
pub(crate) struct Service {
    role: &'static str,
    log: PathBuf,
    child: Mutex<Child>,
}

impl Service {
    pub(crate) fn start(role: &'static str, mut command: Command, log: PathBuf) -> Self {
        let file = File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Service { role, log, child: Mutex::new(child) }
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let child = self.child.get_mut().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end, which it must do without an error within `limit`.
    pub(crate) fn stop(&mut self, limit: Duration) {
        let id = self.child.get_mut().unwrap().id().to_string();
        output(Command::new("kill").args(["-TERM", &id]));
        let asked = Instant::now();
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            assert!(asked.elapsed() < limit, "{} goes on after SIGTERM\n{}", self.role, self.last_lines());
            std::thread::sleep(LOOK);
        };
        assert_eq!(status.code(), Some(0), "{}\n{}", self.role, self.last_lines());
    }

    fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }

    fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        format!("--- {}\n{}", self.role, lines[lines.len().saturating_sub(SHOWN)..].join("\n"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Looks until `reached`, while all services run.
pub(crate) fn until(what: &str, services: &[&Service], mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    let logs = || services.iter().map(|service| service.last_lines()).collect::<Vec<_>>().join("\n");
    while !reached() {
        for service in services {
            let ended = service.ended();
            assert!(ended.is_none(), "{what}: {} ended, {ended:?}\n{}", service.role, logs());
        }
        assert!(begun.elapsed() < LIMIT, "not reached: {what}\n{}", logs());
        std::thread::sleep(LOOK);
    }
    println!("{what} after {:.1} s", begun.elapsed().as_secs_f64());
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Status and body of an HTTP page; status 0 while nothing listens.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, String::new()) };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    if stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut answer)).is_err() {
        return (0, String::new());
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
