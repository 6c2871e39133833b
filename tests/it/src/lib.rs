//! Nothing: this crate is its one test binary, `tests/it/main.rs`. One binary links once.
#![forbid(unsafe_code)]
