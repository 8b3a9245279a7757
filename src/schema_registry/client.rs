//! Requests to a schema registry: one schema by its id, one registration.
//!
//! Every request is bounded in time and every response in size. An answer counts as one only if it is the registry's: a
//! "not found" of some other server, or a page in its place, is no answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::formats::SchemaRegistryParams;
use crate::config::{ConfigError, Secret};
use crate::data::SchemaVerdict;

/// The longest response taken.
const MAX_RESPONSE_BYTES: u64 = 256 * 1024;
/// The media type of the protocol.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A registry under one or more addresses.
pub struct SchemaRegistry {
    agent: ureq::Agent,
    urls: Vec<String>,
    /// Value of the authorization header.
    authorization: Option<Secret>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SchemaRegistryError {
    /// A setting that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificates that cannot be read.
    #[error("`schema_registry.ca`: `{}` cannot be read: {why}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It may answer in a moment, or once somebody has looked at it.
    #[error("{0}")]
    Unavailable(String),
    /// It has answered, and will not do it.
    #[error("{0}")]
    Refused(String),
}

/// A response that came.
struct Response {
    status: u16,
    body: Body,
}

enum Body {
    Json(Value),
    TooLong,
    /// Not JSON, so not from a registry.
    Other,
}

#[derive(Deserialize)]
struct Found {
    schema: String,
}

impl SchemaRegistry {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// A password or certificates that are not there, or TLS in a binary built without it.
    pub fn new(params: &SchemaRegistryParams) -> Result<Self, SchemaRegistryError> {
        params.ensure_supported()?;
        let timeout = params.timeout.to_std();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout.min(Duration::from_secs(5))))
            .max_response_header_size(16 * 1024)
            .user_agent(concat!("driftless/", env!("CARGO_PKG_VERSION")));
        let config = trusting(config, params.ca.as_deref())?;
        let authorization = match (&params.user, params.password()?) {
            (Some(user), Some(password)) => {
                let pair = format!("{user}:{}", password.reveal());
                Some(Secret::new(format!("Basic {}", base64(pair.as_bytes()))))
            }
            _ => None,
        };
        Ok(SchemaRegistry { agent: config.build().new_agent(), urls: params.urls.clone(), authorization })
    }

    /// The schema of an id, as compact JSON.
    ///
    /// # Errors
    /// No address gave an answer.
    pub fn schema(&self, id: u32) -> Result<SchemaVerdict, SchemaRegistryError> {
        self.ask(|url| self.schema_at(url, id))
    }

    fn schema_at(&self, url: &str, id: u32) -> Result<SchemaVerdict, SchemaRegistryError> {
        let mut request = self.agent.get(format!("{url}/schemas/ids/{id}")).header("Accept", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization.reveal());
        }
        let response = read(url, request.call())?;
        match (response.status, response.body) {
            (200, Body::TooLong) => {
                Ok(SchemaVerdict::Unusable(format!("its registry sends more than {MAX_RESPONSE_BYTES} bytes for it")))
            }
            (200, Body::Json(body)) => match serde_json::from_value::<Found>(body) {
                Ok(Found { schema }) => Ok(SchemaVerdict::Schema(compact(schema))),
                Err(_) => Err(no_registry(url, 200)),
            },
            (404, Body::Json(body)) if (40_400..40_500).contains(&code(&body)) => Ok(SchemaVerdict::Unknown),
            (status, body) => Err(refusal(url, status, &body)),
        }
    }

    /// Registers a schema under a subject; the id it has there, be it new or not.
    ///
    /// # Errors
    /// No address gave an answer, or the registry does not take the schema.
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, SchemaRegistryError> {
        self.ask(|url| self.register_at(url, subject, schema))
    }

    fn register_at(&self, url: &str, subject: &str, schema: &str) -> Result<u32, SchemaRegistryError> {
        // Topic names, of which subjects are made, need no escaping in a path.
        let mut request = self
            .agent
            .post(format!("{url}/subjects/{subject}/versions"))
            .header("Accept", MEDIA_TYPE)
            .header("Content-Type", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization.reveal());
        }
        let response = read(url, request.send(json!({ "schema": schema }).to_string().as_bytes()))?;
        match (response.status, response.body) {
            (200, Body::Json(body)) => {
                let id = body.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
                id.ok_or_else(|| no_registry(url, 200))
            }
            (status @ (409 | 422), Body::Json(body)) => Err(SchemaRegistryError::Refused(format!(
                "the schema registry does not take the schema of `{subject}` ({status}): {}",
                message(&body)
            ))),
            (status, body) => Err(refusal(url, status, &body)),
        }
    }

    /// Asks each address in turn until one answers.
    fn ask<T>(&self, ask: impl Fn(&str) -> Result<T, SchemaRegistryError>) -> Result<T, SchemaRegistryError> {
        let mut last = SchemaRegistryError::Unavailable("no address of a schema registry is known".to_owned());
        for url in &self.urls {
            match ask(url) {
                Err(SchemaRegistryError::Unavailable(why)) => last = SchemaRegistryError::Unavailable(why),
                answer => return answer,
            }
        }
        Err(last)
    }
}

