//! What a configuration may say and may still surprise.

use crate::config::Config;
use crate::config::params::KafkaParams;
use crate::data::Span;
use crate::data::params::{Derived, FieldColumn, FieldSpec, HopOrder, KindIndex, Source, TextIndex, TimeSource};

pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.labels.is_none() {
        let text =
            "without `[labels]` nothing is trained and performance is unknown; only drift of features is watched";
        warnings.push(text.to_owned());
    } else if config.retrain.on.is_empty() {
        warnings.push("`retrain.on` is empty: no model is ever trained, not even a first one".to_owned());
    } else if !config.promote.auto {
        warnings.push("`promote.auto` is false: the base rate answers until `driftless models promote`".to_owned());
    }
    if config.retrain.on.is_empty() && !config.retrain.prepared.is_empty() {
        let text = "what is prepared (`target`, `frequency`, `features.prepared`) is made by a training, and nothing is ever \
                    trained: a model from elsewhere sees the row as it is";
        warnings.push(text.to_owned());
    }
    let path = config.store.path.display();
    warnings.push(format!("`store.path` is the local directory `{path}`: it works only while all roles share it"));
    match config.http.listen {
        None => warnings.push("`http.listen` is empty: no health and no metrics are served".to_owned()),
        Some(address) if !address.ip().is_loopback() => {
            warnings.push(format!("`http.listen` is `{address}`: whoever reaches it sees the metrics"));
        }
        Some(_) => {}
    }
    let lateness = config.events.lateness;
    if !config.chain.hops.is_empty() && config.chain.order == HopOrder::EventTime && lateness > Span::default() {
        warnings.push(format!(
            "events go through hops by event time: a prediction waits until everything has passed its event by {lateness} \
             (`events.lateness`); lower it, or set `features.order` to `arrival`, where that is too long"
        ));
    }
    kafka(&config.kafka, &mut warnings);
    if let Some(registry) = &config.schema_registry
        && registry.password.is_some()
        && let Some(url) = registry.urls.iter().find(|url| is_far_and_plain(url))
    {
        warnings.push(format!("the password of the schema registry travels to `{url}` unencrypted; use `https://`"));
    }
    unused(config, &mut warnings);
    warnings
}

fn kafka(kafka: &KafkaParams, warnings: &mut Vec<String>) {
    let session = kafka.session_timeout;
    let (least, most) = (Span::from_millis(6_000), Span::from_millis(1_800_000));
    if session < least || session > most {
        warnings.push(format!(
            "`kafka.session_timeout` is `{session}`: brokers refuse what is not between `{least}` and `{most}` unless set \
             up for it"
        ));
    }
    let encrypted = kafka.property("security.protocol").is_some_and(|protocol| {
        let protocol = protocol.to_ascii_lowercase();
        protocol == "ssl" || protocol == "sasl_ssl"
    });
    let far = kafka.brokers.iter().find(|broker| !is_loopback(broker));
    if let Some(broker) = far.filter(|_| !encrypted) {
        warnings.push(format!(
            "records travel to `{broker}` unencrypted; set `security.protocol` in `[kafka.properties]` where the network \
             is not trusted"
        ));
    }
}

/// An address over `http://` on another machine.
fn is_far_and_plain(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or(rest);
    !is_loopback(&if host.contains(':') { host.to_owned() } else { format!("{host}:80") })
}

fn is_loopback(broker: &str) -> bool {
    let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Declared fields that are checked in every record and feed nothing.
fn unused(config: &Config, warnings: &mut Vec<String>) {
    let features = &config.features;
    let entities = config.chain.hops.iter().flat_map(|hop| hop.fields.iter().copied());
    let groups = features.groupings.iter().flat_map(|grouping| grouping.fields.iter().copied());
    let texts: Vec<TextIndex> = groups.chain(entities).collect();
    let read = |of: Source, column: FieldColumn| {
        features.windows.iter().any(|window| window.of == of && window.aggregate.column() == Some(column))
    };
    let derived: Vec<FieldColumn> = features.derived.iter().flat_map(Derived::columns).collect();
    let idle = |field: &&FieldSpec| {
        let is_taken = match field.column {
            FieldColumn::Text(column) => texts.contains(&column) || config.events.key_column == Some(column),
            FieldColumn::Number(column) => features.fields.contains(&column),
        };
        !is_taken && !read(Source::Events, field.column) && !derived.contains(&field.column)
    };
    let named = |field: &&FieldSpec| {
        let is_time = matches!(&config.events.time, TimeSource::Field { name, .. } if *name == field.name);
        config.events.id.as_ref() == Some(&field.name) || is_time
    };
    let names: Vec<String> = config.events.columns().filter(|field| idle(field) && !named(field)).map(quoted).collect();
    if !names.is_empty() {
        warnings.push(format!("checked in every event, used by no feature: {}", names.join(", ")));
    }
    let Some(labels) = &config.labels else { return };
    for (position, kind) in labels.kinds.iter().enumerate() {
        let of = Source::Kind(KindIndex(position));
        let idle = kind.fields.iter().filter(|field| match field.column {
            FieldColumn::Text(_) => true,
            FieldColumn::Number(column) => {
                let is_label = labels.label.kind.0 == position && labels.label.field == column;
                !is_label && !read(of, field.column)
            }
        });
        let names: Vec<String> = idle.map(quoted).collect();
        if !names.is_empty() {
            warnings.push(format!("checked in every `{}`, used by no feature: {}", kind.name, names.join(", ")));
        }
    }
}

fn quoted(field: &FieldSpec) -> String {
    format!("`{}`", field.name)
}
