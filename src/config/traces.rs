//! Checked parameters of traces: what is sampled, and where spans go.
//!
//! Where the file says nothing, the usual `OTEL_*` variables are heard; `driftless check` and the process that exports
//! resolve both in the same way. What decides which event is sampled stands in the file alone: all instances have to agree.

use super::error::{ConfigError, Problem};
use super::notify::is_address;
use super::params::PropertyValue;
use super::secret::{Secret, SecretSource};
use crate::data::Span;

const ENDPOINT: &str = "traces.endpoint";
/// Where OpenTelemetry's collector listens.
const USUAL: &str = "http://localhost:4318/v1/traces";

/// Which events are followed, and where their spans go.
#[derive(Clone, Debug, PartialEq)]
pub struct TracesParams {
    /// Address, or where it is; `None`: the environment says, or it is the usual one.
    pub endpoint: Option<PropertyValue>,
    /// Share of the events without a trace of their own that are followed, from 0 to 1.
    pub ratio: f64,
    /// Name of the service; `None`: the environment says, or it is the application's.
    pub service: Option<String>,
    /// Sent with every request.
    pub headers: Vec<TraceHeader>,
    /// How long one request may take.
    pub timeout: Span,
}

/// A header of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceHeader {
    /// Its name.
    pub name: String,
    /// Its value, or where that is.
    pub value: PropertyValue,
}

/// Where spans go, everything fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceTarget {
    /// Address to post to.
    pub url: Secret,
    /// Names and values of headers.
    pub headers: Vec<(String, Secret)>,
    /// What the process is, by name.
    pub resource: Vec<(String, String)>,
}

impl TracesParams {
    /// Where spans go. `env` looks up a variable.
    ///
    /// # Errors
    /// When the address is not there or is none, a header is not there, or TLS is needed in a binary built without it. No
    /// message holds an address or a value.
    pub fn target(&self, app: &str, env: impl Fn(&str) -> Option<String>) -> Result<TraceTarget, ConfigError> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let url = match &self.endpoint {
            Some(value) => Secret::new(revealed(ENDPOINT, value)?.reveal().trim()),
            None => Secret::new(address(&env)),
        };
        if !is_address(url.reveal()) {
            let message = "what it names is no address; write one such as `http://collector:4318/v1/traces`";
            return Err(ConfigError::Secret(Problem::new(ENDPOINT, message)));
        }
        if url.reveal().starts_with("https://") && !cfg!(feature = "tls") {
            let message = "needs TLS, which this binary was built without; build it with `--features tls`";
            return Err(ConfigError::Unsupported(Problem::new(ENDPOINT, message)));
        }
        let mut headers = Vec::new();
        for TraceHeader { name, value } in &self.headers {
            headers.push((name.clone(), revealed(&format!("traces.headers.{name}"), value)?));
        }
        if self.headers.is_empty() {
            let listed = env("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or_else(|| env("OTEL_EXPORTER_OTLP_HEADERS"));
            headers.extend(pairs(&listed.unwrap_or_default()).map(|(name, value)| (name, Secret::new(value))));
        }
        let mut resource: Vec<_> = pairs(&env("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()).collect();
        let named = resource.iter().find(|(name, _)| name == "service.name").map(|(_, value)| value.clone());
        let service = self.service.clone().or_else(|| env("OTEL_SERVICE_NAME")).or(named);
        resource.retain(|(name, _)| name != "service.name");
        resource.insert(0, ("service.name".to_owned(), service.unwrap_or_else(|| app.to_owned())));
        Ok(TraceTarget { url, headers, resource })
    }

    /// Where the address comes from, for a person; never a secret.
    pub fn endpoint_in_words(&self) -> String {
        match &self.endpoint {
            Some(PropertyValue::Text(text)) => text.clone(),
            Some(PropertyValue::Secret(source)) => format!("the address from {source}"),
            None => format!("the address of OTEL_EXPORTER_OTLP_ENDPOINT, else {USUAL}"),
        }
    }
}

fn revealed(key: &str, value: &PropertyValue) -> Result<Secret, ConfigError> {
    let fetch = |source: &SecretSource| source.fetch(key).map_err(ConfigError::Secret);
    match value {
        PropertyValue::Text(text) => Ok(Secret::new(text)),
        PropertyValue::Secret(source) => fetch(source),
    }
}

/// As OpenTelemetry has it: the variable for traces is taken as it is, the other one is a base.
fn address(env: &dyn Fn(&str) -> Option<String>) -> String {
    let base = |base: String| format!("{}/v1/traces", base.trim_end_matches('/'));
    env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .or_else(|| env("OTEL_EXPORTER_OTLP_ENDPOINT").map(base))
        .unwrap_or_else(|| USUAL.to_owned())
}

/// `name=value,name=value`, values percent-encoded; what is no pair is passed over.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split(',').filter_map(|pair| pair.split_once('=')).filter_map(|(name, value)| {
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), decoded(value.trim())))
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(rest.get(..at).unwrap_or_default().as_bytes());
        let digits = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let taken = if let Some(byte) = digits { (byte, at + 3) } else { (b'%', at + 1) };
        bytes.push(taken.0);
        rest = rest.get(taken.1..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> TracesParams {
        TracesParams { endpoint: None, ratio: 1.0, service: None, headers: Vec::new(), timeout: Span::from_millis(1) }
    }

    fn target(params: &TracesParams, variables: &[(&str, &str)]) -> TraceTarget {
        let env = |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        params.target("fraud", env).unwrap()
    }

    #[test]
    fn without_a_word_the_usual_address_is_taken_and_the_application_is_the_service() {
        let target = target(&params(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]);
        assert_eq!(target.url.reveal(), USUAL);
        assert_eq!(target.resource, [("service.name".to_owned(), "fraud".to_owned())]);
        assert!(target.headers.is_empty());
    }

    #[test]
    fn the_environment_is_heard_where_the_file_says_nothing() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other:1/x");
        assert_eq!(target(&params(), &[base]).url.reveal(), "http://collector:4318/v1/traces");
        assert_eq!(target(&params(), &[base, own]).url.reveal(), "http://other:1/x");
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20a%2Cb, x = y%,nothing,=z");
        let told = target(&params(), &[headers]).headers;
        let told: Vec<(&str, &str)> = told.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
        assert_eq!(told, [("authorization", "Bearer a,b"), ("x", "y%")]);
        let resource = ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=no");
        let told = target(&params(), &[resource, ("OTEL_SERVICE_NAME", "yes")]).resource;
        assert_eq!(told[0], ("service.name".to_owned(), "yes".to_owned()));
        assert_eq!(told[1], ("deployment.environment.name".to_owned(), "test".to_owned()));
        let written = TracesParams {
            endpoint: Some(PropertyValue::Text("http://here:1/v1/traces".to_owned())),
            service: Some("mine".to_owned()),
            headers: vec![TraceHeader { name: "k".to_owned(), value: PropertyValue::Text("v".to_owned()) }],
            ..params()
        };
        let told = target(&written, &[own, headers, ("OTEL_SERVICE_NAME", "yes")]);
        assert_eq!((told.url.reveal(), told.headers.len()), ("http://here:1/v1/traces", 1));
        assert_eq!(told.resource[0].1, "mine");
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        let env = |name: &str| (name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").then(|| "user:hunter2@x".to_owned());
        let message = params().target("fraud", env).unwrap_err().to_string();
        assert!(message.contains("`traces.endpoint`") && !message.contains("hunter2"), "{message}");
    }
}
