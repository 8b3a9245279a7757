//! Records that stand for a defect: some make the program panic, one kind vanishes uncounted.
//!
//! They exist in tests, and in a binary built with the cargo feature `failpoints`, so that what is done about such defects
//! can be tried (`scripts/alerts-live --runbook`). In any other build nothing that a record holds has this effect.

use crate::data::Record;

const IS_ARMED: bool = cfg!(any(test, feature = "failpoints"));
/// A value that begins like this makes the decoder panic.
const VALUE: &[u8] = b"tripwire";
/// An event with a header of this name makes the windows panic; of the second, behind a hop.
const HEADERS: [&str; 2] = ["tripwire", "tripwire in a hop"];
/// An event with a header of this name is consumed, and nothing comes of it.
const TRAPDOOR: &str = "trapdoor";

/// Passes a record about to be decoded.
#[inline(always)]
pub(super) fn decoding(record: &Record) {
    if IS_ARMED {
        assert!(!record.value.as_deref().is_some_and(|value| value.starts_with(VALUE)), "a record trips");
    }
}

/// Passes an event about to enter the windows.
#[inline(always)]
pub(super) fn entering(record: &Record, is_behind_a_hop: bool) {
    if IS_ARMED {
        assert!(!has(record, HEADERS[usize::from(is_behind_a_hop)]), "a record trips");
    }
}

/// Whether an event falls through.
#[inline(always)]
pub(super) fn swallows(record: &Record) -> bool {
    IS_ARMED && has(record, TRAPDOOR)
}

fn has(record: &Record, name: &str) -> bool {
    record.headers.iter().any(|header| header.name == name)
}
