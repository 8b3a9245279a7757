//! Quantiles with a bounded relative error: values counted in at most 64 bins whose widths grow with the value.
//!
//! C. Masson, J. Rim, H. Lee: DDSketch: A fast and fully-mergeable quantile sketch with relative-error guarantees (VLDB
//! 2019), with the collapse of I. Epicoco et al.: UDDSketch (2020): where a 65th bin would be needed, each two
//! neighbouring bins become one, and the error about doubles. It begins at 1 %. 64 bins without a gap hold any values
//! within a factor of 3.5 at 1 %, of 12 at 2 %, of 150 at 4 %, of 23 thousand at 8 %, of 560 million at 16 %; bins without
//! values need no room. What a sketch holds depends on the values alone, not on their order or on how they were merged.

const BINS: usize = 64;
/// ln((1 + a) / (1 - a)) for the first error, a = 0.01.
const LN_GAMMA: f64 = 0.020_000_666_706_669_543;
/// Where the bin of zero lies among the keys: negative values below, positive ones above, by size.
const ZERO: u32 = 1 << 31;
/// What is added to a bin's index to make it positive: twice the index of the largest number.
const BIAS: i64 = 1 << 20;
const MAX_LEVEL: u32 = 24;

/// Words of a sketch: number of bins and collapses, then for each bin its key and its count.
pub(in crate::features) const WORDS: usize = 1 + BINS;

/// Adds a finite value.
pub(in crate::features) fn add(words: &mut [u64], x: f64) {
    insert(words, key(x, 0), 0, 1);
}

/// Adds everything that another sketch holds.
pub(in crate::features) fn merge(into: &mut [u64], from: &[u64]) {
    let level = level(from);
    while self::level(into) < level {
        collapse(into);
    }
    for entry in from.iter().skip(1).take(len(from)) {
        insert(into, (entry >> 32) as u32, level, *entry as u32);
    }
}

/// The value of rank `floor(share * (n - 1))`, counted from 0; `None` where there is no value. `share` is between 0 and 1.
pub(in crate::features) fn quantile(words: &[u64], share: f64) -> Option<f64> {
    let bins = || words.iter().skip(1).take(len(words));
    let n: u64 = bins().map(|entry| entry & 0xffff_ffff).sum();
    let rank = libm::floor(share * n.checked_sub(1)? as f64) as u64;
    let mut below = 0;
    let found = bins().find(|entry| {
        below += **entry & 0xffff_ffff;
        below > rank
    });
    found.map(|entry| value((entry >> 32) as u32, level(words)))
}

/// Whether the words can be a sketch.
pub(in crate::features) fn is_valid(words: &[u64]) -> bool {
    len(words) <= BINS && level(words) <= MAX_LEVEL
}

/// How many words of the sketch mean something.
pub(in crate::features) fn used(words: &[u64]) -> usize {
    1 + len(words)
}

fn len(words: &[u64]) -> usize {
    words.first().map_or(0, |head| (head & 0xffff_ffff) as usize)
}

/// How often bins were put together.
fn level(words: &[u64]) -> u32 {
    words.first().map_or(0, |head| (head >> 32) as u32)
}

/// Adds to a bin that is given at a level the sketch has reached or passed.
fn insert(words: &mut [u64], key: u32, key_level: u32, count: u32) {
    loop {
        let mut at_level = key;
        (key_level..level(words)).for_each(|_| at_level = wider(at_level));
        let held = len(words);
        let Some(bins) = words.get_mut(1..) else { return };
        let found = bins.get(..held).unwrap_or_default().binary_search_by_key(&at_level, |entry| (entry >> 32) as u32);
        match found {
            Ok(at) => {
                let sum = (bins[at] as u32).saturating_add(count);
                bins[at] = u64::from(at_level) << 32 | u64::from(sum);
                return;
            }
            Err(at) if held < bins.len() => {
                bins.copy_within(at..held, at + 1);
                bins[at] = u64::from(at_level) << 32 | u64::from(count);
                words[0] += 1;
                return;
            }
            Err(_) => collapse(words),
        }
    }
}

/// Puts each two neighbouring bins together.
fn collapse(words: &mut [u64]) {
    let (held, level) = (len(words), level(words));
    let mut kept = 0;
    for at in 1..=held {
        let (key, count) = (wider((words[at] >> 32) as u32), words[at] as u32);
        if kept > 0 && (words[kept] >> 32) as u32 == key {
            let sum = (words[kept] as u32).saturating_add(count);
            words[kept] = u64::from(key) << 32 | u64::from(sum);
        } else {
            kept += 1;
            words[kept] = u64::from(key) << 32 | u64::from(count);
        }
    }
    words[kept + 1..].fill(0);
    words[0] = u64::from(level + 1) << 32 | kept as u64;
}

