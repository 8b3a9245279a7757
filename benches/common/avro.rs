//! The events of a benchmark as Avro: what the decoder costs, alone and with its frame.

use std::time::Instant;

use anyhow::Result;
use driftless::codec::EventDecoder;
use driftless::data::params::{EventParams, FieldKind, InputFormat};
use driftless::pipeline::{BATCH, EVENTS};
use serde_json::{Value, json};

use super::flights::Sent;

/// Id of the schema in the frames.
const SCHEMA: u32 = 7;

/// Framed events with the params of their decoder.
pub(crate) struct AvroEvents {
    params: EventParams,
    values: Vec<Vec<u8>>,
}

impl AvroEvents {
    /// The events of `sent`: every declared field as a nullable one, the id and the time as they are.
    pub(crate) fn of(params: &EventParams, sent: &[Sent]) -> Result<Self> {
        let kind = |kind: FieldKind| match kind {
            FieldKind::Number => "double",
            FieldKind::Boolean => "boolean",
            FieldKind::Text => "string",
        };
        let mut fields = vec![
            json!({"name": "id", "type": "string"}),
            json!({"name": "scheduled", "type": {"type": "long", "logicalType": "timestamp-millis"}}),
        ];
        let declared: Vec<_> =
            params.fields.iter().filter(|field| !["id", "scheduled"].contains(&field.name.as_str())).collect();
        fields.extend(declared.iter().map(|field| json!({"name": field.name, "type": ["null", kind(field.kind)]})));
        let schema = json!({"type": "record", "name": "Flight", "fields": fields}).to_string();
        let format = InputFormat::ConfluentAvro { schemas: [(SCHEMA, schema)].into(), asks_registry: false };
        let mut values = Vec::new();
        for sent in sent.iter().filter(|sent| sent.input == EVENTS) {
            let json: Value = serde_json::from_slice(&sent.value)?;
            let mut out = vec![0];
            out.extend_from_slice(&SCHEMA.to_be_bytes());
            text(json["id"].as_str().unwrap_or_default(), &mut out);
            long(json["scheduled"].as_i64().unwrap_or_default(), &mut out);
            for field in &declared {
                match &json[&field.name] {
                    Value::Bool(value) => out.extend_from_slice(&[2, u8::from(*value)]),
                    Value::Number(value) => {
                        out.push(2);
                        out.extend_from_slice(&value.as_f64().unwrap_or_default().to_le_bytes());
                    }
                    Value::String(value) => {
                        out.push(2);
                        text(value, &mut out);
                    }
                    _ => out.push(0),
                }
            }
            values.push(out);
        }
        Ok(AvroEvents { params: EventParams { format, ..params.clone() }, values })
    }

    /// Bytes of all values.
    pub(crate) fn bytes(&self) -> usize {
        self.values.iter().map(Vec::len).sum()
    }

    /// Seconds to decode all of them in batches.
    pub(crate) fn decode(&self) -> Result<f64> {
        let mut decoder = EventDecoder::new(&self.params);
        let mut table = decoder.table();
        let start = Instant::now();
        for batch in self.values.chunks(BATCH) {
            table.clear();
            for value in batch {
                decoder.decode(value, &mut table).map_err(|reject| anyhow::anyhow!("{}", reject.message))?;
            }
        }
        std::hint::black_box(&table);
        Ok(start.elapsed().as_secs_f64())
    }
}

/// A number as a zigzag varint.
pub fn long(value: i64, out: &mut Vec<u8>) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A string with its length.
pub fn text(text: &str, out: &mut Vec<u8>) {
    long(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}
