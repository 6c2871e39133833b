//! See `trilane_fuzz::cache`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::cache(data));
