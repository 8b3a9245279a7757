//! How many different values: the values' hashes themselves up to 32, HyperLogLog with 256 registers beyond.
//!
//! P. Flajolet, É. Fusy, O. Gandouet, F. Meunier: HyperLogLog: the analysis of a near-optimal cardinality estimation
//! algorithm (AofA 2007); linear counting for small estimates as there. The standard error is 1.04 / sqrt(256) = 6.5 %.
//! Hashes have 64 bits, so there is no correction for large counts. What a sketch holds depends on the set of values
//! alone, not on their order or on how they were merged.

/// Hashes kept before registers take over.
const EXACT: usize = 32;
const REGISTERS: usize = 256;
/// Bias correction for 256 registers: 0.7213 / (1 + 1.079 / m).
const ALPHA: f64 = 0.7213 / (1.0 + 1.079 / REGISTERS as f64);
/// Stands in the first word instead of a number of hashes.
const DENSE: u64 = u64::MAX;

/// Words of a sketch: how many hashes, then the hashes or eight registers a word.
pub(in crate::features) const WORDS: usize = 1 + EXACT;

/// Adds a value by its hash.
pub(in crate::features) fn add(words: &mut [u64], hash: u64) {
    let Some((len, data)) = words.split_first_mut() else { return };
    if *len == DENSE {
        return register(data, hash);
    }
    let held = *len as usize;
    if data.iter().take(held).any(|known| *known == hash) {
        return;
    }
    if let Some(free) = data.get_mut(held) {
        *free = hash;
        *len += 1;
        return;
    }
    densify(len, data);
    register(data, hash);
}

/// Adds everything that another sketch holds.
pub(in crate::features) fn merge(into: &mut [u64], from: &[u64]) {
    let Some((len, data)) = from.split_first() else { return };
    if *len != DENSE {
        return data.iter().take(*len as usize).for_each(|hash| add(into, *hash));
    }
    let Some((into_len, into_data)) = into.split_first_mut() else { return };
    if *into_len != DENSE {
        densify(into_len, into_data);
    }
    for (into, from) in into_data.iter_mut().zip(data) {
        let (a, b) = (into.to_le_bytes(), from.to_le_bytes());
        *into = u64::from_le_bytes(std::array::from_fn(|i| a[i].max(b[i])));
    }
}

/// The number of different values, to the nearest whole number.
pub(in crate::features) fn estimate(words: &[u64]) -> f64 {
    let Some((len, data)) = words.split_first() else { return 0.0 };
    if *len != DENSE {
        return *len as f64;
    }
    // Counted by rank and summed from the smallest term: the same sum on every machine.
    let mut ranks = [0u32; 65];
    for byte in data.iter().flat_map(|word| word.to_le_bytes()) {
        if let Some(rank) = ranks.get_mut(usize::from(byte)) {
            *rank += 1;
        }
    }
    let sum = ranks.iter().enumerate().rev().fold(0.0, |sum, (rank, n)| sum + f64::from(*n) / (1u128 << rank) as f64);
    let m = REGISTERS as f64;
    let raw = ALPHA * m * m / sum;
    let empty = f64::from(ranks[0]);
    let estimate = if raw <= 2.5 * m && empty > 0.0 { m * libm::log(m / empty) } else { raw };
    libm::round(estimate)
}

/// Whether the words can be a sketch.
pub(in crate::features) fn is_valid(words: &[u64]) -> bool {
    words.first().is_some_and(|len| *len == DENSE || *len <= EXACT as u64)
}

/// How many words of the sketch mean something.
pub(in crate::features) fn used(words: &[u64]) -> usize {
    match words.first() {
        Some(len) if *len != DENSE => 1 + *len as usize,
        _ => WORDS,
    }
}

fn densify(len: &mut u64, data: &mut [u64]) {
    let mut hashes = [0; EXACT];
    let held = (*len as usize).min(EXACT);
    hashes[..held].copy_from_slice(&data[..held]);
    data.fill(0);
    *len = DENSE;
    hashes.iter().take(held).for_each(|hash| register(data, *hash));
}

/// The first 8 bits choose the register, the rest gives the rank: one more than its leading zeros.
fn register(data: &mut [u64], hash: u64) {
    let at = (hash >> 56) as usize;
    let rank = u64::from(((hash << 8) | 0x80).leading_zeros() + 1);
    let shift = 8 * (at % 8);
    if let Some(word) = data.get_mut(at / 8)
        && *word >> shift & 0xff < rank
    {
        *word = *word & !(0xff << shift) | rank << shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_64;

    fn of(values: std::ops::Range<u64>) -> Vec<u64> {
        let mut words = vec![0; WORDS];
        values.for_each(|value| add(&mut words, xxh3_64(&value.to_le_bytes())));
        words
    }

    #[test]
    fn up_to_32_values_are_counted_exactly_however_often_they_come() {
        let mut words = of(0..32);
        merge(&mut words, &of(5..20));
        assert_eq!(estimate(&words), 32.0);
        assert_eq!(estimate(&of(0..0)), 0.0);
    }

    #[test]
    fn beyond_the_error_stays_within_three_standard_errors() {
        for n in [40, 100, 500, 2_000, 20_000, 200_000] {
            let error = estimate(&of(0..n)) / n as f64 - 1.0;
            assert!(error.abs() < 3.0 * 0.065, "{n}: {error}");
        }
    }

    #[test]
    fn a_merge_holds_what_one_sketch_would() {
        for n in [10, 33, 60, 1_000] {
            let mut merged = of(0..n / 2);
            merge(&mut merged, &of(n / 3..n));
            let mut whole = of(0..n);
            // Up to 32 the hashes lie in the order in which they came.
            let dense = whole[0] == DENSE;
            whole[1..].sort_unstable_by(|a, b| if dense { std::cmp::Ordering::Equal } else { a.cmp(b) });
            merged[1..].sort_unstable_by(|a, b| if dense { std::cmp::Ordering::Equal } else { a.cmp(b) });
            assert_eq!(merged, whole, "{n}");
        }
    }
}
