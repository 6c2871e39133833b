//! HTTP/3 (RFC 9114) as one pure state machine for both roles, with extended CONNECT (RFC 9220), priorities (RFC 9218) and
//! datagrams (RFC 9297). It knows no QUIC: a transport is streams of bytes with an end, by number.
//!
//! Bytes of a stream go in and events come out of [`Http3`]; commands go in, and bytes of streams come out into an outbox. There
//! is no I/O, no clock, no thread here; content is passed on as it comes, and nothing is kept of it.
//! The reading order: `varint`, `frame`, `code` and `settings` (what is on the wire), `streams` and `seen` (what is remembered),
//! `state` and `ending`, then the ways in, `receive`, `request`, `headers` and `data`, `uni` and `control`, and the ways out, `machine`,
//! `encode` and `flush`; `timers` and `schedule` beside them. What one role alone does is in `client`.
//!
//! Of RFC 9114 it does not do: server push, which it neither sends nor allows (§4.6).
#![forbid(unsafe_code)]

mod client;
mod code;
mod control;
mod data;
mod datagram;
mod encode;
mod ending;
mod flush;
mod frame;
mod headers;
mod machine;
mod receive;
mod request;
mod schedule;
mod seen;
mod settings;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod timers;
mod uni;
mod varint;

pub use code::NO_ERROR;
pub use state::Http3;
