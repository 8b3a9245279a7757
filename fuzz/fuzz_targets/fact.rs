#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[allow(dead_code, reason = "each target is a binary of its own")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::fact(bytes);
});
