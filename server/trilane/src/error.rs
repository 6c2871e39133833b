//! Why a server did not start, or not end, as it should.

use std::fmt;
use std::io;

use trilane_shard::handover::HandoverError;
use trilane_shard::{ListenAddress, StartError};

/// Why a server did not start, or not end, as it should.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// Text that is no address to listen on.
    Address(trilane_shard::InvalidAddress),
    /// It did not start.
    Start(StartError),
    /// It was torn down by the system.
    System(io::Error),
    /// The process before it does not let it serve.
    Handover(HandoverError),
    /// At work, it could not be set up anew: [`Reloader::reload`](crate::Reloader::reload).
    Reload(trilane_shard::ReloadError),
    /// It listens for TLS, and was given no certificate: [`Server::tls`](crate::Server::tls).
    NoCertificate,
    /// It is to listen for HTTP/3 on what is no UDP address.
    NotUdp(ListenAddress),
    /// It is to redirect to HTTPS, and neither is a port named nor does it listen for TLS over TCP.
    Nowhere,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
            Self::Handover(error) => error.fmt(f),
            Self::Reload(error) => error.fmt(f),
            Self::NotUdp(address) => write!(f, "{address} is no UDP address: HTTP/3 needs one"),
            Self::Nowhere => f.write_str("there is no HTTPS to redirect to"),
            Self::NoCertificate => f.write_str("HTTP over TLS or QUIC needs a certificate"),
        }
    }
}

impl std::error::Error for RunError {}

impl From<StartError> for RunError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<HandoverError> for RunError {
    fn from(error: HandoverError) -> Self {
        Self::Handover(error)
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
