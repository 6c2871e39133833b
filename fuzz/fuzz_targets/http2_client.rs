//! See `trilane_fuzz::http2_client`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::http2_client(data));
