//! The configuration file: what is refused and with which words, and that every example is accepted.

use std::path::Path;

use driftless::config::{Config, ConfigError};
use driftless::data::Span;
use driftless::data::params::{Aggregate, FieldColumn, KindIndex, NumberIndex, Source, TextIndex, WindowKind};
use driftless::retrain::{Configured, TrainingParams};

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
    assert_eq!(
        labels.kinds.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(),
        ["cancelled", "departed", "landed"]
    );
    assert_eq!((labels.label.kind, labels.label.field), (KindIndex(2), NumberIndex(2)));
    let origin = config.events.fields.iter().find(|field| field.name == "origin");
    assert_eq!(origin.map(|field| field.column), Some(FieldColumn::Text(TextIndex(2))));
    assert_eq!(config.events.key_column, Some(TextIndex(2)));

    let features = &config.features;
    assert_eq!(features.names.len(), features.fields.len() + features.windows.len());
    let groupings: Vec<_> = features.groupings.iter().map(|grouping| grouping.name.as_str()).collect();
    assert_eq!(groupings, ["origin", "origin_carrier", "origin_dest", "origin_tailnum"]);
    let named = |name: &str| features.names.iter().position(|known| known == name).map(|at| at - features.fields.len());
    let Some(window) = named("origin_carrier.departed.mean_dep_delay.3h").and_then(|at| features.windows.get(at))
    else {
        panic!("{:?}", features.names)
    };
    assert_eq!((window.of, window.grouping), (Source::Kind(KindIndex(1)), 1));
    assert_eq!(window.aggregate, Aggregate::Mean(NumberIndex(0)));
    let hours = |hours: i64| Span::from_millis(hours * 3_600_000);
    assert_eq!(window.kind, WindowKind::Sliding { span: hours(3), panes: 12, delay: Span::default() });
    let text =
        include_str!("../examples/flights.toml").replace("[\"max:dep_delay\"]", "[\"max:dep_delay\", \"since_last\"]");
    let features = Config::parse(&text)?.features;
    let name = "origin_tailnum.departed.since_last";
    let at = features.names.iter().position(|known| known == name).map(|at| at - features.fields.len());
    let since = at.and_then(|at| features.windows.get(at));
    let found = since.map(|window| (window.aggregate, window.reach()));
    assert_eq!(found, Some((Aggregate::SinceLast, Some(hours(12)))));
    Ok(())
}

/// What is said about `tests/fixtures/config/NAME.toml`, after the file name.
fn refusal(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(format!("{name}.toml"));
    match Config::load(&path) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string().replace(&*path.to_string_lossy(), name),
    }
}

#[test]
fn headers_can_be_left_unread_but_not_where_traces_follow_them() -> Result<(), ConfigError> {
    let minimal = include_str!("../examples/minimal.toml");
    let unread = minimal.replace("[events]", "[events]\nheaders = false");
    let (read, unread_config) = (Config::parse(minimal)?, Config::parse(&unread)?);
    assert_eq!((read.events.has_headers, unread_config.events.has_headers), (true, false));
    assert_ne!(read.digest(), unread_config.digest());
    let refused = Config::parse(&format!("{unread}\n[traces]\n")).map_err(|error| error.to_string());
    assert!(refused.is_err_and(|why| why.contains("`events.headers`") && why.contains("`traceparent`")));
    Ok(())
}

#[test]
fn processors_of_workers_do_not_change_results() -> Result<(), ConfigError> {
    let minimal = include_str!("../examples/minimal.toml");
    let bound = Config::parse(&format!("{minimal}\n[score]\ncores = [1, 0]\n"))?;
    assert_eq!((bound.score.cores.as_slice(), bound.digest()), (&[1, 0][..], Config::parse(minimal)?.digest()));
    let refused = Config::parse(&format!("{minimal}\n[score]\ncores = [5000]\n")).map_err(|error| error.to_string());
    assert!(refused.is_err_and(|why| why.contains("`score.cores`: `5000` is no processor")));
    Ok(())
}

#[test]
fn text_that_is_not_toml_is_refused() {
    assert_eq!(refusal("not-toml"), "not-toml:4: not valid TOML: invalid basic string, expected `\"`");
}

#[test]
fn a_misspelt_key_is_refused() {
    assert_eq!(refusal("misspelt-key"), "misspelt-key:6: `events.tiem`: unknown key; did you mean `time`?");
}

#[test]
fn unknown_table_is_refused() {
    assert_eq!(refusal("unknown-table"), "unknown-table:36: `promotion`: unknown key; did you mean `promote`?");
}

#[test]
fn wrong_type_is_refused() {
    assert_eq!(
        refusal("wrong-type"),
        "wrong-type:37: `score.workers`: is the text \"two\"; write a whole number, 0 or more"
    );
}

#[test]
fn a_bare_number_for_a_length_of_time_is_refused() {
    assert_eq!(
        refusal("bare-number-of-seconds"),
        "bare-number-of-seconds:7: `events.lateness`: is the number `600`; write a length of time in quotes, such as \
         `\"10m\"`"
    );
}

#[test]
fn windows_in_single_brackets_are_refused() {
    assert_eq!(
        refusal("single-brackets"),
        "single-brackets:30: `features.windows`: is one table of several; write it in double brackets, \
         `[[features.windows]]`"
    );
}

#[test]
fn a_negative_count_is_refused() {
    assert_eq!(
        refusal("negative-count"),
        "negative-count:37: `drift.min_n`: is the number `-5`; write a whole number, 0 or more"
    );
}

#[test]
fn a_length_of_time_in_words_is_refused() {
    assert_eq!(
        refusal("bad-span"),
        "bad-span:33: `features.windows[0].spans`: `1 day` is not a length of time; write a whole number and a \
         unit, such as `500ms`, `90s`, `15m`, `4h`, `7d`"
    );
}

#[test]
fn unknown_field_type_is_refused() {
    assert_eq!(
        refusal("unknown-field-type"),
        "unknown-field-type:12: `events.fields.distance.type`: unknown value `nubmer`; did you mean `number`?"
    );
}

#[test]
fn unknown_level_is_refused() {
    assert_eq!(
        refusal("unknown-level"),
        "unknown-level:37: `log.level`: unknown value `verbose`; known are `error`, `warn`, `info`, `debug`, \
         `trace`"
    );
}

#[test]
fn a_missing_name_is_refused() {
    assert_eq!(
        refusal("no-app"),
        "no-app: `app`: missing; write a name such as `fraud`: it is the prefix of topics, consumer groups and \
         transactional ids"
    );
}

