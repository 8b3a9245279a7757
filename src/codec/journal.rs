//! The journal record: what one transaction fed to one shard, so that it can be fed again.
//!
//! Kafka does not record how several topics were interleaved. This does: the runs of offsets in the order in which
//! they were consumed, the commands and the schemas looked up in full, `now`, and a digest of what came out. It holds no
//! event data. Facts it holds in full: their topic is compacted, so they may be gone when they are to be read again.

use std::sync::Arc;

use crate::data::{BinaryError, InputIndex, ModelRecord, Rank, Reader, Record, SchemaFact, Timestamp, Writer};

/// The format this binary writes; it reads the ones before as well.
pub const JOURNAL_VERSION: u64 = 3;

/// One part of a transaction's input sequence.
#[derive(Clone, Debug, PartialEq)]
pub enum JournalStep {
    /// Consecutive records of one input.
    Run {
        /// Which input.
        input: InputIndex,
        /// Offset of the first record.
        first: i64,
        /// Offset of the last record (offsets between may be missing).
        last: i64,
        /// Number of records.
        records: u64,
    },
    /// A record of an input that is compacted, in full.
    Kept {
        /// Which input.
        input: InputIndex,
        /// The record.
        record: Box<Record>,
    },
    /// The record, kept in full or the first of a run, that follows made the program panic and was refused unread.
    Refuse,
    /// What the machine held back under this rank made the program panic when its turn came, with the record of the run
    /// that follows, and was refused unread.
    RefuseHeld(Box<Rank>),
    /// The shard had read every input to its end.
    Idle,
    /// A record of the control log.
    Command {
        /// Its offset there.
        offset: i64,
        /// The record.
        record: Box<ModelRecord>,
        /// Whether the artifact it names was at hand; without it the command changed nothing.
        loaded: bool,
    },
    /// What was looked up of a writer schema, in full: computing the record again asks nobody.
    Schema(Arc<SchemaFact>),
}

/// What one transaction did in one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRecord {
    /// Number of the record within its shard, from 0, without gaps.
    pub sequence: u64,
    /// Wall time of the transaction.
    pub now: Timestamp,
    /// Hash of the configuration that the machine was built from.
    pub config: String,
    /// The transactional id that wrote it: whoever takes over can fence it.
    pub transactional_id: String,
    /// The input sequence.
    pub steps: Vec<JournalStep>,
    /// Next offset of every input after this transaction, by input number.
    pub positions: Vec<i64>,
    /// Next offset of the control log after this transaction.
    pub control: i64,
    /// Digest of the outputs.
    pub digest: u128,
}

/// Why a journal record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The bytes are not a journal record of a known version.
    #[error("not a journal record: {0}")]
    Binary(#[from] BinaryError),
    /// The command inside is not a control record.
    #[error("not a control record inside the journal: {0}")]
    Command(String),
}

const RUN: u64 = 0;
const IDLE: u64 = 1;
const COMMAND: u64 = 2;
/// Version 3 has it.
const SCHEMA: u64 = 3;
/// Version 3 has it. Whole numbers that four divides are runs.
const REFUSE: u64 = 7;
/// Version 3 has it.
const KEPT: u64 = 11;
/// Version 3 has it.
const REFUSE_HELD: u64 = 15;

impl JournalRecord {
    /// The record's bytes.
    ///
    /// # Errors
    /// Never in practice: a control record always has a JSON form.
    pub fn encode(&self) -> Result<Vec<u8>, JournalError> {
        let mut out = Writer::default();
        out.unsigned(JOURNAL_VERSION);
        out.unsigned(self.sequence);
        out.signed(self.now.millis());
        out.slice(self.config.as_bytes());
        out.slice(self.transactional_id.as_bytes());
        out.unsigned(self.steps.len() as u64);
        let mut expected = Expected::default();
        for step in &self.steps {
            match step {
                JournalStep::Run { input, first, last, records } => {
                    out.unsigned(u64::from(input.0) << 2 | RUN);
                    out.signed(first - expected.first(*input));
                    let span = last - first + 1;
                    // Where no offset is missing, the length says all.
                    let gaps = span - *records as i64;
                    out.unsigned(*records << 1 | u64::from(gaps != 0));
                    if gaps != 0 {
                        out.signed(gaps);
                    }
                    expected.took(*input, *last);
                }
                JournalStep::Refuse => out.unsigned(REFUSE),
                JournalStep::RefuseHeld(rank) => {
                    out.unsigned(REFUSE_HELD);
                    rank.write(&mut out);
                }
                JournalStep::Idle => out.unsigned(IDLE),
                JournalStep::Command { offset, record, loaded } => {
                    out.unsigned(COMMAND);
                    out.signed(*offset);
                    out.flag(*loaded);
                    let json = serde_json::to_vec(record).map_err(|error| JournalError::Command(error.to_string()))?;
                    out.slice(&json);
                }
                JournalStep::Schema(fact) => {
                    out.unsigned(SCHEMA);
                    fact.write(&mut out);
                }
                JournalStep::Kept { input, record } => {
                    out.unsigned(KEPT);
                    out.unsigned(u64::from(input.0));
                    record.write(&mut out);
                }
            }
        }
        out.unsigned(self.positions.len() as u64);
        for position in &self.positions {
            out.signed(*position);
        }
        out.signed(self.control);
        out.digest(self.digest);
        Ok(out.finish())
    }

