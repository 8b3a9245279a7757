//! The thread that answers.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;

use super::bounded::{BoundedListener, Limits};
use super::log_page::Peer;
use super::pages::{Health, router};

/// A running server; it ends with [`Server::stop`] or when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens and answers from now on; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound (it is named in the message) or the thread cannot be started.
    pub fn start(listen: SocketAddr, health: Arc<dyn Health + Send + Sync>) -> io::Result<Server> {
        Server::with_limits(listen, health, Limits::default())
    }

    fn with_limits(listen: SocketAddr, health: Arc<dyn Health + Send + Sync>, limits: Limits) -> io::Result<Server> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"));
        let listener = TcpListener::bind(listen).map_err(named)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (end, ended) = oneshot::channel();
        let router = router(health);
        let answer = move || {
            runtime.block_on(async move {
                let listener = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => BoundedListener::new(listener, limits),
                    Err(error) => return tracing::error!(%error, "health and metrics are not served"),
                };
                tokio::select! {
                    served = axum::serve(listener, router.into_make_service_with_connect_info::<Peer>()) => {
                        tracing::error!(?served, "health and metrics are no longer served");
                    }
                    // Sent by `stop`, or its sender dropped.
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        };
        let thread = Builder::new().name("http".to_owned()).spawn(answer)?;
        Ok(Server { address, end: Some(end), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends at once, open connections included, and waits for the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    use super::super::Readiness;
    use super::*;

    struct Missing(Vec<String>);

    impl Health for Missing {
        fn ready(&self) -> Readiness {
            Readiness { ready: self.0.is_empty(), missing: self.0.clone() }
        }
    }

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    fn server(missing: Vec<String>) -> Server {
        Server::start(LOOPBACK, Arc::new(Missing(missing))).expect("a free port")
    }

    fn limited(limits: Limits) -> Server {
        Server::with_limits(LOOPBACK, Arc::new(Missing(Vec::new())), limits).expect("a free port")
    }

    fn connect(server: &Server) -> TcpStream {
        let stream = TcpStream::connect(server.address()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        stream
    }

    /// Everything the server says to one request; it closes the connection by itself.
    fn ask(server: &Server, method: &str, path: &str) -> String {
        let mut stream = connect(server);
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("a request");
        let start = Instant::now();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer and an end");
        assert!(start.elapsed() < Limits::default().lifetime, "the connection was left open after {answer}");
        answer
    }

    #[test]
    fn a_live_process_says_ok() {
        let answer = ask(&server(vec!["everything".to_owned()]), "GET", "/livez");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }

    #[test]
    fn readiness_says_what_is_missing() {
        let answer = ask(&server(vec!["score: shard 3 is restoring".to_owned()]), "GET", "/readyz");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
        assert!(answer.ends_with("{\"ready\":false,\"missing\":[\"score: shard 3 is restoring\"]}\n"), "{answer}");
        let answer = ask(&server(Vec::new()), "GET", "/readyz");
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("{\"ready\":true,\"missing\":[]}\n"),
            "{answer}"
        );
    }

    #[test]
    fn a_long_list_of_what_is_missing_is_cut() {
        let answer = ask(&server(vec!["a shard".to_owned(); 100]), "GET", "/readyz");
        assert!(answer.ends_with("\"a shard\",\"and 80 more\"]}\n"), "{answer}");
    }

    #[test]
    fn metrics_come_in_the_text_format() {
        crate::telemetry::install_metrics().expect("nothing else records");
        let answer = ask(&server(Vec::new()), "GET", "/metrics");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
        assert!(answer.contains("# TYPE driftless_build_info gauge\n"), "{answer}");
    }

    #[test]
    fn what_is_logged_is_shown_and_refused_to_whom_it_was_passed_on_by() {
        let server = server(Vec::new());
        let answer = ask(&server, "GET", "/log");
        assert!(answer.starts_with("HTTP/1.1 409 ") && answer.ends_with("this process writes no logs\n"), "{answer}");
        let answer = ask(&server, "PUT", "/log");
        assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
        let answer = ask(&server, "PUT", "/log HTTP/1.1\r\norigin: http://elsewhere\r\nx:");
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("run `driftless set` there"), "{answer}");
    }

    #[test]
    fn anything_else_is_not_found() {
        let server = server(Vec::new());
        for path in ["/", "/livez/", "/metrics/../etc/passwd", "/debug/pprof"] {
            let answer = ask(&server, "GET", path);
            assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        }
        let answer = ask(&server, "POST", "/metrics");
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }

    #[test]
    fn a_request_that_is_too_long_is_not_read_to_its_end() {
        let server = limited(Limits { request_bytes: 1000, ..Limits::default() });
        let mut stream = connect(&server);
        // The server may close before all is written: then the write fails, which is as good.
        let _ = write!(stream, "GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(5000));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        assert!(ask(&server, "GET", "/livez").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn clients_that_dawdle_lose_their_places_and_others_are_served() {
        let server = limited(Limits { connections: 2, lifetime: Duration::from_secs(1), ..Limits::default() });
        let start = Instant::now();
        let mut dawdlers = [connect(&server), connect(&server)];
        for dawdler in &mut dawdlers {
            dawdler.write_all(b"GET /livez HTTP/1.1\r\n").expect("half a request");
        }
        assert!(ask(&server, "GET", "/livez").starts_with("HTTP/1.1 200 "));
        assert!(start.elapsed() >= Duration::from_secs(1));
        for dawdler in &mut dawdlers {
            let mut answer = Vec::new();
            let _ = dawdler.read_to_end(&mut answer);
            assert!(!answer.starts_with(b"HTTP/1.1 200 "));
        }
    }

    #[test]
    fn stopping_does_not_wait_for_open_connections() {
        let server = server(Vec::new());
        let _open = connect(&server);
        let address = server.address();
        let start = Instant::now();
        server.stop();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let first = server(Vec::new());
        let error = Server::start(first.address(), Arc::new(Missing(Vec::new()))).expect_err("taken");
        assert!(error.to_string().starts_with(&format!("cannot listen on {}: ", first.address())), "{error}");
    }
}
