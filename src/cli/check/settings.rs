//! Single settings in words, grouped by table, in the order of the file.

use super::in_words::prepared;
use super::understood::Setting;
use crate::config::Config;
use crate::config::formats::Framing;
use crate::config::params::{OnGap, PropertyValue};
use crate::data::Span;
use crate::data::params::{
    ChainParams, Deduplicate, EventParams, FactParams, HopOrder, InputFormat, LabelParams, OnDuplicate, OnLate,
    OutputForm, ScoreParams, TimeSource, number_names,
};
use crate::features::Features;

pub(super) fn settings(config: &Config) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut add = |table, name, value| settings.push(Setting { table, name, value });
    for (name, value) in event_settings(&config.events) {
        add("events", name, value);
    }
    for (name, value) in config.labels.iter().flat_map(label_settings) {
        add("labels", name, value);
    }
    for facts in &config.facts {
        add("facts", "table", fact_in_words(facts, &config.events.key));
    }
    for (name, value) in chain_settings(&config.chain, config) {
        add("features", name, value);
    }
    let score = &config.score;
    add("score", "workers", workers(score));
    add("score", "transaction", format!("{}, batches of up to {} records", score.transaction, score.max_batch));
    add("score", "delivery", score.delivery.name().to_owned());
    add("score", "checkpoint", format!("every {}", score.checkpoint));
    add("score", "threshold", score.threshold.to_string());
    let drift = &config.drift;
    for (name, value) in state_settings(config) {
        add("features", name, value);
    }
    add("drift", "window", window(drift.window, drift.offset));
    add("drift", "alert", {
        let (psi, ks, rate, n) = (drift.psi_effect, drift.ks_effect, drift.false_discovery_rate, drift.min_n);
        format!("PSI from {psi} or KS from {ks}, false discovery rate {rate}, at least {n} values")
    });
    let performance = &config.performance;
    add("performance", "window", window(performance.window, performance.offset));
    add("performance", "alert", {
        format!("AUC below {} of its reference, at least {} labels", performance.alert_below, performance.min_n)
    });
    add("performance", "summaries", format!("every {} of event time", performance.every));
    for (name, value) in retrain_settings(config) {
        add("retrain", name, value);
    }
    add("promote", "candidate", {
        let who = if config.promote.auto { "the monitor" } else { "an operator" };
        let (metric, gain) = (config.promote.metric.name(), config.promote.min_gain);
        format!("by {who}, when the paired interval of the gain in {metric} lies above {gain}")
    });
    add("outputs", "format", {
        let framing = match config.outputs.framing {
            Framing::Plain => "",
            Framing::Ids(_) => ", framed with the configured ids",
            Framing::Registered => ", framed with ids from the schema registry",
        };
        match config.outputs.form {
            OutputForm::Json => "JSON".to_owned(),
            OutputForm::Avro => format!("Avro{framing}"),
        }
    });
    if let Some(registry) = &config.schema_registry {
        add("schema_registry", "urls", registry.urls.join(", "));
    }
    if let Some(notify) = &config.notify {
        let to = match &notify.url {
            PropertyValue::Text(text) => text.clone(),
            PropertyValue::Secret(source) => format!("the address from {source}"),
        };
        add("notify", "url", to);
    }
    if let Some(traces) = &config.traces {
        add("traces", "endpoint", traces.endpoint_in_words());
        add("traces", "sampled", format!("{} of the events without a trace of their own", traces.ratio));
    }
    add("kafka", "brokers", config.kafka.bootstrap());
    add("kafka", "session", format!("a dead worker keeps its partitions for {}", config.kafka.session_timeout));
    add("kafka", "gap", {
        let what = match config.kafka.on_gap {
            OnGap::Refuse => "refused",
            OnGap::Skip => "skipped, logged and counted",
        };
        format!("records removed before they were read are {what}")
    });
    for property in &config.kafka.properties {
        let value = match &property.value {
            PropertyValue::Text(_) if may_be_secret(&property.name) => format!("{} = ***", property.name),
            PropertyValue::Text(text) => format!("{} = {text}", property.name),
            PropertyValue::Secret(source) => format!("{} from {source}", property.name),
        };
        add("kafka", "property", value);
    }
    add("store", "path", config.store.path.display().to_string());
    add("http", "listen", config.http.listen.map_or("off".to_owned(), |address| address.to_string()));
    add("log", "level", config.log.level.name().to_owned());
    settings
}

