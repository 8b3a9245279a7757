//! The decoder held against the reference implementation: random schemas, random values, random choices of fields.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

use super::AvroReader;
use super::datum::WriteDatum;
use crate::codec::cells::Cell;
use crate::data::params::{InputFormat, TimeUnit};
use crate::data::{Reject, RejectCode, SchemaVerdict, Table};

/// A type as the tests draw it.
#[derive(Clone, Debug)]
enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Moment(&'static str),
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(usize),
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Vec<Type>),
    Record(Vec<(String, Type)>),
    /// A list by recursion: a number, and perhaps the next one.
    List,
}

struct Draw {
    rng: StdRng,
    names: usize,
    has_list: bool,
}

impl Draw {
    fn of(seed: u64) -> Self {
        Draw { rng: StdRng::seed_from_u64(seed), names: 0, has_list: false }
    }

    fn plain(&mut self) -> Type {
        match self.rng.random_range(0..12) {
            0 => Type::Null,
            1 => Type::Boolean,
            2 => Type::Int,
            3 => Type::Long,
            4 => Type::Moment(["timestamp-millis", "timestamp-micros", "timestamp-nanos"][self.rng.random_range(0..3)]),
            5 => Type::Float,
            6 | 7 => Type::Double,
            8 => Type::Bytes,
            9 => Type::Fixed(self.rng.random_range(0..9)),
            10 => Type::Enum(self.rng.random_range(1..4)),
            _ => Type::Text,
        }
    }

    fn any(&mut self, depth: usize) -> Type {
        if depth == 0 {
            return self.plain();
        }
        match self.rng.random_range(0..10) {
            0 => Type::Array(Box::new(self.any(depth - 1))),
            1 => Type::Map(Box::new(self.any(depth - 1))),
            2 | 3 => {
                let mut branches: Vec<Type> = Vec::new();
                for _ in 0..self.rng.random_range(1..5) {
                    let branch = self.any(depth - 1);
                    let is_same = |other: &Type| {
                        let kind = |of: &Type| match of {
                            Type::Moment(_) => std::mem::discriminant(&Type::Long),
                            of => std::mem::discriminant(of),
                        };
                        kind(other) == kind(&branch)
                    };
                    if !matches!(branch, Type::Union(_)) && !branches.iter().any(is_same) {
                        branches.push(branch);
                    }
                }
                if branches.is_empty() { Type::Null } else { Type::Union(branches) }
            }
            4 => Type::Record(
                (0..self.rng.random_range(0..4)).map(|at| (format!("f{at}"), self.any(depth - 1))).collect(),
            ),
            5 => Type::List,
            _ => self.plain(),
        }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("N{}", self.names)
    }

    fn json(&mut self, of: &Type) -> Json {
        match of {
            Type::Null => json!("null"),
            Type::Boolean => json!({"type": "boolean"}),
            Type::Int => json!("int"),
            Type::Long => json!("long"),
            Type::Moment(logical) => json!({"type": "long", "logicalType": logical}),
            Type::Float => json!("float"),
            Type::Double => json!("double"),
            Type::Bytes => json!("bytes"),
            Type::Text => json!("string"),
            Type::Fixed(size) => json!({"type": "fixed", "name": self.name(), "size": size}),
            Type::Enum(count) => {
                let symbols: Vec<String> = (0..*count).map(|at| format!("S{at}")).collect();
                json!({"type": "enum", "name": self.name(), "symbols": symbols})
            }
            Type::Array(items) => json!({"type": "array", "items": self.json(items)}),
            Type::Map(values) => json!({"type": "map", "values": self.json(values)}),
            Type::Union(branches) => Json::Array(branches.iter().map(|branch| self.json(branch)).collect()),
            Type::Record(fields) => {
                let name = self.name();
                let fields: Vec<Json> =
                    fields.iter().map(|(name, of)| json!({"name": name, "type": self.json(of)})).collect();
                json!({"type": "record", "name": name, "namespace": "x.y", "fields": fields})
            }
            Type::List if self.has_list => json!("x.y.List"),
            Type::List => {
                self.has_list = true;
                json!({"type": "record", "name": "List", "namespace": "x.y", "fields": [
                    {"name": "n", "type": "long"}, {"name": "next", "type": ["null", "List"]}]})
            }
        }
    }

