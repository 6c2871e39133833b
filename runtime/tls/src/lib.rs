//! TLS (RFC 8446, RFC 5246) as a stage between bytes and bytes: no sockets, no clock of its own.
//!
//! Who we are: [`config`] (what is wanted, as plain data) and [`acceptor`] (what of it is in force, from which each new
//! connection begins), made with [`certificates`].
//! What a connection does: [`session`].
#![forbid(unsafe_code)]

pub mod acceptor;
mod certificates;
pub mod config;
pub mod error;
pub mod session;

#[cfg(test)]
mod tests;

pub use acceptor::Acceptor;
pub use config::{Identity, Pem, TlsConfig, Version};
pub use error::TlsError;
pub use session::{Broken, Heard, RECORD, Session, sealed};