#[test]
fn a_name_no_topic_can_start_with_is_refused() {
    assert_eq!(
        refusal("bad-app"),
        "bad-app:1: `app`: `My Flights` cannot be the prefix of topics, consumer groups and transactional ids; \
         write 1 to 100 of `a-z`, `0-9`, `.`, `_`, `-`, a letter or digit first"
    );
}

#[test]
fn key_is_a_number_is_refused() {
    assert_eq!(
        refusal("key-is-a-number"),
        "key-is-a-number:9: `events.fields.origin.type`: is `number`, but `events.key` names it and must equal the \
         record key; write `type = \"string\"` or leave the field out"
    );
}

#[test]
fn an_optional_time_is_refused() {
    assert_eq!(
        refusal("optional-time"),
        "optional-time:8: `events.fields.scheduled.required`: is `false`, but `events.time` names it and no event \
         can do without; write `required = true`"
    );
}

#[test]
fn unit_without_time_is_refused() {
    assert_eq!(
        refusal("unit-without-time"),
        "unit-without-time:6: `events.time_unit`: is `s`, but there is no `events.time` to be read with it; name \
         the field"
    );
}

#[test]
fn limits_crossed_is_refused() {
    assert_eq!(
        refusal("limits-crossed"),
        "limits-crossed:13: `events.fields.distance.min`: 10 is above `events.fields.distance.max`, which is 1"
    );
}

#[test]
fn windows_by_nothing_is_refused() {
    assert_eq!(
        refusal("by-nothing"),
        "by-nothing:32: `features.windows[0].by`: is empty; write `[\"origin\"]` or leave it out"
    );
}

#[test]
fn a_hop_whose_entity_makes_no_topic_name_is_refused() {
    assert_eq!(
        refusal("hop-without-a-topic"),
        "hop-without-a-topic: `kafka.topics.hop`: `flights.hop.carrier code` is no topic name; write 1 to 249 of `a-z`, \
         `A-Z`, `0-9`, `.`, `_`, `-`"
    );
}

#[test]
fn an_order_of_hops_that_there_is_not_is_refused() {
    assert_eq!(
        refusal("unknown-order"),
        "unknown-order:29: `features.order`: unknown value `time`; known are `event-time`, `arrival`"
    );
}

#[test]
fn windows_without_the_key_make_a_chain_of_hops_in_order_of_first_use() -> Result<(), ConfigError> {
    let more = r#"
[[features.windows]]
by = ["tailnum"]
spans = ["1h"]
aggregates = ["count"]

[[features.windows]]
by = ["carrier", "dest"]
spans = ["1h"]
aggregates = ["count"]

[[features.windows]]
by = ["dest", "tailnum"]
spans = ["1h"]
aggregates = ["count"]

[kafka.topics]
hop = "elsewhere.by"
"#;
    let config = Config::parse(&format!("{FLIGHTS}\n{more}"))?;
    let hops: Vec<_> = config.chain.hops.iter().map(|hop| hop.name.as_str()).collect();
    assert_eq!(hops, ["tailnum", "carrier_dest"]);
    let last = config.features.groupings.iter().zip(&config.chain.stages).skip(4);
    let last: Vec<_> = last.map(|(grouping, stage)| (grouping.name.as_str(), grouping.fields.len(), *stage)).collect();
    assert_eq!(last, [("tailnum", 0, 1), ("carrier_dest", 0, 2), ("tailnum_dest", 1, 1)]);
    assert_eq!(config.chain.stages[..4], [0; 4]);
    let topics: Vec<_> = config.topics.hops.iter().map(|hop| [&hop.records, &hop.journal, &hop.state]).collect();
    assert_eq!(
        topics[1].map(String::as_str),
        ["elsewhere.by.carrier_dest", "elsewhere.by.carrier_dest.journal", "elsewhere.by.carrier_dest.state",]
    );
    assert_ne!(config.digest(), flights()?.digest());
    assert!(flights()?.chain.hops.is_empty());
    Ok(())
}

