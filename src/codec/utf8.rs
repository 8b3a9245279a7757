//! Whether bytes are UTF-8, and what is published of those that are not. Most texts are short and ASCII.

use std::borrow::Cow;

use super::json_words::is_beyond_ascii;

/// Whether all bytes are ASCII.
#[inline(always)]
fn is_ascii(bytes: &[u8]) -> bool {
    let (eights, rest) = bytes.as_chunks::<8>();
    let all = eights.iter().fold(0, |all, eight| all | u64::from_le_bytes(*eight));
    // The last eight overlap with those before, which costs less than bytes one by one.
    let last = match bytes.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => u64::from(rest.iter().fold(0, |all, byte| all | byte)),
    };
    !is_beyond_ascii(all | last)
}

/// Whether bytes are UTF-8.
#[inline(always)]
pub(super) fn is_utf8(bytes: &[u8]) -> bool {
    is_ascii(bytes) || std::str::from_utf8(bytes).is_ok()
}

/// A text as it is published: what is not UTF-8 in it is replaced.
#[inline(always)]
pub(super) fn as_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    if is_ascii(bytes) { Cow::Borrowed(bytes) } else { replaced(bytes) }
}

#[cold]
fn replaced(bytes: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_beyond_ascii_is_seen_wherever_it_stands() {
        for length in 0..40 {
            let mut text = vec![b'a'; length];
            assert!(is_utf8(&text) && is_ascii(&text));
            for at in 0..length {
                text[at] = 0xff;
                assert!(!is_ascii(&text) && !is_utf8(&text), "{at} of {length}");
                text[at] = b'a';
            }
        }
        assert!(is_utf8("é".as_bytes()) && !is_ascii("é".as_bytes()));
        assert_eq!(
            (as_utf8("é".as_bytes()), as_utf8(b"a\xff")),
            ("é".as_bytes().into(), "a\u{fffd}".as_bytes().into())
        );
    }
}
