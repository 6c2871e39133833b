//! Requests of ours: to other services from handlers, and to the servers behind a reverse proxy.
//!
//! Built on `trilane-exchange` alone: connections are the shard's, driven by the machines that serve clients. [`pool`] keeps those to
//! one place, within the budget that all shards of the process [`share`]; [`connect`] is how they come about. A [`Client`] has a pool
//! for each origin: `config` is what the process has decided, `url` where a request goes, `resolve` and `race` how it gets there, `alt_svc` where else,
//! `request` what it says, `send` and `redirect` what becomes of it, `response` and `error` what comes of it.
#![forbid(unsafe_code)]

mod alt_svc;
mod client;
mod config;
pub mod connect;
mod error;
pub mod pool;
mod race;
mod redirect;
mod request;
mod resolve;
mod response;
mod send;
pub mod share;
mod url;

pub use client::{Client, Clients};
pub use config::ClientBuilder;
pub use connect::{Connect, Connecting};
pub use error::{ClientError, Failure};
pub use pool::{Pool, PoolConfig};
pub use request::RequestBuilder;
pub use response::ClientResponse;
pub use share::Share;
pub use url::{IntoUrl, InvalidUrl, Origin, Url};

#[cfg(test)]
mod tests;
