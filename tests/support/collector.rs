//! A collector of traces for tests: takes what is posted to it, and decodes it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A collector on a port of its own; it lives as long as the process.
#[derive(Clone)]
pub(crate) struct Collector {
    port: u16,
    requests: Arc<Mutex<Vec<Posted>>>,
}

/// One request.
#[derive(Clone)]
pub(crate) struct Posted {
    /// Request line and headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let shared = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = shared.clone();
                std::thread::spawn(move || answer(stream.unwrap(), &shared));
            }
        });
        Collector { port, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/traces", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Posted> {
        self.requests.lock().unwrap().clone()
    }

    /// All spans that have come.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let decoded = |posted: Posted| ExportTraceServiceRequest::decode(posted.body.as_slice()).unwrap();
        let resources = self.requests().into_iter().flat_map(move |posted| decoded(posted).resource_spans);
        resources.flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect()
    }
}

/// One connection may bring many requests.
fn answer(mut stream: TcpStream, requests: &Mutex<Vec<Posted>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let whole = head.and_then(|end| {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
            (bytes.len() >= end + 4 + length).then_some((end, length))
        });
        let Some((end, length)) = whole else {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let body = bytes[end + 4..end + 4 + length].to_vec();
        bytes.drain(..end + 4 + length);
        requests.lock().unwrap().push(Posted { head, body });
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}
