//! The rows of a file as JSON objects, in whichever of the two forms it is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Number, Value};

use crate::data::params::{FieldKind, TimeSource, TimeUnit};

/// One row.
pub(super) struct Line {
    /// Its line in the file, from 1; a CSV row that spans lines has that of its end.
    pub number: u64,
    /// What it says.
    pub object: Map<String, Value>,
    /// The bytes to send: for JSON those of the file.
    pub json: Vec<u8>,
}

/// The rows of a file.
pub(super) enum Lines {
    /// One JSON object per line.
    Json { reader: BufReader<File>, number: u64 },
    /// CSV with a header.
    Csv { reader: Box<csv::Reader<File>>, columns: Vec<Column>, record: csv::StringRecord },
}

/// A column of a CSV file.
pub(super) struct Column {
    name: String,
    /// `None`: text.
    kind: Option<FieldKind>,
}

impl Lines {
    /// Opens a file; `kinds` are the declared fields.
    pub fn open(path: &Path, time: &TimeSource, mut kinds: BTreeMap<String, FieldKind>) -> Result<Lines> {
        let file = File::open(path)?;
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            return Ok(Lines::Json { reader: BufReader::new(file), number: 0 });
        }
        if let TimeSource::Field { name, unit, .. } = time
            && matches!(unit, TimeUnit::Millis | TimeUnit::Seconds | TimeUnit::Micros | TimeUnit::Nanos)
        {
            kinds.insert(name.clone(), FieldKind::Number);
        }
        let mut reader = csv::Reader::from_reader(file);
        let columns =
            reader.headers()?.iter().map(|name| Column { name: name.to_owned(), kind: kinds.get(name).copied() });
        Ok(Lines::Csv { columns: columns.collect(), reader: Box::new(reader), record: csv::StringRecord::new() })
    }
}

impl Iterator for Lines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Result<Line>> {
        match self {
            Lines::Json { reader, number } => json_line(reader, number).transpose(),
            Lines::Csv { reader, columns, record } => match reader.read_record(record) {
                Ok(false) => None,
                Ok(true) => {
                    let number = reader.position().line().saturating_sub(1);
                    Some(csv_line(columns, record, number).with_context(|| format!("line {number}")))
                }
                Err(error) => Some(Err(error.into())),
            },
        }
    }
}

/// The next line that is not blank.
fn json_line(reader: &mut BufReader<File>, number: &mut u64) -> Result<Option<Line>> {
    let mut json = Vec::new();
    loop {
        json.clear();
        if reader.read_until(b'\n', &mut json)? == 0 {
            return Ok(None);
        }
        *number += 1;
        let end = json.trim_ascii_end().len();
        json.truncate(end);
        if !json.is_empty() {
            break;
        }
    }
    let object = serde_json::from_slice(&json).map_err(|error| anyhow!("line {number} is no JSON object: {error}"))?;
    Ok(Some(Line { number: *number, object, json }))
}

/// An empty cell is a field that is absent.
fn csv_line(columns: &[Column], record: &csv::StringRecord, number: u64) -> Result<Line> {
    let mut object = Map::new();
    for (column, cell) in columns.iter().zip(record) {
        if !cell.is_empty() {
            object.insert(column.name.clone(), value(column, cell)?);
        }
    }
    let json = serde_json::to_vec(&object)?;
    Ok(Line { number, object, json })
}

fn value(column: &Column, cell: &str) -> Result<Value> {
    let wrong =
        |what| anyhow!("column `{}` is no {what}: `{}`", column.name, cell.chars().take(40).collect::<String>());
    Ok(match column.kind {
        None | Some(FieldKind::Text) => Value::String(cell.to_owned()),
        Some(FieldKind::Boolean) => match cell.to_ascii_lowercase().as_str() {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => return Err(wrong("boolean")),
        },
        Some(FieldKind::Number) => match cell.parse::<i64>() {
            Ok(whole) => Value::Number(whole.into()),
            Err(_) => {
                let number = cell.parse().ok().and_then(Number::from_f64);
                Value::Number(number.ok_or_else(|| wrong("number"))?)
            }
        },
    })
}
