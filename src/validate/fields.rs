//! Rules of declared fields: presence, range, length, pattern, and the values listed.

use crate::data::params::{FieldColumn, FieldSpec, OneOf};
use crate::data::{Reject, RejectCode, Table};

/// The rules of a set of declared fields.
#[derive(Clone, Debug)]
pub struct FieldRules {
    fields: Vec<FieldSpec>,
}

impl FieldRules {
    /// Rules for those of `fields` that have any.
    pub fn new(fields: &[FieldSpec]) -> Self {
        FieldRules { fields: fields.iter().filter(|field| field.has_rules()).cloned().collect() }
    }

    /// Checks a row whose number columns start at `first_column`.
    pub fn check(&self, table: &Table, row: usize, first_column: usize) -> Result<(), Reject> {
        for field in &self.fields {
            let present = match field.column {
                FieldColumn::Text(column) => match table.text(column.0, row) {
                    Some(text) => {
                        check_text(field, text)?;
                        true
                    }
                    None => false,
                },
                FieldColumn::Number(column) => {
                    let value = table.number(first_column + column.0, row);
                    check_number(field, value)?;
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

fn check_number(field: &FieldSpec, value: f64) -> Result<(), Reject> {
    let FieldSpec { name, min, max, one_of, .. } = field;
    if let Some(min) = min.filter(|min| value < *min) {
        return Err(Reject::new(RejectCode::Range, format!("field `{name}` is below its minimum {min}")));
    }
    if let Some(max) = max.filter(|max| value > *max) {
        return Err(Reject::new(RejectCode::Range, format!("field `{name}` is above its maximum {max}")));
    }
    match one_of {
        Some(OneOf::Numbers(allowed)) if !value.is_nan() && !allowed.contains(&value) => Err(not_listed(name)),
        _ => Ok(()),
    }
}

fn check_text(field: &FieldSpec, text: &[u8]) -> Result<(), Reject> {
    let FieldSpec { name, one_of, pattern, max_length, .. } = field;
    // A character is a byte at least, so most texts need not be counted.
    if let Some(max) = max_length.filter(|max| text.len() > *max && characters(text) > *max) {
        return Err(Reject::new(RejectCode::Length, format!("field `{name}` is longer than {max} characters")));
    }
    if let Some(OneOf::Texts(allowed)) = one_of
        && allowed.binary_search_by(|allowed| allowed.as_bytes().cmp(text)).is_err()
    {
        return Err(not_listed(name));
    }
    if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        let message = format!("field `{name}` does not match its pattern `{}`", pattern.as_str());
        return Err(Reject::new(RejectCode::Pattern, message));
    }
    Ok(())
}

fn not_listed(name: &str) -> Reject {
    Reject::new(RejectCode::OneOf, format!("field `{name}` is none of the values listed for it"))
}

/// Bytes that begin a character of UTF-8.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::params::{FieldKind, NumberIndex, Pattern, PatternError, TextIndex};

    fn spec(name: &str, kind: FieldKind, column: FieldColumn) -> FieldSpec {
        FieldSpec {
            name: name.to_owned(),
            kind,
            required: false,
            min: None,
            max: None,
            one_of: None,
            pattern: None,
            max_length: None,
            column,
        }
    }

    fn text(change: impl FnOnce(&mut FieldSpec)) -> FieldSpec {
        let mut field = spec("city", FieldKind::Text, FieldColumn::Text(TextIndex(0)));
        change(&mut field);
        field
    }

    fn number(change: impl FnOnce(&mut FieldSpec)) -> FieldSpec {
        let mut field = spec("amount", FieldKind::Number, FieldColumn::Number(NumberIndex(0)));
        change(&mut field);
        field
    }

    fn code(field: FieldSpec, number: f64, text: Option<&str>) -> Option<RejectCode> {
        let mut table = Table::new(1, 1);
        table.begin();
        table.set_number(0, number);
        if let Some(text) = text {
            table.set_text(0, text.as_bytes());
        }
        FieldRules::new(&[field]).check(&table, 0, 0).err().map(|reject| reject.code)
    }

    #[test]
    fn numbers_are_held_to_their_range_and_list() {
        let ranged = || number(|field| (field.min, field.max) = (Some(0.0), Some(9.0)));
        for (value, expected) in [
            (0.0, None),
            (9.0, None),
            (-0.1, Some(RejectCode::Range)),
            (9.5, Some(RejectCode::Range)),
            (f64::NAN, None),
        ] {
            assert_eq!(code(ranged(), value, None), expected, "{value}");
        }
        let listed = || number(|field| field.one_of = Some(OneOf::Numbers(vec![1.0, 2.0])));
        assert_eq!(
            [1.0, 3.0, f64::NAN].map(|value| code(listed(), value, None)),
            [None, Some(RejectCode::OneOf), None]
        );
    }

    #[test]
    fn texts_are_held_to_their_list_and_length_in_characters() {
        let listed = || text(|field| field.one_of = Some(OneOf::Texts(vec!["bern".into(), "zürich".into()])));
        let found = [Some("zürich"), Some("Bern"), Some(""), None].map(|text| code(listed(), 0.0, text));
        assert_eq!(found, [None, Some(RejectCode::OneOf), Some(RejectCode::OneOf), None]);
        let short = || text(|field| field.max_length = Some(6));
        let found = [Some("zürich"), Some("zürich!"), Some("")].map(|text| code(short(), 0.0, text));
        assert_eq!(found, [None, Some(RejectCode::Length), None]);
    }

    #[test]
    fn a_text_matches_its_pattern_or_is_refused() -> Result<(), PatternError> {
        let pattern = Pattern::new("[a-z]+")?;
        let field = || text(|field| field.pattern = Some(pattern.clone()));
        let found = [Some("bern"), Some("Bern"), Some("bern\n"), None].map(|text| code(field(), 0.0, text));
        assert_eq!(found, [None, Some(RejectCode::Pattern), Some(RejectCode::Pattern), None]);
        Ok(())
    }

    #[test]
    fn what_is_required_has_to_be_there() {
        assert_eq!(code(number(|field| field.required = true), f64::NAN, None), Some(RejectCode::Missing));
        assert_eq!(code(text(|field| field.required = true), 0.0, None), Some(RejectCode::Missing));
    }
}
