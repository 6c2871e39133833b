//! See `trilane_fuzz::websocket`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trilane_fuzz::websocket(data));
