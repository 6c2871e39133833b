//! Where to listen, as text and as data.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `:8080` (IPv4 and IPv6, on all interfaces), or
/// `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port; port 0 lets the kernel choose. `[::]` takes IPv4 as well.
    Tcp(SocketAddr),
    /// The same for UDP. Port 0 is the port of the TCP address before it with the same IP address, if there is one and
    /// UDP has it free: that is where clients look for HTTP/3 first (RFC 9114 §3.1.1). Never read from text.
    Udp(SocketAddr),
    /// The path of a socket.
    Unix(PathBuf),
}

/// Not a [`ListenAddress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidAddress {
    text: String,
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no address to listen on: write `127.0.0.1:8080`, `[::1]:8080`, \
             `:8080` for all interfaces, or `unix:/path`",
            self.text
        )
    }
}

impl std::error::Error for InvalidAddress {}

impl FromStr for ListenAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(invalid()) } else { Ok(Self::Unix(path.into())) };
        }
        let Some(port) = text.strip_prefix(':') else {
            return text.parse().map(Self::Tcp).map_err(|_| invalid());
        };
        // `parse` would take a sign.
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let port = port.parse().map_err(|_| invalid())?;
        Ok(Self::Tcp(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Udp(address) => write!(f, "udp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
