//! A schema registry for tests: the part of the protocol that Driftless uses, and ways to misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// How requests are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As a registry does.
    Well,
    /// With this status and body.
    With(u16, String),
    /// Not at all: the connection is closed.
    Closing,
    /// Not within any time-out.
    Never,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    schemas: BTreeMap<u32, String>,
    subjects: BTreeMap<String, u32>,
    /// Request lines and authorization headers.
    requests: Vec<(String, Option<String>)>,
}

/// A registry on a port of its own; it lives as long as the process.
#[derive(Clone)]
pub(crate) struct Registry {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (schemas, subjects, requests) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let state = Arc::new(Mutex::new(State { manner: Manner::Well, schemas, subjects, requests }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = shared.clone();
                std::thread::spawn(move || answer(stream.unwrap(), &shared));
            }
        });
        Registry { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn put(&self, id: u32, schema: &str) {
        self.state.lock().unwrap().schemas.insert(id, schema.to_owned());
    }

    pub(crate) fn answer(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    pub(crate) fn requests(&self) -> Vec<(String, Option<String>)> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Registered subjects with their ids.
    pub(crate) fn subjects(&self) -> BTreeMap<String, u32> {
        self.state.lock().unwrap().subjects.clone()
    }

    pub(crate) fn schema(&self, id: u32) -> Option<String> {
        self.state.lock().unwrap().schemas.get(&id).cloned()
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            return;
        }
        request.extend_from_slice(&buffer[..read]);
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).into_owned();
    let header = |name: &str| {
        let found = text.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        found.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while request.len() < head + length {
        let read = stream.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            return;
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let line = text.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let (status, body) = {
        let mut state = state.lock().unwrap();
        state.requests.push((line.clone(), header("authorization")));
        match state.manner.clone() {
            Manner::Well => well(&mut state, &line, &request[head..]),
            Manner::With(status, body) => (status, body),
            Manner::Closing => return,
            Manner::Never => {
                drop(state);
                std::thread::sleep(Duration::from_secs(30));
                return;
            }
        }
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
}

fn well(state: &mut State, line: &str, body: &[u8]) -> (u16, String) {
    if let Some(id) = line.strip_prefix("GET /schemas/ids/") {
        return match id.parse().ok().and_then(|id: u32| state.schemas.get(&id)) {
            Some(schema) => (200, json!({ "schema": schema }).to_string()),
            None => (404, json!({ "error_code": 40403, "message": "Schema not found" }).to_string()),
        };
    }
    if let Some(subject) = line.strip_prefix("POST /subjects/").and_then(|rest| rest.strip_suffix("/versions")) {
        let body: Value = serde_json::from_slice(body).unwrap();
        let schema = body["schema"].as_str().unwrap().to_owned();
        let known = state.schemas.iter().find(|(_, known)| **known == schema).map(|(id, _)| *id);
        let id = known.unwrap_or_else(|| state.schemas.keys().next_back().map_or(1, |last| last + 1));
        state.schemas.insert(id, schema);
        state.subjects.insert(subject.to_owned(), id);
        return (200, json!({ "id": id }).to_string());
    }
    (404, json!({ "error_code": 404, "message": "HTTP 404 Not Found" }).to_string())
}
