//! Who may ask, by address: networks that are allowed, and such that are not.

use std::net::IpAddr;

use trilane_exchange::{Error, Request, Response};
use trilane_semantics::StatusCode;

use crate::chain::Chain;
use crate::layer::{Hook, Layer, Phases};
use crate::networks::Networks;

/// Lets in, or keeps out, by the client's address, which is that of the connection or what a
/// [`TrustedProxies`](crate::TrustedProxies) layer further out has found. Others get 403. Who is denied is denied; if any network is
/// allowed, all others are denied.
///
/// ```
/// use trilane_service::{IpList, Router, get};
/// let inside = IpList::new().allow("10.0.0.0/8").allow("::1").deny("10.66.0.0/16");
/// let router: Router = Router::new().route("/metrics", get(|| async { "" }).layer(inside));
/// # router.build().unwrap();
/// ```
///
/// A text that is no network is an error of [`Router::build`](crate::Router::build).
#[derive(Clone, Debug, Default)]
pub struct IpList {
    allowed: Networks,
    denied: Networks,
    allows_unix: bool,
    wrong: Option<String>,
}

impl IpList {
    /// Everybody is let in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// That address or network is allowed: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.
    #[must_use]
    pub fn allow(mut self, network: &str) -> Self {
        let is_one = self.allowed.add(network);
        self.judged(is_one, network)
    }

    /// That address or network is denied.
    #[must_use]
    pub fn deny(mut self, network: &str) -> Self {
        let is_one = self.denied.add(network);
        self.judged(is_one, network)
    }

    /// Peers over unix sockets are let in too, where only what is allowed is.
    #[must_use]
    pub const fn allow_unix(mut self) -> Self {
        self.allows_unix = true;
        self
    }

    fn judged(mut self, is_one: bool, network: &str) -> Self {
        if !is_one {
            self.wrong
                .get_or_insert_with(|| format!("'{network}' is neither an address nor a network"));
        }
        self
    }

    fn lets_in(&self, ip: Option<IpAddr>) -> bool {
        match ip {
            Some(ip) => !self.denied.has(ip) && (self.allowed.is_empty() || self.allowed.has(ip)),
            None => self.allows_unix || self.allowed.is_empty(),
        }
    }
}

impl Layer for IpList {
    fn add_to(mut self, chain: &mut Chain) {
        match self.wrong.take() {
            Some(reason) => chain.refuse("IpList", reason),
            None => chain.add(Gate(self)),
        }
    }
}

struct Gate(IpList);

impl Hook for Gate {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let is_in = self.0.lets_in(request.exchange().client().ip());
        (!is_in)
            .then(|| Error::new(StatusCode::FORBIDDEN).message("this address may not ask").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_let_in() {
        let ip = |text: &str| Some(text.parse().unwrap());
        let open = IpList::new().deny("192.0.2.0/24");
        assert!(open.lets_in(ip("10.0.0.1")) && open.lets_in(None));
        assert!(!open.lets_in(ip("192.0.2.1")) && !open.lets_in(ip("::ffff:192.0.2.1")));
        let closed = IpList::new().allow("10.0.0.0/8").deny("10.66.0.0/16");
        assert!(closed.lets_in(ip("10.0.0.1")));
        assert!(!closed.lets_in(ip("10.66.0.1")) && !closed.lets_in(ip("192.0.2.1")));
        assert!(!closed.lets_in(None) && closed.allow_unix().lets_in(None));
    }
}
