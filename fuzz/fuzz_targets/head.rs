//! See `trilane_fuzz::head`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::head(data));
