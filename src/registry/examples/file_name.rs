//! The name of a file of the training log, which says what is in it.

/// Digits of the hash.
pub(super) const HASH_DIGITS: usize = 16;

/// `<from>-<to>-<hash>.avro`, offsets with leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    pub from: i64,
    pub to: i64,
    pub hash: String,
}

impl FileName {
    pub fn parse(name: &str) -> Option<FileName> {
        let mut parts = name.strip_suffix(".avro")?.split('-');
        let (from, to) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let hash = parts.next().filter(|hash| hash.len() == HASH_DIGITS)?.to_owned();
        (parts.next().is_none() && from < to).then_some(FileName { from, to, hash })
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:020}-{:020}-{}.avro", self.from, self.to, self.hash)
    }
}
