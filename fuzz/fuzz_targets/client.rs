//! See `trilane_fuzz::client`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::client(data));
