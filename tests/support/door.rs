//! A way to a server on this machine that can be shut: who comes then is turned away.

use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::spawn;

pub(crate) struct Door {
    pub address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Door {
    /// Open, to a server that is found at `HOST:PORT`.
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Door { address: listener.local_addr().unwrap(), is_open: Arc::new(AtomicBool::new(true)) };
        let (server, is_open) = (server.to_owned(), door.is_open.clone());
        spawn(move || {
            for guest in listener.incoming().flatten() {
                if is_open.load(Ordering::SeqCst)
                    && let Ok(host) = TcpStream::connect(&server)
                {
                    pass(guest.try_clone().unwrap(), host.try_clone().unwrap());
                    pass(host, guest);
                }
            }
        });
        door
    }

    pub(crate) fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::SeqCst);
    }
}

/// Everything that comes from one goes to the other, to its end.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    spawn(move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
