//! The tests that need more than one crate, in one binary.
//!
//! `parity` is one table of cases for every protocol, against the demo; `process` is the binary itself;
//! `features` is what applications are made of; `h2` and `h3` are HTTP/2 and HTTP/3 as a peer sees them; `tls` is who it is over TLS; `simulated` is the demo in the simulator.
//! `chaos` is all of it at once, under upgrades.
//! `upstream` is our client role of HTTP/2 against servers of others.
//! `tidy` holds the project to its own rules. `h3_contract` is HTTP/3 over the real connection without QUIC; `toy` is what it
//! stands on.
#![deny(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod balance;
mod chaos;
mod embedded;
mod features;
mod h2;
mod h3;
mod h3_contract;
mod hostile;
mod parity;
mod process;
mod simulated;
mod tidy;
mod tls;
mod toy;
mod upstream;
