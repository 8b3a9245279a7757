//! The place of an event or a follow-up among those of its entity, by which a hop takes them in.

use std::sync::Arc;

use super::{BinaryError, Reader, Timestamp, Writer};

/// The place of a record among those of its entity: by time, events before follow-ups, then by what does not depend on
/// the number of partitions as far as there is such a thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// Event time; for a follow-up the moment it became known, but not before its event.
    pub at: Timestamp,
    /// Whether it is a follow-up.
    pub is_follow_up: bool,
    /// Id of the event.
    pub id: Arc<[u8]>,
    /// Partition of the topic that it came in by.
    pub partition: i32,
    /// Offset there.
    pub offset: i64,
}

impl Rank {
    /// Appends its binary form.
    pub fn write(&self, out: &mut Writer) {
        out.signed(self.at.millis());
        out.flag(self.is_follow_up);
        out.slice(&self.id);
        out.signed(i64::from(self.partition));
        out.signed(self.offset);
    }

    /// Takes its binary form.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let at = Timestamp::from_millis(reader.signed()?);
        let is_follow_up = reader.flag()?;
        let id = reader.slice()?.into();
        let partition =
            i32::try_from(reader.signed()?).map_err(|_| BinaryError::Invalid { what: "partition", at: 0 })?;
        Ok(Rank { at, is_follow_up, id, partition, offset: reader.signed()? })
    }
}