/// What is said about facts, after the place; `tables` come after minimal events and labels.
fn fact_refusal(tables: &str) -> String {
    let text = format!(
        "app = \"a\"\n[events]\nkey = \"card\"\n[events.fields.amount]\ntype = \"number\"\n\
         [events.fields.\"who.since\"]\ntype = \"number\"\n[features]\nfields = [\"amount\"]\n{tables}"
    );
    Config::parse(&text).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

#[test]
fn facts_are_columns_after_those_of_the_event_and_the_example_is_accepted() -> Result<(), ConfigError> {
    let config = Config::parse(include_str!("../examples/facts.toml"))?;
    let facts = &config.facts[0];
    assert_eq!((facts.name.as_str(), facts.topic.as_str(), facts.input.0), ("customer", "cards.facts.customer", 2));
    let names: Vec<_> = config.events.columns().map(|column| (column.name.as_str(), column.column)).collect();
    let (number, text) = (|n| FieldColumn::Number(NumberIndex(n)), |n| FieldColumn::Text(TextIndex(n)));
    let expected =
        [("amount", number(0)), ("country", text(0)), ("customer.country", text(1)), ("customer.limit", number(1))];
    assert_eq!(names, expected);
    assert_eq!(config.features.fields, [NumberIndex(0), NumberIndex(1)]);
    let inputs: Vec<_> = config.topics.inputs().cloned().collect();
    assert_eq!(inputs, ["cards.events", "cards.labels", "cards.facts.customer"]);
    let without = include_str!("../examples/facts.toml").replace("min = 0.0\n\n[labels", "min = 1.0\n\n[labels");
    assert_ne!(Config::parse(&without)?.digest(), config.digest(), "what facts have to be enters the digest");
    Ok(())
}

#[test]
fn facts_group_windows_and_may_come_without_labels() -> Result<(), ConfigError> {
    let text = "app = \"a\"\n[events]\nkey = \"card\"\n[facts.who.fields.country]\ntype = \"string\"\n\
                [[features.windows]]\nby = [\"card\", \"who.country\"]\nspans = [\"1h\"]\naggregates = [\"count\"]";
    let config = Config::parse(text)?;
    assert_eq!(
        (config.facts[0].input.0, config.features.names.as_slice()),
        (1, &["card_who.country.events.count.1h".to_owned()][..])
    );
    Ok(())
}

#[test]
fn facts_that_cannot_be_looked_up_are_refused() {
    for (tables, expected) in [
        (
            "[facts.shop]\nby = \"shop\"\n[facts.shop.fields.kind]\ntype = \"string\"",
            "line 11: `facts.shop.by`: is `shop`, but facts are known of the record key only, `card`: those of another \
             entity would be in other shards than the events; key the topic by `card`, or put what is known into the event",
        ),
        ("[facts.who]\nby = \"card\"\n[facts.who.fields.country]\ntype = \"string\"", "accepted"),
        (
            "[facts.who]",
            "line 10: `facts.who.fields`: missing; declare what is known, such as `[facts.who.fields.country]` with `type = \
             \"string\"`",
        ),
        (
            "[facts.who.fields.since]\ntype = \"string\"",
            "line 10: `facts.who.fields`: features would know it as `who.since`, which is a field of the event already; \
             give one another name",
        ),
        (
            "[facts.\"a.b\".fields.c]\ntype = \"string\"",
            "line 10: `facts.\"a.b\"`: `a.b` cannot be the first part of a feature's name; write 1 to 100 of `a-z`, \
             `0-9`, `_`, `-`, a letter first",
        ),
        (
            "[facts.who]\nmax_keys = 0\n[facts.who.fields.country]\ntype = \"string\"",
            "line 11: `facts.who.max_keys`: 0 is out of range; write a whole number from 1 to 100000000",
        ),
        (
            "[facts.who]\ntopic = \"a.events\"\n[facts.who.fields.country]\ntype = \"string\"",
            "line 11: `facts.who.topic`: `a.events` is also the topic of `events.topic`; each needs a topic of its own",
        ),
        (
            "[facts.who]\ntime = \"at\"\ntime_unit = \"ns\"\n[facts.who.fields.at]\ntype = \"number\"",
            "line 13: `facts.who.fields.at`: is declared, but no number holds nanoseconds exactly, and `facts.who.time` \
             reads the field as it is; leave the declaration out",
        ),
        (
            "[facts.who]\ntime_unit = \"s\"\n[facts.who.fields.at]\ntype = \"number\"",
            "line 11: `facts.who.time_unit`: is `s`, but there is no `facts.who.time` to be read with it; name the field",
        ),
        ("[facts.who]\ntme = \"at\"", "line 11: `facts.who.tme`: unknown key; did you mean `time`?"),
    ] {
        assert_eq!(fact_refusal(tables), expected, "{tables}");
    }
}

#[test]
fn windows_by_a_number_is_refused() {
    assert_eq!(
        refusal("by-a-number"),
        "by-a-number:32: `features.windows[0].by[1]`: `distance` is a `number`; windows group by strings only"
    );
}

#[test]
fn windows_by_an_undeclared_field_is_refused() {
    assert_eq!(
        refusal("by-undeclared"),
        "by-undeclared:32: `features.windows[0].by[1]`: `carier` is not declared under `events.fields` as a string; \
         did you mean `carrier`?"
    );
}

#[test]
fn unknown_feature_field_is_refused() {
    assert_eq!(
        refusal("unknown-feature-field"),
        "unknown-feature-field:28: `features.fields[0]`: `distanse` is not declared under `events.fields`; did you \
         mean `distance`?"
    );
}

#[test]
fn text_feature_is_refused() {
    assert_eq!(
        refusal("text-feature"),
        "text-feature:28: `features.fields[1]`: `carrier` is a `string` in `events.fields`; only a `number` or \
         `boolean` can be computed with (a string can group windows with `by`)"
    );
}

#[test]
fn duplicate_feature_is_refused() {
    assert_eq!(
        refusal("duplicate-feature"),
        "duplicate-feature:40: `features.windows[1].aggregates[0]`: feature `origin_carrier.departed.count.4h` is \
         there already; each feature must be named once"
    );
}

#[test]
fn unknown_aggregate_is_refused() {
    assert_eq!(
        refusal("unknown-aggregate"),
        "unknown-aggregate:34: `features.windows[0].aggregates[1]`: `median:dep_delay` is not an aggregate; write \
         one of `count`, `rate`, `since_last`, `duration`, `sum:FIELD`, `mean:FIELD`, `variance:FIELD`, `std:FIELD`, \
         `min:FIELD`, `max:FIELD`, `first:FIELD`, `last:FIELD`, `ratio:FIELD`, `p95:FIELD`, `distinct:FIELD`, \
         `top_share:FIELD`, `is_top:FIELD`"
    );
}

#[test]
fn aggregate_of_another_kind_is_refused() {
    assert_eq!(
        refusal("aggregate-of-another-kind"),
        "aggregate-of-another-kind:34: `features.windows[0].aggregates[1]`: `late` is not declared under \
         `labels.kinds.departed.fields`; known are `dep_delay`"
    );
}

#[test]
fn unknown_source_is_refused() {
    assert_eq!(
        refusal("unknown-source"),
        "unknown-source:31: `features.windows[0].of`: `departures` is neither `events` nor declared under \
         `labels.kinds`; did you mean `departed`?"
    );
}

#[test]
fn span_not_divisible_is_refused() {
    assert_eq!(
        refusal("span-not-divisible"),
        "span-not-divisible:33: `features.windows[0].spans[1]`: `100ms` cannot be cut into 12 equal pieces of whole \
         milliseconds; change the span or `features.windows[0].panes`"
    );
}

/// What is said about windows of minimal events, after the place.
fn window_refusal(tables: &str) -> String {
    let text = format!(
        "app = \"a\"\n[events]\nkey = \"card\"\n[events.fields.amount]\ntype = \"number\"\n[events.fields.shop]\n\
         type = \"string\"\n[labels.kinds.label.fields.fraud]\ntype = \"number\"\n[labels.label]\nfield = \"fraud\"\n\
         positive = \"bad\"\nnegative = \"good\"\nprior = 0.1\n{tables}"
    );
    match Config::parse(&text) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string().split_once("`: ").map(|(_, message)| message.to_owned()).unwrap_or_default(),
    }
}

