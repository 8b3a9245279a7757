//! What is fuzzed: every reader of bytes that come from outside or from storage. Each target takes any bytes, must not
//! panic, and checks what has to hold of whatever was read. It returns a signature of what happened, so that inputs that
//! reach something new can be told from those that do not.
//!
//! The same functions are run by `scripts/fuzz`, on any toolchain, and by `cargo fuzz`, from `fuzz/`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use driftless::codec::{
    ChunkKey, EventDecoder, FactDecoder, JournalRecord, JournalStep, LabelDecoder, Marker, Schema, StoredChunk, read,
};
use driftless::config::Config;
use driftless::data::params::{FactParams, InputFormat, Pattern, TimeFormat};
use driftless::data::{
    Columns, DriftAlert, InputIndex, Item, Machine, ModelRecord, Outbox, Outcome, PerformanceRecord, Prediction,
    Record, Reject, Span, Summary, Table, Timestamp,
};
use driftless::model::Model;
use driftless::monitor::{Monitor, MonitorParams};
use driftless::pipeline::{Pipeline, PipelineParams};
use driftless::rollout::Ledger;

/// An application that uses every kind of rule.
pub const CONFIG: &str = include_str!("application.toml");
/// Between two records of a sequence.
pub const SEPARATOR: u8 = 0x1e;

/// A function of bytes under its name.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]) -> u64,
}

pub const TARGETS: [Target; 15] = [
    Target { name: "avro", run: avro },
    Target { name: "avro_schema", run: avro_schema },
    Target { name: "event", run: event },
    Target { name: "label", run: label },
    Target { name: "fact", run: fact },
    Target { name: "sequence", run: sequence },
    Target { name: "config", run: config },
    Target { name: "journal", run: journal },
    Target { name: "marker", run: marker },
    Target { name: "chunk", run: chunk },
    Target { name: "shard_state", run: shard_state },
    Target { name: "monitor_state", run: monitor_state },
    Target { name: "artifact", run: artifact },
    Target { name: "published", run: published },
    Target { name: "times", run: times },
];

fn application() -> &'static Config {
    static CELL: OnceLock<Config> = OnceLock::new();
    CELL.get_or_init(|| Config::parse(CONFIG).expect("the application is valid"))
}

fn pipeline() -> Pipeline {
    static CELL: OnceLock<Arc<PipelineParams>> = OnceLock::new();
    let params = CELL.get_or_init(|| {
        Arc::new(driftless::runtime::pipeline_params(application()).expect("the application has features"))
    });
    Pipeline::new(params.clone(), 0)
}

fn monitor() -> Monitor {
    let Config { drift, performance, retrain, promote, outputs, .. } = application().clone();
    let outputs = outputs.form;
    Monitor::new(Arc::new(MonitorParams { shards: 2, drift, performance, retrain, promote, outputs }))
}

/// The words of an outcome; numbers in it would make every one look new.
fn signature(what: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.chars().filter(|c| !c.is_ascii_digit()).collect::<String>().hash(&mut hasher);
    hasher.finish()
}

fn told(result: Result<impl std::fmt::Debug, impl std::fmt::Display>) -> u64 {
    match result {
        Ok(_) => 0,
        Err(error) => signature(&error.to_string()),
    }
}

/// What has to hold of a row, and of a table after a rejection.
fn check_row(read: &Result<(), Reject>, table: &Table, columns: [usize; 2]) -> u64 {
    let [numbers, texts] = columns;
    let Err(reject) = read else {
        assert_eq!(table.rows(), 1);
        let mut present = 0u64;
        for column in 0..numbers {
            let value = table.number(column, 0);
            assert!(value.is_nan() || value.is_normal() || value.to_bits() == 0, "{value} is in column {column}");
            present = present << 1 | u64::from(!value.is_nan());
        }
        for column in 0..texts {
            let text = table.text(column, 0);
            assert!(text.is_none_or(|text| std::str::from_utf8(text).is_ok()));
            present = present << 1 | u64::from(text.is_some());
        }
        return present;
    };
    assert_eq!(table.rows(), 0, "a refused row is still there");
    assert!(reject.message.chars().count() <= 256);
    signature(&format!("{} {}", reject.code, reject.message))
}

