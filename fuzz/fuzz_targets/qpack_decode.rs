//! See `trilane_fuzz::qpack_decode`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::qpack_decode(data));
