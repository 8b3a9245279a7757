//! `[traces]`: one address, what is sent with every request, and how much is followed.

use super::kafka::secret;
use super::range::{Unit, positive, unit};
use crate::config::error::Problem;
use crate::config::notify::is_address;
use crate::config::params::PropertyValue;
use crate::config::raw::{RawPropertyValue, RawTraces};
use crate::config::traces::{TraceHeader, TracesParams};

/// What a header's name has in it when its value is nobody's business.
const SECRETS: [&str; 7] = ["auth", "key", "token", "secret", "password", "cookie", "credential"];

pub(super) fn traces(raw: Option<&RawTraces>) -> Result<Option<TracesParams>, Problem> {
    const ENDPOINT: &str = "traces.endpoint";
    let Some(raw) = raw else { return Ok(None) };
    let endpoint = match raw.endpoint.as_ref().map(|value| value_of(ENDPOINT, value)).transpose()? {
        Some(PropertyValue::Text(text)) if text.contains(['@', '?']) => return Err(in_the_file(ENDPOINT)),
        Some(PropertyValue::Text(text)) if !is_address(&text) => {
            let message = format!("`{text}` is no address; write one such as `http://collector:4318/v1/traces`");
            return Err(Problem::new(ENDPOINT, message));
        }
        other => other,
    };
    let mut headers = Vec::new();
    for (name, value) in &raw.headers {
        let key = format!("traces.headers.{name}");
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Problem::new(key, "is not the name of a header; write one such as `authorization`"));
        }
        let value = value_of(&key, value)?;
        let lower = name.to_ascii_lowercase();
        if matches!(value, PropertyValue::Text(_)) && SECRETS.iter().any(|part| lower.contains(part)) {
            return Err(in_the_file(&key));
        }
        headers.push(TraceHeader { name: name.clone(), value });
    }
    if raw.service.as_ref().is_some_and(String::is_empty) {
        return Err(Problem::new("traces.service", "is empty; write a name, or leave it out"));
    }
    Ok(Some(TracesParams {
        endpoint,
        ratio: unit("traces.ratio", raw.ratio, Unit::Closed)?,
        service: raw.service.clone(),
        headers,
        timeout: positive("traces.timeout", raw.timeout)?,
    }))
}

fn value_of(key: &str, raw: &RawPropertyValue) -> Result<PropertyValue, Problem> {
    match raw {
        RawPropertyValue::Text(text) => Ok(PropertyValue::Text(text.clone())),
        RawPropertyValue::Table(table) => {
            let either = || Problem::new(key, "write one of `{ env = \"NAME\" }` and `{ file = \"PATH\" }`");
            Ok(PropertyValue::Secret(secret(key, table)?.ok_or_else(either)?))
        }
    }
}

fn in_the_file(key: &str) -> Problem {
    let message = "holds a secret and must not stand in the file; write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`";
    Problem::new(key, message)
}