    fn long(&mut self) -> i64 {
        match self.rng.random_range(0..8) {
            0 => self.rng.random_range(i64::MIN..i64::MAX),
            1 => (1 << 53) + self.rng.random_range(-2..3),
            2 => self.rng.random_range(1_500_000_000_000..1_700_000_000_000),
            _ => self.rng.random_range(-300..300),
        }
    }

    fn text(&mut self) -> String {
        let length = [0, 1, 7, 8, 20, 70][self.rng.random_range(0..6)];
        (0..length).map(|_| ['a', 'b', 'é', '語', '\n'][self.rng.random_range(0..5)]).collect()
    }

    /// Writes a random value of a type.
    fn write(&mut self, of: &Type, out: &mut Vec<u8>) {
        match of {
            Type::Null => {}
            Type::Boolean => out.push(self.rng.random_range(0..2)),
            Type::Int => out.put_long(i64::from(self.rng.random_range(i32::MIN..i32::MAX))),
            Type::Long | Type::Moment(_) => {
                let value = self.long();
                out.put_long(value);
            }
            Type::Float => out.extend_from_slice(&self.rng.random_range(-1e6_f32..1e6).to_le_bytes()),
            Type::Double => {
                let value =
                    if self.rng.random_range(0..10) == 0 { -0.0 } else { self.rng.random_range(-1e12_f64..1e12) };
                out.put_double(value);
            }
            Type::Bytes => {
                let length = self.rng.random_range(0..9_u8);
                out.put_long(i64::from(length));
                (0..length).for_each(|_| out.push(self.rng.random_range(0..=255)));
            }
            Type::Text => {
                let text = self.text();
                out.put_text(&text);
            }
            Type::Fixed(size) => (0..*size).for_each(|_| out.push(self.rng.random_range(0..=255))),
            Type::Enum(count) => out.put_long(self.rng.random_range(0..*count) as i64),
            Type::Array(items) => self.blocks(out, |draw, out| draw.write(items, out)),
            Type::Map(values) => self.blocks(out, |draw, out| {
                let key = draw.text();
                out.put_text(&key);
                draw.write(values, out);
            }),
            Type::Union(branches) => {
                let at = self.rng.random_range(0..branches.len());
                out.put_long(at as i64);
                self.write(&branches[at], out);
            }
            Type::Record(fields) => fields.iter().for_each(|(_, of)| self.write(of, out)),
            Type::List => {
                let length = self.rng.random_range(0..6);
                for _ in 0..length {
                    out.put_long(7);
                    out.put_long(1);
                }
                out.put_long(7);
                out.put_long(0);
            }
        }
    }

    /// Some blocks of items, with and without their length in bytes.
    fn blocks(&mut self, out: &mut Vec<u8>, mut item: impl FnMut(&mut Self, &mut Vec<u8>)) {
        for _ in 0..self.rng.random_range(0..3) {
            let count = self.rng.random_range(1..4);
            let mut items = Vec::new();
            (0..count).for_each(|_| item(self, &mut items));
            if self.rng.random_range(0..2) == 0 {
                out.put_long(count);
            } else {
                out.put_long(-count);
                out.put_long(items.len() as i64);
            }
            out.extend_from_slice(&items);
        }
        out.put_long(0);
    }

    /// A cell for a field of its own: number, flag or text, in the column of the field's place.
    fn cell(&mut self, column: usize) -> Cell {
        match self.rng.random_range(0..7) {
            0 => Cell::Boolean(column),
            1 => Cell::NumberOrBoolean(column),
            2 => Cell::Text(column),
            3 => Cell::Identifier(column),
            4 => Cell::Time { column, unit: TimeUnit::Millis },
            _ => Cell::Number(column),
        }
    }
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    Missing,
    Number(f64),
    Text(String),
}

