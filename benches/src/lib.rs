//! What the benches share: requests as they come, a demo server without sockets, a counting allocator.
//!
//! Of two kinds. Those that repeat open no socket and read no clock: [`wire`] stands where a shard stands. Those of a real
//! server process ([`live`]) ask it one thing at a time ([`ask`]) or at a constant rate ([`steady`]), or over QUIC ([`quic`]). What is measured is
//! checked where it is measured, so that a wrong answer is never a fast one.

pub mod ask;
pub mod counting;
pub mod fields;
pub mod frames;
pub mod live;
pub mod quic;
pub mod requests;
pub mod steady;
pub mod wire;

pub use counting::Counting;
pub use requests::Scenario;
pub use wire::Wire;
