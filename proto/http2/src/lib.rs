//! HTTP/2 (RFC 9113) as one pure state machine for both roles, with extended CONNECT (RFC 8441) and priorities (RFC 9218).
//!
//! Bytes go in and events come out of [`Http2`]; commands go in and bytes come out into an outbox. There is no I/O, no clock,
//! no thread here; content is passed on as it comes, and nothing is kept but header sections in more than one frame.
//! The reading order: `frame`, `code` and `settings` (what is on the wire), `flow` and `streams` (what is remembered),
//! `state`, then the ways in, `receive`, `headers`, `data` and `control`, and the ways out, `machine`, `encode` and `flush`;
//! `timers` and `schedule` beside them. What one role alone does is in `client` and in `push`.
//!
//! Of RFC 9113 it does not do: the priorities of §5.3, which it reads past.
#![forbid(unsafe_code)]

mod client;
mod code;
mod control;
mod data;
mod encode;
mod flow;
mod flush;
mod frame;
mod headers;
mod machine;
mod push;
mod receive;
mod schedule;
mod settings;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod timers;

pub use frame::PREFACE;
pub use state::Http2;
