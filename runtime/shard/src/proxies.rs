//! Who speaks the PROXY protocol to us: on which listeners, and from where.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use trilane_exchange::Address;

use crate::listen::{InvalidAddress, ListenAddress};

/// Proxies that say first for whom a connection is (the PROXY protocol, versions 1 and 2). A proxy that is trusted must say so on each
/// connection to these listeners, or it is closed; anybody else there is a client like others, and is never believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    listen: Vec<ListenAddress>,
    trusted: Vec<IpNet>,
    trusts_unix: bool,
}

/// What a [`ProxyProtocol`] cannot be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidProxyProtocol {
    /// No address to listen on.
    Address(InvalidAddress),
    /// Neither an address nor a network.
    Network(String),
}

impl fmt::Display for InvalidProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Network(text) => write!(f, "{text:?} is neither an address nor a network"),
        }
    }
}

impl std::error::Error for InvalidProxyProtocol {}

impl ProxyProtocol {
    /// On these listeners, written as where to listen; from these addresses (`192.0.2.7`) and networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn new<'a>(
        listen: impl IntoIterator<Item = &'a str>,
        trusted: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidProxyProtocol> {
        let listen =
            listen.into_iter().map(|text| text.parse().map_err(InvalidProxyProtocol::Address));
        let network = |text: &str| match text.parse::<IpAddr>() {
            Ok(ip) => Ok(IpNet::from(ip.to_canonical())),
            Err(_) => text.parse().map_err(|_| InvalidProxyProtocol::Network(text.to_owned())),
        };
        Ok(Self {
            listen: listen.collect::<Result<_, _>>()?,
            trusted: trusted.into_iter().map(network).collect::<Result<_, _>>()?,
            trusts_unix: false,
        })
    }

    /// Also whoever connects to a unix socket among these listeners.
    #[must_use]
    pub const fn trust_unix(mut self) -> Self {
        self.trusts_unix = true;
        self
    }

    fn trusts(&self, peer: Address) -> bool {
        match peer.ip() {
            Some(ip) => self.trusted.iter().any(|network| network.contains(&ip.to_canonical())),
            None => self.trusts_unix,
        }
    }
}

/// The same for the listeners of a shard, by their numbers.
pub(crate) struct Proxies {
    protocol: ProxyProtocol,
    speaks: Vec<bool>,
}

impl Proxies {
    pub(crate) fn new(protocol: ProxyProtocol, all: &[ListenAddress]) -> Self {
        let speaks = all.iter().map(|address| protocol.listen.contains(address)).collect();
        Self { protocol, speaks }
    }

    /// Whether a connection begins with a header.
    pub(crate) fn expect_header(&self, listener: usize, peer: Address) -> bool {
        self.speaks.get(listener).is_some_and(|&speaks| speaks) && self.protocol.trusts(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_to_say_for_whom() {
        let all: Vec<ListenAddress> =
            [":80", ":443", "unix:/x"].map(|text| text.parse().unwrap()).into();
        let protocol =
            ProxyProtocol::new([":443", "unix:/x"], ["10.0.0.0/8", "2001:db8::1"]).unwrap();
        let of = |ip: &str| Address::Ip((ip.parse::<IpAddr>().unwrap(), 1).into());
        let proxies = Proxies::new(protocol.clone(), &all);
        for (listener, peer, is) in [
            (1, of("10.1.2.3"), true),
            (1, of("::ffff:10.1.2.3"), true),
            (1, of("2001:db8::1"), true),
            (1, of("11.0.0.1"), false),
            (0, of("10.1.2.3"), false),
            (2, Address::Unix, false),
            (9, of("10.1.2.3"), false),
        ] {
            assert_eq!(proxies.expect_header(listener, peer), is, "{listener} {peer}");
        }
        assert!(Proxies::new(protocol.trust_unix(), &all).expect_header(2, Address::Unix));
        let network = InvalidProxyProtocol::Network("10.0.0.0/40".into());
        assert_eq!(ProxyProtocol::new([], ["10.0.0.0/40"]), Err(network));
        assert!(matches!(ProxyProtocol::new(["x"], []), Err(InvalidProxyProtocol::Address(_))));
    }
}
