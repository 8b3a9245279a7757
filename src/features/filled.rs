//! Which panes of a ring hold something.
//!
//! One bit for each pane the ring can hold, counted back from its newest: bit 0 is the newest pane itself. Moving on is a
//! shift, and what is shifted out is forgotten without a look at its words.

/// The bits of a ring in a slot, the lowest word first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    /// The first word.
    pub first: usize,
    /// Panes the ring can hold.
    pub capacity: usize,
}

const BITS: usize = u64::BITS as usize;

/// The lowest `n` bits.
#[inline]
fn lowest(n: usize) -> u64 {
    if n >= BITS { u64::MAX } else { (1 << n) - 1 }
}

impl Filled {
    /// Words that the bits of `capacity` panes take.
    pub(super) fn words_of(capacity: i64) -> usize {
        (capacity as usize).div_ceil(BITS)
    }

    #[inline]
    fn words(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.capacity.div_ceil(BITS)
    }

    pub(super) fn clear(&self, slot: &mut [u64]) {
        slot[self.words()].fill(0);
    }

    #[inline]
    pub(super) fn contains(&self, slot: &[u64], back: usize) -> bool {
        slot[self.first + back / BITS] >> (back % BITS) & 1 == 1
    }

    #[inline]
    pub(super) fn set(&self, slot: &mut [u64], back: usize) {
        slot[self.first + back / BITS] |= 1 << (back % BITS);
    }

    /// How many are filled of those fewer than `back` panes back.
    #[inline]
    pub(super) fn before(&self, slot: &[u64], back: usize) -> usize {
        if self.capacity <= BITS {
            let set = slot[self.first] & lowest(back);
            // Counting is not cheap on the oldest machines, and often there is nothing to count.
            return if set == 0 { 0 } else { set.count_ones() as usize };
        }
        let words = slot[self.words()].iter().enumerate();
        words.map(|(at, word)| (word & lowest(back.saturating_sub(at * BITS))).count_ones() as usize).sum()
    }

    /// Whether a pane that is filled is left behind when the ring moves on by `by` panes, at most all.
    #[inline]
    pub(super) fn leaves(&self, slot: &[u64], by: usize) -> bool {
        let stay = self.capacity - by;
        if self.capacity <= BITS {
            return stay < BITS && slot[self.first] >> stay != 0;
        }
        self.before(slot, stay) != self.before(slot, self.capacity)
    }

    /// Whether no filled pane stays when the ring moves on by `by` panes, at most all.
    #[inline]
    pub(super) fn empties(&self, slot: &[u64], by: usize) -> bool {
        self.before(slot, self.capacity - by) == 0
    }

    /// Whether no pane is filled.
    #[inline]
    pub(super) fn is_empty(&self, slot: &[u64]) -> bool {
        slot[self.words()].iter().all(|word| *word == 0)
    }

    /// The ring moves on by `by` panes, at most all; whether any that was filled is left behind.
    #[inline]
    pub(super) fn advance(&self, slot: &mut [u64], by: usize) -> bool {
        let leaves = self.leaves(slot, by);
        if self.capacity <= BITS {
            let word = &mut slot[self.first];
            *word = if by < BITS { *word << by & lowest(self.capacity) } else { 0 };
        } else {
            self.shift(&mut slot[self.words()], by);
        }
        leaves
    }

    fn shift(&self, words: &mut [u64], by: usize) {
        let (whole, rest) = (by / BITS, by % BITS);
        for at in (0..words.len()).rev() {
            let word = |behind: usize| at.checked_sub(behind).and_then(|from| words.get(from)).copied().unwrap_or(0);
            let carried = if rest > 0 { word(whole.saturating_add(1)) >> (BITS - rest) } else { 0 };
            words[at] = word(whole) << rest | carried;
        }
        if let Some(last) = words.last_mut() {
            *last &= lowest(self.capacity - (self.capacity - 1) / BITS * BITS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shifting and counting, held against a list of flags.
    #[test]
    fn bits_move_and_count_like_a_list_of_flags() {
        let mut random = crate::stats::SplitMix64::new(3);
        for capacity in [1, 24, 63, 64, 65, 128, 200] {
            let filled = Filled { first: 1, capacity };
            let mut slot = vec![0; 1 + Filled::words_of(capacity as i64)];
            let mut flags = vec![false; capacity];
            for _ in 0..500 {
                let most = if random.below(8) == 0 { 2 * capacity as u64 } else { 3 };
                let by = (random.below(most) as usize).min(capacity);
                let leaves = flags.iter().rev().take(by).any(|flag| *flag);
                assert_eq!(filled.leaves(&slot, by), leaves);
                assert_eq!(filled.empties(&slot, by), !flags[..capacity - by].contains(&true));
                assert_eq!(filled.advance(&mut slot, by), leaves);
                flags = (0..capacity).map(|at| at >= by && flags[at - by]).collect();
                assert_eq!(filled.is_empty(&slot), !flags.contains(&true));
                let back = random.below(capacity as u64) as usize;
                filled.set(&mut slot, back);
                flags[back] = true;
                for back in 0..=capacity {
                    assert_eq!(filled.before(&slot, back), flags[..back].iter().filter(|flag| **flag).count());
                }
                assert!((0..capacity).all(|back| filled.contains(&slot, back) == flags[back]));
            }
        }
    }
}
