//! Connections that cannot take more than their share.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// What one connection and all of them together may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections served at once; more wait in the listener's queue.
    pub connections: usize,
    /// Bytes read from one connection: a request line, headers, and a body nobody reads.
    pub request_bytes: usize,
    /// From accepting a connection to its end.
    pub lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 32, request_bytes: 16 * 1024, lifetime: Duration::from_secs(10) }
    }
}

/// Accepts connections within limits.
pub(super) struct BoundedListener {
    inner: TcpListener,
    places: Arc<Semaphore>,
    limits: Limits,
}

impl BoundedListener {
    pub(super) fn new(inner: TcpListener, limits: Limits) -> Self {
        BoundedListener { inner, places: Arc::new(Semaphore::new(limits.connections)), limits }
    }
}

impl Listener for BoundedListener {
    type Io = BoundedConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed; without a permit the connection is served all the same.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (inner, address) = Listener::accept(&mut self.inner).await;
        let connection = BoundedConnection {
            inner,
            end: Box::pin(sleep(self.limits.lifetime)),
            bytes_left: self.limits.request_bytes,
            _place: place,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// One connection, for as long as its limits allow.
pub(super) struct BoundedConnection {
    inner: TcpStream,
    end: Pin<Box<Sleep>>,
    bytes_left: usize,
    /// Given back when the connection is dropped.
    _place: Option<OwnedSemaphorePermit>,
}

impl BoundedConnection {
    fn check_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "the connection took too long")),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for BoundedConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_time(context)?;
        if self.bytes_left == 0 {
            return Poll::Ready(Err(io::Error::other("the request is too long")));
        }
        let most = self.bytes_left.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        let polled = Pin::new(&mut self.inner).poll_read(context, &mut part);
        let read = part.filled().len();
        buffer.advance(read);
        self.bytes_left -= read;
        polled
    }
}

impl AsyncWrite for BoundedConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_time(context)?;
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_time(context)?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_time(context)?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
