//! What is logged, shown to anybody and changed from the same machine.
//!
//! Invariant: nobody changes it over a network, neither directly nor through a proxy or a page in a browser here: the
//! other end of the connection is on loopback, and the request was passed on by nobody.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::serve::IncomingStream;

use super::bounded::BoundedListener;
use super::pages::page;
use crate::telemetry;

const TEXT: &str = "text/plain; charset=utf-8";
/// Directives are shorter.
const LONGEST: usize = 1_000;
/// Set by who passes a request on, and by browsers for pages that send one.
const PASSED_ON: [&str; 5] = ["forwarded", "x-forwarded-for", "x-real-ip", "via", "origin"];

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(IpAddr);

impl Connected<IncomingStream<'_, BoundedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        Peer(stream.remote_addr().ip().to_canonical())
    }
}

pub(super) async fn now() -> Response {
    match telemetry::logs_now() {
        Ok(directives) => page(StatusCode::OK, TEXT, directives + "\n"),
        Err(error) => page(StatusCode::CONFLICT, TEXT, format!("{error}\n")),
    }
}

/// The body holds the directives; an empty one brings back what was logged at the start.
pub(super) async fn change(ConnectInfo(peer): ConnectInfo<Peer>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_here(peer, &headers) {
        let why = "what is logged is changed on the machine of the process only: run `driftless set` there\n";
        return page(StatusCode::FORBIDDEN, TEXT, why.to_owned());
    }
    let Some(directives) = std::str::from_utf8(&body).ok().filter(|text| text.len() <= LONGEST) else {
        let why = format!("directives are a text of {LONGEST} bytes at most\n");
        return page(StatusCode::BAD_REQUEST, TEXT, why);
    };
    match telemetry::change_logs(directives) {
        Ok(()) => now().await,
        Err(error @ telemetry::LogError::Directives { .. }) => {
            page(StatusCode::BAD_REQUEST, TEXT, format!("{error}\n"))
        }
        Err(error) => page(StatusCode::CONFLICT, TEXT, format!("{error}\n")),
    }
}

fn is_here(peer: Peer, headers: &HeaderMap) -> bool {
    peer.0.is_loopback() && !PASSED_ON.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_same_machine_may_change_it() {
        let peer = |text: &str| Peer(text.parse::<IpAddr>().unwrap().to_canonical());
        let none = HeaderMap::new();
        for here in ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(is_here(peer(here), &none), "{here}");
        }
        for elsewhere in ["10.0.0.7", "172.17.0.1", "::ffff:10.0.0.7", "fe80::1", "0.0.0.0"] {
            assert!(!is_here(peer(elsewhere), &none), "{elsewhere}");
        }
        for name in PASSED_ON {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static("10.0.0.7"));
            assert!(!is_here(peer("127.0.0.1"), &headers), "{name}");
        }
    }
}