    /// Reads a record's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, JournalError> {
        let mut reader = Reader::new(bytes);
        let version = reader.version_up_to("the journal record", JOURNAL_VERSION)?;
        let sequence = reader.unsigned()?;
        let now = Timestamp::from_millis(reader.signed()?);
        let config = reader.text()?.to_owned();
        let transactional_id = reader.text()?.to_owned();
        let mut steps = Vec::new();
        let mut expected = Expected::default();
        for _ in 0..reader.count()? {
            steps.push(if version == 1 { read_step_v1(&mut reader)? } else { read_step(&mut reader, &mut expected)? });
        }
        let mut positions = Vec::new();
        for _ in 0..reader.count()? {
            positions.push(reader.signed()?);
        }
        let control = reader.signed()?;
        let digest = reader.digest()?;
        reader.finish()?;
        Ok(JournalRecord { sequence, now, config, transactional_id, steps, positions, control, digest })
    }
}

/// The offset at which the next run of an input begins if none is missing.
#[derive(Default)]
struct Expected(std::collections::BTreeMap<u8, i64>);

impl Expected {
    fn first(&self, input: InputIndex) -> i64 {
        self.0.get(&input.0).copied().unwrap_or(0)
    }

    fn took(&mut self, input: InputIndex, last: i64) {
        self.0.insert(input.0, last.saturating_add(1));
    }
}

/// Two bits of the tag name the step, the rest the input of a run.
fn read_step(reader: &mut Reader<'_>, expected: &mut Expected) -> Result<JournalStep, JournalError> {
    let tag = reader.unsigned()?;
    match tag & 3 {
        RUN => {
            let input = input_index(tag >> 2)?;
            let first = expected.first(input).saturating_add(reader.signed()?);
            let length = reader.unsigned()?;
            let records = length >> 1;
            let gaps = if length & 1 == 1 { reader.signed()? } else { 0 };
            let last = first.saturating_add(gaps).saturating_add(records as i64).saturating_sub(1);
            expected.took(input, last);
            Ok(JournalStep::Run { input, first, last, records })
        }
        IDLE if tag == IDLE => Ok(JournalStep::Idle),
        COMMAND if tag == COMMAND => read_command(reader),
        SCHEMA if tag == REFUSE => Ok(JournalStep::Refuse),
        SCHEMA if tag == REFUSE_HELD => Ok(JournalStep::RefuseHeld(Box::new(Rank::read(reader)?))),
        SCHEMA if tag == KEPT => {
            let input = input_index(reader.unsigned()?)?;
            Ok(JournalStep::Kept { input, record: Box::new(Record::read(reader)?) })
        }
        SCHEMA if tag == SCHEMA => Ok(JournalStep::Schema(Arc::new(SchemaFact::read(reader)?))),
        _ => Err(BinaryError::Invalid { what: "journal step", at: 0 }.into()),
    }
}

fn read_step_v1(reader: &mut Reader<'_>) -> Result<JournalStep, JournalError> {
    match reader.unsigned()? {
        RUN => {
            let input = input_index(reader.unsigned()?)?;
            let first = reader.signed()?;
            let last = first.saturating_add(reader.signed()?);
            Ok(JournalStep::Run { input, first, last, records: reader.unsigned()? })
        }
        IDLE => Ok(JournalStep::Idle),
        COMMAND => read_command(reader),
        _ => Err(BinaryError::Invalid { what: "journal step", at: 0 }.into()),
    }
}

fn input_index(number: u64) -> Result<InputIndex, BinaryError> {
    u8::try_from(number).map(InputIndex).map_err(|_| BinaryError::Invalid { what: "input number", at: 0 })
}