#[test]
fn what_does_not_fit_a_window_is_refused() {
    let window = |keys: &str| window_refusal(&format!("[[features.windows]]\n{}", keys.replace("; ", "\n")));
    let cases = [
        ("kind = \"session\"; aggregates = [\"count\"]", "missing; write the longest pause"),
        ("kind = \"session\"; gap = \"1m\"; spans = [\"1h\"]; aggregates = [\"count\"]", "says nothing about a window"),
        ("kind = \"session\"; of = \"label\"; gap = \"1m\"; aggregates = [\"count\"]", "a session is over `events`"),
        ("spans = [\"1h\"]; aggregates = [\"duration\"]", "`duration` is for sessions"),
        ("kind = \"ever\"; aggregates = [\"rate\"]", "`rate` needs a length of time"),
        ("kind = \"ever\"; half_life = \"1h\"; aggregates = [\"max:amount\"]", "`max:amount` cannot fade"),
        (
            "of = \"label\"; ends = \"latest\"; spans = [\"1h\"]; aggregates = [\"count\"]",
            "`latest` would show an event",
        ),
        ("of = \"label\"; spans = [\"1h\"]; aggregates = [\"ratio:fraud\"]", "`ratio:fraud` compares the event's own"),
        ("delay = \"1h\"; spans = [\"1h\"]; aggregates = [\"since_last\"]", "`since_last` looks back from the event"),
        ("kind = \"tumbling\"; spans = [\"1h\"]; every = \"7m\"; aggregates = [\"count\"]", "`1h` must be a multiple"),
        ("kind = \"tumbling\"; spans = [\"1h\"]; offset = \"1h\"; aggregates = [\"count\"]", "`1h` must be shorter"),
        (
            "spans = [\"1h\"]; delay = \"1h\"; includes_event = false; aggregates = [\"count\"]",
            "the window does not hold",
        ),
        ("spans = [\"1h\"]; aggregates = [\"p101:amount\"]", "`p101:amount` is not an aggregate"),
        ("spans = [\"1h\"]; aggregates = [\"distinct:shop\", \"p99.9:amount\"]", "accepted"),
    ];
    for (keys, expected) in cases {
        let found = window(keys);
        assert!(found.starts_with(expected), "{keys}: {found}");
    }
}

#[test]
fn what_cannot_be_derived_is_refused() {
    let derived = |expr: &str| {
        window_refusal(&format!(
            "[features]\nfields = [\"amount\"]\n[[features.derived]]\nname = \"x\"\nexpr = '{expr}'"
        ))
    };
    let cases = [
        ("amount / 2 + log1p(hour())", "accepted"),
        ("shop == \"web\" && !missing(shop)", "accepted"),
        ("amonut + 1", "`amonut` is neither a field of the event nor a feature named before; did you mean `amount`?"),
        ("shop + 1", "`shop` is a string"),
        ("shop < \"web\"", "`shop` can be compared with a text by `==` and `!=` only"),
        ("amount +", "something is expected at character 9"),
        ("sqr(amount)", "`sqr` is no function; did you mean `sqrt`?"),
        ("clip(amount, 1)", "`clip` takes 3 arguments; 2 are given"),
        ("bucket(amount, 3, 2)", "the edges of `bucket` must be numbers, the smaller first"),
        ("hash(shop, 1)", "1 is no number of buckets"),
    ];
    for (expr, expected) in cases {
        let found = derived(expr);
        assert!(found.starts_with(expected), "{expr}: {found}");
    }
    let row = window_refusal("[features]\nfields = [\"amount\"]\nrow = [\"amonut\"]");
    assert!(row.starts_with("`amonut` is not computed; did you mean `amount`?"), "{row}");
    let offset = window_refusal("[features]\nfields = [\"amount\"]\nutc_offset = \"5h\"");
    assert!(offset.starts_with("`5h` is no offset from UTC"), "{offset}");
}

#[test]
fn what_cannot_be_prepared_is_refused() {
    let tables =
        |keys: &str| window_refusal(&format!("[features]\nfields = [\"amount\"]\n{}", keys.replace("; ", "\n")));
    let encoded = |keys: &str| tables(&format!("[[features.encoded]]; {keys}"));
    let cases = [
        ("field = \"shop\"; as = \"target\"", "accepted"),
        ("field = \"shop\"; as = \"target\"; prior_weight = 0; max_categories = 5", "accepted"),
        ("field = \"shop\"; as = \"frequency\"; [[features.encoded]]; field = \"shop\"; as = \"target\"", "accepted"),
        ("as = \"target\"", "missing; write a string field"),
        ("field = \"amount\"; as = \"target\"", "`amount` is no `string`"),
        ("field = \"shop\"; as = \"target\"; categories = [\"web\"]", "says nothing about `as = \"target\"`"),
        ("field = \"shop\"; as = \"frequency\"; prior_weight = 3", "says nothing about `as = \"frequency\"`"),
        ("field = \"shop\"; as = \"hashed\"; buckets = 8; max_categories = 5", "is for encodings that are trained"),
        ("field = \"shop\"; as = \"target\"; prior_weight = -1", "-1 is out of range; write a number, 0 or more"),
        ("field = \"shop\"; as = \"target\"; prior_weight = 1e10", "10000000000 is out of range"),
        ("field = \"shop\"; as = \"target\"; max_categories = 0", "0 is out of range; write a whole number from 1"),
        (
            "field = \"shop\"; as = \"target\"; [[features.encoded]]; field = \"shop\"; as = \"target\"",
            "`shop.target` is there already",
        ),
        (
            "field = \"shop\"; as = \"target\"; [[features.derived]]; name = \"shop.target\"; expr = \"amount\"",
            "makes `shop.target`, which is also the name of another feature",
        ),
        (
            "field = \"shop\"; as = \"target\"; [[features.prepared]]; features = [\"shop.code\"]; missing = \"mean\"",
            "`shop.code` is prepared already",
        ),
    ];
    for (keys, expected) in cases {
        let found = encoded(keys);
        assert!(found.starts_with(expected), "{keys}: {found}");
    }
    let prepared = |keys: &str| tables(&format!("[[features.prepared]]; {keys}"));
    let cases = [
        ("features = [\"amount\"]; as = \"standardised\"", "accepted"),
        ("features = [\"amount\"]; as = \"normalised\"; quantiles = [0.01, 0.99]; indicator = true", "accepted"),
        ("as = \"standardised\"", "missing; write names of features"),
        ("features = [\"amount\"]", "asks for nothing"),
        ("features = [\"amonut\"]; indicator = true", "`amonut` is no feature of the row; did you mean `amount`?"),
        ("features = [\"amount\", \"amount\"]; indicator = true", "`amount` is prepared already"),
        ("features = [\"amount\"]; as = \"standardised\"; quantiles = [0.0, 1.0]", "is for `as = \"normalised\"`"),
        ("features = [\"amount\"]; as = \"normalised\"; quantiles = [0.9, 0.1]", "0.9 is not below 0.1"),
        ("features = [\"amount\"]; as = \"normalised\"; quantiles = [0.0, 1.5]", "1.5 is out of range"),
    ];
    for (keys, expected) in cases {
        let found = prepared(keys);
        assert!(found.starts_with(expected), "{keys}: {found}");
    }
    let row = window_refusal(
        "[features]\nfields = [\"amount\"]\nrow = [\"amount\"]\n[[features.encoded]]\nfield = \"shop\"\nas = \"target\"",
    );
    assert!(row.starts_with("needs `shop.code`, which `features.row` leaves out"), "{row}");
}