/// The JSON decoder, on values of events, beside a parser that builds everything.
pub fn event(bytes: &[u8]) -> u64 {
    let mut decoder = EventDecoder::new(&application().events);
    let mut table = decoder.table();
    let read = decoder.decode(bytes, &mut table);
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    assert!(read.is_err() || (is_json && std::str::from_utf8(bytes).is_ok()), "what is no JSON was taken");
    let parsed = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes);
    if let (Ok(()), Ok(object)) = (&read, &parsed) {
        let declared = application().events.fields.iter().find(|field| field.name == "amount");
        let amount = object.get("amount").and_then(serde_json::Value::as_f64);
        let column = declared.map(|field| field.column);
        if let Some(driftless::data::params::FieldColumn::Number(column)) = column {
            let expected = amount.map(|amount| if amount.is_normal() { amount } else { 0.0 });
            let found = Some(table.number(column.0, 0)).filter(|value| !value.is_nan());
            assert_eq!(found, expected, "another number was read");
        }
    }
    // What was decoded before makes no difference.
    let mut again = decoder.table();
    assert_eq!(decoder.decode(bytes, &mut again).is_ok(), read.is_ok());
    let events = &application().events;
    let columns = [events.numbers(), events.texts()];
    if let Ok(object) = &parsed {
        check_parser(bytes, object, (&read, &table), columns);
    }
    check_row(&read, &table, columns)
}

/// With a field that is not plain, an object goes to the parser, which comes to the same.
fn check_parser(
    bytes: &[u8],
    object: &serde_json::Map<String, serde_json::Value>,
    (read, table): (&Result<(), Reject>, &Table),
    [numbers, texts]: [usize; 2],
) {
    let Some(brace) = bytes.iter().position(|byte| *byte == b'{') else { return };
    if object.is_empty() || object.contains_key("~~") {
        return;
    }
    let value = [b"{\"~\\u007e\":[],".as_slice(), &bytes[brace + 1..]].concat();
    let mut decoder = EventDecoder::new(&application().events);
    let mut parsed = decoder.table();
    let by_parser = decoder.decode(&value, &mut parsed);
    let code = |read: &Result<(), Reject>| read.as_ref().err().map(|reject| reject.code);
    assert_eq!(code(&by_parser), code(read));
    for column in 0..numbers {
        assert_eq!(parsed.number(column, 0).to_bits(), table.number(column, 0).to_bits());
    }
    for column in 0..texts {
        assert_eq!(parsed.text(column, 0), table.text(column, 0));
    }
}

/// The schema of the Avro target, whose events have the fields of the application.
pub const SCHEMA: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"id","type":"string"},{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"amount","type":"double"},{"name":"night","type":["null","boolean"]},{"name":"card","type":["null","string"]},
    {"name":"more","type":{"type":"map","values":{"type":"array","items":["null","bytes","long","Event"]}}},
    {"name":"channel","type":{"type":"enum","name":"Channel","symbols":["pos","web","fax"]}},
    {"name":"country","type":["string","null"]}]}"#;

/// The schema of the facts where they are Avro.
pub const FACT_SCHEMA: &str = r#"{"type":"record","name":"Shop","fields":[{"name":"rank","type":["null","double"]},
    {"name":"since","type":"long"},{"name":"chain","type":["string","null"]},{"name":"open","type":"boolean"}]}"#;

/// The Avro decoder with frames, on values of events.
pub fn avro(bytes: &[u8]) -> u64 {
    let mut events = application().events.clone();
    events.format = InputFormat::ConfluentAvro { schemas: [(1, SCHEMA.to_owned())].into(), asks_registry: false };
    let mut decoder = EventDecoder::new(&events);
    let mut table = decoder.table();
    let read = decoder.decode(bytes, &mut table);
    let mut again = decoder.table();
    assert_eq!(decoder.decode(bytes, &mut again).is_ok(), read.is_ok());
    check_row(&read, &table, [0, events.texts()])
}