fn read(
    url: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Response, SchemaRegistryError> {
    let unavailable =
        |error: &ureq::Error| SchemaRegistryError::Unavailable(format!("`{url}` does not answer: {error}"));
    let mut response = response.map_err(|error| unavailable(&error))?;
    let status = response.status().as_u16();
    let body = match response.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_vec() {
        Ok(bytes) => serde_json::from_slice(&bytes).map_or(Body::Other, Body::Json),
        Err(ureq::Error::BodyExceedsLimit(_)) => Body::TooLong,
        Err(error) => return Err(unavailable(&error)),
    };
    Ok(Response { status, body })
}

fn code(body: &Value) -> u64 {
    body.get("error_code").and_then(Value::as_u64).unwrap_or(0)
}

/// What the registry says is wrong, cut short; it may quote the schema and nothing else.
fn message(body: &Value) -> String {
    let message = body.get("message").and_then(Value::as_str).unwrap_or("it does not say why");
    message.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn refusal(url: &str, status: u16, body: &Body) -> SchemaRegistryError {
    match (status, body) {
        (401 | 403, _) => SchemaRegistryError::Unavailable(format!(
            "`{url}` refuses the request ({status}); look at `schema_registry.user` and `schema_registry.password`"
        )),
        (_, Body::Json(body)) if code(body) > 0 => {
            SchemaRegistryError::Unavailable(format!("`{url}` answers {status}: {}", message(body)))
        }
        _ => no_registry(url, status),
    }
}

fn no_registry(url: &str, status: u16) -> SchemaRegistryError {
    SchemaRegistryError::Unavailable(format!(
        "`{url}` answers {status}, and not as a schema registry does; is the address right, with its path?"
    ))
}

/// The same schema however its text is laid out; one that is no JSON stays as it is, and is refused where it is read.
fn compact(schema: String) -> String {
    serde_json::from_str::<Value>(&schema).map_or(schema, |json| json.to_string())
}

type AgentConfig = ureq::config::ConfigBuilder<ureq::typestate::AgentScope>;

#[cfg(feature = "tls")]
fn trusting(config: AgentConfig, ca: Option<&Path>) -> Result<AgentConfig, SchemaRegistryError> {
    use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
    let Some(path) = ca else { return Ok(config) };
    let unreadable = |why: String| SchemaRegistryError::Ca { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| unreadable(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(unreadable("it holds no certificate".to_owned()));
    }
    Ok(config.tls_config(TlsConfig::builder().root_certs(RootCerts::from(certificates)).build()))
}

#[cfg(not(feature = "tls"))]
fn trusting(config: AgentConfig, _ca: Option<&Path>) -> Result<AgentConfig, SchemaRegistryError> {
    Ok(config)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let is_there = digit <= chunk.len();
            let index = (word >> (18 - 6 * digit) & 63) as usize;
            text.push(if is_there { char::from(DIGITS[index]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (text, expected) in vectors {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