/// What a value of the reference gives in a cell, by the rules of the documentation.
fn expected(value: &Value, cell: Cell) -> Result<Held, RejectCode> {
    let exact = |value: i64| {
        let float = value as f64;
        if float as i128 == i128::from(value) { Ok(Held::Number(float)) } else { Err(RejectCode::Range) }
    };
    let is_number = matches!(cell, Cell::Number(_) | Cell::NumberOrBoolean(_) | Cell::Time { .. });
    let is_text = matches!(cell, Cell::Text(_) | Cell::Identifier(_));
    match value {
        Value::Null => Ok(Held::Missing),
        Value::Union(_, value) => expected(value, cell),
        Value::Boolean(value) if matches!(cell, Cell::Boolean(_) | Cell::NumberOrBoolean(_)) => {
            Ok(Held::Number(f64::from(u8::from(*value))))
        }
        Value::Int(value) if matches!(cell, Cell::Identifier(_)) => Ok(Held::Text(value.to_string())),
        Value::Long(value)
        | Value::TimestampMillis(value)
        | Value::TimestampMicros(value)
        | Value::TimestampNanos(value)
            if matches!(cell, Cell::Identifier(_)) =>
        {
            Ok(Held::Text(value.to_string()))
        }
        Value::TimestampMillis(value) if matches!(cell, Cell::Time { .. }) => Ok(Held::Number(*value as f64)),
        Value::TimestampMicros(value) if matches!(cell, Cell::Time { .. }) => {
            Ok(Held::Number(value.div_euclid(1_000) as f64))
        }
        Value::TimestampNanos(value) if matches!(cell, Cell::Time { .. }) => {
            Ok(Held::Number(value.div_euclid(1_000_000) as f64))
        }
        Value::Int(value) if is_number => Ok(Held::Number(f64::from(*value))),
        Value::Long(value)
        | Value::TimestampMillis(value)
        | Value::TimestampMicros(value)
        | Value::TimestampNanos(value)
            if is_number =>
        {
            exact(*value)
        }
        Value::Float(value) if is_number => Ok(Held::Number(f64::from(*value))),
        Value::Double(value) if is_number => Ok(Held::Number(*value)),
        Value::String(text) | Value::Enum(_, text) if is_text => Ok(Held::Text(text.clone())),
        _ => Err(RejectCode::Type),
    }
}

fn held(table: &Table, cell: Cell) -> Held {
    match cell {
        Cell::Text(column) | Cell::Identifier(column) | Cell::Whole(column) => {
            table.text(column, 0).map_or(Held::Missing, |text| Held::Text(String::from_utf8(text.to_vec()).unwrap()))
        }
        Cell::Number(column) | Cell::Boolean(column) | Cell::NumberOrBoolean(column) | Cell::Time { column, .. } => {
            let value = table.number(column, 0);
            if value.is_nan() { Held::Missing } else { Held::Number(value) }
        }
    }
}

/// The value at a dotted path below a record.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    match value {
        Value::Union(_, value) => at(value, path),
        Value::Record(fields) => {
            let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
            let (_, value) = fields.iter().find(|(known, _)| known == name)?;
            rest.map_or(Some(value), |rest| at(value, rest))
        }
        _ => None,
    }
}

/// Paths of fields, those of nested records too.
fn paths(of: &Type, prefix: &str, out: &mut Vec<String>) {
    match of {
        Type::Record(fields) => {
            for (name, of) in fields {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                paths(of, &path, out);
                out.push(path);
            }
        }
        Type::Union(branches) => branches.iter().for_each(|branch| paths(branch, prefix, out)),
        _ => {}
    }
}

struct Case {
    schema: String,
    declared: Vec<(String, Cell)>,
    bytes: Vec<u8>,
    value: Value,
}

fn case(seed: u64) -> Case {
    let mut draw = Draw::of(seed);
    let fields = (0..draw.rng.random_range(1..8)).map(|at| (format!("f{at}"), draw.any(3))).collect();
    let of = Type::Record(fields);
    let schema = draw.json(&of).to_string();
    let mut known = vec!["gone".to_owned(), "f0.gone".to_owned()];
    paths(&of, "", &mut known);
    known.sort();
    known.dedup();
    let mut declared: Vec<(String, Cell)> = Vec::new();
    for path in known {
        let is_below = |other: &str| path.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'));
        // A field and one below it cannot both be declared with success.
        if draw.rng.random_range(0..3) > 0 && !declared.iter().any(|(other, _)| is_below(other)) {
            let cell = draw.cell(declared.len());
            declared.push((path, cell));
        }
    }
    let mut bytes = Vec::new();
    draw.write(&of, &mut bytes);
    let reference = apache_avro::Schema::parse_str(&schema).unwrap_or_else(|error| panic!("{seed}: {error}: {schema}"));
    let reader = GenericDatumReader::builder(&reference).build().unwrap();
    let mut rest = bytes.as_slice();
    let value = reader.read_value(&mut rest).unwrap_or_else(|error| panic!("{seed}: {error}: {schema}"));
    assert!(rest.is_empty(), "{seed}: the reference leaves bytes");
    Case { schema, declared, bytes, value }
}

