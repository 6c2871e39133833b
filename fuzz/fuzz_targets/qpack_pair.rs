//! See `trilane_fuzz::qpack_pair`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::qpack_pair(data));