/// A schema, and a decoder for it.
pub fn avro_schema(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let parsed = Schema::parse(text);
    if parsed.is_ok() {
        let mut events = application().events.clone();
        events.format = InputFormat::Avro { schema: text.to_owned() };
        let mut decoder = EventDecoder::new(&events);
        let mut table = decoder.table();
        let _ = decoder.decode(&[0; 64], &mut table);
    }
    u64::from(parsed.is_ok())
}

/// The same on values of labels.
pub fn label(bytes: &[u8]) -> u64 {
    let Some(labels) = &application().labels else { return 0 };
    let mut decoder = LabelDecoder::new(labels);
    let mut table = decoder.table();
    let read = decoder.decode(bytes, &mut table);
    check_row(&read, &table, [2, 2])
}

/// The same on values of facts, with and without frames.
pub fn fact(bytes: &[u8]) -> u64 {
    let mut found = 0;
    for facts in &application().facts {
        for format in [facts.format.clone(), InputFormat::Avro { schema: FACT_SCHEMA.to_owned() }] {
            let facts = FactParams { format, ..facts.clone() };
            let mut decoder = FactDecoder::new(&facts);
            let mut table = decoder.table();
            let read = decoder.decode(bytes, &mut table);
            let mut again = decoder.table();
            assert_eq!(decoder.decode(bytes, &mut again).is_ok(), read.is_ok());
            let columns = [facts.numbers(), facts.texts()];
            found = found << 8 ^ check_row(&read, &table, columns);
        }
    }
    found
}

/// Records of all inputs through a whole machine: each event comes to something, and what is taken back leaves no trace.
pub fn sequence(bytes: &[u8]) -> u64 {
    let mut items: Vec<Item<Model>> = Vec::new();
    for (number, part) in (0i64..).zip(bytes.split(|byte| *byte == SEPARATOR)) {
        let Some((flags, value)) = part.split_first() else {
            items.push(Item::Idle);
            continue;
        };
        let keys: [Option<&[u8]>; 4] = [Some(b"north"), Some(b"south"), Some(b"\xff"), None];
        let key = keys[usize::from(flags >> 1 & 3)];
        let input = if flags & 16 == 0 { flags & 1 } else { 2 };
        let record = Record {
            offset: number,
            timestamp: Timestamp::from_millis(1_700_000_000_000 + number * 60_000),
            key: key.map(Into::into),
            value: (flags & 8 == 0).then(|| value.into()),
            headers: Vec::new(),
        };
        items.push(Item::Record { input: InputIndex(input), record });
    }
    let run = |machine: &mut Pipeline| {
        let mut out = Outbox::default();
        machine.handle(&items, Timestamp::from_millis(0), &mut out);
        out.digest()
    };
    let mut machine = pipeline();
    let first = run(&mut machine);
    assert_eq!(machine.tally().unaccounted(), 0, "an event came to nothing, or to two things");
    machine.rollback();
    assert_eq!(run(&mut machine), first, "what was taken back left a trace");
    machine.commit();
    let tally = machine.tally();
    signature(&format!("{:?}", tally.rejects.map(|codes| codes.map(|count| count > 0))))
}

/// A configuration, whatever it says.
pub fn config(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    match Config::parse(text) {
        Ok(config) => {
            assert_eq!(config.digest().len(), 64);
            told(driftless::runtime::pipeline_params(&config).map(|_| ()))
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!error.is_empty());
            // Up to the first thing quoted: what is quoted is the input's.
            let unquoted: Vec<&str> = error.split('`').step_by(2).take(2).collect();
            signature(&unquoted.join(" "))
        }
    }
}

/// A journal record; what is read is written as it was.
pub fn journal(bytes: &[u8]) -> u64 {
    let read = JournalRecord::decode(bytes);
    let plain = |step: &JournalStep| match step {
        JournalStep::Run { first, last, records, .. } => {
            (0..1 << 60).contains(first)
                && (*first..1 << 60).contains(last)
                && (1..=last.abs_diff(*first) + 1).contains(records)
        }
        _ => true,
    };
    if let Ok(record) = &read
        && record.steps.iter().all(plain)
    {
        let again = record.encode().map(|bytes| JournalRecord::decode(&bytes));
        assert_eq!(again.ok().and_then(Result::ok).as_ref(), Some(record));
    }
    told(read)
}

