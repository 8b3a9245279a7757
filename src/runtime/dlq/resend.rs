//! Dead letters on their way back to the topics they came from.

use std::collections::BTreeMap;

use super::{Letters, Obstacle};
use crate::config::Config;
use crate::runtime::history::HistoryError;
use crate::transport::{Outgoing, Transport};

/// Times that one record is sent again.
pub const MAX_HOPS: u32 = 3;

/// How letters are sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResendParams {
    /// Count only.
    pub is_dry: bool,
    /// With the present time instead of the timestamp that the record came with.
    pub is_now: bool,
}

/// What became of the letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// Sent, or to be sent, by topic and code.
    pub sent: BTreeMap<(String, String), u64>,
    /// Left where they are, by why.
    pub left: BTreeMap<Obstacle, u64>,
}

impl Resent {
    /// Number sent.
    pub fn total(&self) -> u64 {
        self.sent.values().sum()
    }
}

/// Sends letters to where they came from: same partition, key, value and headers, and a count of how often.
///
/// # Errors
/// A cluster that does not answer or does not take a record; what was sent before stays sent.
pub fn resend(
    letters: &mut Letters<'_>,
    transport: &dyn Transport,
    config: &Config,
    params: ResendParams,
) -> Result<Resent, HistoryError> {
    let mut resent = Resent::default();
    let mut publisher = transport.publisher()?;
    while let Some(letter) = letters.next()? {
        if let Some(obstacle) = letter.obstacle(config) {
            *resent.left.entry(obstacle).or_default() += 1;
            continue;
        }
        let Some(source) = &letter.source else { continue };
        if !params.is_dry {
            publisher.send(&Outgoing {
                topic: &source.topic,
                partition: Some(source.partition),
                key: letter.record.key.as_deref(),
                value: letter.record.value.as_deref(),
                headers: &letter.headers(),
                timestamp: (!params.is_now).then_some(source.timestamp),
            })?;
        }
        *resent.sent.entry((source.topic.clone(), letter.code.clone())).or_default() += 1;
    }
    publisher.flush()?;
    Ok(resent)
}
