//! See `trilane_fuzz::tls_session`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::tls_session(data));
