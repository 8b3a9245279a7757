//! Records of a hop's topic: what one stage of the chain tells the next.
//!
//! An event or a follow-up with what later stages need of it, or how far a shard of the stage before has come. A record
//! begins with its rank, so that it can be put in order without the rest being read. Features go by their position in
//! the layout, columns by their number: both stages have the same configuration.

use crate::data::params::KindIndex;
use crate::data::{BinaryError, Header, Payload, Rank, Reader, Timestamp, Writer};

/// The format this binary writes and reads.
pub const HOP_VERSION: u64 = 1;

const EVENT: u64 = 0;
const FOLLOW_UP: u64 = 1;
const PROGRESS: u64 = 2;

const LATE: u64 = 1;
const WARMING: u64 = 2;

/// An event on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct HopEvent {
    /// Its place.
    pub rank: Rank,
    /// Key of the event's record.
    pub key: Option<Payload>,
    /// The record's own timestamp.
    pub timestamp: Timestamp,
    /// It came late at a stage before.
    pub late: bool,
    /// A window behind it may not hold all it would.
    pub warming: bool,
    /// Its number columns.
    pub numbers: Vec<f64>,
    /// Its text columns.
    pub texts: Vec<Option<Box<[u8]>>>,
    /// Features computed so far.
    pub features: Vec<Known>,
    /// Headers of its record.
    pub headers: Vec<Header>,
}

/// A feature and where it stands in the layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// Position in the layout.
    pub position: u32,
    /// Its value; NaN for missing.
    pub value: f64,
}

/// A follow-up on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct HopFollowUp {
    /// Its place.
    pub rank: Rank,
    /// Key of its record.
    pub key: Option<Payload>,
    /// The record's own timestamp.
    pub timestamp: Timestamp,
    /// When it became known.
    pub known_at: Timestamp,
    /// Its kind.
    pub kind: KindIndex,
    /// The label it carries.
    pub label: Option<bool>,
    /// The number columns of its kind.
    pub numbers: Vec<f64>,
}

/// How far a shard of the stage before has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of the shard.
    pub shard: i32,
    /// The latest time it has taken in; [`Timestamp::MIN`] before the first.
    pub time: Timestamp,
    /// What comes from before this is late.
    pub watermark: Timestamp,
    /// When it said so.
    pub at: Timestamp,
    /// Everything that was there to read at this moment has been read; `None` while there is more.
    pub idle: Option<Timestamp>,
}

/// What a record of a hop's topic is, as far as its beginning tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HopHead {
    /// An event or a follow-up.
    Ranked(Rank),
    /// News of a shard.
    Progress(Progress),
}

/// An event or a follow-up.
#[derive(Clone, Debug, PartialEq)]
pub enum HopRecord {
    /// An event.
    Event(HopEvent),
    /// A follow-up.
    FollowUp(HopFollowUp),
}

impl HopEvent {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ranked(EVENT, &self.rank);
        out.optional(self.key.as_deref());
        out.signed(self.timestamp.millis());
        out.unsigned((u64::from(self.late) * LATE) | (u64::from(self.warming) * WARMING));
        numbers(&self.numbers, &mut out);
        out.unsigned(self.texts.len() as u64);
        self.texts.iter().for_each(|text| out.optional(text.as_deref()));
        out.unsigned(self.features.len() as u64);
        for known in &self.features {
            out.unsigned(u64::from(known.position));
            out.number(known.value);
        }
        Header::write_all(&self.headers, &mut out);
        out.finish()
    }

    fn read(rank: Rank, reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let key = reader.optional()?.map(Into::into);
        let timestamp = Timestamp::from_millis(reader.signed()?);
        let flags = reader.unsigned()?;
        let numbers = read_numbers(reader)?;
        let mut texts = Vec::new();
        for _ in 0..reader.count()? {
            texts.push(reader.optional()?.map(Into::into));
        }
        let mut features = Vec::new();
        for _ in 0..reader.count()? {
            features.push(Known { position: reader.small()?, value: reader.number()? });
        }
        let headers = Header::read_all(reader)?;
        let (late, warming) = (flags & LATE != 0, flags & WARMING != 0);
        Ok(HopEvent { rank, key, timestamp, late, warming, numbers, texts, features, headers })
    }
}

