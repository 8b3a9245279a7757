//! The configuration file: what is refused and with which words, and that every example is accepted.

use driftless::config::{Config, ConfigError};
use driftless::data::Span;
use driftless::data::params::{Aggregate, FieldColumn, KindIndex, NumberIndex, Source, TextIndex};

const FLIGHTS: &str = include_str!("../examples/flights.toml");

fn flights() -> Result<Config, ConfigError> {
    Config::parse(FLIGHTS)
}

#[test]
fn names_resolve_to_columns_and_features() -> Result<(), ConfigError> {
    let config = flights()?;
    assert_eq!(config.events.topic, "flights.events");
    assert_eq!(config.topics.drift_alerts, "flights.drift-alerts");
    let Some(labels) = &config.labels else { panic!("labels") };
    assert_eq!(labels.kinds.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(), ["cancelled", "departed", "landed"]);
    assert_eq!((labels.label.kind, labels.label.field), (KindIndex(2), NumberIndex(2)));
    let origin = config.events.fields.iter().find(|field| field.name == "origin");
    assert_eq!(origin.map(|field| field.column), Some(FieldColumn::Text(TextIndex(2))));
    assert_eq!(config.events.key_column, Some(TextIndex(2)));

    let features = &config.features;
    assert_eq!(features.names.len(), features.fields.len() + features.windows.len());
    let groupings: Vec<_> = features.groupings.iter().map(|grouping| grouping.name.as_str()).collect();
    assert_eq!(groupings, ["origin", "origin_carrier", "origin_tailnum"]);
    let named = |name: &str| features.names.iter().position(|known| known == name).map(|at| at - features.fields.len());
    let Some(window) = named("origin_carrier.departed.mean_dep_delay.4h").and_then(|at| features.windows.get(at)) else {
        panic!("{:?}", features.names)
    };
    assert_eq!((window.of, window.grouping), (Source::Kind(KindIndex(1)), 1));
    assert_eq!(window.aggregate, Aggregate::Mean(NumberIndex(0)));
    assert_eq!(window.pane(), Span::from_millis(20 * 60_000));
    let since = named("origin_tailnum.departed.since_last").and_then(|at| features.windows.get(at));
    assert_eq!(since.map(|window| (window.aggregate, window.span)), Some((Aggregate::SinceLast, Span::from_days(1))));
    Ok(())
}
