//! What the benches share: requests as they come, a demo server without sockets, a counting allocator.
//!
//! Nothing here opens a socket or reads a clock: [`wire`] stands where a shard stands. What is measured is
//! checked where it is measured, so that a wrong answer is never a fast one.

pub mod counting;
pub mod requests;
pub mod wire;

pub use counting::Counting;
pub use requests::Scenario;
pub use wire::Wire;
