//! The tests that need more than one crate, in one binary.
//!
//! `parity` is one table of cases for every protocol, against the demo; `process` is the binary itself;
//! `simulated` is the demo in the simulator.
//! `tidy` holds the project to its own rules. `sketch_h2` and `sketch_h3` are toy machines that prove that the
//! contract carries multiplexing; they go when the real ones come. `toy` is what the two share.
#![deny(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod balance;
mod embedded;
mod hostile;
mod parity;
mod process;
mod simulated;
mod sketch_h2;
mod sketch_h3;
mod tidy;
mod toy;
