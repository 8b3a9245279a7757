//! The versions of one key: what was known from when on.

use crate::data::{BinaryError, Reader, Span, Table, Timestamp, Writer};

/// The fields of one fact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FactRow {
    /// The numbers, NaN for missing.
    pub numbers: Box<[f64]>,
    /// The texts.
    pub texts: Box<[Option<Box<[u8]>>]>,
}

/// What is known from a time on, until the next version.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    pub at: Timestamp,
    /// `None`: nothing any more.
    pub row: Option<FactRow>,
}

impl FactRow {
    /// The first columns of a row of a table.
    pub fn of(table: &Table, row: usize, [numbers, texts]: [usize; 2]) -> Self {
        FactRow {
            numbers: (0..numbers).map(|column| table.number(column, row)).collect(),
            texts: (0..texts).map(|column| table.text(column, row).map(Into::into)).collect(),
        }
    }
}

/// How long it is remembered that nothing is known: an older fact that comes within it is not taken for the last word.
const TAKEN_BACK: Span = Span::from_days(1);

/// How many versions no event from `passed` on can be shown: all before the one that counted then, and that one too
/// where it has said for long enough that nothing is known.
fn outdated(versions: &[Version], passed: Timestamp) -> usize {
    let before = versions.partition_point(|version| version.at < passed);
    match before.checked_sub(1).and_then(|last| versions.get(last)) {
        Some(Version { row: None, at }) if *at < passed.minus(TAKEN_BACK) => before,
        Some(_) => before - 1,
        None => 0,
    }
}

pub(super) fn can_let_go(versions: &[Version], passed: Timestamp) -> bool {
    outdated(versions, passed) > 0
}

pub(super) fn let_go(versions: &mut Vec<Version>, passed: Timestamp) {
    versions.drain(..outdated(versions, passed));
}

pub(super) fn write(versions: &[Version], out: &mut Writer) {
    out.unsigned(versions.len() as u64);
    for Version { at, row } in versions {
        out.signed(at.millis());
        out.flag(row.is_some());
        let Some(row) = row else { continue };
        out.unsigned(row.numbers.len() as u64);
        row.numbers.iter().for_each(|number| out.number(*number));
        out.unsigned(row.texts.len() as u64);
        row.texts.iter().for_each(|text| out.optional(text.as_deref()));
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<Version>, BinaryError> {
    let mut versions = Vec::new();
    for _ in 0..reader.count()? {
        let at = Timestamp::from_millis(reader.signed()?);
        let row = if reader.flag()? {
            let numbers = (0..reader.count()?).map(|_| reader.number()).collect::<Result<_, _>>()?;
            let mut texts = Vec::new();
            for _ in 0..reader.count()? {
                texts.push(reader.optional()?.map(Into::into));
            }
            Some(FactRow { numbers, texts: texts.into() })
        } else {
            None
        };
        versions.push(Version { at, row });
    }
    if !versions.is_sorted_by(|a, b| a.at < b.at) {
        return Err(BinaryError::Invalid { what: "order of versions", at: 0 });
    }
    Ok(versions)
}
