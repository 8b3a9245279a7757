//! Told over HTTP, over the memory transport: in order, once, again where it was refused, and never in anybody's way.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;

use super::*;
use crate::config::Config;
use crate::data::{ModelCommand, Phase, Timestamp};
use crate::runtime::clock::Clock;
use crate::runtime::topic_specs;
use crate::transport::Outgoing;
use crate::transport::memory::Memory;

/// A receiver that answers with these, the last one from then on, and keeps what it was sent.
#[derive(Clone)]
struct Receiver {
    port: u16,
    bodies: Arc<Mutex<Vec<(Instant, serde_json::Value)>>>,
}

impl Receiver {
    fn start(answers: &'static [u16]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let bodies: Arc<Mutex<Vec<(Instant, serde_json::Value)>>> = Arc::default();
        let kept = bodies.clone();
        std::thread::spawn(move || {
            let mut at = 0;
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut buffer = [0; 4_096];
                let body: serde_json::Value = loop {
                    let read = stream.read(&mut buffer).unwrap();
                    request.extend_from_slice(&buffer[..read]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
                    if let Ok(body) = serde_json::from_str(body) {
                        break body;
                    }
                };
                let status = if is_probe(&body) { 200 } else { *answers.get(at).or(answers.last()).unwrap() };
                at += usize::from(!is_probe(&body));
                kept.lock().unwrap().push((Instant::now(), body));
                let wait = if status == 429 { "retry-after: 3\r\n" } else { "" };
                let rest = format!("{wait}content-length: 0\r\nconnection: close\r\n\r\n");
                write!(stream, "HTTP/1.1 {status} Answer\r\n{rest}").unwrap();
            }
        });
        Receiver { port, bodies }
    }

    /// A field of everything that was sent, in its order.
    fn told(&self, field: &str) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap();
        let told = bodies.iter().filter(|(_, body)| !is_probe(body));
        told.map(|(_, body)| body[field].as_str().unwrap_or("-").to_owned()).collect()
    }
}

/// What is sent only to see that somebody listens.
fn is_probe(body: &serde_json::Value) -> bool {
    body["signal"] == "probe"
}

struct Stand {
    memory: Memory,
    shop: Arc<NotifyShop>,
}

impl Stand {
    fn new(memory: &Memory, url: &str) -> Stand {
        let text = include_str!("../../../examples/minimal.toml");
        let text = format!("{text}\n[notify]\nurl = \"{url}\"\ntimeout = \"2s\"\n");
        let config = Arc::new(Config::parse(&text).unwrap());
        memory.create(&topic_specs(&config)).unwrap();
        let shop = NotifyShop {
            params: config.notify.clone().unwrap(),
            config,
            transport: Arc::new(memory.clone()),
            pace: Arc::new(Pace::live(Clock::Machine)),
            stop: Arc::default(),
        };
        Stand { memory: memory.clone(), shop: Arc::new(shop) }
    }

    fn send(&self, topic: &str, value: &impl serde::Serialize) {
        let value = serde_json::to_vec(value).unwrap();
        let mut publisher = self.memory.publisher().unwrap();
        let outgoing =
            Outgoing { topic, partition: Some(0), key: None, value: Some(&value), headers: &[], timestamp: None };
        publisher.send(&outgoing).unwrap();
        publisher.flush().unwrap();
    }

    fn alert(&self, signal: &str, phase: Phase) {
        self.send(&self.shop.config.topics.drift_alerts, &alert(signal, phase));
    }

    fn command(&self, command: ModelCommand, version: u32, replaces: u32) {
        let record = ModelRecord {
            replaces,
            at: Timestamp::from_millis(i64::from(version)),
            by: "monitor".to_owned(),
            why: "w".to_owned(),
            artifact: Some(crate::data::ArtifactRef { sha256: "00".to_owned(), bytes: 1 }),
            ..ModelRecord::plain(command, version)
        };
        self.send(&self.shop.config.topics.models, &record);
    }

    /// Tells until `reached`, stops, and so has committed what was told.
    fn until(&self, mut reached: impl FnMut() -> bool) {
        let shop = self.shop.clone();
        shop.stop.store(false, Ordering::Relaxed);
        let teller = std::thread::spawn(move || run(&shop, "t"));
        let limit = Instant::now() + Duration::from_secs(60);
        while !reached() {
            assert!(Instant::now() < limit, "it is not told");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.shop.stop.store(true, Ordering::Relaxed);
        teller.join().unwrap();
    }

    /// Tells for the first time, until a probe has come: everything from then on is told.
    fn begin(&self, receiver: &Receiver) {
        let mut probes = 0;
        self.until(|| {
            probes += 1;
            let probe = DriftAlert { alert_id: format!("probe-{probes}"), ..alert("probe", Phase::Opened) };
            self.send(&self.shop.config.topics.drift_alerts, &probe);
            !receiver.bodies.lock().unwrap().is_empty()
        });
    }
}

fn alert(signal: &str, phase: Phase) -> DriftAlert {
    DriftAlert { alert_id: format!("v1-{signal}"), phase, signal: signal.to_owned(), ..DriftAlert::example() }
}

#[test]
fn everything_since_the_start_is_told_once_in_its_order_and_after_a_restart_what_is_new() {
    let receiver = Receiver::start(&[200]);
    let stand = Stand::new(&Memory::new(), &format!("http://127.0.0.1:{}", receiver.port));
    stand.alert("before", Phase::Opened);
    stand.begin(&receiver);
    stand.alert("temp", Phase::Opened);
    stand.alert("temp", Phase::Ongoing);
    stand.alert("temp", Phase::Recovered);
    stand.until(|| receiver.told("event").len() == 2);
    stand.command(ModelCommand::Registered, 1, 0);
    stand.command(ModelCommand::Promoted, 1, 0);
    // Too late: it names another version in charge.
    stand.command(ModelCommand::Promoted, 1, 0);
    stand.command(ModelCommand::Frozen, 1, 1);
    stand.until(|| receiver.told("event").len() == 4);
    assert_eq!(receiver.told("event"), ["alert_opened", "alert_recovered", "promoted", "frozen"]);
}

#[test]
fn a_receiver_that_is_away_is_asked_again_and_one_that_refuses_is_not() {
    let receiver = Receiver::start(&[503, 200, 404, 200]);
    let stand = Stand::new(&Memory::new(), &format!("http://127.0.0.1:{}", receiver.port));
    stand.begin(&receiver);
    stand.alert("a", Phase::Opened);
    stand.alert("b", Phase::Opened);
    stand.alert("c", Phase::Opened);
    stand.until(|| receiver.told("id").len() == 4);
    assert_eq!(receiver.told("id"), ["v1-a", "v1-a", "v1-b", "v1-c"]);
}

#[test]
fn a_receiver_that_limits_the_rate_is_left_alone_for_as_long_as_it_says() {
    let receiver = Receiver::start(&[429, 200]);
    let stand = Stand::new(&Memory::new(), &format!("http://127.0.0.1:{}", receiver.port));
    stand.begin(&receiver);
    stand.alert("a", Phase::Opened);
    stand.until(|| receiver.told("id").len() == 2);
    let bodies = receiver.bodies.lock().unwrap();
    let times: Vec<Instant> = bodies.iter().filter(|(_, body)| !is_probe(body)).map(|(at, _)| *at).collect();
    let waited = times[1] - times[0];
    assert!(waited >= Duration::from_secs(3), "asked again after {waited:?}");
}