fn read(case: &Case, bytes: &[u8]) -> Result<Table, Reject> {
    let format = InputFormat::Avro { schema: case.schema.clone() };
    let mut reader = AvroReader::new(&format, case.declared.iter().cloned()).unwrap();
    let mut table = Table::new(case.declared.len(), case.declared.len());
    let outcome = reader.read(bytes, &mut table);
    assert_eq!(table.rows(), usize::from(outcome.is_ok()));
    outcome.map(|()| table)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_declared_field_is_what_the_reference_reads(seed: u64) {
        let case = case(seed);
        let wanted: Vec<Result<Held, RejectCode>> = case.declared.iter().map(|(path, cell)| {
            at(&case.value, path).map_or(Ok(Held::Missing), |value| expected(value, *cell))
        }).collect();
        match read(&case, &case.bytes) {
            Ok(table) => {
                for ((path, cell), wanted) in case.declared.iter().zip(wanted) {
                    prop_assert_eq!(Ok(held(&table, *cell)), wanted, "`{}` of {}", path, case.schema);
                }
            }
            Err(reject) if reject.code == RejectCode::IncompatibleSchema => {
                // One of the fields can never be read, whatever its value.
                let named = case.declared.iter().find(|(path, _)| reject.message.contains(&format!("`{path}`")));
                prop_assert!(named.is_some(), "{}", reject.message);
            }
            Err(reject) => {
                let codes: Vec<RejectCode> = wanted.into_iter().filter_map(Result::err).collect();
                prop_assert!(codes.contains(&reject.code), "{:?} of {}", reject, case.schema);
            }
        }
    }

    #[test]
    fn cut_longer_and_changed_bytes_never_panic_and_never_leave_a_row(seed: u64) {
        let case = case(seed);
        if read(&case, &case.bytes).is_err() {
            return Ok(());
        }
        let mut draw = Draw::of(seed);
        for cut in 0..case.bytes.len() {
            prop_assert!(read(&case, &case.bytes[..cut]).is_err());
        }
        let mut longer = case.bytes.clone();
        longer.push(0);
        prop_assert_eq!(read(&case, &longer).map(|_| ()).map_err(|reject| reject.code), Err(RejectCode::Trailing));
        for _ in 0..20 {
            let mut changed = case.bytes.clone();
            for _ in 0..draw.rng.random_range(1..4) {
                if !changed.is_empty() {
                    let at = draw.rng.random_range(0..changed.len());
                    changed[at] = draw.rng.random_range(0..=255);
                }
            }
            let _ = read(&case, &changed);
        }
    }

    #[test]
    fn hostile_schemas_never_panic(seed: u64) {
        let case = case(seed);
        let mut draw = Draw::of(seed);
        for _ in 0..20 {
            let mut text = case.schema.clone().into_bytes();
            let at = draw.rng.random_range(0..text.len());
            match draw.rng.random_range(0..3) {
                0 => text[at] = draw.rng.random_range(32..127),
                1 => text.truncate(at),
                _ => drop(text.drain(at..(at + 8).min(text.len()))),
            }
            let schema = String::from_utf8(text).unwrap();
            let _ = read(&Case { schema, declared: case.declared.clone(), bytes: Vec::new(), value: Value::Null }, &case.bytes);
        }
    }
}

#[test]
fn a_field_that_is_never_readable_is_always_named() {
    let seeds = (0..2_000).map(case).filter_map(|case| read(&case, &case.bytes).err());
    let codes: std::collections::BTreeSet<_> = seeds.map(|reject| reject.code).collect();
    let all = [RejectCode::Type, RejectCode::Range, RejectCode::IncompatibleSchema];
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), all, "every kind of rejection is among the random cases");
}

const SCHEMA: &str = r#"{"type":"record","name":"E","fields":[
    {"name":"amount","type":"double"}, {"name":"kind","type":{"type":"enum","name":"K","symbols":["a","b"]}},
    {"name":"tags","type":{"type":"array","items":"string"}}, {"name":"note","type":["null","string"]},
    {"name":"self","type":["null","E"]}]}"#;

fn code(bytes: &[u8]) -> RejectCode {
    let declared = [
        ("amount".to_owned(), Cell::Number(0)),
        ("kind".to_owned(), Cell::Text(0)),
        ("note".to_owned(), Cell::Text(1)),
    ];
    let case = Case { schema: SCHEMA.to_owned(), declared: declared.to_vec(), bytes: Vec::new(), value: Value::Null };
    match read(&case, bytes) {
        Ok(_) => panic!("accepted"),
        Err(reject) => reject.code,
    }
}

