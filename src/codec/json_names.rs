//! The names of the fields of plain JSON objects: which declared field one belongs to, and whether it stands twice.
//!
//! Fields usually come in the same order. Names that were seen are kept, a bounded number of them, each with the name that
//! followed it last time, which is compared first. What is kept decides how fast a name is found, never what is read.

use xxhash_rust::xxh3::xxh3_64;

use super::cells::Field;
use super::json_value::Text;
use super::json_words::{needs_no_escape, word};

/// Names that are kept, not counting those of declared fields.
pub(super) const MOST_NAMES: usize = 256;
/// A longer name that is not declared is not kept.
pub(super) const LONGEST_NAME: usize = 64;
/// The name before the first one.
pub(super) const BEGINNING: usize = 0;

/// A name that was seen.
#[derive(Clone, Debug)]
struct Name {
    /// The name with its quotation marks and the colon, eight bytes a word; none at the beginning.
    words: Box<[u64]>,
    /// What counts of the last word.
    mask: u64,
    /// Bytes of that.
    length: usize,
    /// The declared field of this name.
    field: Option<usize>,
    /// The row in which it stood last.
    seen: u64,
    /// The name that followed it last time.
    follower: usize,
    name: Box<[u8]>,
}

impl Name {
    fn new(name: &[u8], field: Option<usize>, follower: usize) -> Self {
        let whole = [b"\"", name, b"\":"].concat();
        let words = (0..whole.len()).step_by(8).map(|at| word(&whole, at)).collect();
        let mask = u64::MAX >> (8 * (whole.len().next_multiple_of(8) - whole.len()));
        Name { words, mask, length: whole.len(), field, seen: 0, follower, name: name.into() }
    }

    /// Whether a text goes on with the name, its quotation marks and the colon.
    #[inline(always)]
    fn is_next(&self, text: &Text<'_>) -> bool {
        let Some((last, whole)) = self.words.split_last() else { return false };
        let mut at = text.at;
        for expected in whole {
            if word(text.bytes, at) != *expected {
                return false;
            }
            at += 8;
        }
        word(text.bytes, at) & self.mask == *last
    }
}

/// The names that were seen.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The beginning, the names of declared fields, and others.
    names: Vec<Name>,
    /// Where each name is, by its hash.
    by_hash: Vec<(u64, usize)>,
    /// How many are kept at most.
    most: usize,
    row: u64,
    /// Hashes of the names in the object at hand that are not kept.
    others: Vec<u64>,
}

impl Names {
    pub(super) fn new(fields: &[Field]) -> Self {
        let beginning = Name { words: Box::default(), ..Name::new(b"", None, BEGINNING + 1) };
        let (by_hash, others) = (Vec::new(), Vec::new());
        let mut names = Names { names: vec![beginning], by_hash, most: usize::MAX, row: 0, others };
        for (index, field) in fields.iter().enumerate() {
            let name = field.name.as_bytes();
            let hash = xxh3_64(name);
            // Any other is written with escapes, and is not plain.
            if needs_no_escape(name)
                && let Err(place) = names.by_hash.binary_search_by_key(&hash, |entry| entry.0)
            {
                names.keep(place, hash, name, Some(index));
            }
        }
        names.most = names.names.len() + MOST_NAMES;
        names
    }

    /// Begins with another object.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.row += 1;
        self.others.clear();
    }

    /// Goes past a name and its colon, and past `before`, the one before it. The declared field of that name, if it has
    /// one; `None` outside if it is not plain or stood before.
    #[inline(always)]
    pub(super) fn next(&mut self, text: &mut Text<'_>, before: &mut usize) -> Option<Option<usize>> {
        let guess = self.names.get(*before)?.follower;
        if let Some(name) = self.names.get_mut(guess)
            && name.is_next(text)
            && name.seen != self.row
        {
            name.seen = self.row;
            text.at += name.length;
            *before = guess;
            return Some(name.field);
        }
        self.find(text, before)
    }

    /// The same for a name that is not the one expected, which is learned.
    fn find(&mut self, text: &mut Text<'_>, before: &mut usize) -> Option<Option<usize>> {
        text.expect(b'"')?;
        let name = text.string()?;
        text.space();
        text.expect(b':')?;
        let hash = xxh3_64(name);
        let found = match self.by_hash.binary_search_by_key(&hash, |entry| entry.0) {
            Ok(place) => self.by_hash.get(place)?.1,
            Err(place) if self.names.len() < self.most && name.len() <= LONGEST_NAME => {
                self.keep(place, hash, name, None)
            }
            Err(_) => {
                self.others.push(hash);
                return Some(None);
            }
        };
        let kept = self.names.get_mut(found)?;
        // Another name may have the same hash.
        if kept.seen == self.row || *kept.name != *name {
            return None;
        }
        kept.seen = self.row;
        let field = kept.field;
        self.names.get_mut(*before)?.follower = found;
        *before = found;
        Some(field)
    }

    /// Whether none of the names that are not kept stands twice in the object at hand.
    #[inline]
    pub(super) fn are_different(&mut self) -> bool {
        self.others.sort_unstable();
        !self.others.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
    }

    /// Keeps a name, to be found by its hash at this place; returns where it is.
    fn keep(&mut self, place: usize, hash: u64, name: &[u8], field: Option<usize>) -> usize {
        let index = self.names.len();
        self.names.push(Name::new(name, field, index + 1));
        self.by_hash.insert(place, (hash, index));
        index
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.names.len() - 1
    }
}
