//! Who asks, where others stand between: what the connection shows, or what a layer has learned from those it trusts.

use std::net::IpAddr;

use crate::connection::{Address, ConnectionInfo};

/// Who asks, and by which scheme. Until a layer says otherwise, what the connection shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client's end; its port is 0 where a proxy does not name it.
    pub address: Address,
    /// Whether the client itself speaks TLS, or QUIC.
    pub is_secure: bool,
}

impl Client {
    /// The peer of the connection.
    #[must_use]
    pub const fn of(connection: &ConnectionInfo) -> Self {
        Self { address: connection.peer, is_secure: connection.tls.is_some() }
    }

    /// Its IP address, if it has one.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        self.address.ip()
    }
}
