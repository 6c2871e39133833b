//! A deterministic world in which whole servers run from one seed: one thread, virtual time, no sockets.
//!
//! It stands where `trilane-shard` stands, and runs the same code above: connections, exchanges, the
//! service. The reading order: [`rng`] and [`clock`] (chance and time), [`capabilities`] (what handlers may
//! ask), [`pipe`] (the network), [`server`] (the loop, and the rule of use that it asserts), [`ask`],
//! [`plan`] and [`client`] (who calls, with all their faults), [`answer`] (a parser that shares nothing with
//! ours), [`h2`] (the same for HTTP/2), [`world`] (all of it together), [`replays`] (connections that are recorded). It never touches a socket, a thread or a real clock.
#![forbid(unsafe_code)]

pub mod answer;
pub mod ask;
pub mod bad;
pub mod capabilities;
pub mod client;
pub mod clock;
pub mod h2;
pub mod pipe;
pub mod plan;
pub mod recorder;
pub mod replays;
pub mod rng;
pub mod server;
pub mod strange;
pub mod trace;
mod veil;
pub mod world;

pub use world::{Report, World};
