//! Memory of the groups of one grouping: slots of equal size in chunks, and the log that takes changes back.
//!
//! A slot is one run of words that begins at a cache line. Its first words are its own: whether a group holds it and how
//! many held it before, in which transaction and checkpoint it last changed, and the group's key. The log holds words as
//! they were at the last commit, the latest change last; played backwards it restores them. Memory is never given back,
//! but used again.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128;

/// Words of a cache line.
pub(super) const LINE: usize = 8;
/// Flags, and above them how many groups held the slot before.
const STATE: usize = 0;
/// The transaction that last saved it, and above it the checkpoint in whose time it last changed.
const EPOCHS: usize = 1;
const KEY: usize = 2;
/// Where the words of the plan begin.
pub(super) const KEY_END: usize = KEY + KEY_WORDS;
const KEY_WORDS: usize = 3;

const LIVE: u64 = 1;
const NAMED: u64 = 2;

/// A chunk is about this many words.
const CHUNK: usize = 1 << 19;

/// The longest key that lies in the slot itself.
pub(super) const SHORT_KEY: usize = KEY_WORDS * 8 - 1;
/// First byte of a key that is longer.
const LONG: u8 = u8::MAX;

/// A key in words: itself where it is short, else its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyWords([u64; KEY_WORDS]);

impl KeyWords {
    #[inline]
    pub(super) fn of(key: &[u8]) -> Self {
        if key.len() > SHORT_KEY {
            let hash = xxh3_128(key);
            return KeyWords([u64::from(LONG), hash as u64, (hash >> 64) as u64]);
        }
        // The length and the bytes behind it. Keys are so short that a copy would be a call.
        let (eights, rest) = key.as_chunks();
        let rest = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let eights = [eights.first(), eights.get(1)].map(|eight| eight.map(|eight| u64::from_le_bytes(*eight)));
        KeyWords(match eights {
            [None, _] => [key.len() as u64 | rest << 8, 0, 0],
            [Some(a), None] => [key.len() as u64 | a << 8, a >> 56 | rest << 8, 0],
            [Some(a), Some(b)] => [key.len() as u64 | a << 8, a >> 56 | b << 8, b >> 56 | rest << 8],
        })
    }

    /// The key lies elsewhere.
    pub(super) fn is_long(&self) -> bool {
        self.0[0] as u8 == LONG
    }

    /// The key; empty for a long one.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        let len = bytes.first().copied().filter(|len| *len != LONG).unwrap_or(0);
        bytes.get(1..=usize::from(len)).unwrap_or_default().to_vec()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Slots {
    width: usize,
    /// Slots of a chunk, as a power of two.
    shift: u32,
    chunks: Vec<Chunk>,
    len: u32,
}

#[derive(Clone, Debug)]
struct Chunk {
    words: Vec<u64>,
    /// Where the first slot begins.
    start: usize,
}

impl Slots {
    /// No slots of `width` words.
    pub(super) fn new(width: usize) -> Self {
        let per_chunk = (CHUNK / width.max(1)).max(1);
        Slots { width, shift: per_chunk.ilog2(), chunks: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Adds a slot of zeros; its number.
    pub(super) fn push(&mut self) -> u32 {
        let at = self.len;
        if (at >> self.shift) as usize == self.chunks.len() {
            let words = vec![0; (self.width << self.shift) + LINE];
            let start = words.as_ptr().align_offset(LINE * 8).min(LINE);
            self.chunks.push(Chunk { words, start });
        }
        self.len += 1;
        at
    }

    #[inline]
    fn place(&self, at: u32) -> (usize, usize) {
        ((at >> self.shift) as usize, (at & ((1 << self.shift) - 1)) as usize * self.width)
    }

    /// The words of a slot.
    #[inline]
    pub(super) fn get(&self, at: u32) -> &[u64] {
        let (chunk, within) = self.place(at);
        let chunk = &self.chunks[chunk];
        &chunk.words[chunk.start + within..][..self.width]
    }

    /// The words of a slot, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> &mut [u64] {
        let (chunk, within) = self.place(at);
        let chunk = &mut self.chunks[chunk];
        &mut chunk.words[chunk.start + within..][..self.width]
    }
}

pub(super) fn is_live(slot: &[u64]) -> bool {
    slot[STATE] & LIVE != 0
}

pub(super) fn set_live(slot: &mut [u64], is_live: bool) {
    slot[STATE] = slot[STATE] & !LIVE | u64::from(is_live);
}

/// A checkpoint holds whose it is.
pub(super) fn is_named(slot: &[u64]) -> bool {
    slot[STATE] & NAMED != 0
}

pub(super) fn set_named(slot: &mut [u64], is_named: bool) {
    slot[STATE] = slot[STATE] & !NAMED | if is_named { NAMED } else { 0 };
}

/// How many groups held it before.
pub(super) fn generation(slot: &[u64]) -> u32 {
    (slot[STATE] >> 32) as u32
}

pub(super) fn set_generation(slot: &mut [u64], generation: u32) {
    slot[STATE] = slot[STATE] & 0xffff_ffff | u64::from(generation) << 32;
}

pub(super) fn saved_in(slot: &[u64]) -> u32 {
    slot[EPOCHS] as u32
}

pub(super) fn set_saved_in(slot: &mut [u64], transaction: u32) {
    slot[EPOCHS] = slot[EPOCHS] >> 32 << 32 | u64::from(transaction);
}

pub(super) fn changed_in(slot: &[u64]) -> u32 {
    (slot[EPOCHS] >> 32) as u32
}

pub(super) fn set_changed_in(slot: &mut [u64], checkpoint: u32) {
    slot[EPOCHS] = slot[EPOCHS] & 0xffff_ffff | u64::from(checkpoint) << 32;
}

pub(super) fn key(slot: &[u64]) -> KeyWords {
    KeyWords([slot[KEY], slot[KEY + 1], slot[KEY + 2]])
}

pub(super) fn set_key(slot: &mut [u64], key: KeyWords) {
    slot[KEY..KEY_END].copy_from_slice(&key.0);
}

/// What has changed since the last commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    words: Vec<u64>,
    /// The slot whose words are saved.
    of: u32,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// Words were saved.
    Saved { at: u32, words: Range<usize> },
    /// A group was added.
    Added { at: u32 },
    /// A group was removed; all words of its slot were saved.
    Removed { at: u32 },
}

const SAVED: u64 = 0;
const ADDED: u64 = 1;
const REMOVED: u64 = 2;

impl Log {
    pub(super) fn clear(&mut self) {
        self.words.clear();
    }

