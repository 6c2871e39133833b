//! See `trilane_fuzz::recording`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::recording(data));
