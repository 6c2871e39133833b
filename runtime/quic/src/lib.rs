//! QUIC (RFC 9000) as a stage without I/O: datagrams in, streams up, datagrams out. The only crate that names quiche and boring.
//!
//! What is wanted: [`settings`]; who we are: [`identity`], of which `config` makes what quiche needs; what shards share: [`secrets`].
//! Whose a datagram is: `header` reads its ids, [`cid`] knows those of ours, `registry` to which connection they lead, and
//! [`endpoint`] decides. What a connection does: [`session`], whose streams are in [`streams`], on `buffers`.

mod buffers;
pub mod cid;
mod config;
pub mod endpoint;
pub mod error;
mod header;
pub mod identity;
mod registry;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod streams;

#[cfg(test)]
mod tests;

pub use cid::Place;
pub use endpoint::{Endpoint, Path, Route, Why};
pub use error::Error;
pub use identity::Identity;
pub use secrets::Secrets;
pub use session::{Ended, Session, Transmit};
pub use settings::{Congestion, EarlyData, Retry, Settings};
pub use streams::{DatagramError, Read, Stopped};
