//! See `trilane_fuzz::targets`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::targets(data));