#[test]
fn a_target_without_labels_is_refused_and_the_code_stands_in_the_row_once() -> Result<(), ConfigError> {
    let text = "app = \"a\"\n[events.fields.shop]\ntype = \"string\"\n[[features.encoded]]\nfield = \"shop\"\nas = \"target\"\n";
    let refused = Config::parse(text).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("`features.encoded[0].as`: `target` is the share of positives"), "{refused}");
    let labels = "[labels.kinds.label.fields.fraud]\ntype = \"boolean\"\n[labels.label]\nfield = \"fraud\"\n";
    let both = "[[features.encoded]]\nfield = \"shop\"\nas = \"frequency\"\nmax_categories = 9\n";
    let config = Config::parse(&format!("{text}{both}{labels}"))?;
    assert_eq!(config.features.names, ["shop.code"]);
    assert_eq!(config.features.codes().collect::<Vec<_>>(), ["shop.code"]);
    let inputs: Vec<&str> = config.retrain.prepared.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(inputs, ["shop.target", "shop.frequency"]);
    Ok(())
}

#[test]
fn label_kind_unknown_is_refused() {
    assert_eq!(
        refusal("label-kind-unknown"),
        "label-kind-unknown:24: `labels.label.kind`: `arrived` is not declared under `labels.kinds`; known are \
         `departed`, `landed`"
    );
}

#[test]
fn label_field_unknown_is_refused() {
    assert_eq!(
        refusal("label-field-unknown"),
        "label-field-unknown:25: `labels.label.field`: `delayed` is not declared under \
         `labels.kinds.landed.fields`; known are `late`"
    );
}

#[test]
fn label_classes_alike_is_refused() {
    assert_eq!(
        refusal("label-classes-alike"),
        "label-classes-alike:27: `labels.label.negative`: `late` is also `labels.label.positive`; a decision must \
         tell the two apart"
    );
}

#[test]
fn kinds_not_told_apart_is_refused() {
    assert_eq!(
        refusal("kinds-not-told-apart"),
        "kinds-not-told-apart:17: `labels.kinds.departed`: cannot be told from other kinds without `labels.kind`; \
         name the field that holds the kind, or declare only `labels.kinds.label`"
    );
}

#[test]
fn threshold_out_of_range_is_refused() {
    assert_eq!(
        refusal("threshold-out-of-range"),
        "threshold-out-of-range:37: `score.threshold`: 50 is out of range; write a number from 0 to 1"
    );
}

#[test]
fn a_threshold_that_is_no_number_is_refused() {
    assert_eq!(
        refusal("nan-threshold"),
        "nan-threshold:37: `score.threshold`: NaN is out of range; write a number from 0 to 1"
    );
}

#[test]
fn holdout_longer_than_history_is_refused() {
    assert_eq!(
        refusal("holdout-longer-than-history"),
        "holdout-longer-than-history:38: `retrain.holdout`: `14d` leaves nothing to train on: it must be shorter \
         than `retrain.history`, which is `14d`"
    );
}

#[test]
fn schedule_within_cool_down_is_refused() {
    assert_eq!(
        refusal("schedule-within-cool-down"),
        "schedule-within-cool-down:37: `retrain.schedule`: `7d` is shorter than `retrain.cool_down`, which is \
         `28d`, and would never be kept; write at least `28d` or leave `schedule` out of `retrain.on`"
    );
}

#[test]
fn retrain_without_labels_is_refused() {
    assert_eq!(
        refusal("retrain-without-labels"),
        "retrain-without-labels:23: `retrain.on`: asks for trainings, but without `[labels]` there is nothing to \
         learn from; add `[labels]` or write `on = []`"
    );
}

#[test]
fn topic_twice_is_refused() {
    assert_eq!(
        refusal("topic-twice"),
        "topic-twice:37: `kafka.topics.outcomes`: `flights.labels` is also the topic of `labels.topic`; each needs \
         a topic of its own"
    );
}

#[test]
fn password_in_file_is_refused() {
    assert_eq!(
        refusal("password-in-file"),
        "password-in-file:38: `kafka.properties.\"sasl.password\"`: is a secret and must not stand in the file; \
         write `{ env = \"SASL_PASSWORD\" }` or `{ file = \"/path/to/it\" }`"
    );
}

#[test]
fn owned_property_is_refused() {
    assert_eq!(
        refusal("owned-property"),
        "owned-property:37: `kafka.properties.enable.idempotence`: exactly-once delivery depends on it, so it is \
         not passed on; leave it out"
    );
}

#[test]
fn broker_without_port_is_refused() {
    assert_eq!(
        refusal("broker-without-port"),
        "broker-without-port:37: `kafka.brokers`: `kafka-2` is not HOST:PORT; write one such as `127.0.0.1:9092`"
    );
}

/// Messages about files name the folder of the configuration.
fn refusal_in_folder(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    refusal(name).replace(&*folder.to_string_lossy(), "DIR")
}

