//! Requests of ours: to other services from handlers, and to the servers behind a reverse proxy.
//!
//! Built on `trilane-exchange` alone: connections are the shard's, driven by the machines that serve clients. [`pool`] keeps those to
//! one place, within the budget that all shards of the process [`share`]; [`connect`] is how they come about.
#![forbid(unsafe_code)]

pub mod connect;
pub mod pool;
pub mod share;
pub mod url;

pub use connect::{Connect, Connecting};
pub use pool::{Pool, PoolConfig};
pub use share::Share;
pub use url::{IntoUrl, InvalidUrl, Origin, Url};

#[cfg(test)]
mod tests;
