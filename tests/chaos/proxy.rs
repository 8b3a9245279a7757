//! A proxy in front of one broker: delays, cuts connections, leaves them half-open, swallows or holds single requests.
//!
//! It forwards whole frames of the Kafka protocol, of which it reads the kind and the number of a request and nothing
//! else. A client is unaware of it: the broker's second listener names the proxy as the broker's address.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// `EndTxn`: the commit or the abort of a transaction.
const END_TXN: i16 = 26;
const LARGEST_FRAME: usize = 256 << 20;

#[derive(Default)]
struct Rules {
    delay_ms: AtomicU64,
    /// Nothing comes through, and nobody is told.
    silent: AtomicBool,
    /// Nothing is accepted.
    closed: AtomicBool,
    /// Answers to `EndTxn` still to be swallowed.
    swallow: AtomicUsize,
    /// Requests `EndTxn` still to be held back for [`Rules::hold_ms`] while their connection breaks.
    hold: AtomicUsize,
    hold_ms: AtomicU64,
    swallowed: AtomicUsize,
    held: AtomicUsize,
    open: Mutex<HashMap<u64, [TcpStream; 2]>>,
}

/// The proxy of one broker.
pub(crate) struct Proxy {
    rules: Arc<Rules>,
}

impl Proxy {
    pub(crate) fn start(port: u16, broker: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let rules = Arc::new(Rules::default());
        let for_thread = Arc::clone(&rules);
        thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming()) {
                let Ok(client) = client else { continue };
                if for_thread.closed.load(Ordering::SeqCst) {
                    continue;
                }
                let rules = Arc::clone(&for_thread);
                thread::spawn(move || {
                    // A broker that is away is a closed connection to the client.
                    let Ok(server) = TcpStream::connect(broker) else { return };
                    let _ = carry(&rules, number, &client, &server);
                    rules.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
                });
            }
        });
        Ok(Proxy { rules })
    }

    /// Delays every frame in both directions.
    pub(crate) fn delay(&self, time: Duration) {
        self.rules.delay_ms.store(time.as_millis() as u64, Ordering::SeqCst);
    }

    /// Cuts every connection there is.
    pub(crate) fn cut(&self) {
        for pair in self.rules.open.lock().unwrap_or_else(PoisonError::into_inner).values() {
            for side in pair {
                let _ = side.shutdown(Shutdown::Both);
            }
        }
    }

    /// Accepts nothing while closed.
    pub(crate) fn close(&self, closed: bool) {
        self.rules.closed.store(closed, Ordering::SeqCst);
    }

    /// While silent, connections stay open and nothing comes through.
    pub(crate) fn silence(&self, silent: bool) {
        self.rules.silent.store(silent, Ordering::SeqCst);
    }

    /// Lets the next commit reach the broker, loses the answer, and cuts the connection.
    pub(crate) fn swallow_commit_answer(&self) {
        self.rules.swallow.fetch_add(1, Ordering::SeqCst);
    }

    /// Cuts the connection at the next commit, and hands the request to the broker only after `time`.
    pub(crate) fn hold_commit(&self, time: Duration) {
        self.rules.hold_ms.store(time.as_millis() as u64, Ordering::SeqCst);
        self.rules.hold.fetch_add(1, Ordering::SeqCst);
    }

    /// Forgets wishes that nothing came for.
    pub(crate) fn calm(&self) {
        self.delay(Duration::ZERO);
        self.close(false);
        self.silence(false);
        self.rules.swallow.store(0, Ordering::SeqCst);
        self.rules.hold.store(0, Ordering::SeqCst);
    }

    /// Commits disturbed so far: answers lost, requests held.
    pub(crate) fn disturbed(&self) -> usize {
        self.rules.swallowed.load(Ordering::SeqCst) + self.rules.held.load(Ordering::SeqCst)
    }
}

fn carry(rules: &Arc<Rules>, number: u64, client: &TcpStream, server: &TcpStream) -> Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let pair = [client.try_clone()?, server.try_clone()?];
    rules.open.lock().unwrap_or_else(PoisonError::into_inner).insert(number, pair);
    let asked: Mutex<HashMap<i32, i16>> = Mutex::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = requests(rules, &asked, client, server);
            let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        });
        let _ = answers(rules, &asked, client, server);
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    });
    Ok(())
}

fn requests(
    rules: &Rules,
    asked: &Mutex<HashMap<i32, i16>>,
    mut client: &TcpStream,
    mut server: &TcpStream,
) -> Result<()> {
    loop {
        let frame = read(&mut client)?;
        anyhow::ensure!(frame.len() >= 12, "a request without a head");
        let kind = i16::from_be_bytes([frame[4], frame[5]]);
        let number = i32::from_be_bytes([frame[8], frame[9], frame[10], frame[11]]);
        if kind == END_TXN {
            asked.lock().unwrap_or_else(PoisonError::into_inner).insert(number, kind);
            if take_one(&rules.hold) {
                rules.held.fetch_add(1, Ordering::SeqCst);
                client.shutdown(Shutdown::Both)?;
                thread::sleep(Duration::from_millis(rules.hold_ms.load(Ordering::SeqCst)));
                server.write_all(&frame)?;
                // The broker answers to nobody; it needs a moment to do what it was asked.
                thread::sleep(Duration::from_millis(500));
                return Ok(());
            }
        }
        wait(rules);
        server.write_all(&frame)?;
    }
}

fn answers(
    rules: &Rules,
    asked: &Mutex<HashMap<i32, i16>>,
    mut client: &TcpStream,
    mut server: &TcpStream,
) -> Result<()> {
    loop {
        let frame = read(&mut server)?;
        let number = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let kind = asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        if kind == Some(END_TXN) && take_one(&rules.swallow) {
            rules.swallowed.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        wait(rules);
        client.write_all(&frame)?;
    }
}

fn take_one(wishes: &AtomicUsize) -> bool {
    wishes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn wait(rules: &Rules) {
    thread::sleep(Duration::from_millis(rules.delay_ms.load(Ordering::SeqCst)));
    while rules.silent.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(20));
    }
}

/// A frame with its length in front.
fn read(from: &mut &TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let size = u32::from_be_bytes(length) as usize;
    anyhow::ensure!((4..LARGEST_FRAME).contains(&size), "a frame of {size} bytes");
    let mut frame = vec![0; 4 + size];
    frame[..4].copy_from_slice(&length);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}
