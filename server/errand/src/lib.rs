//! Requests of the process itself, to a certificate authority or a collector: on a thread that may wait, never on a shard.
//!
//! [`Errands`] is whom we believe and how long we wait, `wire` the connection, and `talk` one request and its answer over it. Each has a
//! connection of its own, HTTP/1.1, by the machines that serve clients: so rarely is anything asked that none is worth keeping.
#![forbid(unsafe_code)]

mod errands;
mod talk;
mod wire;

#[cfg(test)]
mod tests;

pub use errands::{Answer, Errand, Errands, Failed};
