//! From a bounded queue to the collector, on a thread of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Span;
use super::post::{Poster, Refusal};
use super::wire;
use crate::config::traces::{TraceTarget, TracesParams};
use crate::telemetry::{Label, Metric, Throttle, count};

/// Spans that wait at most, some MB.
const WAITING: usize = 8_192;
/// Spans of one request.
const BATCH: usize = 512;
/// How long a span waits for others to go with.
const LINGER: Duration = Duration::from_secs(1);
/// Waits between tries; after the last one the spans are dropped.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How long the last spans may take once the process is to stop.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// A collector that is away is told of this often.
const TOLD: Duration = Duration::from_secs(60);

/// Where spans are handed over; clones share one queue.
#[derive(Clone, Debug, Default)]
pub struct Spans(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Span>,
    /// Since when there is to be an end.
    closed: Option<Instant>,
}

/// An export under way.
#[derive(Debug)]
pub struct SpanExport {
    spans: Spans,
    thread: JoinHandle<()>,
}

impl Spans {
    /// Hands spans over, at once; those that do not fit are dropped and counted.
    pub fn send(&self, spans: impl IntoIterator<Item = Span>) {
        let mut state = self.state();
        let mut dropped = 0;
        for span in spans {
            if state.waiting.len() < WAITING {
                state.waiting.push_back(span);
            } else {
                dropped += 1;
            }
        }
        let is_full = state.waiting.len() >= BATCH;
        drop(state);
        if is_full {
            self.0.changed.notify_one();
        }
        self::dropped(dropped);
    }

    /// What has been handed over and not been taken since.
    pub fn take(&self) -> Vec<Span> {
        self.state().waiting.drain(..).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next spans for one request, once there are enough or some have waited; none after the end.
    fn next(&self) -> Vec<Span> {
        let mut state = self.state();
        loop {
            let ready = |state: &mut State| state.waiting.len() < BATCH && state.closed.is_none();
            let waited = self.0.changed.wait_timeout_while(state, LINGER, ready);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !state.waiting.is_empty() || state.closed.is_some() {
                let batch = state.waiting.len().min(BATCH);
                return state.waiting.drain(..batch).collect();
            }
        }
    }

    /// Waits, unless there is to be an end.
    fn pause(&self, wait: Duration) {
        let until_closed = |state: &mut State| state.closed.is_none();
        drop(self.0.changed.wait_timeout_while(self.state(), wait, until_closed));
    }

    fn closed(&self) -> Option<Instant> {
        self.state().closed
    }

    fn close(&self) {
        self.state().closed.get_or_insert_with(Instant::now);
        self.0.changed.notify_all();
    }
}

impl SpanExport {
    /// Exports what is handed over from now on.
    ///
    /// # Errors
    /// No thread.
    pub fn start(params: &TracesParams, target: TraceTarget) -> std::io::Result<SpanExport> {
        let spans = Spans::default();
        for result in ["exported", "dropped"] {
            count(Metric::Spans, &[Label::Outcome(result)], 0);
        }
        let resource = target.resource.clone();
        let mut exporter = Exporter {
            spans: spans.clone(),
            poster: Poster::new(target),
            resource,
            timeout: params.timeout.to_std(),
            is_away: false,
            told: Throttle::every(TOLD),
        };
        let thread = std::thread::Builder::new().name("traces".to_owned()).spawn(move || exporter.run())?;
        Ok(SpanExport { spans, thread })
    }

    /// Where spans are handed over.
    pub fn spans(&self) -> Spans {
        self.spans.clone()
    }

    /// Sends what is left, within a bound, and ends.
    pub fn stop(self) {
        self.spans.close();
        // It ends by itself, within one request and the time for the last ones; a panic has been told of.
        let _ = self.thread.join();
    }
}

struct Exporter {
    spans: Spans,
    poster: Poster,
    resource: Vec<(String, String)>,
    timeout: Duration,
    is_away: bool,
    told: Throttle,
}

impl Exporter {
    fn run(&mut self) {
        loop {
            let spans = self.spans.next();
            if spans.is_empty() {
                return;
            }
            let n_spans = spans.len() as u64;
            match self.deliver(&wire::request(&self.resource, &spans)) {
                Ok(rejected) => {
                    let rejected = rejected.min(n_spans);
                    count(Metric::Spans, &[Label::Outcome("exported")], n_spans - rejected);
                    dropped(rejected);
                    if std::mem::take(&mut self.is_away) {
                        tracing::info!("spans_exported_again");
                    }
                }
                Err(refusal) => {
                    dropped(n_spans);
                    self.is_away = true;
                    if let Some(count) = self.told.admit(Instant::now(), n_spans) {
                        tracing::warn!(count, why = refusal.why, "spans_dropped");
                    }
                }
            }
        }
    }

