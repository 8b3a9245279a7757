//! Memory that is going to be needed, asked for before it is.
//!
//! A load that misses the caches holds up what comes after it as soon as the processor's window is full; a prefetch holds
//! up nothing, so many more are under way at once. It is a hint: nothing is computed from it, and it can be left out.
#![expect(unsafe_code, reason = "the processor's prefetch has no safe name in stable Rust")]

/// Asks for the cache line of a word.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn bring(word: &u64) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every processor of this architecture has the instruction; it reads nothing that a program could see.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(word).cast()) }
}

/// Reads a word, which brings its cache line as well.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn bring(word: &u64) {
    std::hint::black_box(*word);
}
