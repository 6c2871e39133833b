//! See `trilane_fuzz::hpack_decode`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::hpack_decode(data));
