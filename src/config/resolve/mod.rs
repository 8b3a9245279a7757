//! Checks what was written and resolves it, names to indices and defaults to values.
//!
//! Every function here takes raw tables and returns checked parameters or the first [`Problem`]. Where two keys
//! contradict each other the message names both.

mod aggregates;
mod derived;
mod encoded;
mod expression;
mod facts;
mod features;
mod fields;
mod formats;
mod kafka;
mod labels;
mod notify;
mod prepared;
mod range;
mod retrain;
mod rules;
mod time;
mod traces;
mod watch;
mod windows;

use features::Seen;

use std::path::Path;

use formats::Sources;

use super::Config;
use super::error::Problem;
use super::params::{HttpParams, LogParams, StoreParams};
use super::raw::{RawConfig, RawHttp, RawStore};

/// Resolves a file; files that it names are relative to `base`.
pub(super) fn resolve(raw: &RawConfig, base: &Path) -> Result<Config, Problem> {
    let app = app(raw.app.clone())?;
    let mut topics = kafka::topics(&app, kafka::Inputs::of(raw), &raw.kafka.topics)?;
    let schema_registry = formats::schema_registry(&raw.schema_registry)?;
    let sources = Sources { base, has_registry: schema_registry.is_some() };
    let mut events = fields::events(&raw.events, topics.events.clone(), sources)?;
    let labels = match (&raw.labels, &topics.labels) {
        (Some(labels), Some(topic)) => Some(labels::labels(labels, topic.clone(), sources)?),
        _ => None,
    };
    let before = 1 + usize::from(labels.is_some());
    let facts = facts::facts(&raw.facts, &topics.facts, before, (&mut events, sources))?;
    let Seen { features, chain, prepared } = features::features(&raw.features, &events, labels.as_ref())?;
    kafka::hops(&mut topics, &app, &raw.kafka.topics, &chain.hops)?;
    let score = watch::score(&raw.score, &raw.events)?;
    let drift = watch::drift(&raw.drift)?;
    let performance = watch::performance(&raw.performance)?;
    let mut retrain = retrain::retrain(&raw.retrain, features.width(), labels.is_some())?;
    retrain.prepared = prepared;
    let promote = retrain::promote(&raw.promote)?;
    let kafka = kafka::kafka(&raw.kafka)?;
    let traces = traces::traces(raw.traces.as_ref())?;
    if traces.is_some() && !events.has_headers {
        let message =
            "a trace is continued from an event's `traceparent` header; write `true`, or leave `[traces]` out";
        return Err(Problem::new("events.headers", message));
    }
    Ok(Config {
        app,
        events,
        labels,
        facts,
        features,
        chain,
        score,
        drift,
        performance,
        retrain,
        promote,
        outputs: formats::outputs(&raw.outputs, schema_registry.is_some())?,
        schema_registry,
        notify: notify::notify(&raw.notify)?,
        traces,
        kafka,
        topics,
        store: store(&raw.store)?,
        http: http(&raw.http)?,
        log: LogParams { format: raw.log.format, level: raw.log.level },
    })
}

fn app(app: Option<String>) -> Result<String, Problem> {
    const WHAT: &str = "the prefix of topics, consumer groups and transactional ids";
    let Some(app) = app else {
        return Err(Problem::new("app", format!("missing; write a name such as `fraud`: it is {WHAT}")));
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let starts_well = app.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts_well && app.len() <= 100 && app.chars().all(allowed) {
        return Ok(app);
    }
    let message =
        format!("`{app}` cannot be {WHAT}; write 1 to 100 of `a-z`, `0-9`, `.`, `_`, `-`, a letter or digit first");
    Err(Problem::new("app", message))
}

fn store(raw: &RawStore) -> Result<StoreParams, Problem> {
    if raw.path.is_empty() {
        return Err(Problem::new("store.path", "is empty; write the directory for artifacts and examples"));
    }
    Ok(StoreParams { path: raw.path.as_str().into() })
}

fn http(raw: &RawHttp) -> Result<HttpParams, Problem> {
    if raw.listen.is_empty() {
        return Ok(HttpParams { listen: None });
    }
    let listen = raw.listen.parse().map_err(|_| {
        let message =
            format!("`{}` is not IP:PORT; write one such as `127.0.0.1:9464`, or `\"\"` for none", raw.listen);
        Problem::new("http.listen", message)
    })?;
    Ok(HttpParams { listen: Some(listen) })
}