    /// The slot that is about to change.
    pub(super) fn of(&mut self, at: u32) -> &mut Self {
        self.of = at;
        self
    }

    /// Keeps four words of the slot as they are.
    #[inline]
    pub(super) fn save_four(&mut self, [a, b, c, d]: &[u64; 4], start: usize) {
        let (range, of) = ((start as u64) << 32 | 4, SAVED << 32 | u64::from(self.of));
        self.words.extend_from_slice(&[*a, *b, *c, *d, range, of]);
    }

    /// Keeps words of the slot as they are.
    #[inline]
    pub(super) fn save(&mut self, slot: &[u64], words: Range<usize>) {
        // Of four words it is no call.
        if let ([four], []) = slot[words.clone()].as_chunks() {
            return self.save_four(four, words.start);
        }
        let range = (words.start as u64) << 32 | words.len() as u64;
        let of = SAVED << 32 | u64::from(self.of);
        self.words.extend_from_slice(&slot[words]);
        self.words.extend_from_slice(&[range, of]);
    }

    pub(super) fn added(&mut self, at: u32) {
        self.words.push(ADDED << 32 | u64::from(at));
    }

    /// Keeps a slot whose group goes.
    pub(super) fn removed(&mut self, at: u32, slot: &[u64]) {
        self.words.extend_from_slice(slot);
        self.words.push(REMOVED << 32 | u64::from(at));
    }

    /// The latest entry, its words put back into its slot.
    pub(super) fn pop(&mut self, slots: &mut Slots) -> Option<Undo> {
        let entry = self.words.pop()?;
        let at = entry as u32;
        let slot = slots.get_mut(at);
        match entry >> 32 {
            ADDED => Some(Undo::Added { at }),
            REMOVED => {
                let from = self.words.len().checked_sub(slot.len())?;
                slot.copy_from_slice(&self.words[from..]);
                self.words.truncate(from);
                Some(Undo::Removed { at })
            }
            _ => {
                let range = self.words.pop()?;
                let (start, len) = ((range >> 32) as usize, (range & 0xffff_ffff) as usize);
                let from = self.words.len().checked_sub(len)?;
                slot[start..start + len].copy_from_slice(&self.words[from..]);
                self.words.truncate(from);
                Some(Undo::Saved { at, words: start..start + len })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_played_backwards_restores_what_was() {
        let mut slots = Slots::new(16);
        for _ in 0..3 {
            slots.push();
        }
        let mut log = Log::default();
        slots.get_mut(1)[9] = 5;
        log.of(1).save(slots.get(1), 9..11);
        slots.get_mut(1)[9] = 6;
        log.of(1).save(slots.get(1), 9..10);
        slots.get_mut(1)[9..11].fill(7);
        log.removed(1, slots.get(1));
        slots.get_mut(1).fill(0);
        assert_eq!(log.pop(&mut slots), Some(Undo::Removed { at: 1 }));
        assert_eq!(slots.get(1)[9..11], [7, 7]);
        assert_eq!(log.pop(&mut slots), Some(Undo::Saved { at: 1, words: 9..10 }));
        assert_eq!(slots.get(1)[9], 6);
        log.pop(&mut slots);
        assert_eq!((slots.get(1)[9], slots.get(1)[10], log.pop(&mut slots)), (5, 0, None));
    }

    #[test]
    fn keys_up_to_23_bytes_come_back_and_longer_ones_differ() {
        for len in 0..=SHORT_KEY {
            let key: Vec<u8> = (0..len).map(|at| 0xf0 ^ at as u8).collect();
            assert_eq!(KeyWords::of(&key).bytes(), key);
        }
        let long = KeyWords::of(&[b'k'; 24]);
        assert!(long.is_long() && long != KeyWords::of(&[b'k'; 25]));
    }
}
