//! See `trilane_fuzz::h2_frames`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::h2_frames(data));