fn fact_in_words(facts: &FactParams, key: &str) -> String {
    let FactParams { name, topic, max_keys, .. } = facts;
    let (written, time) = (format(&facts.format), time(&facts.time));
    format!("`{name}` of each `{key}`, from `{topic}`: {written}; time: {time}; at most {max_keys} keys per shard")
}

/// What groups cost: known from the configuration, however many records they have.
fn state_settings(config: &Config) -> Vec<(&'static str, String)> {
    let features = &config.features;
    let mut settings = vec![("max keys", format!("{} groups of each grouping per shard", features.max_keys))];
    for (grouping, bytes) in features.groupings.iter().zip(Features::new(features).group_bytes()) {
        let most = bytes as f64 * f64::from(features.max_keys) / f64::from(1 << 20);
        settings.push(("group", format!("`{}` takes {bytes} bytes, at most {most:.0} MiB per shard", grouping.name)));
    }
    settings
}

fn event_settings(events: &EventParams) -> Vec<(&'static str, String)> {
    let late = match events.on_late {
        OnLate::Flag => "scored, with a flag",
        OnLate::SideOutput => "not scored, sent to a topic of their own",
    };
    let mut settings = vec![
        ("format", format(&events.format)),
        ("key", format!("the record key is known as `{}`", events.key)),
        ("id", events.id.as_ref().map_or("topic:partition:offset".to_owned(), |field| format!("field `{field}`"))),
        ("time", time(&events.time)),
        ("late", format!("more than {} behind the latest event: {late}", events.lateness)),
        ("rejected", format!("more than {} ahead of the record's timestamp", events.max_ahead)),
    ];
    if let Some(earliest) = events.not_before {
        settings.push(("rejected", format!("before {earliest}")));
    }
    settings.push(("rejected", format!("values longer than {} bytes", events.max_bytes)));
    if !events.has_headers {
        settings.push(("headers", "not read".to_owned()));
    }
    if let Some(Deduplicate { window, on_duplicate }) = events.deduplicate {
        let what = match on_duplicate {
            OnDuplicate::Drop => "left out",
            OnDuplicate::DeadLetter => "a dead letter",
        };
        settings.push(("duplicates", format!("an id that came within {window}: {what}")));
    }
    settings
}

/// The way of an event through the stages, where there is more than one.
fn chain_settings(chain: &ChainParams, config: &Config) -> Vec<(&'static str, String)> {
    if chain.hops.is_empty() {
        return Vec::new();
    }
    let key = config.events.key.as_str();
    let stages: Vec<&str> = std::iter::once(key).chain(chain.hops.iter().map(|hop| hop.name.as_str())).collect();
    let (last, lateness) = (stages.last().copied().unwrap_or_default(), config.events.lateness);
    let topics: Vec<&str> = config.topics.hops.iter().map(|hop| hop.records.as_str()).collect();
    vec![
        (
            "stages",
            format!(
                "{}: an event goes through one for each, and the one of `{last}` scores it",
                stages.join(", then ")
            ),
        ),
        ("hops", format!("through {}; each costs about one transaction", topics.join(", then "))),
        (
            "order",
            match chain.order {
                HopOrder::EventTime => format!(
                    "by event time: a hop takes an event in once every shard has passed it by {lateness}, and goes on without \
                 one that has had nothing to read for {}",
                    chain.idle_after
                ),
                HopOrder::Arrival => "as events arrive, so windows depend on which shard was faster".to_owned(),
            },
        ),
    ]
}