impl HopFollowUp {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ranked(FOLLOW_UP, &self.rank);
        out.optional(self.key.as_deref());
        out.signed(self.timestamp.millis());
        out.signed(self.known_at.millis());
        out.unsigned(self.kind.0 as u64);
        out.unsigned(match self.label {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        });
        numbers(&self.numbers, &mut out);
        out.finish()
    }

    fn read(rank: Rank, reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let key = reader.optional()?.map(Into::into);
        let timestamp = Timestamp::from_millis(reader.signed()?);
        let known_at = Timestamp::from_millis(reader.signed()?);
        let kind = KindIndex(reader.small()? as usize);
        let label = match reader.unsigned()? {
            0 => None,
            1 => Some(false),
            2 => Some(true),
            _ => return Err(BinaryError::Invalid { what: "label", at: 0 }),
        };
        Ok(HopFollowUp { rank, key, timestamp, known_at, kind, label, numbers: read_numbers(reader)? })
    }
}

impl Progress {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.unsigned(HOP_VERSION);
        out.unsigned(PROGRESS);
        self.write(&mut out);
        out.finish()
    }

    /// Appends it to a state.
    pub fn write(&self, out: &mut Writer) {
        out.signed(i64::from(self.shard));
        out.signed(self.time.millis());
        out.signed(self.watermark.millis());
        out.signed(self.at.millis());
        out.flag(self.idle.is_some());
        out.signed(self.idle.unwrap_or_default().millis());
    }

    /// Reads what [`Progress::write`] wrote.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let shard = i32::try_from(reader.signed()?).map_err(|_| BinaryError::Invalid { what: "shard", at: 0 })?;
        let time = Timestamp::from_millis(reader.signed()?);
        let watermark = Timestamp::from_millis(reader.signed()?);
        let at = Timestamp::from_millis(reader.signed()?);
        let is_idle = reader.flag()?;
        let idle = Timestamp::from_millis(reader.signed()?);
        Ok(Progress { shard, time, watermark, at, idle: is_idle.then_some(idle) })
    }
}

impl HopHead {
    /// Reads the beginning of a record.
    ///
    /// # Errors
    /// Another version, or bytes that are no record of a hop.
    pub fn read(bytes: &[u8]) -> Result<Self, BinaryError> {
        let mut reader = Reader::new(bytes);
        reader.version("a record of a hop", HOP_VERSION)?;
        match reader.unsigned()? {
            PROGRESS => {
                let progress = Progress::read(&mut reader)?;
                reader.finish()?;
                Ok(HopHead::Progress(progress))
            }
            kind => Ok(HopHead::Ranked(rank(kind, &mut reader)?)),
        }
    }
}

impl HopRecord {
    /// Reads an event or a follow-up whole.
    ///
    /// # Errors
    /// Another version, or bytes that are neither.
    pub fn read(bytes: &[u8]) -> Result<Self, BinaryError> {
        let mut reader = Reader::new(bytes);
        reader.version("a record of a hop", HOP_VERSION)?;
        let kind = reader.unsigned()?;
        let rank = rank(kind, &mut reader)?;
        let record = if rank.is_follow_up {
            HopRecord::FollowUp(HopFollowUp::read(rank, &mut reader)?)
        } else {
            HopRecord::Event(HopEvent::read(rank, &mut reader)?)
        };
        reader.finish()?;
        Ok(record)
    }
}

fn ranked(kind: u64, rank: &Rank) -> Writer {
    let mut out = Writer::default();
    out.unsigned(HOP_VERSION);
    out.unsigned(kind);
    out.signed(rank.at.millis());
    out.slice(&rank.id);
    out.signed(i64::from(rank.partition));
    out.signed(rank.offset);
    out
}

