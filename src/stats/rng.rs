//! A small generator of reproducible random numbers.
//!
//! SplitMix64 (Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators", OOPSLA): eight bytes of state,
//! period 2^64, passes BigCrush; the stream of a seed is part of the contract, as shuffles and samples take part in outputs
//! that are compared bit for bit. Seeds are arguments, never ambient. Not for secrets.

use serde::{Deserialize, Serialize};

/// A SplitMix64 generator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// Starts the stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns an integer below `bound`, all equally likely; 0 for a bound of 0.
    ///
    /// Multiplies and rejects the few products that would favour some results (Lemire 2019, "Fast Random Integer Generation
    /// in an Interval", ACM TOMACS 29, algorithm 5).
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Returns a number in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Shuffles in place, all orders equally likely (Fisher and Yates; Durstenfeld 1964, CACM algorithm 235).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let chosen = self.below(last as u64 + 1) as usize;
            items.swap(last, chosen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of seed 1234567 of the authors' C reference (splitmix64.c, Vigna 2015).
    #[test]
    fn stream_is_the_reference_stream() {
        let mut rng = SplitMix64::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(expected.map(|_| rng.next_u64()), expected);
    }

    #[test]
    fn shuffle_is_pinned_and_keeps_all_items() {
        let mut items: Vec<u8> = (0..10).collect();
        SplitMix64::new(42).shuffle(&mut items);
        assert_eq!(items, [8, 3, 6, 5, 4, 0, 9, 2, 1, 7]);
        items.sort_unstable();
        assert_eq!(items, (0..10).collect::<Vec<u8>>());
    }

    #[test]
    fn bounded_integers_are_even_and_in_range() {
        let mut rng = SplitMix64::new(1);
        let mut seen = [0_u32; 7];
        (0..70_000).for_each(|_| seen[rng.below(7) as usize] += 1);
        // 10,000 expected each with standard deviation 93
        assert!(seen.iter().all(|count| (9_600..10_400).contains(count)), "{seen:?}");
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
        assert!((0..1000).all(|_| rng.below(u64::MAX) < u64::MAX));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.unit())));
    }

    #[test]
    fn empty_and_single_lists_shuffle() {
        let mut rng = SplitMix64::new(9);
        rng.shuffle::<u8>(&mut []);
        let mut one = [5];
        rng.shuffle(&mut one);
        assert_eq!(one, [5]);
    }
}