/// The parts of a valid datum: amount, kind, tags, note, self.
fn parts() -> [Vec<u8>; 5] {
    [1.5_f64.to_le_bytes().to_vec(), vec![2], vec![0], vec![0], vec![0]]
}

fn with(part: usize, bytes: &[u8]) -> Vec<u8> {
    let mut parts = parts();
    parts[part] = bytes.to_vec();
    parts.concat()
}

#[test]
fn hostile_values_are_refused_each_with_its_code() {
    let long = |value: i64| {
        let mut bytes = Vec::new();
        bytes.put_long(value);
        bytes
    };
    assert_eq!(code(&with(0, &f64::NAN.to_le_bytes())), RejectCode::NonFinite);
    assert_eq!(code(&with(0, &f64::INFINITY.to_le_bytes())), RejectCode::NonFinite);
    assert_eq!(code(&with(1, &long(2))), RejectCode::Decode, "an enum of two symbols");
    assert_eq!(code(&with(1, &long(-1))), RejectCode::Decode);
    assert_eq!(code(&with(2, &long(i64::MAX))), RejectCode::Decode, "more items than bytes");
    assert_eq!(code(&with(2, &long(i64::MIN))), RejectCode::Decode);
    assert_eq!(code(&with(2, &[long(-1), long(i64::MAX)].concat())), RejectCode::Decode, "a block beyond the value");
    assert_eq!(code(&with(2, &[long(-1), long(-5)].concat())), RejectCode::Decode);
    assert_eq!(code(&with(2, &[long(1), long(i64::MAX)].concat())), RejectCode::Decode);
    assert_eq!(code(&with(3, &long(2))), RejectCode::Decode, "a union of two branches");
    assert_eq!(code(&with(3, &[long(1), long(-1)].concat())), RejectCode::Decode);
    assert_eq!(code(&with(3, &[long(1), long(2), vec![0xc3, 0x28]].concat())), RejectCode::Decode, "no UTF-8");
    assert_eq!(code(&with(3, &[0xff; 12])), RejectCode::Decode);
    assert_eq!(code(&[parts().concat(), vec![0]].concat()), RejectCode::Trailing);
    assert_eq!(code(&[]), RejectCode::Decode);
    let mut deep = Vec::new();
    for _ in 0..100_000 {
        deep.extend_from_slice(&parts()[..4].concat());
        deep.push(2);
    }
    assert_eq!(code(&deep), RejectCode::Decode, "nested too deep");
}

#[test]
fn an_array_of_nothing_is_over_at_once_however_long_it_is_said_to_be() {
    let schema = r#"{"type":"record","name":"E","fields":[{"name":"a","type":{"type":"array","items":"null"}}]}"#;
    let case = Case { schema: schema.to_owned(), declared: Vec::new(), bytes: Vec::new(), value: Value::Null };
    let mut bytes = Vec::new();
    bytes.put_long(i64::MAX);
    bytes.put_long(0);
    assert!(read(&case, &bytes).is_ok());
}

