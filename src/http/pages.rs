//! What is answered at which path.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::log_page;
use crate::telemetry::{self, Metric};

/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Reasons listed by `/readyz`; a person needs the first few, a probe needs none.
const LISTED: usize = 20;

/// Whether the process can do its work now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Every role holds what it was assigned, restored.
    pub ready: bool,
    /// What is missing until then, one short sentence each, without payloads.
    pub missing: Vec<String>,
}

/// What the server asks; it must answer at once, without waiting for a lock that work is done under.
pub trait Health {
    /// Whether the process can do its work now.
    fn ready(&self) -> Readiness;
}

type Shared = Arc<dyn Health + Send + Sync>;

pub(super) fn router(health: Shared) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/log", get(log_page::now).put(log_page::change))
        .fallback(nothing_here)
        .layer(map_response(last_on_its_connection))
        .with_state(health)
}

/// That this is answered says all there is to say: restarting the process would not help anything else.
async fn livez() -> Response {
    page(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned())
}

async fn readyz(State(health): State<Shared>) -> Response {
    let mut readiness = health.ready();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let more = readiness.missing.len().saturating_sub(LISTED);
    if more > 0 {
        readiness.missing.truncate(LISTED);
        readiness.missing.push(format!("and {more} more"));
    }
    match serde_json::to_string(&readiness) {
        Ok(body) => page(status, "application/json", body + "\n"),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn metrics(State(health): State<Shared>) -> Response {
    telemetry::gauge(Metric::Ready, &[], if health.ready().ready { 1.0 } else { 0.0 });
    telemetry::look_at_process();
    page(StatusCode::OK, METRICS_TYPE, telemetry::render())
}

async fn nothing_here() -> Response {
    page(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "here are /livez, /readyz and /metrics\n".to_owned())
}

pub(super) fn page(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Holds for every answer, the refusal of a method included: an open connection would keep its place.
async fn last_on_its_connection(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