fn key(x: f64, level: u32) -> u32 {
    if x == 0.0 {
        return ZERO;
    }
    let index = libm::ceil(libm::log(x.abs()) / LN_GAMMA) as i64;
    let mut key = of_index(x > 0.0, index);
    (0..level).for_each(|_| key = wider(key));
    key
}

fn of_index(is_positive: bool, index: i64) -> u32 {
    let distance = (index + BIAS).clamp(0, 2 * BIAS) as u32 + 1;
    if is_positive { ZERO + distance } else { ZERO - distance }
}

fn index(key: u32) -> i64 {
    i64::from(key.abs_diff(ZERO)) - 1 - BIAS
}

/// The bin of twice the width that holds this one.
fn wider(key: u32) -> u32 {
    if key == ZERO { ZERO } else { of_index(key > ZERO, (index(key) + 1).div_euclid(2)) }
}

/// The value of a bin: from both its ends the same relative distance away.
fn value(key: u32, level: u32) -> f64 {
    if key == ZERO {
        return 0.0;
    }
    let ln_gamma = LN_GAMMA * f64::from(1u32 << level.min(MAX_LEVEL));
    let size = (libm::exp(ln_gamma * index(key) as f64) * 2.0 / (1.0 + libm::exp(ln_gamma))).min(f64::MAX);
    if key > ZERO { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::SplitMix64;

    fn of(values: &[f64]) -> Vec<u64> {
        let mut words = vec![0; WORDS];
        values.iter().for_each(|x| add(&mut words, *x));
        words
    }

    fn error(words: &[u64]) -> f64 {
        let gamma = libm::exp(LN_GAMMA * f64::from(1u32 << level(words)));
        (gamma - 1.0) / (gamma + 1.0)
    }

    #[test]
    fn a_quantile_is_within_the_relative_error_of_the_value_of_its_rank() {
        let mut random = SplitMix64::new(7);
        for (n, spread) in [(1, 3.0), (20, 2.0), (500, 1.0), (3_000, 4.0), (3_000, 20.0)] {
            let mut values: Vec<f64> = (0..n)
                .map(|_| {
                    let size = libm::exp(spread * (random.below(1_000_000) as f64 / 1e6));
                    [size, -size, 0.0, size][random.below(4) as usize]
                })
                .collect();
            let words = of(&values);
            values.sort_by(f64::total_cmp);
            for share in [0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 1.0] {
                let exact = values[(share * (n - 1) as f64) as usize];
                let found = quantile(&words, share).unwrap();
                assert!(
                    (found - exact).abs() <= error(&words) * exact.abs() * (1.0 + 1e-9),
                    "{share}: {found} {exact}"
                );
            }
        }
        assert_eq!(quantile(&of(&[]), 0.5), None);
    }

    #[test]
    fn the_errors_are_those_that_are_promised() {
        for (factor, most) in [(3.5, 0.0101), (12.0, 0.0201), (150.0, 0.0401), (23e3, 0.08), (560e6, 0.16)] {
            let steps = 5_000;
            let values: Vec<f64> =
                (0..=steps).map(|i| libm::exp(libm::log(factor) * f64::from(i) / f64::from(steps))).collect();
            assert!(error(&of(&values)) < most, "{factor}: {}", error(&of(&values)));
        }
    }

    #[test]
    fn a_merge_holds_what_one_sketch_would_in_any_order() {
        let mut random = SplitMix64::new(9);
        for n in [3usize, 80, 1_000] {
            let values: Vec<f64> = (0..n).map(|_| random.below(100_000) as f64 - 30_000.0).collect();
            let whole = of(&values);
            let (a, b) = values.split_at(n / 3);
            for (first, second) in [(a, b), (b, a)] {
                let mut merged = of(first);
                merge(&mut merged, &of(second));
                assert_eq!(merged, whole, "{n}");
            }
        }
    }

    #[test]
    fn the_largest_and_smallest_numbers_have_bins() {
        for x in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324] {
            let found = quantile(&of(&[x]), 0.5).unwrap();
            assert!(found == x || (found / x - 1.0).abs() < 0.02, "{x}: {found}");
        }
    }
}
