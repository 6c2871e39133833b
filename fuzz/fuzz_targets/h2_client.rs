//! See `trilane_fuzz::h2_client`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::h2_client(data));
