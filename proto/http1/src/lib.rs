//! HTTP/1.0 and HTTP/1.1 (RFC 9112) as one pure state machine, for the server and the client role.
//!
//! Bytes go in and events come out of [`Http1`]; commands go in and bytes come out into an outbox.
//! There is no I/O, no clock, no thread here, and nothing is buffered: what the machine cannot use
//! yet stays with the caller. The reading order is the order of the bytes: `scan` finds the end of
//! a head and `lines` what is wrong in one, `head` reads it, `framing` decides how long the content is, `chunked` takes it apart,
//! `encode` writes; `state` holds what is remembered, `receive` and `machine` are its two
//! directions.
#![forbid(unsafe_code)]

mod chunked;
mod encode;
mod framing;
mod head;
mod lines;
mod machine;
mod receive;
mod scan;
mod state;
#[cfg(test)]
mod tests;

pub use state::Http1;
