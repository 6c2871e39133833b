//! See `trilane_fuzz::h3_operations`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::h3_operations(data));