#[test]
fn formats_without_what_they_need_or_with_what_they_cannot_use_are_refused() {
    let refusals = [
        (
            refusal_in_folder("schema-with-json"),
            r#"schema-with-json:4: `events.schema`: has no use while `events.format` is `json`; write `avro`, or leave it out"#,
        ),
        (
            refusal_in_folder("schema-with-framed"),
            r#"schema-with-framed:5: `events.schema`: has no use while `events.format` is `confluent-avro`; each value names its schema: write `events.schemas`, or leave it out"#,
        ),
        (
            refusal_in_folder("schemas-with-avro"),
            r#"schemas-with-avro:6: `events.schemas`: has no use while `events.format` is `avro`; write `confluent-avro`, or leave it out"#,
        ),
        (
            refusal_in_folder("avro-without-schema"),
            r#"avro-without-schema:3: `events.schema`: missing; write the file with the Avro schema of the records"#,
        ),
        (
            refusal_in_folder("framed-without-schemas"),
            r#"framed-without-schemas:4: `events.format`: is `confluent-avro`, but no schema can be found; write `schema_registry.urls`, or the files by id: `schemas = { 1 = "event.avsc" }`"#,
        ),
        (
            refusal_in_folder("schema-that-is-gone"),
            r#"schema-that-is-gone:5: `events.schema`: cannot read the schema `DIR/gone.avsc`: No such file or directory (os error 2)"#,
        ),
        (
            refusal_in_folder("schema-that-is-no-json"),
            r#"schema-that-is-no-json:5: `events.schema`: `DIR/valid.toml` is not JSON: line 1, column 1"#,
        ),
        (
            refusal_in_folder("schema-id-of-letters"),
            r#"schema-id-of-letters:5: `events.schemas.one`: `one` is no schema id; write a whole number from 0 to 4294967295"#,
        ),
        (
            refusal_in_folder("unknown-format"),
            r#"unknown-format:4: `events.format`: unknown value `protobuf`; known are `json`, `avro`, `confluent-avro`"#,
        ),
        (
            refusal_in_folder("output-ids-with-json"),
            r#"output-ids-with-json:37: `outputs.ids.predictions`: has no use while `outputs.format` is `json`; write `confluent-avro`, or leave it out"#,
        ),
        (
            refusal_in_folder("output-ids-incomplete"),
            r#"output-ids-incomplete:38: `outputs.ids.drift-alerts`: missing; write the ids of all four, or of none to register them at the start"#,
        ),
        (
            refusal_in_folder("outputs-without-registry"),
            r#"outputs-without-registry:37: `outputs.format`: is `confluent-avro`, but no schema has an id; write `schema_registry.urls` to register them at the start, or `outputs.ids`"#,
        ),
        (
            refusal_in_folder("registry-password-in-the-file"),
            r#"registry-password-in-the-file:39: `schema_registry.password`: is a secret and must not stand in the file; write `{ env = "SCHEMA_REGISTRY_PASSWORD" }` or `{ file = "/path/to/it" }`"#,
        ),
        (
            refusal_in_folder("registry-user-alone"),
            r#"registry-user-alone:36: `schema_registry.password`: missing, but `schema_registry.user` is given; write both, or neither"#,
        ),
        (
            refusal_in_folder("registry-without-address"),
            r#"registry-without-address:37: `schema_registry.user`: has no use without `schema_registry.urls`; write the address of the registry"#,
        ),
        (
            refusal_in_folder("registry-of-no-address"),
            r#"registry-of-no-address:37: `schema_registry.urls[0]`: `127.0.0.1:8081` is no address of a registry; write one such as `http://127.0.0.1:8081`"#,
        ),
        (
            refusal_in_folder("registry-address-with-password"),
            r#"registry-address-with-password:37: `schema_registry.urls[0]`: holds a name or a password; write `schema_registry.user` and `schema_registry.password`"#,
        ),
        (
            refusal_in_folder("notify-of-no-address"),
            r#"notify-of-no-address:37: `notify.url`: `127.0.0.1:9093` is no address; write one such as `http://127.0.0.1:9093`"#,
        ),
        (
            refusal_in_folder("notify-secret-in-the-file"),
            r#"notify-secret-in-the-file:37: `notify.url`: holds a secret and must not stand in the file; write `{ env = "NOTIFY_URL" }` or `{ file = "/path/to/it" }`"#,
        ),
        (
            refusal_in_folder("notify-password-in-the-file"),
            r#"notify-password-in-the-file:37: `notify.url`: holds a secret and must not stand in the file; write `{ env = "NOTIFY_URL" }` or `{ file = "/path/to/it" }`"#,
        ),
        (
            refusal_in_folder("notify-nobody"),
            r#"notify-nobody:37: `notify.on`: has no use without `notify.url`; write the address to post to"#,
        ),
        (
            refusal_in_folder("notify-of-nothing"),
            r#"notify-of-nothing:38: `notify.on`: is empty; name what is told, or leave `notify.url` out"#,
        ),
        (
            refusal_in_folder("notify-models-to-alertmanager"),
            r#"notify-models-to-alertmanager:39: `notify.on`: `models` is no alert, and `notify.format` is `alertmanager`; leave it out"#,
        ),
    ];
    let wrong: Vec<_> = refusals.iter().filter(|(said, expected)| said != expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn traces_that_go_nowhere_or_tell_a_secret_are_refused() {
    let refusals = [
        (
            refusal_in_folder("traces-of-no-address"),
            r#"traces-of-no-address:37: `traces.endpoint`: `collector:4318` is no address; write one such as `http://collector:4318/v1/traces`"#,
        ),
        (
            refusal_in_folder("traces-secret-in-the-file"),
            r#"traces-secret-in-the-file:37: `traces.headers.Authorization`: holds a secret and must not stand in the file; write `{ env = "NAME" }` or `{ file = "PATH" }`"#,
        ),
        (
            refusal_in_folder("traces-header-of-no-name"),
            r#"traces-header-of-no-name:36: `traces.headers.x y`: is not the name of a header; write one such as `authorization`"#,
        ),
        (
            refusal_in_folder("traces-beyond-all"),
            r#"traces-beyond-all:37: `traces.ratio`: 1.5 is out of range; write a number from 0 to 1"#,
        ),
    ];
    let wrong: Vec<_> = refusals.iter().filter(|(said, expected)| said != expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pattern_broken_is_refused() {
    assert_eq!(
        refusal("pattern-broken"),
        "pattern-broken:10: `events.fields.carrier.pattern`: `[A-Z` is no regular expression: unclosed character class"
    );
}

#[test]
fn pattern_too_large_is_refused() {
    assert_eq!(
        refusal("pattern-too-large"),
        "pattern-too-large:10: `events.fields.carrier.pattern`: `\\w{900}{900}` is too large: it would compile to more than 1048576 bytes; repeat less, or allow a plain length"
    );
}

#[test]
fn pattern_of_a_number_is_refused() {
    assert_eq!(
        refusal("pattern-of-a-number"),
        "pattern-of-a-number:13: `events.fields.distance.pattern`: is a rule for a `string`, and the field is a `number`; leave it out"
    );
}

#[test]
fn max_length_zero_is_refused() {
    assert_eq!(
        refusal("max-length-zero"),
        "max-length-zero:10: `events.fields.carrier.max_length`: 0 allows the empty string only; write 1 or more, or `one_of = [\"\"]`"
    );
}

#[test]
fn max_length_of_a_number_is_refused() {
    assert_eq!(
        refusal("max-length-of-a-number"),
        "max-length-of-a-number:13: `events.fields.distance.max_length`: is a rule for a `string`, and the field is a `number`; leave it out"
    );
}

#[test]
fn one_of_nothing_is_refused() {
    assert_eq!(
        refusal("one-of-nothing"),
        "one-of-nothing:10: `events.fields.carrier.one_of`: lists nothing, so every record would be rejected; write the values or leave it out"
    );
}

#[test]
fn one_of_twice_is_refused() {
    assert_eq!(refusal("one-of-twice"), "one-of-twice:10: `events.fields.carrier.one_of`: lists `AA` twice");
}

#[test]
fn one_of_number_twice_is_refused() {
    assert_eq!(
        refusal("one-of-number-twice"),
        "one-of-number-twice:13: `events.fields.distance.one_of`: lists 2 twice"
    );
}

#[test]
fn one_of_text_for_a_number_is_refused() {
    assert_eq!(
        refusal("one-of-text-for-a-number"),
        "one-of-text-for-a-number:13: `events.fields.distance.one_of`: lists the text `1` for a `number`; write numbers"
    );
}

#[test]
fn one_of_number_for_a_text_is_refused() {
    assert_eq!(
        refusal("one-of-number-for-a-text"),
        "one-of-number-for-a-text:10: `events.fields.carrier.one_of`: lists the number 1 for a `string`; write it in quotes"
    );
}

#[test]
fn one_of_nan_is_refused() {
    assert_eq!(
        refusal("one-of-nan"),
        "one-of-nan:13: `events.fields.distance.one_of`: lists NaN, which no field can hold; write finite numbers"
    );
}

#[test]
fn one_of_odd_is_refused() {
    assert_eq!(
        refusal("one-of-odd"),
        "one-of-odd:10: `events.fields.carrier.one_of`: holds what is neither a number nor a text; write values such as `[1, 2]` or `[\"a\", \"b\"]`"
    );
}

#[test]
fn one_of_boolean_is_refused() {
    assert_eq!(
        refusal("one-of-boolean"),
        "one-of-boolean:22: `labels.kinds.landed.fields.late.one_of`: lists values of a `boolean`, which has two; leave it out"
    );
}

#[test]
fn not_before_a_word_is_refused() {
    assert_eq!(
        refusal("not-before-a-word"),
        "not-before-a-word:7: `events.not_before`: `yesterday` is no time; write one such as `2013-01-01T00:00:00Z`"
    );
}

#[test]
fn time_format_and_unit_is_refused() {
    assert_eq!(
        refusal("time-format-and-unit"),
        "time-format-and-unit:8: `events.time_format`: contradicts `events.time_unit`, which is `s`: a time is written in one way; leave one out"
    );
}

#[test]
fn time_format_incomplete_is_refused() {
    assert_eq!(
        refusal("time-format-incomplete"),
        "time-format-incomplete:7: `events.time_format`: `%H:%M` does not say which day, or says a part of the time of day only; write a date, and with it `%H:%M` or more"
    );
}

#[test]
fn time_format_unknown_is_refused() {
    assert_eq!(
        refusal("time-format-unknown"),
        "time-format-unknown:7: `events.time_format`: `%Y-%m-%d %Q` holds a conversion that is not known; write those of `strftime`, such as `%Y-%m-%d %H:%M:%S`"
    );
}

#[test]
fn time_format_zone_name_is_refused() {
    assert_eq!(
        refusal("time-format-zone-name"),
        "time-format-zone-name:7: `events.time_format`: `%Y-%m-%d %H:%M %Z` holds `%Z`: the name of a zone does not say its offset; write `%z`, or leave it out for UTC"
    );
}

#[test]
fn time_format_without_time_is_refused() {
    assert_eq!(
        refusal("time-format-without-time"),
        "time-format-without-time:6: `events.time_format`: is `%Y-%m-%d`, but there is no `events.time` to be read with it; name the field"
    );
}

#[test]
fn nanoseconds_declared_is_refused() {
    assert_eq!(
        refusal("nanoseconds-declared"),
        "nanoseconds-declared:15: `events.fields.scheduled`: is declared, but no number holds nanoseconds exactly, and `events.time` reads the field as it is; leave the declaration out"
    );
}

#[test]
fn deduplicate_without_id_is_refused() {
    assert_eq!(
        refusal("deduplicate-without-id"),
        "deduplicate-without-id:5: `events.deduplicate`: without `events.id` an event is its position, which never comes twice; name the field with the id"
    );
}

#[test]
fn deduplicate_no_time_is_refused() {
    assert_eq!(
        refusal("deduplicate-no-time"),
        "deduplicate-no-time:7: `events.deduplicate`: `0ms` is no time at all; write a length of time above zero, such as `1d`"
    );
}

#[test]
fn on_duplicate_alone_is_refused() {
    assert_eq!(
        refusal("on-duplicate-alone"),
        "on-duplicate-alone:7: `events.on_duplicate`: there is no `events.deduplicate` to find duplicates with; write a length of time there"
    );
}

#[test]
fn max_bytes_zero_is_refused() {
    assert_eq!(
        refusal("max-bytes-zero"),
        "max-bytes-zero:7: `events.max_bytes`: 0 is out of range; write a whole number from 1 to 67108864"
    );
}

#[test]
fn on_late_unknown_is_refused() {
    assert_eq!(
        refusal("on-late-unknown"),
        "on-late-unknown:7: `events.on_late`: unknown value `drop`; known are `flag`, `side-output`"
    );
}

#[test]
fn late_topic_without_side_output_is_refused() {
    assert_eq!(
        refusal("late-topic-without-side-output"),
        "late-topic-without-side-output:37: `kafka.topics.late`: is `elsewhere`, but late events are flagged and stay where they are; write `on_late = \"side-output\"` under `[events]`"
    );
}

#[test]
fn what_is_not_used_is_not_in_the_digest_and_what_is_used_changes_it() -> Result<(), ConfigError> {
    let valid = include_str!("fixtures/config/valid.toml");
    // Pinned: a running application takes another digest for another configuration.
    assert_eq!(Config::parse(valid)?.digest(), "6145f9e7f7808b506c5619a177538c362b3f87b67c1be189b039e69df3c356b6");
    for (table, line) in [
        ("[events]", "on_late = \"side-output\""),
        ("[events]", "not_before = \"2013-01-01T00:00:00Z\""),
        ("[events]", "deduplicate = \"1h\""),
        ("[events]", "max_bytes = 1000"),
        ("[events]", "time_unit = \"us\""),
        ("[events]", "time_format = \"%Y-%m-%d\""),
        ("[events.fields.carrier]", "one_of = [\"AA\"]"),
        ("[events.fields.carrier]", "pattern = \"[A-Z]+\""),
        ("[events.fields.carrier]", "max_length = 2"),
        ("[events.fields.distance]", "one_of = [1, 2]"),
    ] {
        let text = valid.replacen(&format!("{table}\n"), &format!("{table}\n{line}\n"), 1);
        assert_ne!(Config::parse(&text)?.digest(), Config::parse(valid)?.digest(), "{line}");
    }
    Ok(())
}

#[test]
fn max_rejected_out_of_range_is_refused() {
    assert_eq!(
        refusal("max-rejected-out-of-range"),
        "max-rejected-out-of-range:7: `events.max_rejected`: 90 is out of range; write a number above 0 and at most 1"
    );
}

#[test]
fn reject_window_zero_is_refused() {
    assert_eq!(
        refusal("reject-window-zero"),
        "reject-window-zero:7: `events.reject_window`: 0 is out of range; write a whole number from 1 to 1000000000"
    );
}

#[test]
fn every_fixture_has_a_test_and_the_valid_one_is_accepted() -> std::io::Result<()> {
    assert_eq!(refusal("valid"), "accepted");
    let tests = include_str!("config.rs");
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config"))? {
        let name = entry?.file_name().to_string_lossy().replace(".toml", "");
        let is_tested = ["refusal", "refusal_in_folder"].iter().any(|by| tests.contains(&format!("{by}(\"{name}\")")));
        assert!(is_tested, "{name}");
    }
    Ok(())
}

#[test]
fn every_example_is_accepted() -> std::io::Result<()> {
    let mut examples = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            examples += 1;
            assert!(Config::load(&path).is_ok(), "{}: {:?}", path.display(), Config::load(&path).err());
        }
    }
    assert!(examples >= 2);
    Ok(())
}

/// The blocks of a document that are marked as TOML.
fn toml_blocks(text: &str) -> Vec<&str> {
    text.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// Lays a fragment over a table: tables are merged, everything else is replaced.
fn lay_over(base: &mut toml::Table, fragment: toml::Table) {
    for (name, value) in fragment {
        match (base.get_mut(&name), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => _ = base.insert(name, value),
        }
    }
}

#[test]
fn every_toml_block_in_the_documents_is_accepted() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("README.md")];
    for entry in std::fs::read_dir(root.join("docs"))? {
        documents.push(entry?.path());
    }
    let mut blocks = 0;
    for path in documents.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for block in toml_blocks(&text) {
            blocks += 1;
            // A block that does not name its application is a fragment, to be added to a whole file.
            let mut whole: toml::Table = include_str!("../examples/minimal.toml").parse()?;
            let fragment: toml::Table = block.parse()?;
            let text = if fragment.contains_key("app") {
                block.to_owned()
            } else {
                lay_over(&mut whole, fragment);
                toml::to_string(&whole)?
            };
            assert!(Config::parse(&text).is_ok(), "{}: {:?}\n{block}", path.display(), Config::parse(&text).err());
        }
    }
    assert!(blocks >= 3);
    Ok(())
}

