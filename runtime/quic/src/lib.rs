//! QUIC (RFC 9000) as a stage without I/O: datagrams in, streams up, datagrams out. The only crate that names quiche and boring.
//!
//! What is wanted: [`settings`]; who we are: [`identity`], with `tickets`, of which `config` makes what quiche needs; what shards share:
//! [`secrets`], and `early`, which accepts early data once. `sys` has the calls that need `unsafe`.
//! Whose a datagram is: `header` reads its ids, [`cid`] knows those of ours, `registry` to which connection they lead, `token` whose
//! address is known, and [`endpoint`] decides; `reply` writes what is said without a connection. [`stats`] counts.
//! The other way round: `dial` begins connections to servers.
//! What a connection does: [`session`], whose streams are in [`streams`], on `buffers`.

mod buffers;
pub mod cid;
mod config;
mod dial;
mod early;
pub mod endpoint;
pub mod error;
mod header;
pub mod identity;
mod registry;
mod reply;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod stats;
pub mod streams;
mod sys;
mod tickets;
mod token;

#[cfg(test)]
mod tests;

pub use cid::Place;
pub use endpoint::{Endpoint, Path, Route, Why};
pub use error::Error;
pub use identity::Identity;
pub use secrets::Secrets;
pub use session::{Ended, Session, Transmit};
pub use settings::{Congestion, EarlyData, Retry, Settings};
pub use stats::Stats;
pub use streams::{DatagramError, Read, Stopped};
