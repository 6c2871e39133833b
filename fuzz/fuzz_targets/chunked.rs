//! See `trilane_fuzz::chunked`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::chunked(data));
