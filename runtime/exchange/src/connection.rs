//! What is known of a connection from its start.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::tls::TlsInfo;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A unix socket; its peers have no names.
    Unix,
}

impl Address {
    /// The IP address, if there is one.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Facts of a connection that never change; every exchange on it shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Our end.
    pub local: Address,
    /// The peer's end.
    pub peer: Address,
    /// What the TLS handshake has found out; none in clear.
    pub tls: Option<Rc<TlsInfo>>,
    /// Which of the server's listeners it came by, in the order in which they were given: those in clear, then those for TLS.
    /// None over QUIC.
    pub listener: Option<usize>,
}

impl ConnectionInfo {
    /// A connection in clear.
    #[must_use]
    pub const fn new(local: Address, peer: Address) -> Self {
        Self { local, peer, tls: None, listener: None }
    }
}