#[test]
fn a_schema_that_doubles_with_every_name_stays_small() {
    let mut fields = vec![
        r#"{"name":"f0","type":{"type":"record","name":"R0","fields":[{"name":"t","type":"string"}]}}"#.to_owned(),
    ];
    for at in 1..31 {
        let below = at - 1;
        fields.push(format!(
            r#"{{"name":"f{at}","type":["null",{{"type":"record","name":"R{at}","fields":[{{"name":"a","type":"R{below}"}},{{"name":"b","type":"R{below}"}}]}}]}}"#
        ));
    }
    let schema = format!(r#"{{"type":"record","name":"E","fields":[{}]}}"#, fields.join(","));
    let mut reader = AvroReader::new(&InputFormat::Avro { schema }, [("x".to_owned(), Cell::Number(0))]).unwrap();
    let mut table = Table::new(1, 0);
    let value = [vec![0], vec![0; 30]].concat();
    assert!(reader.read(&value, &mut table).is_ok());
    assert!(table.number(0, 0).is_nan());
}

#[test]
fn a_frame_names_the_schema_and_each_is_known_by_its_id() {
    let schema = |of: &str| format!(r#"{{"type":"record","name":"E","fields":[{{"name":"n","type":"{of}"}}]}}"#);
    let schemas = [(1, schema("long")), (260, schema("double"))].into();
    let format = InputFormat::ConfluentAvro { schemas, asks_registry: true };
    let mut reader = AvroReader::new(&format, [("n".to_owned(), Cell::Number(0))]).unwrap();
    let mut table = Table::new(1, 0);
    let mut read = |reader: &mut AvroReader, bytes: &[u8]| {
        table.clear();
        reader.read(bytes, &mut table).map(|()| table.number(0, 0)).map_err(|reject| (reject.code, reject.message))
    };
    let double = [&[0, 0, 0, 1, 4][..], &2.5_f64.to_le_bytes()].concat();
    assert_eq!(read(&mut reader, &[0, 0, 0, 0, 1, 6]), Ok(3.0));
    assert_eq!(read(&mut reader, &double), Ok(2.5));
    assert_eq!(read(&mut reader, &[0, 0, 0, 0, 1, 8]), Ok(4.0));
    for bytes in [&[][..], &[0, 0, 0, 1], &[1, 0, 0, 0, 1, 6]] {
        assert_eq!(read(&mut reader, bytes).map_err(|(code, _)| code), Err(RejectCode::Framing));
    }
    let unknown = (RejectCode::UnknownSchema, "no schema is known that has the id 7".to_owned());
    assert_eq!(read(&mut reader, &[0, 0, 0, 0, 7, 6]), Err(unknown));
    reader.learn(7, &SchemaVerdict::Schema(schema("string")));
    let message = "schema 7 cannot be used: field `n` is a string; expected a number".to_owned();
    assert_eq!(read(&mut reader, &[0, 0, 0, 0, 7, 6]), Err((RejectCode::IncompatibleSchema, message)));
    reader.learn(7, &SchemaVerdict::Unknown);
    let unknown = (RejectCode::UnknownSchema, "no schema has the id 7".to_owned());
    assert_eq!(read(&mut reader, &[0, 0, 0, 0, 7, 6]), Err(unknown));
    reader.learn(7, &SchemaVerdict::Schema(schema("float")));
    assert_eq!(read(&mut reader, &[0, 0, 0, 0, 7, 0, 0, 0, 63]), Ok(0.5));
    reader.forget(7);
    assert!(read(&mut reader, &[0, 0, 0, 0, 7, 0, 0, 0, 63]).is_err());
    let need = |bytes: &[u8]| reader.need(bytes).map(|need| (need.id, need.is_known_missing));
    assert_eq!((need(&double), need(&[5, 0, 0, 0, 0, 0])), (None, None));
    assert_eq!((need(&[0, 0, 0, 0, 9, 0]), need(&[0, 0x80, 0, 0, 0, 0])), (Some((9, false)), None));
    reader.learn(9, &SchemaVerdict::Unknown);
    assert_eq!(reader.need(&[0, 0, 0, 0, 9]).map(|need| need.is_known_missing), Some(true));
    reader.learn(9, &SchemaVerdict::Unusable("its registry says so".to_owned()));
    assert!(reader.need(&[0, 0, 0, 0, 9]).is_none());
}

#[test]
fn seconds_and_milliseconds_are_made_of_whatever_the_schema_counts() {
    let read = |logical: &str, unit: TimeUnit, value: i64| {
        let schema = format!(
            r#"{{"type":"record","name":"E","fields":[{{"name":"at","type":{{"type":"long","logicalType":"{logical}"}}}}]}}"#
        );
        let cell = Cell::Time { column: 0, unit };
        let mut reader = AvroReader::new(&InputFormat::Avro { schema }, [("at".to_owned(), cell)]).unwrap();
        let mut table = Table::new(1, 0);
        let mut bytes = Vec::new();
        bytes.put_long(value);
        reader.read(&bytes, &mut table).map(|()| table.number(0, 0))
    };
    assert_eq!(read("timestamp-millis", TimeUnit::Millis, -1), Ok(-1.0));
    assert_eq!(read("timestamp-micros", TimeUnit::Millis, 1_700_000_000_123_999), Ok(1_700_000_000_123.0));
    assert_eq!(read("timestamp-nanos", TimeUnit::Seconds, 1_500_000_000), Ok(1.5));
    assert_eq!(read("none", TimeUnit::Seconds, 12), Ok(12.0), "a plain long counts what is configured");
}
