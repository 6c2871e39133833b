//! See `trilane_fuzz::fields`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::fields(data));
