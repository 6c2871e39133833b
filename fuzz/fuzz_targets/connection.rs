//! See `trilane_fuzz::connection`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::connection(data));
