//! Health and metrics over HTTP: `/livez`, `/readyz`, `/metrics`; what is logged at `/log`; and nothing else.
//!
//! The server has a thread and a tokio runtime of its own, so it answers while workers are busy and can never hold them
//! up. It shows no payload, and all that can be changed is what is logged, from the same machine: therefore it asks for no
//! password. By default it listens on loopback only.
//! A connection carries one request, a bounded number of bytes and a bounded time, and only so many are served at once:
//! a client that dawdles takes its place away from nobody for long.

mod bounded;
mod log_page;
mod pages;
mod server;

pub use pages::{Health, Readiness};
pub use server::Server;
