//! Inputs made of others: bytes and bits, stretches cut, doubled and moved, two inputs spliced, and words that mean
//! something to the reader put in places where they may hurt.

use driftless::stats::SplitMix64;

/// The longest input that is tried.
const LONGEST: usize = 64 << 10;
/// Words of JSON, TOML and our own formats, numbers at the edges, and what breaks texts.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"null",
    b"true",
    b"false",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0.0",
    b"4e-320",
    b"9007199254740993",
    b"18446744073709551617",
    b"-9223372036854775809",
    b"0",
    b"1e18",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\"id\"",
    b"\"at\":0",
    b"\"amount\":",
    b"\"kind\":\"checked\"",
    b"\"event_id\":\"e1\"",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"x\":{\"x\":{\"x\":",
    b"\x1e",
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xef\x7f",
    b"\n",
    b" = ",
    b"[[",
    b"]]",
    b"\"1h\"",
    b"\"99999999999d\"",
    b"-1",
    b"nan",
    b"inf",
    b"#",
    b"'''",
    b"%Y-%m-%d",
    b"%H:%M",
    b"(a|b)*",
    b"{1000}",
    b"2013-01-01T00:00:00Z",
    b"+99:99",
];

/// A mutant of one of `corpus`.
pub(crate) fn mutant(corpus: &[Vec<u8>], random: &mut SplitMix64) -> Vec<u8> {
    let Some(chosen) = pick(corpus, random) else { return Vec::new() };
    let mut bytes = chosen.clone();
    // Mostly few changes, so that what is there stays readable.
    for _ in 0..1 + random.below(4) * random.below(4) {
        change(&mut bytes, corpus, random);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn pick<'a, T>(from: &'a [T], random: &mut SplitMix64) -> Option<&'a T> {
    from.get(random.below(from.len().max(1) as u64) as usize)
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut SplitMix64) {
    let mut place = |up_to: usize| random.below(up_to as u64 + 1) as usize;
    let (at, other) = (place(bytes.len()), place(bytes.len()));
    let (from, to) = (at.min(other), at.max(other));
    match random.below(10) {
        0 => flip(bytes, at, 1 << random.below(8)),
        1 => flip(bytes, at, random.below(256) as u8),
        2 => bytes.insert(at, random.below(256) as u8),
        3 => drop(bytes.drain(from..to.min(from + 1 + random.below(32) as usize))),
        4 => {
            let stretch = bytes[from..to.min(from + 256)].to_vec();
            drop(bytes.splice(at..at, stretch));
        }
        5 => bytes.truncate(at),
        6 => {
            let Some(other) = pick(corpus, random) else { return };
            let cut = random.below(other.len() as u64 + 1) as usize;
            bytes.truncate(at);
            bytes.extend_from_slice(&other[cut..]);
        }
        7 => number(bytes, at, random),
        _ => {
            let Some(word) = pick(WORDS, random) else { return };
            let replaced = random.below(2) * random.below(word.len() as u64 + 4);
            drop(bytes.splice(at..bytes.len().min(at + replaced as usize), word.iter().copied()));
        }
    }
}

fn flip(bytes: &mut [u8], at: usize, bits: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= bits;
    }
}

/// Puts another number in the place of the next one that is written in digits.
fn number(bytes: &mut Vec<u8>, at: usize, random: &mut SplitMix64) {
    let Some(from) = (at..bytes.len()).find(|at| bytes[*at].is_ascii_digit()) else { return };
    let to = (from..bytes.len()).find(|at| !bytes[*at].is_ascii_digit()).unwrap_or(bytes.len());
    let magnitude = random.below(64);
    let number = random.below(u64::MAX) >> magnitude;
    drop(bytes.splice(from..to, number.to_string().into_bytes()));
}
