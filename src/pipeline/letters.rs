//! Dead letters: raw bytes untouched, the reason and the source position in headers.

use super::{EVENTS, Pipeline};
use crate::data::{Header, InputIndex, Outbox, Record, Reject, RejectCode, Sink};

/// A value longer than this does not fit a broker's default record size beside its headers; the first
/// [`KEPT_OF_OVERSIZED`] bytes of it are kept, with its length and hash in headers.
const MAX_LETTER_BYTES: usize = 900 * 1024;
const KEPT_OF_OVERSIZED: usize = 64 * 1024;

/// Where a record that cannot be used came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub input: InputIndex,
    pub partition: i32,
}

impl Pipeline {
    pub(super) fn reject(&mut self, of: Origin, record: &Record, reject: &Reject, out: &mut Outbox) {
        let Origin { input, partition } = of;
        let tally = &mut self.clocks.tally;
        *(if input == EVENTS { &mut tally.event_dead_letters } else { &mut tally.follow_up_dead_letters }) += 1;
        let counts = &mut tally.rejects[usize::from(input != EVENTS)];
        if let Some(at) = RejectCode::ALL.iter().position(|code| *code == reject.code) {
            counts[at] += 1;
        }
        let topic = if input == EVENTS { &self.params.events.topic } else { &self.params.labels.topic };
        let to = self.to(Sink::DeadLetters, partition);
        let partition = partition.to_string();
        let offset = record.offset.to_string();
        let timestamp = record.timestamp.millis().to_string();
        let mut headers = record.headers.clone();
        let mut add = |name: &str, value: &str| {
            headers.push(Header { name: name.to_owned(), value: Some(value.as_bytes().to_vec()) });
        };
        add("driftless.error.code", reject.code.name());
        add("driftless.error.message", &reject.message);
        add("driftless.error.topic", topic);
        add("driftless.error.partition", &partition);
        add("driftless.error.offset", &offset);
        add("driftless.error.timestamp", &timestamp);
        add("__connect.errors.topic", topic);
        add("__connect.errors.partition", &partition);
        add("__connect.errors.offset", &offset);
        add("__connect.errors.stage", "VALUE_CONVERTER");
        add("__connect.errors.exception.message", &reject.message);
        let mut value = record.value.as_deref();
        if let Some(whole) = value.filter(|value| value.len() > MAX_LETTER_BYTES) {
            add("driftless.value.bytes", &whole.len().to_string());
            add("driftless.value.xxh3", &format!("{:032x}", xxhash_rust::xxh3::xxh3_128(whole)));
            value = whole.get(..KEPT_OF_OVERSIZED);
        }
        out.push_raw(to, record.key.as_deref(), value, headers);
    }
}