fn label_settings(labels: &LabelParams) -> Vec<(&'static str, String)> {
    let kind = labels.kinds.get(labels.label.kind.0);
    let field = kind.and_then(|kind| number_names(&kind.fields).get(labels.label.field.0).copied()).unwrap_or_default();
    let label = &labels.label;
    let kinds: Vec<&str> = labels.kinds.iter().map(|kind| kind.name.as_str()).collect();
    vec![
        ("format", format(&labels.format)),
        ("event id", format!("field `{}`", labels.event_id)),
        ("time", time(&labels.time)),
        (
            "kinds",
            match &labels.kind {
                Some(kind) => format!("{}, told apart by field `{kind}`", kinds.join(", ")),
                None => "every record is a label".to_owned(),
            },
        ),
        ("label", {
            let kind = kind.map(|kind| kind.name.as_str()).unwrap_or_default();
            format!(
                "`{field}` of `{kind}`: 1 is `{}`, 0 is `{}`, prior {}",
                label.positive, label.negative, label.prior
            )
        }),
        ("wait", format!("{} for a label, or for the event of one", labels.wait)),
    ]
}

fn retrain_settings(config: &Config) -> Vec<(&'static str, String)> {
    let retrain = &config.retrain;
    if retrain.on.is_empty() {
        return vec![("on", "never".to_owned())];
    }
    let on: Vec<&str> = retrain.on.iter().map(|reason| reason.name()).collect();
    let families: Vec<&str> = retrain.families.iter().map(|family| family.name()).collect();
    let mut settings = vec![
        ("on", on.join(", ")),
        ("first", format!("after {} of labelled history and {} labels", retrain.first_after, retrain.min_labels)),
        ("pace", {
            let labels = retrain.new_labels.map(|labels| format!(", or after {labels} new labels"));
            let (cool_down, schedule) = (retrain.cool_down, retrain.schedule);
            format!("at least {cool_down} apart, on schedule after {schedule}{}", labels.unwrap_or_default())
        }),
        ("examples", {
            let (history, holdout, rows) = (retrain.history, retrain.holdout, retrain.max_rows);
            format!("of the last {history}, the last {holdout} of them held out, up to {rows} rows")
        }),
        ("families", families.join(", ")),
        ("forest", {
            let (trees, depth, leaf) = (retrain.trees, retrain.max_depth, retrain.min_leaf);
            format!("{trees} trees, depth {depth}, leaves of {leaf}, {} features per split", retrain.features_per_split)
        }),
    ];
    settings.extend(retrain.prepared.iter().map(|spec| ("input", prepared(spec))));
    settings
}

fn workers(score: &ScoreParams) -> String {
    let cores: Vec<String> = score.cores.iter().map(u32::to_string).collect();
    match cores.as_slice() {
        [] => score.workers.to_string(),
        [core] => format!("{} on processor {core}", score.workers),
        cores => format!("{} on processors {} in turn", score.workers, cores.join(", ")),
    }
}

fn window(window: Span, offset: Span) -> String {
    if offset == Span::default() {
        return format!("{window}, counted from 1970-01-01");
    }
    format!("{window}, counted from 1970-01-01 and shifted by {offset}")
}

fn format(format: &InputFormat) -> String {
    match format {
        InputFormat::Json => "JSON".to_owned(),
        InputFormat::Avro { .. } => "Avro, of one schema".to_owned(),
        InputFormat::ConfluentAvro { schemas, asks_registry } => {
            let files = match schemas.len() {
                0 => String::new(),
                n => format!(", {n} from files"),
            };
            let registry = if *asks_registry { ", others from the schema registry" } else { "" };
            format!("Avro, each value with the id of its schema{files}{registry}")
        }
    }
}

fn time(time: &TimeSource) -> String {
    match time {
        TimeSource::Record => "the record's timestamp".to_owned(),
        TimeSource::Field { name, format: Some(format), .. } => format!("field `{name}` as `{}`", format.as_str()),
        TimeSource::Field { name, unit, .. } => format!("field `{name}` in {}", unit.name()),
    }
}

/// Whether the value of a property of librdkafka is better not shown, also of one that does not exist.
fn may_be_secret(name: &str) -> bool {
    ["password", "secret", "passphrase", "key.pem", "oauthbearer.config"].iter().any(|part| name.contains(part))
}