#[test]
fn the_digest_follows_what_changes_results_and_nothing_else() -> Result<(), ConfigError> {
    let digest = |text: &str| Config::parse(text).map(|config| config.digest());
    let with = |more: &str| digest(&format!("{}\n{more}", include_str!("fixtures/config/valid.toml")));
    let plain = with("")?;
    assert_eq!(plain.len(), 64);
    let same = [
        "[score]\nworkers = 8\ntransaction = \"20ms\"\ndelivery = \"at-least-once\"\nmax_batch = 64",
        "[kafka]\nbrokers = [\"far.example.org:9092\"]\n[store]\npath = \"elsewhere\"\n[http]\nlisten = \"\"",
        "[drift]\nwindow = \"168h\"",
        "[retrain]\non = [\"labels\", \"schedule\", \"performance\", \"drift\"]",
    ];
    for more in same {
        assert_eq!(with(more)?, plain, "{more}");
    }
    for more in [
        "[score]\nthreshold = 0.4",
        "[drift]\noffset = \"4d\"",
        "[retrain]\nseed = 2",
        "[promote]\nauto = false",
        "[outputs]\nformat = \"avro\"",
    ] {
        assert_ne!(with(more)?, plain, "{more}");
    }
    Ok(())
}

#[test]
fn a_property_may_be_written_without_quotes() -> Result<(), ConfigError> {
    let properties = "[kafka.properties]\nsecurity.protocol = \"SSL\"\nlinger.ms = 5\nsocket.keepalive.enable = true\n\
                      ssl.key.password = { file = \"/run/secrets/key\" }";
    let config = Config::parse(&format!("{}\n{properties}", include_str!("fixtures/config/valid.toml")))?;
    let names: Vec<_> = config.kafka.properties.iter().map(|property| property.name.as_str()).collect();
    assert_eq!(names, ["linger.ms", "security.protocol", "socket.keepalive.enable", "ssl.key.password"]);
    assert_eq!(config.kafka.property("linger.ms"), Some("5"));
    assert_eq!(config.kafka.property("socket.keepalive.enable"), Some("true"));
    assert_eq!(config.kafka.property("ssl.key.password"), None);
    let missing = config.kafka.client_properties().map(|_| ()).map_err(|error| error.to_string());
    let message = "`kafka.properties.ssl.key.password`: cannot read the secret file `/run/secrets/key`: No such file or \
                   directory (os error 2)";
    assert_eq!(missing, Err(message.to_owned()));
    Ok(())
}