/// A marker of a checkpoint.
pub fn marker(bytes: &[u8]) -> u64 {
    let read = Marker::decode(bytes);
    if let Ok(marker) = &read {
        assert_eq!(Marker::decode(&marker.encode()).as_ref(), Ok(marker));
    }
    told(read)
}

/// Key and value of a chunk.
pub fn chunk(bytes: &[u8]) -> u64 {
    let key = ChunkKey::decode(bytes.get(..bytes.len().min(16)).unwrap_or_default());
    told(StoredChunk::decode(bytes).map(|_| ())) ^ u64::from(key.is_some())
}

/// Head or chunk of the state of a machine; one that took it in goes on, or is not to be used.
fn state<M: Machine<Model = Model>>(machine: &mut M, bytes: &[u8]) -> u64 {
    let Some((kind, rest)) = bytes.split_first() else { return 0 };
    let read = if kind & 1 == 0 { machine.restore_head(rest, &[]) } else { machine.restore_chunk(rest) };
    if read.is_ok() {
        machine.commit();
        machine.handle(&[Item::Idle], Timestamp::from_millis(0), &mut Outbox::default());
        machine.commit();
        machine.begin_checkpoint(driftless::data::Extent::All);
        while machine.next_chunk(1 << 16).is_some() {}
    }
    told(read)
}

/// The state of a shard.
pub fn shard_state(bytes: &[u8]) -> u64 {
    state(&mut pipeline(), bytes)
}

/// The state of the monitor.
pub fn monitor_state(bytes: &[u8]) -> u64 {
    state(&mut monitor(), bytes)
}

/// A model artifact; one that is read scores every row.
pub fn artifact(bytes: &[u8]) -> u64 {
    let read = Model::from_bytes(bytes);
    if let Ok(model) = &read {
        let width = model.layout().names().len();
        let mut rows = Columns::new(width);
        for value in [0.0, f64::NAN, f64::MAX, f64::MIN, -1.5] {
            rows.push_row(&vec![value; width]);
        }
        let mut scores = Vec::new();
        model.score(&rows, &mut scores);
        assert!(scores.len() == 5 && scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");
        assert!(model.to_bytes().is_ok_and(|bytes| Model::from_bytes(&bytes).is_ok()));
    }
    told(read.map(|_| ()))
}

/// Records of the control log, folded, and every other published record.
pub fn published(bytes: &[u8]) -> u64 {
    let mut found = 0;
    let mut ledger = Ledger::default();
    for line in bytes.split(|byte| *byte == SEPARATOR) {
        if let Ok(record) = read::<ModelRecord>("control", Some(line)) {
            let effect = format!("{:?}", ledger.apply(&record));
            found ^= signature(&effect);
        }
        let kinds = [
            read::<Prediction>("prediction", Some(line)).is_ok(),
            read::<Outcome>("outcome", Some(line)).is_ok(),
            read::<Summary>("summary", Some(line)).is_ok(),
            read::<DriftAlert>("alert", Some(line)).is_ok(),
            read::<PerformanceRecord>("performance", Some(line)).is_ok(),
        ];
        found ^= signature(&format!("{kinds:?}"));
    }
    found
}

/// Times, lengths of time, formats of times, patterns.
pub fn times(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(time) = Timestamp::from_rfc3339(first) {
        // A zone may move it out of the years 0 to 9999, which have such a text.
        let has_text = (-62_167_219_200_000..=253_402_300_799_999).contains(&time.millis());
        assert!(!has_text || Timestamp::from_rfc3339(&time.to_string()) == Some(time), "{time}");
    }
    let span = first.parse::<Span>();
    if let Ok(span) = span {
        assert_eq!(span.to_string().parse::<Span>().ok(), Some(span));
    }
    let format = TimeFormat::new(first);
    let read = format.as_ref().ok().and_then(|format| format.read(rest));
    let pattern = Pattern::new(first);
    let matches = pattern.as_ref().is_ok_and(|pattern| pattern.is_match(rest.as_bytes()));
    u64::from(span.is_ok()) << 2 ^ told(format) ^ told(pattern) ^ u64::from(read.is_some()) << 1 ^ u64::from(matches)
}
