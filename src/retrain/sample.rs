//! A sample of rows that depends on event ids alone, not on how many rows there are beside or how they were read.

use std::ops::Range;

/// At most `limit` of the given rows, ascending: those whose hash, mixed with the seed, is smallest. Every row is as
/// likely as any other.
pub(super) fn sample(hashes: &[u64], rows: Range<usize>, limit: usize, seed: u64) -> Vec<usize> {
    let mut ranked: Vec<(u64, usize)> = rows
        .filter_map(|row| hashes.get(row).map(|&hash| (crate::stats::SplitMix64::new(hash ^ seed).next_u64(), row)))
        .collect();
    if ranked.len() > limit {
        ranked.select_nth_unstable(limit);
        ranked.truncate(limit);
    }
    let mut chosen: Vec<usize> = ranked.into_iter().map(|(_, row)| row).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_its_rows_when_others_come() {
        let hashes: Vec<u64> = (0..2_000).map(|i| xxhash_rust::xxh3::xxh3_64(&u64::to_le_bytes(i))).collect();
        let few = sample(&hashes, 0..1_000, 100, 7);
        let more = sample(&hashes, 0..1_000, 200, 7);
        assert_eq!((few.len(), more.len()), (100, 200));
        assert!(few.iter().all(|row| more.contains(row)));
        assert!(few.is_sorted());
        assert_ne!(few, sample(&hashes, 0..1_000, 100, 8));
    }

    #[test]
    fn fewer_rows_than_the_limit_are_all_taken() {
        assert_eq!(sample(&[5, 5, 5, 1], 1..4, 10, 0), [1, 2, 3]);
        assert!(sample(&[], 0..0, 10, 0).is_empty());
    }
}