#[test]
fn brokers_of_the_command_line_beat_the_file() -> Result<(), ConfigError> {
    let mut config = flights()?;
    config.kafka.set_brokers("one:9092, two:9093")?;
    assert_eq!(config.kafka.bootstrap(), "one:9092,two:9093");
    let refused = config.kafka.set_brokers("one").map_err(|error| error.to_string());
    assert_eq!(refused, Err("`--brokers`: `one` is not HOST:PORT; write one such as `127.0.0.1:9092`".to_owned()));
    Ok(())
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_is_refused_by_a_binary_without_it() -> Result<(), ConfigError> {
    let properties = "[kafka.properties]\n\"security.protocol\" = \"SASL_SSL\"";
    let config = Config::parse(&format!("{}\n{properties}", include_str!("fixtures/config/valid.toml")))?;
    let refused = config.kafka.ensure_supported().map_err(|error| error.to_string());
    let message = "`kafka.properties.\"security.protocol\"`: `SASL_SSL` needs TLS, which this binary was built without; \
                   build it with `--features tls`";
    assert_eq!(refused, Err(message.to_owned()));
    Ok(())
}

#[test]
fn what_a_configuration_may_say_of_trainings_a_training_can_be_made_from() -> Result<(), ConfigError> {
    let ranges = [
        ("max_rows = 40000", "max_rows", [5_000_i64, 10_000_000], [99, 10_000_001]),
        ("trees = 60", "trees", [1, 1_000], [0, 1_001]),
        ("max_depth = 12", "max_depth", [1, 32], [0, 33]),
    ];
    for (line, key, possible, impossible) in ranges {
        assert!(FLIGHTS.contains(line), "{line}");
        let with = |value: i64| Config::parse(&FLIGHTS.replace(line, &format!("{key} = {value}")));
        for value in possible {
            let config = with(value)?;
            let params: TrainingParams =
                Configured { retrain: &config.retrain, drift: &config.drift, score: &config.score }.into();
            assert_eq!(params.check(), Ok(()), "{key} = {value}");
        }
        for value in impossible {
            assert!(with(value).is_err(), "{key} = {value}");
        }
    }
    Ok(())
}
