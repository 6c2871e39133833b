//! See `trilane_fuzz::quic_route`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::quic_route(data));
