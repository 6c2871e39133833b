//! See `trilane_fuzz::h3_client`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::h3_client(data));
