//! See `trilane_fuzz::router`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::router(data));