fn read_command(reader: &mut Reader<'_>) -> Result<JournalStep, JournalError> {
    let offset = reader.signed()?;
    let loaded = reader.flag()?;
    let record = serde_json::from_slice(reader.slice()?).map_err(|error| JournalError::Command(error.to_string()))?;
    Ok(JournalStep::Command { offset, record: Box::new(record), loaded })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::{Header, ModelCommand, SchemaVerdict};

    fn example() -> JournalRecord {
        let command = ModelRecord {
            command: ModelCommand::Promoted,
            version: 2,
            replaces: 1,
            at: Timestamp::from_millis(5),
            by: "monitor".into(),
            why: "better".into(),
            incident_id: Some("v1-1".into()),
            family: None,
            feature_layout: None,
            artifact: None,
            evidence: None,
            setting: None,
        };
        JournalRecord {
            sequence: 7,
            now: Timestamp::from_millis(-3),
            config: "abc".into(),
            transactional_id: "app.score.a.0".into(),
            steps: vec![
                JournalStep::Command { offset: 9, record: Box::new(command), loaded: true },
                JournalStep::Run { input: InputIndex(1), first: 10, last: 19, records: 10 },
                JournalStep::Run { input: InputIndex(0), first: 0, last: 0, records: 1 },
                JournalStep::Idle,
            ],
            positions: vec![1, 20],
            control: 10,
            digest: u128::MAX - 1,
        }
    }

    #[test]
    fn a_record_is_read_back_as_written() {
        let bytes = example().encode();
        assert_eq!(bytes.and_then(|bytes| JournalRecord::decode(&bytes)), Ok(example()));
    }

    #[test]
    fn the_first_published_version_is_still_read() {
        let fixture = include_bytes!("../../tests/fixtures/journal-v1.bin");
        assert_eq!(JournalRecord::decode(fixture), Ok(example()));
    }

    #[test]
    fn the_second_version_is_still_read() {
        let fixture = include_bytes!("../../tests/fixtures/journal-v2.bin");
        assert_eq!(JournalRecord::decode(fixture), Ok(example()));
    }

    /// With everything that the third version has beside the second.
    fn example_v3() -> JournalRecord {
        let mut record = example();
        let fact = |id, verdict| JournalStep::Schema(Arc::new(SchemaFact { input: InputIndex(1), id, verdict }));
        record.steps.splice(
            1..1,
            [
                fact(7, SchemaVerdict::Schema("{\"type\":\"null\"}".to_owned())),
                fact(300, SchemaVerdict::Unknown),
                fact(8, SchemaVerdict::Unusable("too long".to_owned())),
            ],
        );
        record
    }

    #[test]
    fn the_third_version_is_written_as_it_was_published() {
        let fixture = include_bytes!("../../tests/fixtures/journal-v3.bin");
        assert_eq!(example_v3().encode().as_deref(), Ok(fixture.as_slice()));
        assert_eq!(JournalRecord::decode(fixture), Ok(example_v3()));
    }

    #[test]
    fn a_refused_record_is_told_from_the_others_and_needs_the_third_version() {
        let mut record = example();
        let rank =
            Rank { at: Timestamp::from_millis(-5), is_follow_up: true, id: b"e1"[..].into(), partition: 2, offset: 70 };
        record.steps.insert(1, JournalStep::Refuse);
        record.steps.insert(1, JournalStep::RefuseHeld(Box::new(rank)));
        let bytes = record.encode().unwrap_or_default();
        let held = b"\x0f\x09\x01\x02e1\x04\x8c\x01\x07";
        assert!(bytes.windows(held.len()).any(|part| part == held));
        assert_eq!((bytes.first(), JournalRecord::decode(&bytes)), (Some(&3), Ok(record)));
    }

    #[test]
    fn a_record_of_a_compacted_input_is_kept_in_full() {
        let header = |name: &str, value: Option<&[u8]>| Header { name: name.into(), value: value.map(Into::into) };
        let kept = |offset, value: Option<&[u8]>| JournalStep::Kept {
            input: InputIndex(2),
            record: Box::new(Record {
                offset,
                timestamp: Timestamp::from_millis(-5),
                key: Some(b"card"[..].into()),
                value: value.map(Into::into),
                headers: vec![header("trace", None), header("by", Some(b"bank"))],
            }),
        };
        let mut record = example();
        record.steps.splice(1..1, [kept(7, Some(b"{}")), JournalStep::Refuse, kept(9, None)]);
        let bytes = record.encode().unwrap_or_default();
        assert_eq!(JournalRecord::decode(&bytes), Ok(record));
        for cut in 0..bytes.len() {
            assert!(JournalRecord::decode(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn runs_of_two_inputs_that_take_turns_cost_three_bytes_each() {
        let mut record = example();
        let run = |input: u8, first: i64| JournalStep::Run { input: InputIndex(input), first, last: first, records: 1 };
        record.steps = (0..200).map(|at| run((at % 2) as u8, 1_000_000 + at / 2)).collect();
        let alone = JournalRecord { steps: Vec::new(), ..record.clone() }.encode().map(|bytes| bytes.len());
        let bytes = record.encode();
        assert_eq!(bytes.as_deref().map(JournalRecord::decode), Ok(Ok(record)));
        assert!(bytes.map(|bytes| bytes.len()).unwrap_or_default() < alone.unwrap_or_default() + 3 * 200 + 10);
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let error = JournalRecord::decode(&[9]).map_err(|error| error.to_string());
        let message =
            "not a journal record: the journal record has format version 9; this binary reads versions up to 3";
        assert_eq!(error, Err(message.to_owned()));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = example_v3().encode().unwrap_or_default();
            for (index, byte) in flips {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = JournalRecord::decode(&bytes);
        }
    }
}
