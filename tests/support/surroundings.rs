//! Where the binary finds things in a test: the Kafka there is, and a store and an address of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// An address of this machine that nobody listened on a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The part of a configuration that says where things are: brokers, a store in this directory, the address of its pages.
pub(crate) fn surroundings(brokers: &str, directory: &Path, http: SocketAddr) -> String {
    let brokers: Vec<String> = brokers.split(',').map(|broker| format!("{broker:?}")).collect();
    format!(
        "[kafka]\nbrokers = [{}]\n\n[store]\npath = {:?}\n\n[http]\nlisten = \"{http}\"\n",
        brokers.join(", "),
        directory.join("store")
    )
}
