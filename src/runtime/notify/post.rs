//! One request to the receiver, and what its answer means.
//!
//! The address is a secret and is in no message, whatever goes wrong.

use std::time::Duration;

use serde_json::Value;

use crate::config::Secret;

/// Why a notice was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may be taken later; not before this time has passed, where the receiver says so.
    Later(String, Option<Duration>),
    /// It will never be.
    Never(String),
}

impl Refusal {
    pub fn why(&self) -> &str {
        match self {
            Refusal::Later(why, _) | Refusal::Never(why) => why,
        }
    }
}

/// Posts to one address.
pub(super) struct Poster {
    agent: ureq::Agent,
    url: Secret,
}

impl Poster {
    pub fn new(url: Secret, timeout: Duration) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout))
            .user_agent(concat!("driftless/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Poster { agent, url }
    }

    pub fn post(&self, body: &Value) -> Result<(), Refusal> {
        let request = self.agent.post(self.url.reveal()).header("content-type", "application/json");
        let response = request.send(body.to_string().as_bytes()).map_err(|error| in_words(&error))?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            status @ (408 | 429 | 500..=599) => {
                // Dates, which it may also hold, are not what those who limit rates send.
                let wait =
                    response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
                Err(Refusal::Later(format!("the receiver answers {status}"), wait.map(Duration::from_secs)))
            }
            status => Err(Refusal::Never(format!("the receiver answers {status}; look at `notify.url`"))),
        }
    }
}

/// The client's own words may quote the address.
fn in_words(error: &ureq::Error) -> Refusal {
    match error {
        ureq::Error::Timeout(_) => Refusal::Later("the receiver does not answer in time".to_owned(), None),
        ureq::Error::Io(error) => Refusal::Later(format!("the receiver is not reached: {}", error.kind()), None),
        ureq::Error::HostNotFound => Refusal::Later("the receiver's host is not found".to_owned(), None),
        ureq::Error::BadUri(_) => Refusal::Never("what `notify.url` names is no address".to_owned()),
        _ => Refusal::Later("the receiver is not reached".to_owned(), None),
    }
}
