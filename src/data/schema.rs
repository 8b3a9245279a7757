//! A fact about a writer schema, looked up outside and recorded where a machine first needs it.

use super::{BinaryError, InputIndex, Reader, Writer};

/// What is known of the schema of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaVerdict {
    /// The schema, as compact JSON.
    Schema(String),
    /// There is none.
    Unknown,
    /// There is one that cannot be taken; why.
    Unusable(String),
}

/// The verdict on an id that a record of an input names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFact {
    /// The input.
    pub input: InputIndex,
    /// The id.
    pub id: u32,
    /// The verdict.
    pub verdict: SchemaVerdict,
}

/// A writer schema that a machine needs before it can take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaNeed {
    /// Its id.
    pub id: u32,
    /// The machine has the verdict that there is none, and takes the record if that still holds.
    pub is_known_missing: bool,
}

const SCHEMA: u64 = 0;
const UNKNOWN: u64 = 1;
const UNUSABLE: u64 = 2;

impl SchemaFact {
    /// How many bytes it takes in a record, about.
    pub fn size(&self) -> usize {
        match &self.verdict {
            SchemaVerdict::Schema(text) | SchemaVerdict::Unusable(text) => 16 + text.len(),
            SchemaVerdict::Unknown => 16,
        }
    }

    /// Appends its binary form.
    pub fn write(&self, out: &mut Writer) {
        out.unsigned(u64::from(self.input.0));
        out.unsigned(u64::from(self.id));
        match &self.verdict {
            SchemaVerdict::Schema(text) => {
                out.unsigned(SCHEMA);
                out.slice(text.as_bytes());
            }
            SchemaVerdict::Unknown => out.unsigned(UNKNOWN),
            SchemaVerdict::Unusable(why) => {
                out.unsigned(UNUSABLE);
                out.slice(why.as_bytes());
            }
        }
    }

    /// Takes its binary form.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let invalid = |what| BinaryError::Invalid { what, at: 0 };
        let input = u8::try_from(reader.unsigned()?).map_err(|_| invalid("input number"))?;
        let id = reader.small()?;
        let verdict = match reader.unsigned()? {
            SCHEMA => SchemaVerdict::Schema(reader.text()?.to_owned()),
            UNKNOWN => SchemaVerdict::Unknown,
            UNUSABLE => SchemaVerdict::Unusable(reader.text()?.to_owned()),
            _ => return Err(invalid("verdict on a schema")),
        };
        Ok(SchemaFact { input: InputIndex(input), id, verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_written_as_it_was_published_and_read_back() {
        let schema = SchemaVerdict::Schema("\"int\"".to_owned());
        let cases: [(SchemaVerdict, &[u8]); 3] = [
            (schema, b"\x01\xac\x02\x00\x05\"int\""),
            (SchemaVerdict::Unknown, b"\x01\xac\x02\x01"),
            (SchemaVerdict::Unusable("no".to_owned()), b"\x01\xac\x02\x02\x02no"),
        ];
        for (verdict, bytes) in cases {
            let fact = SchemaFact { input: InputIndex(1), id: 300, verdict };
            let mut out = Writer::default();
            fact.write(&mut out);
            assert_eq!(out.finish(), bytes);
            assert_eq!(SchemaFact::read(&mut Reader::new(bytes)), Ok(fact));
            for cut in 0..bytes.len() {
                assert!(SchemaFact::read(&mut Reader::new(&bytes[..cut])).is_err());
            }
        }
        assert!(SchemaFact::read(&mut Reader::new(&[1, 1, 3])).is_err());
    }
}
