//! Records written piece by piece into room that is there beforehand.
//!
//! A `Vec` asks for room and notes its length with every piece that is appended; a record of fifty pieces of a few bytes
//! each costs mostly that. Here the bytes are all there, used or not, what is written moves a slice on, and where the room
//! was too small the record is written again into more.

use std::ops::{Index, Range};

/// Bytes one behind the other, and room for more.
#[derive(Debug, Default)]
pub struct Room {
    /// The used ones first.
    bytes: Vec<u8>,
    used: usize,
}

/// What is left of the room, which gets shorter by what is written.
#[derive(Debug)]
pub struct Pen<'a> {
    rest: &'a mut [u8],
    /// Something did not fit: nothing more is written.
    is_full: bool,
}

impl Room {
    /// Bytes used.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether none is used.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// All may be used again.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Appends bytes.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.write(|pen| pen.copy(bytes));
    }

    /// Appends what `write` writes. It may be called again, and has to write the same then.
    #[inline(always)]
    pub fn write(&mut self, write: impl Fn(&mut Pen<'_>)) {
        loop {
            let mut pen = Pen { rest: self.bytes.get_mut(self.used..).unwrap_or_default(), is_full: false };
            write(&mut pen);
            let (is_full, left) = (pen.is_full, pen.rest.len());
            if !is_full {
                self.used = self.bytes.len() - left;
                return;
            }
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.bytes.resize(2 * self.bytes.len() + 64, 0);
    }
}

impl Index<Range<usize>> for Room {
    type Output = [u8];

    fn index(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

impl Pen<'_> {
    /// Lets `write` have a pen of its own, which can be in registers where this one cannot; it goes on where that one ends.
    #[inline(always)]
    pub fn own(&mut self, write: impl FnOnce(&mut Pen<'_>)) {
        let mut own = Pen { rest: std::mem::take(&mut self.rest), is_full: self.is_full };
        write(&mut own);
        *self = own;
    }

    /// Lets `write` fill the next `n` bytes; what it says is whether they are to stay.
    #[inline(always)]
    pub fn fill(&mut self, n: usize, write: impl FnOnce(&mut [u8]) -> bool) -> bool {
        let rest = std::mem::take(&mut self.rest);
        let Some(to) = rest.get_mut(..n) else {
            self.is_full = true;
            return true;
        };
        let stays = write(to);
        self.rest = if stays { rest.get_mut(n..).unwrap_or_default() } else { rest };
        stays
    }

    /// Lets `write` move the room on by what it writes; it says whether there was enough.
    #[inline(always)]
    pub fn lend(&mut self, write: impl FnOnce(&mut &mut [u8]) -> bool) {
        if !write(&mut self.rest) {
            self.rest = &mut [];
            self.is_full = true;
        }
    }

    /// Writes bytes whose number is known when this is compiled.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        match std::mem::take(&mut self.rest).split_first_chunk_mut::<N>() {
            Some((to, rest)) => {
                *to = *bytes;
                self.rest = rest;
            }
            None => self.is_full = true,
        }
    }

    /// Writes the first `n` bytes of a word, at most eight, the lowest first. There has to be room for eight, which are one
    /// store.
    #[inline(always)]
    pub fn put_first(&mut self, word: u64, n: usize) {
        let rest = std::mem::take(&mut self.rest);
        match rest.first_chunk_mut::<8>() {
            Some(eight) => {
                *eight = word.to_le_bytes();
                self.rest = rest.get_mut(n..).unwrap_or_default();
            }
            None => self.is_full = true,
        }
    }

    /// Copies bytes.
    #[inline(always)]
    pub fn copy(&mut self, bytes: &[u8]) {
        self.fill(bytes.len(), |to| {
            to.copy_from_slice(bytes);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_written_again_into_more_room() {
        for before in 0..70 {
            let mut room = Room::default();
            let begun = vec![b'.'; before];
            room.copy(&begun);
            room.write(|pen| {
                pen.put(b"put ");
                pen.put_first(u64::from_le_bytes(*b"abcdefgh"), 3);
                pen.put_first(0, 0);
                assert!(!pen.fill(2, |_| false) || pen.is_full);
                pen.copy(b"");
                pen.copy(b" copied");
            });
            let (all, written) = (&room[0..room.len()], b"put abc copied");
            assert_eq!(all, [begun.as_slice(), written].concat());
            room.clear();
            assert!(room.is_empty());
        }
    }
}