    /// Posts until the collector takes it, within a bound; once there is to be an end, only if there is time.
    fn deliver(&self, body: &[u8]) -> Result<u64, Refusal> {
        let mut pauses = PAUSES.iter();
        loop {
            let timeout = match self.spans.closed() {
                None => self.timeout,
                Some(since) => self.timeout.min(LAST_WORDS.saturating_sub(since.elapsed())),
            };
            if timeout.is_zero() {
                return Err(Refusal { why: "there was no time left for them".to_owned(), is_passing: false });
            }
            let refusal = match self.poster.post(body, timeout) {
                Ok(rejected) => return Ok(rejected),
                Err(refusal) => refusal,
            };
            match pauses.next().filter(|_| refusal.is_passing && self.spans.closed().is_none()) {
                Some(pause) => self.spans.pause(*pause),
                None => return Err(refusal),
            }
        }
    }
}

fn dropped(spans: u64) {
    if spans > 0 {
        count(Metric::Spans, &[Label::Outcome("dropped")], spans);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;
    use crate::config::Secret;
    use crate::data::{Span as Length, TracePoint};

    fn span(name: &'static str) -> Span {
        Span::named(name, TracePoint::root(&[]))
    }

    /// A collector that gives these answers, one to each request; what it was sent.
    fn collector(answers: &[u16]) -> (String, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let (sender, requests) = sync_channel(8);
        let answers = answers.to_vec();
        std::thread::spawn(move || {
            for status in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut chunk = [0; 4_096];
                loop {
                    let n = stream.read(&mut chunk).unwrap();
                    request.extend_from_slice(&chunk[..n]);
                    let text = String::from_utf8_lossy(&request).to_lowercase();
                    let Some(head) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                    let length = text.split("content-length: ").nth(1).unwrap();
                    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                    if request.len() >= head + 4 + length {
                        break;
                    }
                }
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
                sender.send(String::from_utf8_lossy(&request).into_owned()).unwrap();
            }
        });
        (url, requests)
    }

    fn export(url: &str) -> SpanExport {
        let target = TraceTarget {
            url: Secret::new(url),
            headers: vec![("authorization".to_owned(), Secret::new("Bearer x"))],
            resource: vec![("service.name".to_owned(), "fraud".to_owned())],
        };
        let params = TracesParams {
            endpoint: None,
            ratio: 1.0,
            service: None,
            headers: Vec::new(),
            timeout: Length::from_millis(2_000),
        };
        SpanExport::start(&params, target).unwrap()
    }

    #[test]
    fn what_is_handed_over_is_posted_and_a_busy_collector_is_asked_again() {
        let (url, requests) = collector(&[503, 200]);
        let export = export(&url);
        export.spans().send([span("first")]);
        for _ in 0..2 {
            let request = requests.recv_timeout(Duration::from_secs(10)).unwrap();
            assert!(request.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("application/x-protobuf") && request.contains("Bearer x"), "{request}");
            assert!(request.contains("first") && request.contains("fraud"), "{request}");
        }
        export.stop();
    }

    #[test]
    fn what_is_left_is_sent_at_the_end() {
        let (url, requests) = collector(&[200]);
        let export = export(&url);
        export.spans().send([span("last")]);
        export.stop();
        // The collector tells of a request behind its answer to it.
        assert!(requests.recv_timeout(Duration::from_secs(10)).unwrap().contains("last"));
    }

    #[test]
    fn a_collector_that_is_away_holds_nobody_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let export = export(&format!("http://{}/", listener.local_addr().unwrap()));
        drop(listener);
        let begun = Instant::now();
        for _ in 0..3 * WAITING / BATCH {
            export.spans().send((0..BATCH).map(|_| span("x")));
        }
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert!(export.spans().take().len() <= WAITING);
        export.spans().send([span("x")]);
        export.stop();
        assert!(begun.elapsed() < LAST_WORDS + Duration::from_secs(3));
    }
}
