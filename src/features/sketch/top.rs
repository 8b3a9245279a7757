//! The most frequent value: counts of at most 16 values.
//!
//! J. Misra, D. Gries: Finding repeated elements (1982), merged as in P. Agarwal et al.: Mergeable summaries (PODS 2012).
//! Counts are exact while there are at most 16 different values; beyond, a count is too low by at most a 17th of the
//! number of values.

const COUNTERS: usize = 16;

/// Words of a sketch: the number of counters and of values, then for each counter hash and count.
pub(in crate::features) const WORDS: usize = 1 + 2 * COUNTERS;

const LEN_BITS: u32 = 8;

/// Adds a value by its hash.
pub(in crate::features) fn add(words: &mut [u64], hash: u64) {
    let held = len(words);
    let Some((head, counters)) = words.split_first_mut() else { return };
    *head += 1 << LEN_BITS;
    if let Some(pair) = counters.chunks_exact_mut(2).take(held).find(|pair| pair[0] == hash) {
        pair[1] += 1;
        return;
    }
    if held < COUNTERS {
        counters[2 * held] = hash;
        counters[2 * held + 1] = 1;
        *head += 1;
        return;
    }
    let mut kept = 0;
    for at in 0..held {
        let count = counters[2 * at + 1] - 1;
        if count > 0 {
            (counters[2 * kept], counters[2 * kept + 1]) = (counters[2 * at], count);
            kept += 1;
        }
    }
    counters[2 * kept..].fill(0);
    *head = *head >> LEN_BITS << LEN_BITS | kept as u64;
}

/// Adds everything that another sketch holds.
pub(in crate::features) fn merge(into: &mut [u64], from: &[u64]) {
    let mut all = [(0u64, 0u64); 2 * COUNTERS];
    let mut n = 0;
    for (hash, count) in pairs(into) {
        all[n] = (hash, count);
        n += 1;
    }
    for (hash, count) in pairs(from) {
        match all[..n].iter_mut().find(|known| known.0 == hash) {
            Some(known) => known.1 += count,
            None => {
                all[n] = (hash, count);
                n += 1;
            }
        }
    }
    let taken = if n > COUNTERS {
        all[..n].sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        all[COUNTERS].1
    } else {
        0
    };
    let total = total(into) + total(from);
    let Some((head, counters)) = into.split_first_mut() else { return };
    counters.fill(0);
    let mut kept = 0;
    for (hash, count) in all[..n.min(COUNTERS)].iter().filter(|(_, count)| *count > taken) {
        (counters[2 * kept], counters[2 * kept + 1]) = (*hash, count - taken);
        kept += 1;
    }
    *head = total << LEN_BITS | kept as u64;
}

/// The count of the most frequent value as a share of all; `None` where there is none.
pub(in crate::features) fn share(words: &[u64]) -> Option<f64> {
    let most = pairs(words).map(|(_, count)| count).max().unwrap_or(0);
    (total(words) > 0).then(|| most as f64 / total(words) as f64)
}

/// Whether no value is more frequent than this one; `None` where there is none at all.
pub(in crate::features) fn is_top(words: &[u64], hash: u64) -> Option<bool> {
    let most = pairs(words).map(|(_, count)| count).max().unwrap_or(0);
    let own = pairs(words).find(|(known, _)| *known == hash).map_or(0, |(_, count)| count);
    (total(words) > 0).then_some(own > 0 && own == most)
}

/// Whether the words can be a sketch.
pub(in crate::features) fn is_valid(words: &[u64]) -> bool {
    words.first().is_some_and(|head| head & 0xff <= COUNTERS as u64)
}

/// How many words of the sketch mean something.
pub(in crate::features) fn used(words: &[u64]) -> usize {
    1 + 2 * len(words)
}

fn len(words: &[u64]) -> usize {
    words.first().map_or(0, |head| (head & 0xff) as usize)
}

fn total(words: &[u64]) -> u64 {
    words.first().map_or(0, |head| head >> LEN_BITS)
}

fn pairs(words: &[u64]) -> impl Iterator<Item = (u64, u64)> + '_ {
    words.get(1..).unwrap_or_default().chunks_exact(2).take(len(words)).map(|pair| (pair[0], pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::SplitMix64;

    fn of(values: &[u64]) -> Vec<u64> {
        let mut words = vec![0; WORDS];
        values.iter().for_each(|value| add(&mut words, *value));
        words
    }

    #[test]
    fn up_to_16_values_are_counted_exactly_also_over_merges() {
        let values: Vec<u64> = (0..200).map(|i| (i * i) % 17 % 16).collect();
        let count = |value| values.iter().filter(|other| **other == value).count() as f64;
        let most = (0..16).map(count).fold(0.0, f64::max);
        let mut merged = of(&values[..70]);
        merge(&mut merged, &of(&values[70..]));
        for words in [of(&values), merged] {
            assert_eq!(share(&words), Some(most / 200.0));
            for value in 0..16 {
                assert_eq!(is_top(&words, value), Some(count(value) == most));
            }
        }
        assert_eq!((share(&of(&[])), is_top(&of(&[]), 1)), (None, None));
    }

    #[test]
    fn beyond_a_count_is_too_low_by_at_most_a_17th() {
        let mut random = SplitMix64::new(3);
        let values: Vec<u64> =
            (0..5_000).map(|_| if random.below(3) == 0 { 7 } else { 100 + random.below(400) }).collect();
        let exact = values.iter().filter(|value| **value == 7).count() as f64 / 5_000.0;
        let mut merged = of(&values[..1_000]);
        for part in values[1_000..].chunks(777) {
            merge(&mut merged, &of(part));
        }
        for words in [of(&values), merged] {
            let found = share(&words).unwrap();
            assert!(found <= exact && found >= exact - 1.0 / 17.0, "{found} {exact}");
            assert_eq!(is_top(&words, 7), Some(true));
        }
    }
}
