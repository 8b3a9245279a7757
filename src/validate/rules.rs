//! Rules for keys, values and fields.

use crate::data::params::{FieldColumn, FieldSpec};
use crate::data::{Record, Reject, RejectCode, Table};

/// The longest key that is taken.
pub const MAX_KEY_BYTES: usize = 256;
/// The longest value that is taken.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// The record's key, if it is one that is taken.
pub fn key(record: &Record) -> Result<&[u8], Reject> {
    let key = record.key.as_deref().ok_or_else(|| Reject::new(RejectCode::KeyMissing, "the record has no key"))?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        let message = format!("the key has {} bytes; 1 to {MAX_KEY_BYTES} are taken", key.len());
        return Err(Reject::new(RejectCode::KeySize, message));
    }
    if std::str::from_utf8(key).is_err() {
        return Err(Reject::new(RejectCode::Decode, "the key is not UTF-8"));
    }
    Ok(key)
}

/// The record's value, if it is one that is taken.
pub fn value(record: &Record) -> Result<&[u8], Reject> {
    match record.value.as_deref() {
        None | Some([]) => Err(Reject::new(RejectCode::Empty, "the record has no value")),
        Some(value) if value.len() > MAX_VALUE_BYTES => {
            let message = format!("the value has {} bytes; at most {MAX_VALUE_BYTES} are taken", value.len());
            Err(Reject::new(RejectCode::ValueSize, message))
        }
        Some(value) => Ok(value),
    }
}

/// The rules of a set of declared fields.
#[derive(Clone, Debug)]
pub struct FieldRules {
    fields: Vec<FieldSpec>,
}

impl FieldRules {
    /// Rules for those of `fields` that have any.
    pub fn new(fields: &[FieldSpec]) -> Self {
        let ruled = fields.iter().filter(|field| field.required || field.min.is_some() || field.max.is_some());
        FieldRules { fields: ruled.cloned().collect() }
    }

    /// Checks a row whose number columns start at `first_column`.
    pub fn check(&self, table: &Table, row: usize, first_column: usize) -> Result<(), Reject> {
        for field in &self.fields {
            let present = match field.column {
                FieldColumn::Text(column) => table.text(column.0, row).is_some(),
                FieldColumn::Number(column) => {
                    let value = table.number(first_column + column.0, row);
                    check_range(field, value)?;
                    !value.is_nan()
                }
            };
            if field.required && !present {
                return Err(Reject::new(RejectCode::Missing, format!("required field `{}` is missing", field.name)));
            }
        }
        Ok(())
    }
}

fn check_range(field: &FieldSpec, value: f64) -> Result<(), Reject> {
    if let Some(min) = field.min.filter(|min| value < *min) {
        return Err(Reject::new(RejectCode::Range, format!("field `{}` is below its minimum {min}", field.name)));
    }
    if let Some(max) = field.max.filter(|max| value > *max) {
        return Err(Reject::new(RejectCode::Range, format!("field `{}` is above its maximum {max}", field.name)));
    }
    Ok(())
}
