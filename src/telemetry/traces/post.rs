//! One request to the collector, and what its answer means.
//!
//! Address and headers are secrets and are in no message, whatever goes wrong.

use std::time::Duration;

use super::wire::rejected;
use crate::config::traces::TraceTarget;

/// The longest answer that is looked at.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Why spans were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub why: String,
    /// It may be different in a moment.
    pub is_passing: bool,
}

/// Posts to one collector.
pub(super) struct Poster {
    agent: ureq::Agent,
    target: TraceTarget,
}

impl Poster {
    pub fn new(target: TraceTarget) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(16 * 1024)
            .user_agent(concat!("driftless/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Poster { agent, target }
    }

    /// Posts a body; how many of its spans the collector did not take.
    pub fn post(&self, body: &[u8], timeout: Duration) -> Result<u64, Refusal> {
        let mut request = self.agent.post(self.target.url.reveal()).header("content-type", "application/x-protobuf");
        for (name, value) in &self.target.headers {
            request = request.header(name, value.reveal());
        }
        let request = request.config().timeout_global(Some(timeout)).build();
        let mut response = request.send(body).map_err(|error| in_words(&error))?;
        match response.status().as_u16() {
            200..=299 => {
                let answer = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
                Ok(rejected(&answer.unwrap_or_default()))
            }
            // As OTLP has it: these may be tried again, and only these.
            status @ (429 | 502..=504) => Err(refusal(format!("the collector answers {status}"), true)),
            status => Err(refusal(format!("the collector answers {status}; look at `traces.endpoint`"), false)),
        }
    }
}

fn refusal(why: impl Into<String>, is_passing: bool) -> Refusal {
    Refusal { why: why.into(), is_passing }
}

/// The client's own words may quote the address or a header.
fn in_words(error: &ureq::Error) -> Refusal {
    match error {
        ureq::Error::Timeout(_) => refusal("the collector does not answer in time", true),
        ureq::Error::Io(error) => refusal(format!("the collector is not reached: {}", error.kind()), true),
        ureq::Error::HostNotFound => refusal("the collector's host is not found", true),
        ureq::Error::BadUri(_) => refusal("what `traces.endpoint` names is no address", false),
        ureq::Error::Http(_) => refusal("a header of `traces.headers` cannot be sent", false),
        _ => refusal("the collector is not reached", true),
    }
}