fn rank(kind: u64, reader: &mut Reader<'_>) -> Result<Rank, BinaryError> {
    if ![EVENT, FOLLOW_UP].contains(&kind) {
        return Err(BinaryError::Invalid { what: "kind of record", at: 0 });
    }
    let at = Timestamp::from_millis(reader.signed()?);
    let id = reader.slice()?.into();
    let partition = i32::try_from(reader.signed()?).map_err(|_| BinaryError::Invalid { what: "partition", at: 0 })?;
    Ok(Rank { at, is_follow_up: kind == FOLLOW_UP, id, partition, offset: reader.signed()? })
}

fn numbers(numbers: &[f64], out: &mut Writer) {
    out.unsigned(numbers.len() as u64);
    numbers.iter().for_each(|number| out.number(*number));
}

fn read_numbers(reader: &mut Reader<'_>) -> Result<Vec<f64>, BinaryError> {
    (0..reader.count()?).map(|_| reader.number()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event() -> HopEvent {
        HopEvent {
            rank: Rank {
                at: Timestamp::from_millis(-7),
                is_follow_up: false,
                id: b"e1"[..].into(),
                partition: 3,
                offset: 70_000,
            },
            key: Some(b"card"[..].into()),
            timestamp: Timestamp::from_millis(5),
            late: true,
            warming: false,
            numbers: vec![1.5, -0.25],
            texts: vec![None, Some(b"terminal"[..].into())],
            features: vec![Known { position: 4, value: 12.0 }],
            headers: vec![Header { name: "traceparent".into(), value: None }],
        }
    }

    fn follow_up() -> HopFollowUp {
        HopFollowUp {
            rank: Rank { is_follow_up: true, ..event().rank },
            key: None,
            timestamp: Timestamp::from_millis(9),
            known_at: Timestamp::from_millis(8),
            kind: KindIndex(2),
            label: Some(true),
            numbers: vec![1.0],
        }
    }

    fn progress() -> Progress {
        Progress {
            shard: 2,
            time: Timestamp::from_millis(9),
            watermark: Timestamp::MIN,
            at: Timestamp::from_millis(1),
            idle: Some(Timestamp::from_millis(-1)),
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let event = event();
        assert_eq!(HopRecord::read(&event.encode()), Ok(HopRecord::Event(event.clone())));
        assert_eq!(HopHead::read(&event.encode()), Ok(HopHead::Ranked(event.rank.clone())));
        assert_eq!(HopRecord::read(&follow_up().encode()), Ok(HopRecord::FollowUp(follow_up())));
        assert_eq!(HopHead::read(&progress().encode()), Ok(HopHead::Progress(progress())));
    }

    #[test]
    fn records_of_version_1_are_read_and_written_as_they_were() {
        let fixture = include_bytes!("../../tests/fixtures/hop-event-v1.bin");
        assert_eq!(HopRecord::read(fixture), Ok(HopRecord::Event(event())));
        assert_eq!(event().encode(), fixture);
        let fixture = include_bytes!("../../tests/fixtures/hop-follow-up-v1.bin");
        assert_eq!(HopRecord::read(fixture), Ok(HopRecord::FollowUp(follow_up())));
        assert_eq!(follow_up().encode(), fixture);
        let fixture = include_bytes!("../../tests/fixtures/hop-progress-v1.bin");
        assert_eq!(HopHead::read(fixture), Ok(HopHead::Progress(progress())));
        assert_eq!(progress().encode(), fixture);
    }

    proptest! {
        #[test]
        fn hostile_bytes_give_an_error_and_never_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0..60usize, byte in any::<u8>(),
        ) {
            let _ = HopHead::read(&bytes);
            let _ = HopRecord::read(&bytes);
            let mut bytes = event().encode();
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
            let _ = HopRecord::read(&bytes);
        }
    }
}
